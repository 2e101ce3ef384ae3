"""Energy of a mapped netlist: toggles times library energies."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from macwright.costmodel.activity import Activity
from macwright.costmodel.liberty import Cell, PowerArc
from macwright.costmodel.liberty_logic import (
    Expression,
    inputs_of,
    parse_expression,
    probability,
    truth_table,
)
from macwright.costmodel.liberty_tables import TableBank
from macwright.costmodel.netlist import Netlist
from macwright.costmodel.timing import Timing

__all__ = ["ArcEnergies", "Power", "arc_energies", "roll_up"]

#: By cell and pin: energy of each power arc and instance, fJ, shape (n_arcs, n_instances).
ArcEnergies = dict[tuple[str, str], NDArray[np.float64]]

_CLOCK_DENSITY = 2.0


@dataclass(frozen=True)
class Power:
    """Energy of a clock cycle, and how it depends on the toggles of each net.

    Parameters
    ----------
    weight_fj : ndarray of float64, shape (n_nets,)
        Energy of one transition: internal energy of the driver, passive energy of the pins that
        read the net, and wire and pin capacitance.
    internal_fj, switching_fj : ndarray of float64, shape (2,)
        Per cycle; combinational cells, flip-flops (with clock pins).
    clock_pin_fj : float
        Part of `internal_fj[1]` that the clock pins take, per cycle.
    leakage_nw : ndarray of float64, shape (2,)
    """

    weight_fj: NDArray[np.float64]
    internal_fj: NDArray[np.float64]
    switching_fj: NDArray[np.float64]
    clock_pin_fj: float
    leakage_nw: NDArray[np.float64]

    def total_fj(self, period_ns: float) -> float:
        """Energy of a cycle of `period_ns`, leakage included."""
        dynamic = self.internal_fj.sum() + self.switching_fj.sum()
        return float(dynamic + self.leakage_nw.sum() * period_ns * 1e-3)


def roll_up(
    netlist: Netlist,
    timing: Timing,
    activity: Activity,
    *,
    toggles: NDArray[np.int64] | None = None,
    transitions: int | None = None,
    mode: str = "joint",
    energies: ArcEnergies | None = None,
) -> Power:
    """Turn toggles into energy, with OpenSTA's power equations.

    - Switching: ½·C·V² for each transition of a net that a cell drives.
    - An output's internal energy is the mean of its rise and fall tables, averaged over related
      pins with the weight (probability that the output depends on the pin) · (its activity).
    - A pin's passive energy counts with the probability of its condition.
    - Pins of a cell are taken as independent; in mode "joint" outputs follow from inputs, and the
      data pins and the state of a flip-flop keep their measured joint distribution.

    Parameters
    ----------
    netlist : Netlist
        Mapped netlist.
    timing : Timing
        Slews and loads of its nets.
    activity : Activity
        Zero-delay counts.
    toggles : ndarray of int64, shape (n_nets,), optional
        Counts with glitches, over `transitions`; by default those of `activity`.
    transitions : int, optional
        Clock edges that `toggles` were counted over.
    mode : {"joint", "opensta"}
        See above.
    energies : dict, optional
        What `arc_energies` gave for the netlist and the timing.

    Returns
    -------
    Power
    """
    if mode not in ("joint", "opensta"):
        raise ValueError(f"Mode must be 'joint' or 'opensta', not {mode!r}")
    density = (activity.toggles if toggles is None else toggles) / (
        activity.transitions if transitions is None else transitions
    )
    duty = activity.ones / activity.transitions
    for net, value in netlist.constants.items():
        density[net], duty[net] = 0.0, float(value)
    if netlist.clock is not None:
        density[netlist.clock], duty[netlist.clock] = _CLOCK_DENSITY, 0.5
    energies = energies or arc_energies(netlist, timing)
    load = timing.load_ff.max(axis=1)
    switching = np.where(netlist.driven, 0.5 * load * netlist.library.voltage_v**2, 0.0)
    weight = switching.copy()
    internal_fj, leakage_nw = np.zeros(2), np.zeros(2)
    clock_pin_fj = 0.0
    for group in _groups(netlist, density, duty, activity, mode == "joint"):
        for pin, arc_energy in _output_energies(group, energies):
            np.add.at(weight, group.nets[pin], arc_energy)
            internal_fj[group.kind] += (arc_energy * density[group.nets[pin]]).sum()
        for pin, energy in _passive_energies(group, energies):
            nets = group.nets[pin]
            if group.cell.flip_flop and (nets == netlist.clock).all():
                clock_pin_fj += (energy * density[nets]).sum()
            else:
                np.add.at(weight, nets, energy)
            internal_fj[group.kind] += (energy * density[nets]).sum()
        leakage_nw[group.kind] += _leakage(group).sum()
    switching_fj = np.zeros(2)
    for group in _groups(netlist, density, duty, activity, False):
        for pin in group.cell.outputs:
            nets = group.nets[pin]
            switching_fj[group.kind] += (switching[nets] * density[nets]).sum()
    return Power(weight, internal_fj, switching_fj, float(clock_pin_fj), leakage_nw)


@dataclass
class _Group:
    """All instances of one cell.

    Parameters
    ----------
    cell : Cell
    kind : int
        0 combinational, 1 flip-flop.
    nets : dict of str to ndarray of int64, shape (n_instances,)
    density, duty : dict of str to ndarray of float64, shape (n_instances,)
        Of each pin.
    correlated : bool
        Mode "joint": pins of a cell are not taken as independent.
    joint_pins : tuple of str
        Pins whose joint distribution is known, least significant first; the last is the state.
    joint : ndarray of float64, shape (2**n_joint, n_instances), or None
    """

    cell: Cell
    kind: int
    nets: dict[str, NDArray[np.int64]]
    density: dict[str, NDArray[np.float64]]
    duty: dict[str, NDArray[np.float64]]
    correlated: bool
    joint_pins: tuple[str, ...] = ()
    joint: NDArray[np.float64] | None = None

    def probability(self, tree: Expression) -> NDArray[np.float64]:
        """Probability of a condition over the pins, shape (n_instances,)."""
        if self.correlated and not self.cell.flip_flop:
            tree = self._over_inputs(tree)
        pins = inputs_of(tree)
        table = truth_table(tree, pins)
        if self.joint is None:
            return probability(table, np.array([self.duty[pin] for pin in pins]))
        total = np.zeros_like(self.joint[0])
        index = np.arange(len(table))
        for pattern, share in enumerate(self.joint):
            fixed = self._pin_values(pattern)
            free = np.ones(len(table), dtype=bool)
            for bit, pin in enumerate(pins):
                if pin in fixed:
                    free &= (index >> bit & 1) == fixed[pin]
            others = [self.duty[pin] for pin in pins if pin not in fixed]
            total += share * probability(table[free], np.array(others).reshape(-1, len(share)))
        return total

    def _over_inputs(self, tree: Expression) -> Expression:
        """Replace output pins in a condition by their functions."""
        if tree[0] == "const":
            return tree
        if tree[0] != "var":
            return (tree[0], *map(self._over_inputs, tree[1:]))
        pin = self.cell.pins[tree[1]]
        return parse_expression(pin.function) if pin.direction == "output" else tree

    def _pin_values(self, pattern: int) -> dict[str, int]:
        values = {pin: pattern >> bit & 1 for bit, pin in enumerate(self.joint_pins)}
        ff = self.cell.flip_flop
        state = values.pop("", 0)
        if ff is None:
            return values
        for pin in self.cell.outputs:
            table = truth_table(
                parse_expression(self.cell.pins[pin].function), (ff.state, ff.inverse)
            )
            values[pin] = int(table[0b01 if state else 0b10])
        return values


def _members(netlist: Netlist) -> dict[str, list[int]]:
    """Instances of each cell, in order of first appearance."""
    members: dict[str, list[int]] = {}
    for index, instance in enumerate(netlist.instances):
        members.setdefault(instance.cell.name, []).append(index)
    return members


def _groups(
    netlist: Netlist,
    density: NDArray[np.float64],
    duty: NDArray[np.float64],
    activity: Activity,
    joint: bool,
) -> Iterator[_Group]:
    """Instances by cell, in order of first appearance."""
    flops = {flop.instance: number for number, flop in enumerate(netlist.flops)}
    for indices in _members(netlist).values():
        cell = netlist.instances[indices[0]].cell
        pins = (*cell.inputs, *cell.outputs)
        nets = {
            pin: np.array([netlist.instances[i].nets[pin] for i in indices], dtype=np.int64)
            for pin in pins
        }
        group = _Group(
            cell,
            int(cell.flip_flop is not None),
            nets,
            {pin: density[nets[pin]] for pin in pins},
            {pin: duty[nets[pin]] for pin in pins},
            joint,
        )
        if joint and cell.flip_flop and indices:
            first = netlist.flops[flops[indices[0]]]
            counts = np.array([activity.flop_ones[flops[i]] for i in indices], dtype=np.float64).T
            group.joint_pins = (*first.pins, "")
            group.joint = _joint(counts / activity.transitions)
        yield group


def _joint(subsets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distribution of patterns from the probabilities that all of a subset are 1 (Möbius)."""
    shares = subsets.copy()
    size = len(shares)
    step = 1
    while step < size:
        low = np.flatnonzero((np.arange(size) & step) == 0)
        shares[low] -= shares[low + step]
        step *= 2
    return shares


def _output_energies(
    group: _Group, energies: ArcEnergies
) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Internal energy of a transition of each output pin, shape (n_instances,)."""
    cell = group.cell
    for pin in cell.outputs:
        arcs = [(n, arc) for n, arc in enumerate(cell.pins[pin].power) if arc.related in group.nets]
        if not arcs:
            continue
        shares = [group.density[arc.related] * _dependence(group, pin, arc) for _, arc in arcs]
        energy = np.zeros_like(shares[0])
        totals: dict[str, NDArray[np.float64]] = {}
        for (_, arc), share in zip(arcs, shares, strict=True):
            totals[arc.supply] = totals.get(arc.supply, 0.0) + share
        for (number, arc), share in zip(arcs, shares, strict=True):
            total = totals[arc.supply]
            part = np.divide(share, total, out=np.zeros_like(share), where=total > 0)
            energy += part * energies[cell.name, pin][number]
        yield pin, energy


def _dependence(group: _Group, pin: str, arc: PowerArc) -> NDArray[np.float64]:
    """Probability that a transition of the related pin moves the output."""
    tree = parse_expression(group.cell.pins[pin].function)
    pins = inputs_of(tree)
    if arc.related in pins:
        return _difference(group, pin, arc.related)
    if arc.when:
        return group.probability(parse_expression(arc.when))
    ff = group.cell.flip_flop
    clocked = ff is not None and inputs_of(parse_expression(ff.clocked_on)) == (arc.related,)
    return np.full(len(group.nets[pin]), 1.0 if clocked else 0.5)


def _difference(group: _Group, pin: str, related: str) -> NDArray[np.float64]:
    """Probability that an output depends on an input, other inputs independent."""
    tree = parse_expression(group.cell.pins[pin].function)
    pins = inputs_of(tree)
    table = truth_table(tree, pins)
    index = np.arange(len(table))
    bit = 1 << pins.index(related)
    low = index[(index & bit) == 0]
    others = [group.duty[name] for name in pins if name != related]
    duties = np.array(others).reshape(-1, len(group.nets[pin]))
    return probability(table[low] ^ table[low | bit], duties)


def _is_positive(cell: Cell, pin: str, related: str) -> bool:
    """Whether the first arc between two pins keeps the direction of the edge."""
    for arc in cell.pins[pin].arcs:
        if arc.related == related:
            return arc.sense != "negative_unate"
    return True


def arc_energies(netlist: Netlist, timing: Timing) -> ArcEnergies:
    """Mean of the rise and fall energies of every power arc, at its slew and load.

    Parameters
    ----------
    netlist : Netlist
        Mapped netlist.
    timing : Timing
        Slews and loads of its nets.

    Returns
    -------
    dict of (str, str) to ndarray of float64, shape (n_arcs, n_instances)
        By cell and pin, in the order of `Pin.power` and of the instances of the cell.
    """
    load = timing.load_ff.max(axis=1)
    bank = TableBank()
    numbers, slews, loads = [], [], []
    places: list[tuple[tuple[str, str], int, int]] = []
    found: ArcEnergies = {}
    for indices in _members(netlist).values():
        cell = netlist.instances[indices[0]].cell
        for pin in (*cell.inputs, *cell.outputs):
            output = pin in cell.outputs
            found[cell.name, pin] = np.zeros((len(cell.pins[pin].power), len(indices)))
            for row, arc in enumerate(cell.pins[pin].power):
                source = arc.related if output else pin
                if source not in cell.pins or cell.pins[source].direction != "input":
                    continue
                slew = timing.slew_ns[[netlist.instances[i].nets[source] for i in indices]]
                if output and not _is_positive(cell, pin, source):
                    slew = slew[:, ::-1]
                nets = [netlist.instances[i].nets[pin] for i in indices]
                edges = [(e, t) for e, t in enumerate((arc.rise, arc.fall)) if t is not None]
                for edge, table in edges:
                    numbers.append(np.full(len(indices), bank.add(table)))
                    slews.append(slew[:, edge])
                    loads.append(load[nets] if output else np.zeros(len(indices)))
                    places.append(((cell.name, pin), row, len(edges)))
    if not places:
        return found
    bank.pack()
    values = bank.lookup(np.concatenate(numbers), np.concatenate(slews), np.concatenate(loads))
    ends = np.cumsum([len(part) for part in numbers])[:-1]
    for (key, row, edges), part in zip(places, np.split(values, ends), strict=True):
        found[key][row] += part / edges
    return found


def _passive_energies(
    group: _Group, energies: ArcEnergies
) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Internal energy of a transition of each input pin, shape (n_instances,)."""
    cell = group.cell
    for pin in cell.inputs:
        total = np.zeros(len(group.nets[pin]))
        for arc, energy in zip(cell.pins[pin].power, energies[cell.name, pin], strict=True):
            share = np.ones_like(total)
            if arc.when:
                tree = parse_expression(arc.when)
                named = [name for name in inputs_of(tree) if name in cell.outputs]
                reads = named and pin in inputs_of(parse_expression(cell.pins[named[0]].function))
                share = _difference(group, named[0], pin) if reads else group.probability(tree)
            total += share * energy
        if cell.pins[pin].power:
            yield pin, total


def _leakage(group: _Group) -> NDArray[np.float64]:
    """Leakage of each instance, nW, shape (n_instances,).

    Where no condition holds, the cell's unconditional figure counts.
    """
    cell = group.cell
    leakage = np.zeros(len(next(iter(group.nets.values()))))
    rest = np.ones_like(leakage)
    plain = [value for value, when in cell.leakage if not when]
    for value, when in cell.leakage:
        if when:
            share = group.probability(parse_expression(when))
            leakage += value * share
            rest -= share
    if len(plain) == len(cell.leakage):
        return leakage + (sum(plain) if plain else cell.cell_leakage_nw or 0.0)
    default = cell.cell_leakage_nw
    if default is None:
        default = sum(plain) if group.correlated else 0.0  # OpenSTA ignores them
    return leakage + default * np.maximum(rest, 0.0)
