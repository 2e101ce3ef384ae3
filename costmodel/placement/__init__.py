"""Placement: nextpnr for FPGAs."""
