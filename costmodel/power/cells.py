"""Energies and leakage of the cells of a netlist, from the library's tables."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from macwright.costmodel.liberty.cells import Cell, PowerArc
from macwright.costmodel.liberty.logic import (
    inputs_of,
    parse_expression,
    probability,
    truth_table,
)
from macwright.costmodel.liberty.lookup import TableBank
from macwright.costmodel.netlist.netlist import Netlist
from macwright.costmodel.netlist.timing import Timing
from macwright.costmodel.power.groups import Group, cell_members

__all__ = ["ArcEnergies", "arc_energies", "cell_leakage", "output_energies", "passive_energies"]

#: By cell and pin: energy of each power arc and instance, fJ, shape (n_arcs, n_instances).
ArcEnergies = dict[tuple[str, str], NDArray[np.float64]]


def output_energies(
    group: Group, energies: ArcEnergies
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


def _dependence(group: Group, pin: str, arc: PowerArc) -> NDArray[np.float64]:
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


def _difference(group: Group, pin: str, related: str) -> NDArray[np.float64]:
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
    energies: ArcEnergies = {}
    for indices in cell_members(netlist).values():
        cell = netlist.instances[indices[0]].cell
        for pin in (*cell.inputs, *cell.outputs):
            output = pin in cell.outputs
            energies[cell.name, pin] = np.zeros((len(cell.pins[pin].power), len(indices)))
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
        return energies
    bank.pack()
    values = bank.lookup(np.concatenate(numbers), np.concatenate(slews), np.concatenate(loads))
    ends = np.cumsum([len(part) for part in numbers])[:-1]
    for (key, row, edges), part in zip(places, np.split(values, ends), strict=True):
        energies[key][row] += part / edges
    return energies


def passive_energies(
    group: Group, energies: ArcEnergies
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


def cell_leakage(group: Group) -> NDArray[np.float64]:
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
