"""Bit-accurate reference models.

A golden model states what the hardware must do in plain Python integers. It imports number
formats and specifications, never a component, and shares no arithmetic with the hardware.
"""

from macwright.sim.golden.decode import Special, decode, legal_codes
from macwright.sim.golden.dot import DotModel, lane_codes
from macwright.sim.golden.float_mac import FloatMacModel
from macwright.sim.golden.mac import IntMacModel, MacModel, MinifloatMacModel

__all__ = [
    "DotModel",
    "FloatMacModel",
    "IntMacModel",
    "MacModel",
    "MinifloatMacModel",
    "Special",
    "decode",
    "lane_codes",
    "legal_codes",
]
