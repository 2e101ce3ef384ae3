"""Counting a mapped netlist: cells by type, and logic levels on the longest path."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from macwright.hw.errors import ToolError

__all__ = ["count_cells", "logic_depth", "mapped_module"]


def mapped_module(netlist: Mapping[str, Any], top: str) -> Mapping[str, Any]:
    """The one flat module of a netlist that Yosys' ``write_json`` wrote.

    Raises
    ------
    ToolError
        If the netlist has no such module.
    """
    try:
        return netlist["modules"][top]
    except (KeyError, TypeError):
        raise ToolError(f"Synthesis left no module {top!r} in the netlist") from None


def count_cells(module: Mapping[str, Any]) -> Counter[str]:
    """Cells of each type; Yosys' bookkeeping cells are left out."""
    types = (cell["type"] for cell in module["cells"].values())
    return Counter(kind for kind in types if kind != "$scopeinfo")


def logic_depth(
    module: Mapping[str, Any],
    *,
    levels: Mapping[str, int],
    registers: frozenset[str],
    chains: Mapping[str, frozenset[str]] | None = None,
) -> int:
    """Most logic levels on any path from an input or register to an output or register.

    Parameters
    ----------
    module : mapping
        From :func:`mapped_module`.
    levels : mapping of str to int
        Levels that a cell of each type adds.
    registers : frozenset of str
        Cell types at which paths end and begin.
    chains : mapping of str to frozenset of str
        Input ports, of each cell type, through which a signal passes without adding a level.

    Returns
    -------
    int

    Raises
    ------
    ToolError
        If the netlist has a combinational loop.
    """
    chains = chains or {}
    arrival: dict[int | str, int] = {}
    waiting: dict[str, int] = {}
    readers: dict[int | str, list[str]] = defaultdict(list)
    cells = {name: c for name, c in module["cells"].items() if c["type"] in levels}
    driven = {bit for c in cells.values() for bit in _bits(c, "output")}
    for name, cell in cells.items():
        sources = {bit for bit in _bits(cell, "input") if bit in driven}
        waiting[name] = len(sources)
        for bit in sources:
            readers[bit].append(name)
    ready = [name for name, count in waiting.items() if count == 0]
    done = 0
    while ready:
        cell = cells[ready.pop()]
        done += 1
        kind, free = cell["type"], chains.get(cell["type"], frozenset())
        level = 0
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] != "input":
                continue
            step = 0 if port in free else levels[kind]
            level = max([level, *(arrival.get(bit, 0) + step for bit in bits)])
        for bit in set(_bits(cell, "output")):
            arrival[bit] = level
            for reader in readers[bit]:
                waiting[reader] -= 1
                if waiting[reader] == 0:
                    ready.append(reader)
    if done < len(cells):
        stuck = min(name for name, count in waiting.items() if count > 0)
        raise ToolError(f"Unit has a combinational loop through cell {stuck!r}")
    ends = [p["bits"] for p in module["ports"].values() if p["direction"] == "output"]
    for cell in module["cells"].values():
        if cell["type"] in registers:
            ends.append(_bits(cell, "input"))
    return max((arrival.get(bit, 0) for bits in ends for bit in bits), default=0)


def _bits(cell: Mapping[str, Any], direction: str) -> list[int | str]:
    """Nets at a cell's ports of one direction; constants are texts."""
    ports = cell["port_directions"]
    return [
        b for port, bits in cell["connections"].items() if ports[port] == direction for b in bits
    ]
