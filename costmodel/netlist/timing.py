"""Static timing of a mapped netlist: slews, arc delays and the minimum clock period."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from macwright.costmodel.liberty.cells import Arc, Cell
from macwright.costmodel.liberty.library import Library
from macwright.costmodel.liberty.logic import inputs_of, parse_expression, truth_table
from macwright.costmodel.liberty.lookup import TableBank
from macwright.costmodel.netlist.netlist import Netlist
from macwright.hw.errors import RefusedInput

__all__ = ["Timing", "analyse", "min_period"]

RISE, FALL = 0, 1
#: Edges of input and output for each sense.
_EDGES = {
    "positive_unate": ((RISE, RISE), (FALL, FALL)),
    "negative_unate": ((FALL, RISE), (RISE, FALL)),
    "non_unate": ((RISE, RISE), (FALL, RISE), (FALL, FALL), (RISE, FALL)),
}


@dataclass(frozen=True)
class Timing:
    """Result of `analyse`.

    Parameters
    ----------
    min_period_ns : float
        Worst path from a flip-flop to a flip-flop, set-up included; NaN if there is none.
    input_period_ns : float
        The same with paths from input ports, which change at the clock edge.
    slew_ns : ndarray of float64, shape (n_nets, 2)
        Worst transition time of each net, rising and falling.
    delays_ns : dict of (int, str, str) to tuple of float
        By instance, input pin and output pin: worst delay of the output's rising and falling
        edge over all conditions (NaN if there is no such arc).
    load_ff : ndarray of float64, shape (n_nets, 2)
        Pins and wire, as a rising and a falling driver sees them.
    """

    min_period_ns: float
    input_period_ns: float
    slew_ns: NDArray[np.float64]
    delays_ns: dict[tuple[int, str, str], tuple[float, float]]
    load_ff: NDArray[np.float64]


def min_period(
    netlist: Netlist,
    library: Library | None = None,
    *,
    wire_ff: NDArray[np.float64] | None = None,
    input_slew_ns: float | None = None,
    clock_slew_ns: float | None = None,
) -> float:
    """Minimum clock period of a netlist in ns, NaN without a path between flip-flops.

    Parameters are those of `analyse`; `library` is the netlist's own and may be left out.
    """
    if library is not None and library is not netlist.library:
        raise RefusedInput(
            f"Library must be the one that the netlist was read with, "
            f"{netlist.library.name}, not {library.name}"
        )
    timing = analyse(
        netlist, wire_ff=wire_ff, input_slew_ns=input_slew_ns, clock_slew_ns=clock_slew_ns
    )
    return timing.min_period_ns


def analyse(
    netlist: Netlist,
    *,
    wire_ff: NDArray[np.float64] | None = None,
    input_slew_ns: float | None = None,
    clock_slew_ns: float | None = None,
    registered_inputs: bool = False,
) -> Timing:
    """Propagate slews and arrival times through a netlist.

    The worst slew of the arcs into a net is propagated, rise and fall apart; tables are
    interpolated and extrapolated linearly; the clock is ideal; arcs that constants switch off
    do not count. That is what OpenSTA does by default with lumped loads.

    Parameters
    ----------
    netlist : Netlist
        Mapped netlist.
    wire_ff : ndarray of float64, shape (n_nets,), optional
        Wire capacitance; by default the library's default wire-load model.
    input_slew_ns, clock_slew_ns : float, optional
        Transition times at the ports; by default `default_slew_ns`.
    registered_inputs : bool
        Whether a register stands in front of each input port, the flip-flop that the netlist has
        most of: inputs arrive one clk-to-q after the edge, with the slew that the flip-flop gives
        them.

    Returns
    -------
    Timing
    """
    wire = netlist.wire_load_ff() if wire_ff is None else wire_ff
    input_slew = default_slew_ns(netlist) if input_slew_ns is None else input_slew_ns
    clock_slew = default_slew_ns(netlist) if clock_slew_ns is None else clock_slew_ns
    load = netlist.pin_load_ff + wire[:, None]
    slew = np.zeros((len(netlist.net_names), 2))
    # Last axis: from flip-flops only, from ports too.
    arrival = np.full((len(netlist.net_names), 2, 2), -np.inf)
    for port in netlist.ports.values():
        if port.direction == "input":
            slew[list(port.nets)] = input_slew
            arrival[list(port.nets), :, 1] = 0.0
    if registered_inputs and netlist.flops:
        nets = np.array(
            [
                net
                for port in netlist.ports.values()
                if port.direction == "input"
                for net in port.nets
                if net != netlist.clock
            ],
            dtype=np.int64,
        )
        arrival[nets, :, 1], slew[nets] = _launched(netlist, load[nets], clock_slew)
    if netlist.clock is not None:
        slew[netlist.clock] = clock_slew
    arcs = _Arcs(netlist)
    delay = np.zeros(len(arcs.level))
    for level in range(int(netlist.level.max(initial=0)) + 1):
        now = arcs.of_level(level)
        if not len(now):
            continue
        source = (arcs.source[now], arcs.source_edge[now])
        target = (arcs.target[now], arcs.target_edge[now])
        delay[now] = arcs.bank.lookup(arcs.delay_table[now], slew[source], load[target])
        slews = arcs.bank.lookup(arcs.slew_table[now], slew[source], load[target])
        start = np.where((arcs.source[now] == netlist.clock)[:, None], 0.0, arrival[source])
        on = arcs.active[now]
        rows, edges = target
        np.maximum.at(arrival, (rows[on], edges[on]), (start + delay[now, None])[on])
        np.maximum.at(slew, (rows[on], edges[on]), slews[on])
    return Timing(
        _worst_path(netlist, arrival[..., 0], slew, clock_slew),
        _worst_path(netlist, arrival[..., 1], slew, clock_slew),
        slew,
        arcs.worst_delays(delay),
        load,
    )


def _launched(
    netlist: Netlist, load: NDArray[np.float64], clock_slew: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Arrival and slew, ns, of nets with these loads behind the netlist's commonest flip-flop.

    Shapes are those of `load`: (n_nets, 2), for the rising and the falling edge.
    """
    counts = Counter(netlist.instances[flop.instance].cell.name for flop in netlist.flops)
    name = max(counts, key=lambda cell: (counts[cell], cell))
    cell = next(i.cell for i in netlist.instances if i.cell.name == name)
    arcs = [
        arc
        for pin in cell.pins.values()
        for arc in (pin.arcs if pin.direction == "output" else ())
        if arc.kind == "rising_edge" and arc.rise and arc.fall and arc.rise_slew and arc.fall_slew
    ]
    arrival, slew = np.zeros_like(load), np.zeros_like(load)
    for arc in arcs[:1]:
        bank = TableBank()
        delays, slews = (arc.rise, arc.fall), (arc.rise_slew, arc.fall_slew)
        tables = [[bank.add(t) for t in pair if t is not None] for pair in (delays, slews)]
        bank.pack()
        inputs = np.full(len(load), clock_slew)
        for edge in (RISE, FALL):
            for out, numbers in ((arrival, tables[0]), (slew, tables[1])):
                number = np.full(len(load), numbers[edge])
                out[:, edge] = bank.lookup(number, inputs, load[:, edge])
    return arrival, slew


def default_slew_ns(netlist: Netlist) -> float:
    """Transition time assumed at ports, ns: a fast edge of the library itself.

    Three tenths of the way, on a logarithmic scale, along the slew axis of the first cell's first
    delay table, whose lower end is not taken below a thousandth of its upper end.
    """
    for instance in netlist.instances:
        for pin in instance.cell.pins.values():
            for arc in pin.arcs:
                if arc.kind != "setup" and arc.rise and len(arc.rise.rows) > 1:
                    low, high = float(arc.rise.rows[0]), float(arc.rise.rows[-1])
                    low = max(low, high / 1000)
                    return low * (high / low) ** 0.3
    return 0.0


class _Arcs:
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


def _worst_path(
    netlist: Netlist,
    arrival: NDArray[np.float64],
    slew: NDArray[np.float64],
    clock_slew: float,
) -> float:
    """Largest arrival plus set-up at a flip-flop, ns."""
    bank = TableBank()
    rows = []
    for flop in netlist.flops:
        instance = netlist.instances[flop.instance]
        for pin in instance.cell.pins.values():
            for arc in pin.arcs:
                if arc.kind != "setup" or arc.related != flop.clock:
                    continue
                for edge, table in ((RISE, arc.rise), (FALL, arc.fall)):
                    if table is not None:
                        rows.append((bank.add(table), instance.nets[pin.name], edge))
    if not rows:
        return float("nan")
    bank.pack()
    numbers, nets, edges = np.array(rows, dtype=np.int64).T
    setup = bank.lookup(numbers, slew[nets, edges], np.full(len(rows), clock_slew))
    worst = float((arrival[nets, edges] + setup).max())
    return worst if np.isfinite(worst) else float("nan")
