"""From an integer network and foldings to the stages of a machine."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from macwright.hw.accelerator.array import MacArraySpec, ReducerSpec
from macwright.hw.accelerator.drain import DrainSpec
from macwright.hw.accelerator.elementwise import (
    AddSpec,
    ConcatSpec,
    GlobalPoolSpec,
    LookupSpec,
)
from macwright.hw.accelerator.engine import EngineSpec
from macwright.hw.accelerator.fifo import FifoSpec
from macwright.hw.accelerator.folding import Folding, LayerShape, smallest_folding
from macwright.hw.accelerator.machine import INPUT, MachineSpec, Stage
from macwright.hw.accelerator.network import (
    Add,
    AveragePool,
    Concat,
    Conv,
    Edge,
    Gemm,
    MaxPool,
    Network,
    Node,
    Pad,
    Requant,
    Reshape,
    Slice,
    Table,
)
from macwright.hw.accelerator.rearrange import PadSpec, SliceSpec
from macwright.hw.accelerator.requantiser import RequantiserSpec
from macwright.hw.accelerator.stream import Words
from macwright.hw.accelerator.window_spec import WindowSpec
from macwright.hw.arith.widths import range_width
from macwright.hw.errors import RefusedInput
from macwright.hw.formats import (
    ApotFormat,
    BinaryFormat,
    FloatFormat,
    IntFormat,
    PotFormat,
    TernaryFormat,
)
from macwright.hw.formats.scaled import FixedFormat
from macwright.hw.pe import IntMacSpec, MinifloatMacSpec, ShiftAddMacSpec
from macwright.hw.pe.accumulator import FixedAcc
from macwright.hw.pe.operand import product_range

__all__ = ["compose", "default_unit", "layer_shapes"]

#: Nodes that are stages.
_BUILT = (Conv, Gemm, Add, AveragePool, MaxPool, Concat, Table, Pad, Slice)

UnitOf = Callable[[Any, Any, int, int], Any]


def default_unit(act: Any, weight: Any, sums: int, simd: int) -> Any:
    """Multiply-accumulate unit for formats of a layer and bits of its sums."""
    if isinstance(act, FloatFormat) or isinstance(weight, FloatFormat):
        least = MinifloatMacSpec(act=act, weight=weight, terms=1).acc.width  # type: ignore[union-attr]
        acc = FixedAcc(max(sums, least))
        return MinifloatMacSpec(act=act, weight=weight, acc=acc, pipeline=1)
    acc = IntFormat(max(sums, range_width(*product_range(act, weight))))
    if isinstance(weight, PotFormat | ApotFormat):
        return ShiftAddMacSpec(act=act, weight=weight, acc=acc, group=1, scale=None, pipeline=1)
    return IntMacSpec(act=act, weight=weight, acc=acc, pipeline=1)


@dataclass(frozen=True, kw_only=True)
class _Tensor:
    """Where a tensor comes from, as a stream.

    Attributes
    ----------
    producer : (str, int)
        Stage and output.
    height, width, channels : int
        Size; `flat` where it is read as one position of all of them.
    flat : bool
        Whether it was reshaped to a vector, channels first.
    edge : Edge
        Its codes.
    """

    producer: tuple[str, int]
    height: int
    width: int
    channels: int
    edge: Edge
    flat: bool = False

    @property
    def positions(self) -> int:
        return self.height * self.width


def layer_shapes(network: Network) -> dict[str, LayerShape]:
    """Layers of a network that take a folding, by name."""
    composer = _Composer(network, {}, 1, default_unit)
    return {
        node.name: composer.shape(node)
        for node in network.nodes
        if isinstance(node, (Conv, Gemm, MaxPool, AveragePool)) and not composer.is_global(node)
    }


def compose(
    network: Network,
    *,
    interval: int,
    foldings: Mapping[str, Folding] | None = None,
    unit_of: UnitOf = default_unit,
) -> MachineSpec:
    """Stages of the machine of a network, their buffers deep enough for whole frames.

    Parameters
    ----------
    network : Network
        What is computed.
    interval : int
        Cycles of a frame to stay within.
    foldings : mapping, optional
        Folding of layers, by name; of the others the smallest that stays within the interval.
    unit_of : callable
        Gives the unit for formats of activations and weights, bits of the sums, products a cycle.

    Returns
    -------
    MachineSpec
        Depths of its buffers are for the control model to lessen.

    Raises
    ------
    ValueError
        If a node cannot be built, or no folding stays within the interval; the message names it.
    """
    return _Composer(network, foldings or {}, interval, unit_of).machine()


class _Composer:
    """One composition."""

    def __init__(
        self, network: Network, foldings: Mapping[str, Folding], interval: int, unit_of: UnitOf
    ) -> None:
        self.network, self.interval, self.unit_of = network, interval, unit_of
        self.foldings = foldings
        unknown = set(foldings) - {node.name for node in network.nodes}
        if unknown:
            raise RefusedInput(f"Foldings must be of nodes of the network, not {min(unknown)!r}")
        self.tensors: dict[str, _Tensor] = {}
        self._follow()

    def _follow(self) -> None:
        """Where each edge comes from."""
        self._give(self.network.edge(self.network.input), (INPUT, 0))
        for node in self.network.nodes:
            if isinstance(node, Reshape):
                source = self.tensors[node.input]
                edge = self.network.edge(node.output)
                if len(edge.shape) != 1 and source.positions > 1:
                    raise RefusedInput(
                        f"Node {node.name} must flatten its input to be built, not reshape it to "
                        f"{edge.shape}"
                    )
                flat = source.positions > 1
                self.tensors[node.output] = replace(source, edge=edge, flat=flat)
                if not flat:
                    self._give(edge, source.producer)
                continue
            if not isinstance(node, _BUILT):
                raise RefusedInput(f"Node {node.name} ({node.kind}) cannot be built yet")
            for k, name in enumerate(node.produced):
                self._give(self.network.edge(name), (node.name, k))

    def _give(self, edge: Edge, producer: tuple[str, int]) -> None:
        channels, *rest = edge.shape
        height, width = (1, *rest)[-2:] if rest else (1, 1)
        if len(rest) > 2:
            raise RefusedInput(f"Edge {edge.name} must have two spatial axes at most, not {rest}")
        self.tensors[edge.name] = _Tensor(
            producer=producer, height=height, width=width, channels=channels, edge=edge
        )

    def shape(self, node: Any) -> LayerShape:
        """A layer as matrix products."""
        source, result = self.tensors[node.input], self.tensors[node.produced[0]]
        if isinstance(node, (MaxPool, AveragePool)):
            taps = prod(node.kernel)
            return LayerShape(
                positions=result.positions, groups=source.channels, outputs=1, taps=taps, inputs=1
            )
        groups = getattr(node, "groups", 1)
        taps = source.positions if isinstance(node, Gemm) else prod(node.weights.shape[2:])
        return LayerShape(
            positions=result.positions,
            groups=groups,
            outputs=len(node.weights) // groups,
            taps=taps,
            inputs=source.channels // groups,
        )

    def is_global(self, node: Node) -> bool:
        """Whether a node averages a whole tensor."""
        if not isinstance(node, AveragePool):
            return False
        source = self.tensors[node.input]
        whole = (source.height, source.width)[-len(node.kernel) :]
        return node.kernel == whole and not any(map(any, node.pads))

    def folding(self, node: Node) -> Folding:
        """Folding of a layer."""
        shape = self.shape(node)
        given = self.foldings.get(node.name)
        chosen = given or smallest_folding(shape, self.interval)
        if chosen is None:
            whole = Folding(pe=shape.outputs, simd=shape.inputs, groups=shape.groups)
            raise RefusedInput(
                f"Interval must be {whole.cycles(shape)} cycles or more for layer {node.name}, not "
                f"{self.interval}"
            )
        chosen.check(node.name, shape)
        return chosen

    def lanes(self) -> tuple[dict[str, int], dict[str, int]]:
        """Lanes that each node reads, and that each writes; `INPUT` writes, too."""
        reads: dict[str, int] = {}
        for node in self.stages:
            first = self.tensors[node.inputs[0]]
            if isinstance(node, (Conv, Gemm, MaxPool)) or (
                isinstance(node, AveragePool) and not self.is_global(node)
            ):
                folding = self.folding(node)
                reads[node.name] = folding.simd * folding.groups
                continue
            size = self.network.edge(node.produced[0]).size
            size = max(size, *(self.network.edge(name).size for name in node.inputs))
            whole = [self.tensors[name].channels for name in node.inputs]
            common = int(np.gcd.reduce([*whole, first.channels, *_channel_ends(node)]))
            reads[node.name] = self._fewest(common, size)
        writes = {}
        source = self.tensors[self.network.input]
        readers = self._readers()
        for name in (INPUT, *(node.name for node in self.stages)):
            able = self._writable(name, reads.get(name, 1), source)
            fits = [
                lanes
                for lanes in able
                if all(_compatible(lanes, reads.get(reader, lanes)) for reader in readers[name])
            ]
            if not fits:
                raise RefusedInput(
                    f"Lanes of {name} must be one of {able} and fit those that its readers take, "
                    f"{sorted({reads[r] for r in readers[name] if r in reads})}: choose other "
                    "foldings"
                )
            writes[name] = fits[0]
        return reads, writes

    def _fewest(self, channels: int, size: int) -> int:
        """Fewest lanes that divide the channels and pass so many codes within the interval."""
        able = [d for d in range(1, channels + 1) if channels % d == 0]
        return next((d for d in able if size <= d * self.interval), channels)

    def _writable(self, name: str, reads: int, source: _Tensor) -> list[int]:
        """Lanes that a stage could write, the fewest first."""
        if name == INPUT:
            least = self._fewest(source.channels, source.edge.size)
            return [d for d in range(least, source.channels + 1) if source.channels % d == 0]
        node = self.named[name]
        if name not in self.engines:
            return [reads]
        folding, shape = self.folding(node), self.shape(node)
        results, beats = folding.pe * folding.groups, shape.taps * shape.inputs // folding.simd
        return [d for d in range(1, results + 1) if results % d == 0 and results // d <= beats]

    def _readers(self) -> dict[str, set[str]]:
        result: dict[str, set[str]] = {INPUT: set(), **{node.name: set() for node in self.stages}}
        for node in self.stages:
            for name in node.inputs:
                result[self.tensors[name].producer[0]].add(node.name)
        return result

    @property
    def stages(self) -> list[Any]:
        """Nodes that are stages."""
        return [node for node in self.network.nodes if not isinstance(node, Reshape)]

    @property
    def named(self) -> dict[str, Any]:
        return {node.name: node for node in self.stages}

    @property
    def engines(self) -> set[str]:
        """Names of nodes that are engines."""
        kinds = (Conv, Gemm, MaxPool, AveragePool)
        return {n.name for n in self.stages if isinstance(n, kinds) and not self.is_global(n)}

    def machine(self) -> MachineSpec:
        """All stages."""
        self.reads, self.writes = self.lanes()
        self.bursts = {INPUT: 1}
        names = _module_names([node.name for node in self.stages])
        names[INPUT] = INPUT
        stages = []
        for node in self.stages:
            spec, constants = self._stage(node)
            self.bursts[node.name] = spec.burst
            inputs = tuple(
                (names[self.tensors[name].producer[0]], self.tensors[name].producer[1])
                for name in node.inputs
            )
            stages.append(
                Stage(name=names[node.name], spec=spec, inputs=inputs, constants=constants)
            )
        source = self.tensors[self.network.input]
        result = self.tensors[self.network.output]
        producer = result.producer
        if producer[0] == INPUT:
            raise RefusedInput("Output of a machine must be computed, not be its input")
        lanes = self.writes[producer[0]]
        return MachineSpec(
            # With an ending, as "small" and "strong" are words of Verilog.
            name=f"{_module_names([self.network.name])[self.network.name]}_machine",
            words=Words(lanes=self.writes[INPUT], bits=source.edge.format.width),
            frame_words=source.edge.size // self.writes[INPUT],
            stages=tuple(stages),
            output=(names[producer[0]], producer[1]),
            fifo=self._fifo(result, lanes),
            out_words=result.edge.size // lanes,
        )

    def _storage(self, source: _Tensor, read_lanes: int) -> dict[str, Any]:
        """Fields of a buffer for a tensor, deep enough for two frames."""
        write_lanes = self.writes[source.producer[0]]
        wide = max(write_lanes, read_lanes)
        return {
            "bits": source.edge.format.width,
            "write_lanes": write_lanes,
            "read_lanes": read_lanes,
            "depth": 2 * source.positions * source.channels // wide + 2,
            "burst": self.bursts[source.producer[0]],
        }

    def _fifo(self, source: _Tensor, read_lanes: int) -> FifoSpec:
        return FifoSpec(**self._storage(source, read_lanes))

    def _stage(self, node: Any) -> tuple[Any, dict[str, Any]]:
        """Spec and constants of a stage."""
        if node.name in self.engines:
            return self._engine(node)
        sources = [self.tensors[name] for name in node.inputs]
        if not isinstance(node, Concat) and any(source.flat for source in sources):
            raise RefusedInput(f"Node {node.name} must not read a flattened tensor to be built")
        lanes = self.reads[node.name]
        fifos = tuple(self._fifo(source, lanes) for source in sources)
        words = sources[0].edge.size // lanes
        if isinstance(node, Table):
            tables = [
                [[int(code) for code in row] for row in output.codes] for output in node.outputs
            ]
            channels = {len(output.codes) for output in node.outputs}
            if len(channels) > 1:
                raise RefusedInput(f"Tables of {node.name} must be all one or all by the channel")
            bits = tuple(self.network.edge(name).format.width for name in node.produced)
            spec = LookupSpec(fifos=fifos, words=words, outputs=bits, channels=channels.pop())
            return spec, {"tables": tables}
        if isinstance(node, Concat):
            if node.axis or any(source.flat for source in sources):
                raise RefusedInput(f"Node {node.name} must join channels to be built")
            shares = tuple(source.channels // lanes for source in sources)
            words = self.network.edge(node.output).size // lanes
            return ConcatSpec(fifos=fifos, words=words, shares=shares), {}
        if isinstance(node, (Pad, Slice)):
            return self._rearranged(node, sources[0], fifos, lanes), {}
        rounds = sources[0].channels // lanes
        drain, constants = self._drain(node, results=lanes, rounds=rounds, lanes=lanes)
        signs = tuple(_is_signed(source.edge) for source in sources)
        if isinstance(node, Add):
            return AddSpec(fifos=fifos, words=words, signed=signs, drain=drain), constants
        spec = GlobalPoolSpec(
            fifos=fifos,
            words=words,
            signed=signs[0],
            positions=sources[0].positions,
            drain=drain,
        )
        return spec, constants

    def _rearranged(
        self, node: Pad | Slice, source: _Tensor, fifos: tuple[FifoSpec, ...], lanes: int
    ) -> PadSpec | SliceSpec:
        """A slice or a pad, word by word along the channels, columns and rows."""
        missing = 2 - (len(source.edge.shape) - 1)
        sizes = (source.channels // lanes, source.width, source.height)
        if isinstance(node, Slice):
            if node.steps[0] > 1:
                raise RefusedInput(f"Node {node.name} must keep channels in a row to be built")
            ends = list(zip(node.starts, node.stops, node.steps, strict=True))
            channel = (ends[0][0] // lanes, ends[0][1] // lanes, 1)
            rows, columns = [(0, 1, 1)] * missing + ends[1:]
            kept = tuple(tuple(range(*part)) for part in (channel, columns, rows))
            return SliceSpec(fifos=fifos, words=prod(sizes), counts=sizes, kept=kept)  # type: ignore[arg-type]
        (first, last), *rest = node.pads
        rows, columns = [(0, 0)] * missing + rest
        pads = ((first // lanes, last // lanes), columns, rows)
        counts = tuple(n + sum(pad) for n, pad in zip(sizes, pads, strict=True))
        return PadSpec(
            fifos=fifos,
            words=prod(counts),
            counts=counts,  # type: ignore[arg-type]
            before=tuple(pad[0] for pad in pads),  # type: ignore[arg-type]
            taken=sizes,
            code=int(source.edge.codes([node.level])[0]),
        )

    def _engine(self, node: Any) -> tuple[EngineSpec, dict[str, Any]]:
        source, folding, shape = self.tensors[node.input], self.folding(node), self.shape(node)
        window = self._window(node, source, folding, shape)
        rounds = window.folds * window.passes
        lanes = self.writes[node.name]
        if isinstance(node, (MaxPool, AveragePool)):
            low, high = _level_range(source.edge)
            if isinstance(node, AveragePool):
                low, high = (int(ends[0]) for ends in self.network.products(node))
            array: Any = ReducerSpec(
                operation="max" if isinstance(node, MaxPool) else "sum",
                lanes=folding.groups,
                bits=source.edge.format.width,
                signed=_is_signed(source.edge),
                sums=source.edge.format.width
                if isinstance(node, MaxPool)
                else range_width(low, high),
            )
            weights = {}
        else:
            low, high = self.network.products(node)
            sums = range_width(int(low.min()), int(high.max()))
            act = _operand(node, source.edge.format)
            weight = _operand(node, node.weight_format, weight=True)
            unit = self.unit_of(act, weight, sums, folding.simd)
            array = MacArraySpec(
                unit=unit,
                pe=folding.pe,
                simd=folding.simd,
                groups=folding.groups,
                steps=rounds * window.beats,
            )
            weights = {"weights": self._weights(node, source, folding, shape)}
        if isinstance(node, MaxPool):
            drain = DrainSpec(
                results=array.results, lanes=lanes, rounds=rounds, sums=array.sums, outputs=()
            )
            return EngineSpec(window=window, array=array, drain=drain), {}
        drain, constants = self._drain(
            node, results=array.results, rounds=rounds, lanes=lanes, sums=array.sums
        )
        return EngineSpec(window=window, array=array, drain=drain), weights | constants

    def _window(
        self, node: Any, source: _Tensor, folding: Folding, shape: LayerShape
    ) -> WindowSpec:
        lanes = folding.simd * folding.groups
        fields = self._storage(source, lanes)
        fields |= {"height": source.height, "width": source.width, "channels": source.channels}
        fields |= {"folds": shape.groups // folding.groups, "passes": shape.outputs // folding.pe}
        edge = source.edge
        pad = edge.low if isinstance(node, MaxPool) else edge.zero
        if edge.has_zero or isinstance(node, MaxPool):
            fields["pad_code"] = int(edge.codes([pad])[0])
        if isinstance(node, Gemm):
            fields["kernel"] = (source.height, source.width)
            return WindowSpec(**fields)
        if source.flat:
            raise RefusedInput(f"Node {node.name} must not read a flattened tensor to be built")
        kernel = node.weights.shape[2:] if isinstance(node, Conv) else node.kernel
        missing = 2 - len(kernel)
        fields["kernel"] = (1,) * missing + tuple(kernel)
        fields["stride"] = (1,) * missing + tuple(node.strides)
        fields["dilation"] = (1,) * missing + tuple(getattr(node, "dilations", (1,) * len(kernel)))
        (top, bottom), (left, right) = ((0, 0),) * missing + tuple(node.pads)
        fields["pads"] = (top, left, bottom, right)
        return WindowSpec(**fields)

    def _weights(
        self, node: Any, source: _Tensor, folding: Folding, shape: LayerShape
    ) -> list[int]:
        """Words of the memory of weights, in the order of the beats."""
        codes, fmt = np.asarray(node.weights, np.int64), node.weight_format
        values = fmt.decode(codes)
        if values.min() < fmt.min or values.max() > fmt.max:
            raise RefusedInput(f"Weights of {node.name} must be codes of {fmt} to be built")
        if isinstance(node, Gemm):
            codes = codes.reshape(len(codes), source.channels, source.positions)
        codes = codes.reshape(shape.groups, shape.outputs, shape.inputs, shape.taps)
        codes = codes.reshape(
            shape.groups // folding.groups,
            folding.groups,
            shape.outputs // folding.pe,
            folding.pe,
            shape.inputs // folding.simd,
            folding.simd,
            shape.taps,
        )
        # fold, pass, tap, chunk, then what goes in parallel: group, PE, product.
        order = codes.transpose(0, 2, 6, 4, 1, 3, 5).reshape(-1, folding.units)
        width = node.weight_format.width
        return [
            sum(int(code) << (k * width) for k, code in enumerate(row)) for row in order.tolist()
        ]

    def _drain(
        self, node: Any, *, results: int, rounds: int, lanes: int, sums: int | None = None
    ) -> tuple[DrainSpec, dict[str, Any]]:
        """Drain of a node with requantised outputs, and its constants."""
        channels = results * rounds
        if sums is None:
            low, high = self.network.products(node)
            sums = range_width(int(low.min()), int(high.max()))
        bias = [int(b) for b in getattr(node, "bias", ())]
        width = range_width(min(bias), max(bias)) if any(bias) else 0
        outputs, multipliers = [], []
        for output in node.outputs:
            spec = self._requantiser(output, sums, width)
            outputs.append(spec)
            if spec.constant is None:
                multipliers.append([int(m) for m in np.broadcast_to(output.multiplier, channels)])
        drain = DrainSpec(
            results=results, lanes=lanes, rounds=rounds, sums=sums, outputs=tuple(outputs)
        )
        return drain, {"bias": bias if width else [], "multipliers": multipliers}

    def _requantiser(self, output: Requant, sums: int, bias: int) -> RequantiserSpec:
        edge = self.network.edge(output.edge)
        if not isinstance(edge.format, IntFormat | FixedFormat | TernaryFormat):
            raise RefusedInput(
                f"Edge {edge.name} must be of integers to be built, not {edge.format}"
            )
        numbers = {int(m) for m in output.multiplier}
        return RequantiserSpec(
            sums=sums,
            bias=bias,
            multiplier=max(1, max(numbers).bit_length()),
            shift=output.shift,
            zero=edge.zero,
            low=output.low,
            high=output.high,
            bits=edge.format.width,
            constant=numbers.pop() if len(numbers) == 1 else None,
        )


def _operand(node: Node, fmt: Any, *, weight: bool = False) -> Any:
    """Format of a unit's operand for codes of a format; fixed point is an integer with a scale."""
    if isinstance(fmt, FixedFormat):
        return fmt.integer
    if isinstance(fmt, IntFormat | BinaryFormat | TernaryFormat | FloatFormat):
        return fmt
    if weight and isinstance(fmt, PotFormat | ApotFormat):
        return fmt
    raise RefusedInput(
        f"{'Weights' if weight else 'Activations'} of {node.name} must be integers or minifloats "
        f"to be built, not {fmt}"
    )


def _channel_ends(node: Node) -> tuple[int, ...]:
    """Numbers of channels that a word must not straddle."""
    if isinstance(node, Slice):
        return node.starts[0], node.stops[0]
    return node.pads[0] if isinstance(node, Pad) else ()


def _is_signed(edge: Edge) -> bool:
    if not isinstance(edge.format, IntFormat | FixedFormat | TernaryFormat):
        raise RefusedInput(f"Edge {edge.name} must be of integers to be built, not {edge.format}")
    return edge.low < 0


def _level_range(edge: Edge) -> tuple[int, int]:
    return edge.low, edge.high


def _compatible(written: int, read: int) -> bool:
    """Whether a buffer can turn words of so many lanes into words of so many."""
    if read % written == 0:
        return True
    ratio, rest = divmod(written, read)
    return rest == 0 and ratio & (ratio - 1) == 0


def _module_names(names: list[str]) -> dict[str, str]:
    """Names as modules can have them, all different."""
    result: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower() or "stage"
        plain = plain if plain[0].isalpha() else f"s{plain}"
        number, unique = 1, plain
        while unique in result.values() or unique == INPUT:
            number += 1
            unique = f"{plain}_{number}"
        result[name] = unique
    return result
