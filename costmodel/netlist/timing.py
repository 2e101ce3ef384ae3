"""Static timing of a mapped netlist: slews, arc delays and the minimum clock period."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from macwright.costmodel.liberty.library import Library
from macwright.costmodel.liberty.lookup import TableBank
from macwright.costmodel.netlist.arcs import FALL, RISE, Arcs
from macwright.costmodel.netlist.netlist import Netlist
from macwright.hw.errors import RefusedInput

__all__ = ["Timing", "analyse", "min_period"]


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
    arcs = Arcs(netlist)
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
