"""Zero-delay simulation of a mapped netlist: one bit of a Python integer per stream.

Every net holds one integer; bit i belongs to stream (lane) i. The netlist becomes one
straight-line Python function, so that a gate costs a few bitwise operations for all lanes
together, and flip-flops carry the state (the accumulator) of each lane from cycle to cycle.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macwright.costmodel.liberty.logic import Expression
from macwright.costmodel.netlist.netlist import ONE, ZERO, Netlist
from macwright.hw.errors import RefusedInput

__all__ = ["Activity", "Simulator", "pack_codes", "simulate", "unpack_lanes"]


@dataclass(frozen=True)
class Activity:
    """What a simulation counted.

    Parameters
    ----------
    transitions : int
        Clock edges counted, over all lanes.
    toggles : ndarray of int64, shape (n_nets,)
        Settled values that differ from the cycle before.
    ones : ndarray of int64, shape (n_nets,)
        Cycles at 1.
    flop_ones : list of ndarray of int64, one per flip-flop, shape (2**n_pins,)
        Cycles in which all of a subset of the pins (`Netlist.flops[i].pins`, then the state) are
        1, by bit mask of the subset.
    """

    transitions: int
    toggles: NDArray[np.int64]
    ones: NDArray[np.int64]
    flop_ones: list[NDArray[np.int64]]


class Simulator:
    """Straight-line code of one netlist.

    Parameters
    ----------
    netlist : Netlist
    """

    def __init__(self, netlist: Netlist) -> None:
        self.netlist = netlist
        self.inputs = [
            net for port in netlist.ports.values() if port.direction == "input" for net in port.nets
        ]
        namespace: dict[str, Any] = {}
        exec(compile(_source(netlist, self.inputs), "<netlist>", "exec"), namespace)
        self._step: Callable[..., tuple[list[int], list[int]]] = namespace["step"]

    def step(self, mask: int, inputs: list[int], state: list[int]) -> tuple[list[int], list[int]]:
        """Settle all nets and give the flip-flops' next state.

        Parameters
        ----------
        mask : int
            A one for each lane.
        inputs : list of int
            Value of each net in `self.inputs`.
        state : list of int
            State of each flip-flop.

        Returns
        -------
        values : list of int
            Of every net.
        next_state : list of int
        """
        return self._step(mask, inputs, state)


def simulate(
    netlist: Netlist,
    streams: Mapping[str, NDArray[Any]],
    *,
    first: int = 1,
    observe: Callable[[int, list[int]], None] | None = None,
    simulator: Simulator | None = None,
) -> Activity:
    """Simulate operand streams without delays and count.

    Parameters
    ----------
    netlist : Netlist
        Mapped netlist.
    streams : mapping of str to ndarray of int, shape (n_cycles, n_lanes)
        Codes at each input port but the clock (codes above 63 bits as Python integers, dtype
        object). Lanes are independent; flip-flops start at 0.
    first : int
        First cycle whose clock edge is counted, at least 1.
    observe : callable, optional
        Called as ``observe(cycle, values)`` with the settled value of every net.
    simulator : Simulator, optional
        Reused if given.

    Returns
    -------
    Activity

    Raises
    ------
    ValueError
        If the streams do not fit the ports.
    """
    simulator = simulator or Simulator(netlist)
    inputs, n_cycles, n_lanes = _input_bits(netlist, simulator.inputs, streams)
    if not 1 <= first < n_cycles:
        raise RefusedInput(
            f"First counted cycle must be from 1 to {n_cycles - 1}, one less than the streams' "
            f"length, not {first}"
        )
    mask = (1 << n_lanes) - 1
    state = [0] * len(netlist.flops)
    size = len(netlist.net_names)
    toggles, ones = [0] * size, [0] * size
    subsets = [_subsets(netlist, index) for index in range(len(netlist.flops))]
    joint = [[0] * len(nets) for nets in subsets]
    before: list[int] = []
    for cycle in range(n_cycles):
        values, state = simulator.step(mask, inputs[cycle], state)
        if observe:
            observe(cycle, values)
        if cycle >= first:
            pairs = zip(toggles, values, before, strict=True)
            toggles = [n + (a ^ b).bit_count() for n, a, b in pairs]
            ones = [n + a.bit_count() for n, a in zip(ones, values, strict=True)]
            for counts, nets in zip(joint, subsets, strict=True):
                for index, members in enumerate(nets):
                    if len(members) > 1:
                        both = mask
                        for net, inverted in members:
                            both &= values[net] ^ mask if inverted else values[net]
                        counts[index] += both.bit_count()
        before = values
    total = (n_cycles - first) * n_lanes
    for counts, nets in zip(joint, subsets, strict=True):
        counts[0] = total
        for index, members in enumerate(nets):
            if len(members) == 1:
                ((net, inverted),) = members
                counts[index] = total - ones[net] if inverted else ones[net]
    return Activity(
        total,
        np.array(toggles, dtype=np.int64),
        np.array(ones, dtype=np.int64),
        [np.array(counts, dtype=np.int64) for counts in joint],
    )


def pack_codes(codes: NDArray[Any], width: int) -> list[list[int]]:
    """Bits of code words as one integer per cycle and bit.

    Parameters
    ----------
    codes : ndarray of int, shape (n_cycles, n_lanes)
        ``0 <= code < 2**width``.
    width : int
        Bits of a code.

    Returns
    -------
    list of list of int, shape (n_cycles, width)
        Bit i of an integer is lane i.
    """
    columns = []
    for bit in range(width):
        plane = ((codes >> bit) & 1).astype(np.uint8)
        packed = np.packbits(plane, axis=1, bitorder="little")
        columns.append([int.from_bytes(row.tobytes(), "little") for row in packed])
    return [list(row) for row in zip(*columns, strict=True)]


def unpack_lanes(values: list[int], n_lanes: int) -> NDArray[np.uint8]:
    """Bits of the integers of some nets, shape (n_nets, n_lanes)."""
    size = (n_lanes + 7) // 8
    raw = np.frombuffer(b"".join(value.to_bytes(size, "little") for value in values), np.uint8)
    return np.unpackbits(raw.reshape(-1, size), axis=1, bitorder="little", count=n_lanes)


def _input_bits(
    netlist: Netlist, nets: list[int], streams: Mapping[str, NDArray[Any]]
) -> tuple[list[list[int]], int, int]:
    """Value of each input net in each cycle, number of cycles, number of lanes."""
    values: dict[int, list[int]] = {}
    shape: tuple[int, ...] | None = None
    ports = {n: p for n, p in netlist.ports.items() if p.direction == "input"}
    for name in streams:
        if name not in ports:
            raise RefusedInput(
                f"Stream must be named after an input port, {list(ports)}, not {name}"
            )
    for name, port in ports.items():
        if name not in streams:
            if port.nets == (netlist.clock,):
                continue
            raise RefusedInput(f"Port {name} must have a stream, not none")
        codes = np.asarray(streams[name])
        if codes.ndim != 2 or (shape is not None and codes.shape != shape):
            raise RefusedInput(
                f"Stream of port {name} must have the shape (cycles, lanes) of all streams, "
                f"not {codes.shape}"
            )
        shape = codes.shape
        width = len(port.nets)
        if codes.size and (codes.min() < 0 or int(codes.max()) >> width):
            raise RefusedInput(f"Codes of port {name} must be unsigned and fit {width} bits")
        if codes.dtype != object:
            codes = codes.astype(np.uint64)
        packed = pack_codes(codes, width)
        for bit, net in enumerate(port.nets):
            values[net] = [row[bit] for row in packed]
    if shape is None:
        raise RefusedInput("Netlist must have an input port beside the clock")
    n_cycles, n_lanes = shape
    idle = [0] * n_cycles
    columns = [values.get(net, idle) for net in nets]
    return [list(row) for row in zip(*columns, strict=True)], n_cycles, n_lanes


def _subsets(netlist: Netlist, index: int) -> list[list[tuple[int, bool]]]:
    """Nets of each subset of a flip-flop's data pins and state, by bit mask."""
    flop = netlist.flops[index]
    members = [(net, False) for net in flop.inputs]
    if flop.outputs:
        members.append((flop.outputs[0][1], flop.outputs[0][2]))
    return [
        [member for bit, member in enumerate(members) if mask >> bit & 1]
        for mask in range(1 << len(members))
    ]


def _source(netlist: Netlist, inputs: list[int]) -> str:
    """Python text of `step`; every name in it is made from an index."""
    lines = ["def step(M, inputs, state):", f" n{ZERO} = 0", f" n{ONE} = M"]
    if inputs:
        lines.append(f" {''.join(f'n{net}, ' for net in inputs)} = inputs")
    if netlist.flops:
        lines.append(f" {''.join(f's{i}, ' for i in range(len(netlist.flops)))} = state")
    for index, flop in enumerate(netlist.flops):
        for _, net, inverted in flop.outputs:
            lines.append(f" n{net} = {f'M ^ s{index}' if inverted else f's{index}'}")
    for gate in netlist.gates:
        variables = {pin: f"n{net}" for pin, net in zip(gate.pins, gate.inputs, strict=True)}
        lines.append(f" n{gate.output} = {_python(gate.tree, variables)}")
    after = []
    for index, flop in enumerate(netlist.flops):
        variables = {pin: f"n{net}" for pin, net in zip(flop.pins, flop.inputs, strict=True)}
        ff = netlist.instances[flop.instance].cell.flip_flop
        if ff is not None:
            variables |= {ff.state: f"s{index}", ff.inverse: f"(M ^ s{index})"}
        after.append(_python(flop.tree, variables))
    every = ", ".join(f"n{net}" for net in range(len(netlist.net_names)))
    lines.append(f" return [{every}], [{', '.join(after)}]")
    return "\n".join(lines)


def _python(tree: Expression, variables: Mapping[str, str]) -> str:
    kind = tree[0]
    if kind == "var":
        return variables[tree[1]]
    if kind == "const":
        return "M" if tree[1] else "0"
    if kind == "not":
        return f"(M ^ {_python(tree[1], variables)})"
    operator = {"and": "&", "or": "|", "xor": "^"}[kind]
    return f"({_python(tree[1], variables)} {operator} {_python(tree[2], variables)})"
