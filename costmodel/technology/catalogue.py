"""Technologies by name."""

from collections.abc import Mapping
from typing import Any

from macwright.costmodel.technology.fpga import ECP5, ICE40, XC7
from macwright.costmodel.technology.gates import GATES
from macwright.costmodel.technology.technology import Figures, Technology

__all__ = ["LIBERTY_NAMES", "find_technology", "technology_names"]

#: Names of cell libraries that are known well enough to need nothing but their Liberty files.
LIBERTY_NAMES = ("nangate45", "sky130hd", "asap7", "ihp130")


def technology_names() -> tuple[str, ...]:
    """Names of all technologies that need no other file."""
    return tuple(_all())


def find_technology(name: str) -> Technology:
    """Technology of a name.

    Returns
    -------
    Technology
        For a name in `LIBERTY_NAMES` one that is not `mappable`: it has the rows of its shipped
        table, and a unit that is not among them needs the Liberty files
        (`macwright.costmodel.technology.liberty.liberty_technology`).

    Raises
    ------
    ValueError
        If there is none.
    """
    found = _all().get(name)
    if found is not None:
        return found
    if name in LIBERTY_NAMES:
        return Technology(name=name, area_unit="um2", synthesis="", measure=_no_figures)
    names = (*_all(), *LIBERTY_NAMES)
    raise ValueError(f"Technology must be one of {', '.join(names)}, not {name!r}")


def _no_figures(netlist: Mapping[str, Any], top: str) -> Figures:
    raise TypeError("Technology must be mappable, not a name alone")


def _all() -> dict[str, Any]:
    return {t.name: t for t in (GATES, ECP5, ICE40, XC7)}
