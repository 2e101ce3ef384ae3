"""Delay arcs of a mapped netlist: which edges they join, and whether constants leave them on."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from macwright.costmodel.liberty.cells import Arc, Cell
from macwright.costmodel.liberty.logic import inputs_of, parse_expression, truth_table
from macwright.costmodel.liberty.lookup import TableBank
from macwright.costmodel.netlist.netlist import Netlist
from macwright.hw.errors import RefusedInput

__all__ = ["FALL", "RISE", "Arcs"]

RISE, FALL = 0, 1
#: Edges of input and output for each sense.
_EDGES = {
    "positive_unate": ((RISE, RISE), (FALL, FALL)),
    "negative_unate": ((FALL, RISE), (RISE, FALL)),
    "non_unate": ((RISE, RISE), (FALL, RISE), (FALL, FALL), (RISE, FALL)),
}


class Arcs:
    """All delay arcs of a netlist as arrays, ordered by level."""

    def __init__(self, netlist: Netlist) -> None:
        self.bank = TableBank()
        templates: dict[str, list[tuple[str, str, int, int, int, int, str]]] = {}
        rows: list[tuple[int, ...]] = []
        self.owners: list[tuple[int, str, str]] = []
        constants = netlist.constants
        for index, instance in enumerate(netlist.instances):
            cell = instance.cell
            if cell.name not in templates:
                templates[cell.name] = self._template(cell)
                for source, *_ in templates[cell.name]:
                    if source not in cell.pins:
                        raise RefusedInput(
                            f"Delays of cell {cell.name} must be from pins that it has, not from "
                            f"{source}"
                        )
            fixed = {
                pin: constants[net]
                for pin, net in instance.nets.items()
                if net in constants and cell.pins[pin].direction == "input"
            }
            for source, target, e_in, e_out, d, s, when in templates[cell.name]:
                active = not fixed or (
                    instance.nets[target] not in constants
                    and source not in fixed
                    and _possible(cell, source, target, e_in == e_out, when, fixed)
                )
                level = int(netlist.level[index])
                nets = instance.nets
                rows.append((level, nets[source], e_in, nets[target], e_out, d, s, active))
                self.owners.append((index, source, target))
        self.bank.pack()
        table = np.array(rows, dtype=np.int64).reshape(-1, 8).T
        self.level, self.source, self.source_edge, self.target, self.target_edge = table[:5]
        self.delay_table, self.slew_table, active = table[5:]
        self.active = active.astype(bool)
        self._order = np.argsort(self.level, kind="stable")
        self._starts = np.searchsorted(
            self.level[self._order], np.arange(int(self.level.max(initial=0)) + 2)
        )

    def of_level(self, level: int) -> NDArray[np.int64]:
        """Positions of the arcs of a level."""
        if level + 1 >= len(self._starts):
            return self._order[:0]
        return self._order[self._starts[level] : self._starts[level + 1]]

    def _template(self, cell: Cell) -> list[tuple[str, str, int, int, int, int, str]]:
        """Arcs of a cell: source, target, edges, tables, condition."""
        arcs = []
        clock = parse_expression(cell.flip_flop.clocked_on)[1] if cell.flip_flop else ""
        for pin in cell.pins.values():
            for arc in pin.arcs if pin.direction == "output" else ():
                clocked = arc.kind == "rising_edge"
                if clocked != bool(clock) or (clocked and arc.related != clock):
                    continue
                for e_in, e_out in _edges(cell, pin.name, arc):
                    delay = (arc.rise, arc.fall)[e_out]
                    slew = (arc.rise_slew, arc.fall_slew)[e_out]
                    if delay is None or slew is None:
                        continue
                    tables = (self.bank.add(delay), self.bank.add(slew))
                    arcs.append((arc.related, pin.name, e_in, e_out, *tables, arc.when))
        return arcs

    def worst_delays(
        self, delay: NDArray[np.float64]
    ) -> dict[tuple[int, str, str], tuple[float, float]]:
        """Worst delay by instance, input pin and output pin, for rising and falling outputs."""
        keys: dict[tuple[int, str, str], int] = {}
        rows = np.array(
            [keys.setdefault(owner, len(keys)) for owner in self.owners], dtype=np.int64
        )
        worst = np.full((len(keys), 2), -np.inf)
        np.maximum.at(worst, (rows, self.target_edge), delay)
        worst[np.isinf(worst)] = np.nan
        return {
            key: (float(rise), float(fall)) for key, (rise, fall) in zip(keys, worst, strict=True)
        }


def _edges(cell: Cell, pin: str, arc: Arc) -> Sequence[tuple[int, int]]:
    """Edges of input and output that an arc joins."""
    if arc.kind == "rising_edge":
        return ((RISE, RISE), (RISE, FALL))
    sense = arc.sense
    if sense not in _EDGES:
        sense = _sense(cell, pin, arc.related, {})
    edges = _EDGES.get(sense, _EDGES["non_unate"])
    if arc.kind == "combinational_rise":
        return [(i, o) for i, o in edges if o == RISE]
    if arc.kind == "combinational_fall":
        return [(i, o) for i, o in edges if o == FALL]
    return edges


def _sense(cell: Cell, pin: str, related: str, fixed: dict[str, bool]) -> str:
    """How an output depends on an input when other pins are fixed; "none" if it does not."""
    tree = parse_expression(cell.pins[pin].function)
    pins = inputs_of(tree)
    if related not in pins:
        return "none"
    table = truth_table(tree, pins)
    index = np.arange(len(table))
    bit = 1 << pins.index(related)
    free = (index & bit) == 0
    for name, value in fixed.items():
        if name in pins and name != related:
            free &= (index >> pins.index(name) & 1) == value
    low, high = table[index[free]], table[index[free] | bit]
    up, down = bool((high & ~low).any()), bool((low & ~high).any())
    return {
        (True, True): "non_unate",
        (True, False): "positive_unate",
        (False, True): "negative_unate",
        (False, False): "none",
    }[up, down]


def _possible(
    cell: Cell, source: str, target: str, same_edge: bool, when: str, fixed: dict[str, bool]
) -> bool:
    """Whether an arc can be exercised while some input pins are constant."""
    if when:
        tree = parse_expression(when)
        pins = inputs_of(tree)
        table = truth_table(tree, pins)
        index = np.arange(len(table))
        free = np.ones(len(table), dtype=bool)
        for name, value in fixed.items():
            if name in pins:
                free &= (index >> pins.index(name) & 1) == value
        if not table[free].any():
            return False
    if cell.flip_flop:
        return True
    sense = _sense(cell, target, source, fixed)
    return sense == "non_unate" or sense == ("positive_unate" if same_edge else "negative_unate")
