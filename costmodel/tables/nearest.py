"""Units of a table that are most like one that it lacks."""

from collections.abc import Iterable
from typing import Any

from macwright.costmodel.tables.unit_names import unit_of_name
from macwright.hw.errors import RefusedInput
from macwright.hw.pe.spec import Unit

__all__ = ["nearest_units"]

_OPERANDS = ("act", "weight", "acc")


def nearest_units(spec: Unit, names: Iterable[str], count: int = 3) -> list[str]:
    """Names of the units of a table that are most like a unit, the nearest first.

    Parameters
    ----------
    spec : unit spec or OperatingMode
        The unit.
    names : iterable of str
        Units of the table; modes of units are left out.
    count : int
        Names at most.

    Returns
    -------
    list of str
        Of the same family: those whose operands have the kinds of formats that the unit's have
        before others, then those with the least sum of differences of operand widths in bits, then
        of the accumulator's, then those of which fewest fields differ.

    Examples
    --------
    >>> from macwright.hw.pe import IntMacSpec
    >>> nearest_units(IntMacSpec(), ["int_mac_int8_int4_int32", "int_mac_int8_int7_int20"], 1)
    ['int_mac_int8_int7_int20']
    """
    unit: Any = getattr(spec, "spec", spec)
    distances = []
    for name in dict.fromkeys(names):
        if "@" in name or not name.startswith(unit.family):
            continue
        try:
            other: Any = unit_of_name(name)
        except RefusedInput:
            continue  # a name that says less than the unit's fields
        if other.family == unit.family:
            distances.append((_distance(unit, other), name))
    return [name for _, name in sorted(distances)[:count]]


def _distance(unit: Any, other: Any) -> tuple[int, int, int, int]:
    fields = unit.to_fields()
    pairs = [(getattr(unit, name), getattr(other, name)) for name in _OPERANDS]
    kinds = sum(type(a) is not type(b) for a, b in pairs[:2])
    apart = [abs(getattr(a, "width", 0) - getattr(b, "width", 0)) for a, b in pairs]
    rest = sum(fields[name] != value for name, value in other.to_fields().items() if name != "acc")
    return kinds, apart[0] + apart[1], apart[2], rest
