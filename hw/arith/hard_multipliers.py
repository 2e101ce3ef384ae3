"""Hard multipliers of FPGAs; free of Amaranth, so that cost models can ask cheaply."""

__all__ = ["MULTIPLIER_CELLS"]

#: Hard multiplier of each target: its name and the bits of its factors, both signed.
MULTIPLIER_CELLS = {
    "ecp5": ("MULT18X18D", 18, 18),
    "ice40": ("SB_MAC16", 16, 16),
    "xc7": ("DSP48E1", 25, 18),
}
