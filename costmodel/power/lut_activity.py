"""Relative activity of units on FPGAs: an index to rank units by, not an energy.

No vendor publishes the energy of a LUT's transition, and no open measurement does. What
moves is known: the index of a unit is the number of nets that change in a cycle, each weighted
by 1 + the pins that it drives, for each MAC. Settled values are compared, glitches are not seen.
"""

from collections.abc import Mapping
from typing import Any

from macwright.costmodel.liberty.library import Library
from macwright.costmodel.netlist.build import build_netlist
from macwright.costmodel.netlist.lut_cells import cell_parts
from macwright.costmodel.netlist.netlist import Netlist
from macwright.costmodel.power.activity import simulate
from macwright.costmodel.power.measure import WARM_UP, with_controls
from macwright.costmodel.power.unit import unit_streams
from macwright.costmodel.stimulus.layer import LayerOperands

__all__ = ["activity_index", "lut_netlist"]


def activity_index(
    netlist: Mapping[str, Any], spec: Any, operands: str | LayerOperands
) -> dict[str, float | str]:
    """Activity index of a unit.

    Parameters
    ----------
    netlist : mapping
        Parsed JSON of the netlist, mapped to LUTs.
    spec : unit spec
        As for `macwright.costmodel.power.unit.unit_streams`.
    operands : str or LayerOperands
        As for `macwright.costmodel.power.unit.unit_energy`.

    Returns
    -------
    dict
        The columns `activity_index` (weighted transitions per MAC) and `stimulus`; none for a
        unit with hard multipliers, or with ports that a named distribution says nothing about.
    """
    try:
        mapped = lut_netlist(netlist, spec.name)
    except KeyError:
        return {}
    streams = unit_streams(mapped, spec, operands)
    if streams is None:
        return {}
    activity = simulate(mapped, with_controls(mapped, streams), first=WARM_UP)
    weights = (1 + mapped.sinks()) * mapped.driven
    index = float(activity.toggles @ weights) / activity.transitions / spec.macs_per_cycle
    label = operands if isinstance(operands, str) else operands.label
    return {"activity_index": round(index, 4), "stimulus": label}


def lut_netlist(netlist: Mapping[str, Any], top: str) -> Netlist:
    """Take a netlist of LUTs from what Yosys' `write_json` wrote.

    Parameters
    ----------
    netlist : mapping
        The parsed JSON.
    top : str
        Module.

    Raises
    ------
    KeyError
        If it has a cell that is not simulated: see
        `macwright.costmodel.netlist.lut_cells.cell_parts`.
    ValueError
        As `macwright.costmodel.netlist.build.build_netlist`.
    """
    module = netlist["modules"][top]
    cells, instances = {}, []
    for number, primitive in enumerate(module["cells"].values()):
        if primitive["type"] == "$scopeinfo":
            continue
        for suffix, cell, nets in cell_parts(primitive):
            name = f"{number}{suffix}"
            cells[name] = cell
            instances.append((name, name, nets))
    ports = {n: (p["direction"], p["bits"]) for n, p in module["ports"].items()}
    return build_netlist(Library.of("LUTs", cells), ports, instances, {})
