"""Flat mapped netlists: instances of library cells in evaluation order."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from macwright.costmodel.liberty.cells import Cell
from macwright.costmodel.liberty.library import Library
from macwright.costmodel.liberty.logic import Expression

__all__ = ["ONE", "ZERO", "Flop", "Gate", "Instance", "Netlist", "Port"]

#: Nets that carry a constant; every netlist has them first.
ZERO, ONE = 0, 1


@dataclass(frozen=True)
class Port:
    """Port of the module: its nets, least significant bit first."""

    direction: str
    nets: tuple[int, ...]


@dataclass(frozen=True)
class Instance:
    """A cell in the netlist: `nets` is the net of each signal pin."""

    name: str
    cell: Cell
    nets: dict[str, int]


@dataclass(frozen=True)
class Gate:
    """One output of a combinational cell.

    Parameters
    ----------
    instance : int
        Position in `Netlist.instances`.
    pin : str
        Output pin.
    output : int
        Net.
    pins, inputs : tuple of str, tuple of int
        Pins that the function reads, and their nets.
    tree : Expression
        Function over the pins.
    table : ndarray of bool, shape (2**n_inputs,)
        Truth table; bit i of the index is input i.
    """

    instance: int
    pin: str
    output: int
    pins: tuple[str, ...]
    inputs: tuple[int, ...]
    tree: Expression
    table: NDArray[np.bool_]


@dataclass(frozen=True)
class Flop:
    """A rising-edge flip-flop.

    Parameters
    ----------
    instance : int
    clock : str
        Clock pin.
    pins, inputs : tuple of str, tuple of int
        Pins that the next state reads, and their nets.
    tree : Expression
        Next state over the pins and, if it keeps its value, the name of the state.
    outputs : tuple of (str, int, bool)
        Pin, net, and whether it is the complement of the state.
    """

    instance: int
    clock: str
    pins: tuple[str, ...]
    inputs: tuple[int, ...]
    tree: Expression
    outputs: tuple[tuple[str, int, bool], ...]


@dataclass
class Netlist:
    """Flat netlist, checked and in evaluation order.

    Parameters
    ----------
    library : Library
    net_names : list of str
        `net_names[ZERO]` and `net_names[ONE]` are the constants.
    ports : dict of str to Port
    instances : list of Instance
    gates : list of Gate
        Every gate follows those that drive it.
    level : ndarray of int64, shape (n_instances,)
        Cells between the instance and a flip-flop or port; 0 for flip-flops.
    flops : list of Flop
    clock : int or None
        The one net that clocks all flip-flops, a port; None without flip-flops.
    constants : dict of int to bool
        Nets whose value never changes.
    """

    library: Library
    net_names: list[str]
    ports: dict[str, Port]
    instances: list[Instance]
    gates: list[Gate]
    level: NDArray[np.int64]
    flops: list[Flop]
    clock: int | None
    constants: dict[int, bool]

    @property
    def area(self) -> float:
        """Sum of the cells' areas, in the library's unit (um2 by custom)."""
        return float(sum(instance.cell.area for instance in self.instances))

    @cached_property
    def pin_load_ff(self) -> NDArray[np.float64]:
        """Input pin capacitance on each net for rising and falling edges, shape (n_nets, 2), fF."""
        loads = np.zeros((len(self.net_names), 2))
        for instance in self.instances:
            for pin, net in instance.nets.items():
                loads[net] += instance.cell.pins[pin].capacitance_ff
        return loads

    @cached_property
    def driven(self) -> NDArray[np.bool_]:
        """Whether a cell drives the net, shape (n_nets,)."""
        is_driven = np.zeros(len(self.net_names), dtype=bool)
        for instance in self.instances:
            for pin in instance.cell.outputs:
                is_driven[instance.nets[pin]] = True
        return is_driven

    def wire_load_ff(self) -> NDArray[np.float64]:
        """Wire capacitance by the library's default wire-load model, shape (n_nets,), fF.

        Nets that no cell drives have none.
        """
        area = sum(instance.cell.area for instance in self.instances)
        wires = self.library.wire_capacitance_ff(self.sinks(), area)
        return np.where(self.driven, wires, 0.0)

    def sinks(self) -> NDArray[np.int64]:
        """Input pins on each net, shape (n_nets,); an output port counts as one."""
        sinks = np.zeros(len(self.net_names), dtype=np.int64)
        for instance in self.instances:
            for pin in instance.cell.inputs:
                sinks[instance.nets[pin]] += 1
        for port in self.ports.values():
            if port.direction == "output":
                np.add.at(sinks, list(port.nets), 1)
        return sinks
