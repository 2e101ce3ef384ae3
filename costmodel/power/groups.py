"""Instances of a netlist by cell, with the densities and probabilities of their pins."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from macwright.costmodel.liberty.cells import Cell
from macwright.costmodel.liberty.logic import (
    Expression,
    inputs_of,
    parse_expression,
    probability,
    truth_table,
)
from macwright.costmodel.netlist.netlist import Netlist
from macwright.costmodel.power.activity import Activity
from macwright.hw.errors import RefusedInput

__all__ = ["Group", "cell_groups", "cell_members"]


@dataclass
class Group:
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
        """Probability of a condition over the pins, shape (n_instances,).

        Raises
        ------
        ValueError
            If the condition names a pin that the cell has not.
        """
        for pin in inputs_of(tree):
            if pin not in self.cell.pins and pin not in self.duty and pin not in self.joint_pins:
                raise RefusedInput(
                    f"Conditions of the power of cell {self.cell.name} must be of pins that it "
                    f"has, not of {pin}"
                )
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


def cell_members(netlist: Netlist) -> dict[str, list[int]]:
    """Instances of each cell, in order of first appearance."""
    members: dict[str, list[int]] = {}
    for index, instance in enumerate(netlist.instances):
        members.setdefault(instance.cell.name, []).append(index)
    return members


def cell_groups(
    netlist: Netlist,
    density: NDArray[np.float64],
    duty: NDArray[np.float64],
    activity: Activity,
    joint: bool,
) -> Iterator[Group]:
    """Instances by cell, in order of first appearance."""
    flops = {flop.instance: number for number, flop in enumerate(netlist.flops)}
    for indices in cell_members(netlist).values():
        cell = netlist.instances[indices[0]].cell
        pins = (*cell.inputs, *cell.outputs)
        nets = {
            pin: np.array([netlist.instances[i].nets[pin] for i in indices], dtype=np.int64)
            for pin in pins
        }
        group = Group(
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
