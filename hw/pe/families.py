"""Families of units by name."""

from typing import Any

from macwright.hw.errors import RefusedInput
from macwright.hw.pe.bitplane_dot import BitplaneDotSpec
from macwright.hw.pe.composable_mac import ComposableMacSpec
from macwright.hw.pe.dot_spec import DotSpec
from macwright.hw.pe.hadamard import HadamardSpec
from macwright.hw.pe.int_mac import IntMacSpec
from macwright.hw.pe.minifloat_mac import MinifloatMacSpec
from macwright.hw.pe.packed_mac import PackedMacSpec
from macwright.hw.pe.requant import RequantSpec
from macwright.hw.pe.serial_mac import SerialMacSpec
from macwright.hw.pe.shift_add_mac import ShiftAddMacSpec
from macwright.hw.pe.spec import UnitSpec

__all__ = ["FAMILIES", "spec_from_fields"]

FAMILIES: dict[str, type[UnitSpec]] = {
    spec.family: spec
    for spec in (
        IntMacSpec,
        PackedMacSpec,
        MinifloatMacSpec,
        DotSpec,
        BitplaneDotSpec,
        ShiftAddMacSpec,
        ComposableMacSpec,
        SerialMacSpec,
        RequantSpec,
        HadamardSpec,
    )
}


def spec_from_fields(family: str, fields: dict[str, Any]) -> Any:
    """Specification of a unit from its family and the fields that differ from the defaults.

    Parameters
    ----------
    family : str
        Key of :data:`FAMILIES`.
    fields : dict
        Values or texts, as in ``spec.to_fields()``.

    Examples
    --------
    >>> spec_from_fields("int_mac", {"weight": "int4", "acc": "exact", "terms": 500}).name
    'int_mac_int8_int4_int20'
    """
    if family not in FAMILIES:
        raise RefusedInput(f"Unit must be one of {', '.join(FAMILIES)}, not {family!r}")
    return FAMILIES[family].from_fields(fields)
