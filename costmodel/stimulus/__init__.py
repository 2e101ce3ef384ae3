"""Streams of operands that energies are measured with."""
