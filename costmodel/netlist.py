"""Flat mapped netlists: instances of library cells in evaluation order."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macwright.costmodel.liberty import Cell, Library
from macwright.costmodel.liberty_logic import (
    Expression,
    inputs_of,
    parse_expression,
    truth_table,
)

__all__ = ["ONE", "ZERO", "Flop", "Gate", "Instance", "Netlist", "Port", "from_yosys_json"]

#: Nets that carry a constant; every netlist has them first.
ZERO, ONE = 0, 1
_MAX_INPUTS = 12


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
        found = np.zeros(len(self.net_names), dtype=bool)
        for instance in self.instances:
            for pin in instance.cell.outputs:
                found[instance.nets[pin]] = True
        return found

    def wire_load_ff(self) -> NDArray[np.float64]:
        """Wire capacitance by the library's default wire-load model, shape (n_nets,), fF.

        Nets that no cell drives have none.
        """
        return np.where(self.driven, self.library.wire_capacitance_ff(self.sinks()), 0.0)

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


def from_yosys_json(
    data: Mapping[str, Any], library: Library, *, top: str | None = None
) -> Netlist:
    """Take a netlist from what Yosys' `write_json` wrote.

    Parameters
    ----------
    data : mapping
        The parsed JSON.
    library : Library
        Cells that the netlist was mapped to.
    top : str, optional
        Module; by default the one with the attribute `top`, or the only one.

    Raises
    ------
    ValueError
        If the module is not found, has cells that the library has not, a combinational loop, a
        net with no or several drivers, or flip-flops that are not of one rising clock edge.
    """
    modules = data.get("modules", {})
    marked = [name for name, m in modules.items() if int(str(m["attributes"].get("top", "0")), 2)]
    if top is None:
        candidates = marked or list(modules)
        if len(candidates) != 1:
            raise ValueError(f"Top module must be named, as there are {sorted(modules)}")
        top = candidates[0]
    if top not in modules:
        raise ValueError(f"Top module must be one of {sorted(modules)}, not {top!r}")
    module = modules[top]
    names: dict[Hashable, str] = {}
    for name, entry in module.get("netnames", {}).items():
        for index, bit in enumerate(entry["bits"]):
            names.setdefault(bit, f"{name}[{index}]" if len(entry["bits"]) > 1 else name)
    cells = []
    for name, entry in module["cells"].items():
        if entry["type"] == "$scopeinfo":
            continue
        pins = {}
        for pin, bits in entry["connections"].items():
            if len(bits) != 1:
                raise ValueError(
                    f"Pin {pin} of cell {name} ({entry['type']}) must be one bit, not {len(bits)}"
                )
            pins[pin] = bits[0]
        cells.append((name, entry["type"], pins))
    ports = {n: (p["direction"], p["bits"]) for n, p in module["ports"].items()}
    return build_netlist(library, ports, cells, names)


def build_netlist(
    library: Library,
    ports: Mapping[str, tuple[str, Sequence[Hashable]]],
    cells: Iterable[tuple[str, str, Mapping[str, Hashable]]],
    names: Mapping[Hashable, str],
) -> Netlist:
    """Check and order a netlist.

    Parameters
    ----------
    library : Library
        Cells that the netlist was mapped to.
    ports : mapping of str to (str, sequence)
        Direction and net keys, least significant bit first.
    cells : iterable of (str, str, mapping)
        Instance name, cell name, net key of each pin. The keys "0", "1" and "x" are constants
        (an unknown is taken as 0).
    names : mapping
        Names of net keys for messages and `net_names`.
    """
    net_names = ["0", "1"]
    known: dict[Hashable, int] = {"0": ZERO, "1": ONE, "x": ZERO}

    def net(key: Hashable) -> int:
        if key not in known:
            known[key] = len(net_names)
            net_names.append(names.get(key, str(key)))
        return known[key]

    port_map = {name: Port(d, tuple(net(key) for key in keys)) for name, (d, keys) in ports.items()}
    instances = []
    for name, kind, connections in cells:
        try:
            cell = library.cell(kind)
        except KeyError:
            raise ValueError(
                f"Cell {kind} of instance {name} must be in library {library.name}"
            ) from None
        nets = {}
        for pin in (*cell.inputs, *cell.outputs):
            if pin in connections:
                nets[pin] = net(connections[pin])
            elif cell.pins[pin].direction == "output":
                nets[pin] = net((name, pin))
                net_names[-1] = f"{name}.{pin}"
            else:
                raise ValueError(f"Input pin {pin} of instance {name} ({kind}) must be connected")
        for pin in connections:
            if pin not in nets and (pin not in cell.pins or cell.pins[pin].direction == "inout"):
                raise ValueError(f"Pin {pin} of instance {name} must be a pin of cell {kind}")
        instances.append(Instance(name, cell, nets))
    _check_drivers(net_names, port_map, instances)
    level, order = _levels(net_names, instances)
    gates, flops = [], []
    for index in order:
        instance = instances[index]
        if instance.cell.flip_flop:
            flops.append(_flop(index, instance))
        else:
            for pin in instance.cell.outputs:
                pins, tree, table = _function(instance.cell, pin)
                inputs = tuple(instance.nets[p] for p in pins)
                gates.append(Gate(index, pin, instance.nets[pin], pins, inputs, tree, table))
    constants = _constants(gates)
    clock = _check_flops(net_names, port_map, instances, flops, constants)
    return Netlist(library, net_names, port_map, instances, gates, level, flops, clock, constants)


@lru_cache(maxsize=4096)
def _function_of(
    cell: str, pin: str, text: str, inputs: tuple[str, ...]
) -> tuple[tuple[str, ...], Expression, NDArray[np.bool_]]:
    tree = parse_expression(text)
    pins = inputs_of(tree)
    for used in pins:
        if used not in inputs:
            raise ValueError(
                f"Function of pin {pin} of cell {cell} must read input pins, not {used!r}"
            )
    if len(pins) > _MAX_INPUTS:
        raise ValueError(
            f"Function of pin {pin} of cell {cell} must read at most {_MAX_INPUTS} pins, "
            f"not {len(pins)}"
        )
    return pins, tree, truth_table(tree, pins)


def _function(cell: Cell, pin: str) -> tuple[tuple[str, ...], Expression, NDArray[np.bool_]]:
    """Pins read, tree and truth table of an output of a combinational cell."""
    if cell.other_state:
        raise ValueError(
            f"Cell {cell.name} must be combinational or one flip-flop, not {cell.other_state}"
        )
    if not cell.pins[pin].function or cell.pins[pin].three_state:
        what = "three states" if cell.pins[pin].three_state else "none"
        raise ValueError(
            f"Pin {pin} of cell {cell.name} must have a two-state function, not {what}"
        )
    return _function_of(cell.name, pin, cell.pins[pin].function, tuple(cell.inputs))


def _flop(index: int, instance: Instance) -> Flop:
    cell, ff = instance.cell, instance.cell.flip_flop
    if ff is None or cell.other_state:
        raise ValueError(f"Cell {cell.name} must be one flip-flop, not {cell.other_state}")
    clock = parse_expression(ff.clocked_on)
    if clock[0] != "var" or clock[1] not in cell.inputs:
        raise ValueError(
            f"Flip-flop {cell.name} must be clocked by the rising edge of a pin, "
            f"not {ff.clocked_on!r}"
        )
    tree = parse_expression(ff.next_state)
    pins = tuple(name for name in inputs_of(tree) if name not in (ff.state, ff.inverse))
    for used in pins:
        if used not in cell.inputs:
            raise ValueError(f"Flip-flop {cell.name} must read input pins, not {used!r}")
    outputs = []
    for pin in cell.outputs:
        if not cell.pins[pin].function or cell.pins[pin].three_state:
            raise ValueError(f"Pin {pin} of cell {cell.name} must have a two-state function")
        try:
            table = truth_table(parse_expression(cell.pins[pin].function), (ff.state, ff.inverse))
        except KeyError as error:
            raise ValueError(
                f"Pin {pin} of flip-flop {cell.name} must be a function of its state, "
                f"not of {error.args[0]!r}"
            ) from None
        low, high = bool(table[0b10]), bool(table[0b01])
        if low == high:
            raise ValueError(f"Pin {pin} of flip-flop {cell.name} must follow its state")
        outputs.append((pin, instance.nets[pin], low))
    inputs = tuple(instance.nets[pin] for pin in pins)
    return Flop(index, clock[1], pins, inputs, tree, tuple(outputs))


def _check_drivers(net_names: list[str], ports: dict[str, Port], instances: list[Instance]) -> None:
    drivers: dict[int, str] = {ZERO: "a constant", ONE: "a constant"}

    def drive(net: int, what: str) -> None:
        if net in drivers:
            raise ValueError(
                f"Net {net_names[net]} must have one driver, not {drivers[net]} and {what}"
            )
        drivers[net] = what

    for name, port in ports.items():
        if port.direction == "input":
            for net in port.nets:
                drive(net, f"port {name}")
        elif port.direction != "output":
            raise ValueError(f"Port {name} must be an input or output, not {port.direction!r}")
    for instance in instances:
        for pin in instance.cell.outputs:
            drive(instance.nets[pin], f"instance {instance.name}")
    used = {net for i in instances for net in i.nets.values()}
    used |= {net for port in ports.values() for net in port.nets}
    for net in sorted(used - set(drivers)):
        raise ValueError(f"Net {net_names[net]} must have a driver, not none")


def _levels(net_names: list[str], instances: list[Instance]) -> tuple[NDArray[np.int64], list[int]]:
    """Level of each instance, and the instances in evaluation order (Kahn's algorithm)."""
    driver = {
        i.nets[pin]: index
        for index, i in enumerate(instances)
        if not i.cell.flip_flop
        for pin in i.cell.outputs
    }
    sinks: dict[int, list[int]] = defaultdict(list)
    waiting = np.zeros(len(instances), dtype=np.int64)
    level = np.zeros(len(instances), dtype=np.int64)
    for index, instance in enumerate(instances):
        if instance.cell.flip_flop:
            continue
        level[index] = 1
        for pin in instance.cell.inputs:
            if instance.nets[pin] in driver:
                sinks[driver[instance.nets[pin]]].append(index)
                waiting[index] += 1
    order = [index for index in range(len(instances)) if not waiting[index]]
    for index in order:
        for sink in sinks[index]:
            level[sink] = max(level[sink], level[index] + 1)
            waiting[sink] -= 1
            if not waiting[sink]:
                order.append(sink)
    if len(order) < len(instances):
        raise ValueError(
            "Netlist must not have a combinational loop, such as the one through instances "
            + _loop(instances, driver, int(np.flatnonzero(waiting)[0]), waiting)
        )
    return level, order


def _loop(
    instances: list[Instance], driver: dict[int, int], start: int, waiting: NDArray[np.int64]
) -> str:
    """Names of the instances of a loop, found by walking against the signals."""
    path: list[int] = []
    index = start
    while index not in path:
        path.append(index)
        nets = instances[index].nets
        index = next(
            driver[nets[pin]]
            for pin in instances[index].cell.inputs
            if nets[pin] in driver and waiting[driver[nets[pin]]]
        )
    names = [instances[i].name for i in path[path.index(index) :]][::-1]
    return ", ".join(names[:8]) + (" …" if len(names) > 8 else "")


def _constants(gates: list[Gate]) -> dict[int, bool]:
    """Nets whose value follows from the constants."""
    values = {ZERO: False, ONE: True}
    for gate in gates:
        if gate.inputs and not any(net in values for net in gate.inputs):
            continue
        index = np.arange(len(gate.table))
        possible = np.ones(len(gate.table), dtype=bool)
        for bit, net in enumerate(gate.inputs):
            if net in values:
                possible &= (index >> bit & 1) == values[net]
        outcomes = gate.table[possible]
        if outcomes.all() or not outcomes.any():
            values[gate.output] = bool(outcomes[0])
    return values


def _check_flops(
    net_names: list[str],
    ports: dict[str, Port],
    instances: list[Instance],
    flops: list[Flop],
    constants: dict[int, bool],
) -> int | None:
    """Return the clock net; all flip-flops must share it and keep clear and preset inactive."""
    inputs = {net for port in ports.values() if port.direction == "input" for net in port.nets}
    clock: int | None = None
    for flop in flops:
        instance = instances[flop.instance]
        net = instance.nets[flop.clock]
        if net not in inputs:
            raise ValueError(
                f"Flip-flop {instance.name} must be clocked by an input port, "
                f"not by net {net_names[net]}"
            )
        if clock not in (None, net):
            raise ValueError(
                f"Flip-flops must share one clock, not {net_names[clock or 0]} and {net_names[net]}"
            )
        clock = net
        ff = instance.cell.flip_flop
        for what, text in (("clear", ff.clear), ("preset", ff.preset)) if ff else ():
            if not text:
                continue
            tree = parse_expression(text)
            table = truth_table(tree, inputs_of(tree))
            index = 0
            for bit, pin in enumerate(inputs_of(tree)):
                value = constants.get(instance.nets.get(pin, -1))
                if value is None:
                    raise ValueError(
                        f"Asynchronous {what} of flip-flop {instance.name} must be tied off, "
                        f"not used (pin {pin})"
                    )
                index |= value << bit
            if table[index]:
                raise ValueError(
                    f"Asynchronous {what} of flip-flop {instance.name} must be tied inactive"
                )
    return clock
