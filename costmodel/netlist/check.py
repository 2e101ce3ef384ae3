"""Checks of a netlist: drivers, combinational loops, clocks; and what the checks find out."""

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from macwright.costmodel.liberty.logic import inputs_of, parse_expression, truth_table
from macwright.costmodel.netlist.netlist import ONE, ZERO, Flop, Gate, Instance, Port
from macwright.hw.errors import RefusedInput

__all__ = ["check_drivers", "check_flops", "evaluation_order", "fixed_nets"]


def check_drivers(net_names: list[str], ports: dict[str, Port], instances: list[Instance]) -> None:
    """Check that every net has one driver, and every port a direction.

    Raises
    ------
    ValueError
        If not.
    """
    drivers: dict[int, str] = {ZERO: "a constant", ONE: "a constant"}

    def drive(net: int, what: str) -> None:
        if net in drivers:
            raise RefusedInput(
                f"Net {net_names[net]} must have one driver, not {drivers[net]} and {what}"
            )
        drivers[net] = what

    for name, port in ports.items():
        if port.direction == "input":
            for net in port.nets:
                drive(net, f"port {name}")
        elif port.direction != "output":
            raise RefusedInput(f"Port {name} must be an input or output, not {port.direction!r}")
    for instance in instances:
        for pin in instance.cell.outputs:
            drive(instance.nets[pin], f"instance {instance.name}")
    used = {net for i in instances for net in i.nets.values()}
    used |= {net for port in ports.values() for net in port.nets}
    for net in sorted(used - set(drivers)):
        raise RefusedInput(f"Net {net_names[net]} must have a driver, not none")


def evaluation_order(instances: list[Instance]) -> tuple[NDArray[np.int64], list[int]]:
    """Level of each instance, and the instances in evaluation order (Kahn's algorithm).

    Raises
    ------
    ValueError
        If there is a combinational loop; the message names its instances.
    """
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
        raise RefusedInput(
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


def fixed_nets(gates: list[Gate]) -> dict[int, bool]:
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


def check_flops(
    net_names: list[str],
    ports: dict[str, Port],
    instances: list[Instance],
    flops: list[Flop],
    constants: dict[int, bool],
) -> int | None:
    """Clock net, or None without flip-flops.

    Raises
    ------
    ValueError
        If the flip-flops do not share a rising edge of one input port, or use clear or preset.
    """
    inputs = {net for port in ports.values() if port.direction == "input" for net in port.nets}
    clock: int | None = None
    for flop in flops:
        instance = instances[flop.instance]
        net = instance.nets[flop.clock]
        if net not in inputs:
            raise RefusedInput(
                f"Flip-flop {instance.name} must be clocked by an input port, "
                f"not by net {net_names[net]}"
            )
        if clock not in (None, net):
            raise RefusedInput(
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
                    raise RefusedInput(
                        f"Asynchronous {what} of flip-flop {instance.name} must be tied off, "
                        f"not used (pin {pin})"
                    )
                index |= value << bit
            if table[index]:
                raise RefusedInput(
                    f"Asynchronous {what} of flip-flop {instance.name} must be tied inactive"
                )
    return clock
