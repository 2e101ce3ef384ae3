"""Making of netlists: from Yosys' JSON or from lists of cells, checked and put in order."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macwright.costmodel.liberty.cells import Cell
from macwright.costmodel.liberty.library import Library
from macwright.costmodel.liberty.logic import (
    Expression,
    inputs_of,
    parse_expression,
    truth_table,
)
from macwright.costmodel.netlist.check import (
    check_drivers,
    check_flops,
    evaluation_order,
    fixed_nets,
)
from macwright.costmodel.netlist.netlist import ONE, ZERO, Flop, Gate, Instance, Netlist, Port
from macwright.hw.errors import RefusedInput

__all__ = ["build_netlist", "from_yosys_json"]

_MAX_INPUTS = 12


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
            raise RefusedInput(f"Top module must be named, as there are {sorted(modules)}")
        top = candidates[0]
    if top not in modules:
        raise RefusedInput(f"Top module must be one of {sorted(modules)}, not {top!r}")
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
                raise RefusedInput(
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
            raise RefusedInput(
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
                raise RefusedInput(f"Input pin {pin} of instance {name} ({kind}) must be connected")
        for pin in connections:
            if pin not in nets and (pin not in cell.pins or cell.pins[pin].direction == "inout"):
                raise RefusedInput(f"Pin {pin} of instance {name} must be a pin of cell {kind}")
        instances.append(Instance(name, cell, nets))
    check_drivers(net_names, port_map, instances)
    level, order = evaluation_order(instances)
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
    constants = fixed_nets(gates)
    clock = check_flops(net_names, port_map, instances, flops, constants)
    return Netlist(library, net_names, port_map, instances, gates, level, flops, clock, constants)


@lru_cache(maxsize=4096)
def _function_of(
    cell: str, pin: str, text: str, inputs: tuple[str, ...]
) -> tuple[tuple[str, ...], Expression, NDArray[np.bool_]]:
    tree = parse_expression(text)
    pins = inputs_of(tree)
    for used in pins:
        if used not in inputs:
            raise RefusedInput(
                f"Function of pin {pin} of cell {cell} must read input pins, not {used!r}"
            )
    if len(pins) > _MAX_INPUTS:
        raise RefusedInput(
            f"Function of pin {pin} of cell {cell} must read at most {_MAX_INPUTS} pins, "
            f"not {len(pins)}"
        )
    return pins, tree, truth_table(tree, pins)


def _function(cell: Cell, pin: str) -> tuple[tuple[str, ...], Expression, NDArray[np.bool_]]:
    """Pins read, tree and truth table of an output of a combinational cell."""
    if cell.other_state:
        raise RefusedInput(
            f"Cell {cell.name} must be combinational or one flip-flop, not {cell.other_state}"
        )
    if not cell.pins[pin].function or cell.pins[pin].three_state:
        what = "three states" if cell.pins[pin].three_state else "none"
        raise RefusedInput(
            f"Pin {pin} of cell {cell.name} must have a two-state function, not {what}"
        )
    return _function_of(cell.name, pin, cell.pins[pin].function, tuple(cell.inputs))


def _flop(index: int, instance: Instance) -> Flop:
    cell, ff = instance.cell, instance.cell.flip_flop
    if ff is None or cell.other_state:
        raise RefusedInput(f"Cell {cell.name} must be one flip-flop, not {cell.other_state}")
    clock = parse_expression(ff.clocked_on)
    if clock[0] != "var" or clock[1] not in cell.inputs:
        raise RefusedInput(
            f"Flip-flop {cell.name} must be clocked by the rising edge of a pin, "
            f"not {ff.clocked_on!r}"
        )
    tree = parse_expression(ff.next_state)
    pins = tuple(name for name in inputs_of(tree) if name not in (ff.state, ff.inverse))
    for used in pins:
        if used not in cell.inputs:
            raise RefusedInput(f"Flip-flop {cell.name} must read input pins, not {used!r}")
    outputs = []
    for pin in cell.outputs:
        if not cell.pins[pin].function or cell.pins[pin].three_state:
            raise RefusedInput(f"Pin {pin} of cell {cell.name} must have a two-state function")
        try:
            table = truth_table(parse_expression(cell.pins[pin].function), (ff.state, ff.inverse))
        except KeyError as error:
            raise RefusedInput(
                f"Pin {pin} of flip-flop {cell.name} must be a function of its state, "
                f"not of {error.args[0]!r}"
            ) from None
        low, high = bool(table[0b10]), bool(table[0b01])
        if low == high:
            raise RefusedInput(f"Pin {pin} of flip-flop {cell.name} must follow its state")
        outputs.append((pin, instance.nets[pin], low))
    inputs = tuple(instance.nets[pin] for pin in pins)
    return Flop(index, clock[1], pins, inputs, tree, tuple(outputs))
