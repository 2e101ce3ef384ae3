"""Quantiser: formats put into a network, as its hardware would compute it."""
