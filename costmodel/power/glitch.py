"""Simulation with library delays: transitions that a settled view does not see.

Each clock edge is simulated on its own: flip-flops and ports change, and every gate, in
evaluation order, merges the event lists of its inputs into that of its output. Times are whole
ps. Pulses shorter than a gate's delay are suppressed as Icarus Verilog does with specify paths.
"""

from dataclasses import dataclass

import numpy as np
import wasmtime
from numpy.typing import NDArray

from macwright.costmodel.netlist.netlist import Netlist
from macwright.costmodel.netlist.timing import Timing
from macwright.costmodel.power.glitch_kernel import (
    GATE_WORDS,
    INPUT_WORDS,
    NEVER,
    SOURCE_WORDS,
    WORD_INPUTS,
    kernel_text,
)
from macwright.hw.errors import RefusedInput
from macwright.hw.wasm import wasm_engine

__all__ = ["GlitchCount", "GlitchSimulator"]

_PAGE = 65536
_HEAP_BYTES = 16 << 20
_QUEUE_BYTES = 1 << 20
#: Last time in a clock cycle that the kernel can compare with others, ps.
_LATEST = NEVER >> 1


@dataclass(frozen=True)
class GlitchCount:
    """What a simulation with delays counted.

    Parameters
    ----------
    transitions : int
        Clock edges counted.
    toggles : ndarray of int64, shape (n_nets,)
        Transitions of each net that is no clock.
    energy_fj : ndarray of float64, shape (n_vectors,)
        Toggles times weights of each vector; 0 where it was not counted.
    """

    transitions: int
    toggles: NDArray[np.int64]
    energy_fj: NDArray[np.float64]


class GlitchSimulator:
    """A netlist with delays, ready to run.

    Parameters
    ----------
    netlist : Netlist
    timing : Timing
        Of the same netlist.

    Raises
    ------
    RefusedInput
        If delays are too long for times in whole ps.
    """

    def __init__(self, netlist: Netlist, timing: Timing) -> None:
        self.netlist = netlist
        inputs = [
            (net, 0, 0)
            for port in netlist.ports.values()
            if port.direction == "input"
            for net in port.nets
            if net != netlist.clock
        ]
        flops = []
        for flop in netlist.flops:
            for pin, net, _ in flop.outputs:
                rise, fall = timing.delays_ns.get((flop.instance, flop.clock, pin), _NO_ARC)
                flops.append((net, _picoseconds(rise, fall), _picoseconds(fall, rise)))
        flop_delays = [pair for _, *pair in flops]
        #: Nets that change at the clock edge, and their delays in ps.
        self.sources: list[tuple[int, int, int]] = inputs + flops
        # Any order within a level will do; gates of as many inputs side by side are faster.
        self._gates = sorted(
            (gate for gate in netlist.gates if gate.inputs),
            key=lambda gate: (netlist.level[gate.instance], len(gate.inputs)),
        )
        delays = []
        for gate in self._gates:
            for pin in gate.pins:
                rise, fall = timing.delays_ns.get((gate.instance, pin, gate.pin), _NO_ARC)
                delays.append((_picoseconds(rise, fall), _picoseconds(fall, rise)))
        self._delays = delays
        longest = max(delay for pair in [(1,), *delays, *flop_delays] for delay in pair)
        depth = 1 + int(netlist.level.max(initial=0))
        if longest * depth > _LATEST:
            raise RefusedInput(
                f"Delays of {netlist.library.name}, through {depth} cells, must end within "
                f"{_LATEST // 10**6} us, and that of one cell is {longest / 1000:.4g} ns"
            )

    def run(
        self,
        settled: NDArray[np.uint8],
        values: NDArray[np.uint8],
        counted: NDArray[np.bool_],
        weights_fj: NDArray[np.float64],
    ) -> GlitchCount:
        """Simulate a sequence of clock edges.

        Parameters
        ----------
        settled : ndarray of uint8, shape (n_nets,)
            Value of every net before the first vector.
        values : ndarray of uint8, shape (n_vectors, n_sources)
            Value of each source after each clock edge.
        counted : ndarray of bool, shape (n_vectors,)
            Whether the transitions of a vector count; those that do not only set the state.
        weights_fj : ndarray of float64, shape (n_nets,)
            Energy of a transition of each net.

        Returns
        -------
        GlitchCount
        """
        n_vectors = len(values)
        if not n_vectors or not self.sources or not self._gates:
            size = len(self.netlist.net_names)
            return GlitchCount(0, np.zeros(size, dtype=np.int64), np.zeros(n_vectors))
        places, image = self._image(settled, values, counted, weights_fj)
        pages = -(-(len(image) + _HEAP_BYTES) // _PAGE)
        text = kernel_text(
            pages=pages,
            n_sources=len(self.sources),
            n_gates=len(self._gates),
            max_inputs=max(len(gate.inputs) for gate in self._gates),
            places=places,
        )
        store = wasmtime.Store(wasm_engine())
        exports = wasmtime.Instance(store, wasmtime.Module(store.engine, text), []).exports(store)
        memory, run = exports["memory"], exports["run"]
        if not isinstance(memory, wasmtime.Memory) or not isinstance(run, wasmtime.Func):
            raise TypeError("Kernel must export memory and run")
        memory.write(store, image.tobytes(), 0)
        try:
            run(store, 0, n_vectors)
        except wasmtime.Trap as trap:
            raise MemoryError(
                f"Netlist must have fewer transitions in a clock cycle than fit "
                f"{_HEAP_BYTES >> 20} MiB ({trap.message.splitlines()[0]})"
            ) from None
        size = len(self.netlist.net_names)
        start = places["counters"]
        toggles = np.frombuffer(memory.read(store, start, start + 4 * size), dtype=np.uint32)
        start = places["energies"]
        energies = np.frombuffer(memory.read(store, start, start + 8 * n_vectors), dtype=np.float64)
        return GlitchCount(int(counted.sum()), toggles.astype(np.int64), energies)

    def _image(
        self,
        settled: NDArray[np.uint8],
        values: NDArray[np.uint8],
        counted: NDArray[np.bool_],
        weights_fj: NDArray[np.float64],
    ) -> tuple[dict[str, int], NDArray[np.uint8]]:
        """Addresses and content of the kernel's memory."""
        n_nets = len(self.netlist.net_names)
        tables: dict[bytes, int] = {}
        table_bytes = b""
        for gate in self._gates:
            key = gate.table.astype(np.uint8).tobytes()
            if key not in tables:
                tables[key] = len(table_bytes)
                table_bytes += key
        n_inputs = sum(len(gate.inputs) for gate in self._gates)
        sizes = {
            "empty": 8,
            "heads": 4 * n_nets,
            "counters": 4 * n_nets,
            "sources": 4 * SOURCE_WORDS * len(self.sources),
            "gates": 4 * (GATE_WORDS * len(self._gates) + INPUT_WORDS * n_inputs),
            "tables": len(table_bytes),
            "queue": _QUEUE_BYTES,
            "counted": len(values),
            "energies": 8 * len(values),
            "values": values.size,
        }
        places = {}
        end = 8
        for name, size in sizes.items():
            places[name] = end
            end += -(-size // 8) * 8
        places["heap"] = end
        image = np.zeros(end, dtype=np.uint8)

        def put(name: str, data: NDArray[np.uint32] | NDArray[np.uint8]) -> None:
            raw = np.ascontiguousarray(data).view(np.uint8).ravel()
            image[places[name] : places[name] + len(raw)] = raw

        put("empty", np.array([NEVER, NEVER], dtype=np.uint32))
        put("heads", np.full(n_nets, places["empty"], dtype=np.uint32))
        put("counted", counted.astype(np.uint8))
        put("values", values)
        put("tables", np.frombuffer(table_bytes, dtype=np.uint8))

        def common(net: int) -> tuple[int, int]:
            return places["heads"] + 4 * net, places["counters"] + 4 * net

        def weight(net: int) -> list[int]:
            return np.array([weights_fj[net]]).view(np.uint32).tolist()

        words: list[int] = []
        for net, rise, fall in self.sources:
            head, counter = common(net)
            words += [int(settled[net]), head, counter, rise, fall, counter, *weight(net)]
        put("sources", np.array(words, dtype=np.uint32))
        words = []
        delays = iter(self._delays)
        for gate in self._gates:
            head, counter = common(gate.output)
            state = sum(int(settled[net]) << bit for bit, net in enumerate(gate.inputs))
            table = places["tables"] + tables[gate.table.astype(np.uint8).tobytes()]
            if len(gate.inputs) <= WORD_INPUTS:
                table = int(np.dot(gate.table.astype(np.uint64), 2 ** np.arange(len(gate.table))))
            words += [len(gate.inputs), table, state, head, counter, counter, *weight(gate.output)]
            for net in gate.inputs:
                words += [common(net)[0], *next(delays)]
        put("gates", np.array(words, dtype=np.uint32))
        return places, image


#: An input without an arc takes the shortest delay.
_NO_ARC = (float("nan"), float("nan"))


def _picoseconds(delay_ns: float, other_ns: float) -> int:
    """Whole ps, at least 1; an edge without an arc takes the delay of the other edge."""
    delay = other_ns if np.isnan(delay_ns) else delay_ns
    return 1 if np.isnan(delay) else max(1, round(min(1000 * delay, NEVER)))
