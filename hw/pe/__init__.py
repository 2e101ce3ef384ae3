"""Units: one module for each family, with its specification and its hardware."""

from macwright.hw.pe.accumulator import FixedAcc
from macwright.hw.pe.bitplane_dot import BitplaneDot, BitplaneDotSpec
from macwright.hw.pe.composable_mac import ComposableMac, ComposableMacSpec
from macwright.hw.pe.dot import Dot
from macwright.hw.pe.dot_spec import DotSpec
from macwright.hw.pe.families import FAMILIES, spec_from_fields
from macwright.hw.pe.float_mac import FloatMac
from macwright.hw.pe.grouped_dot import GroupedDot
from macwright.hw.pe.hadamard import Hadamard, HadamardSpec
from macwright.hw.pe.int_mac import IntMac, IntMacSpec
from macwright.hw.pe.minifloat_mac import MinifloatMac, MinifloatMacSpec
from macwright.hw.pe.packed_mac import PackedMac, PackedMacSpec
from macwright.hw.pe.requant import Requant, RequantSpec
from macwright.hw.pe.serial_mac import SerialMac, SerialMacSpec
from macwright.hw.pe.shift_add_mac import ShiftAddMac, ShiftAddMacSpec
from macwright.hw.pe.spec import UnitSpec

__all__ = [
    "FAMILIES",
    "BitplaneDot",
    "BitplaneDotSpec",
    "ComposableMac",
    "ComposableMacSpec",
    "Dot",
    "DotSpec",
    "FixedAcc",
    "FloatMac",
    "GroupedDot",
    "Hadamard",
    "HadamardSpec",
    "IntMac",
    "IntMacSpec",
    "MinifloatMac",
    "MinifloatMacSpec",
    "PackedMac",
    "PackedMacSpec",
    "Requant",
    "RequantSpec",
    "SerialMac",
    "SerialMacSpec",
    "ShiftAddMac",
    "ShiftAddMacSpec",
    "UnitSpec",
    "spec_from_fields",
]
