"""Accelerators: machines for whole networks, made of the units in `hw.pe`."""
