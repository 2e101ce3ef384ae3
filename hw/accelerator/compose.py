"""From an integer network and foldings to the stages of a machine."""

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np

from macwright.hw.accelerator.array import MacArraySpec, ReducerSpec
from macwright.hw.accelerator.drain import DrainSpec
from macwright.hw.accelerator.elementwise import ConcatSpec, LookupSpec
from macwright.hw.accelerator.engine import EngineSpec
from macwright.hw.accelerator.fifo import FifoSpec
from macwright.hw.accelerator.folding import Folding, LayerShape
from macwright.hw.accelerator.library import module_names
from macwright.hw.accelerator.machine import INPUT, MachineSpec, Stage
from macwright.hw.accelerator.network import (
    Add,
    AveragePool,
    Concat,
    Conv,
    Gemm,
    MaxPool,
    Network,
    Pad,
    Requant,
    Slice,
    SumNode,
    Table,
)
from macwright.hw.accelerator.operands import (
    default_unit,
    fitting_unit,
    level_format,
    operand_format,
)
from macwright.hw.accelerator.plan import Plan, Tensor
from macwright.hw.accelerator.rearrange import PadSpec, SliceSpec
from macwright.hw.accelerator.requantiser import RequantiserSpec
from macwright.hw.accelerator.stream import Words
from macwright.hw.accelerator.sums import AddSpec, GlobalPoolSpec
from macwright.hw.accelerator.weight_words import weight_words
from macwright.hw.accelerator.window_spec import WindowSpec
from macwright.hw.arith.widths import range_width
from macwright.hw.errors import RefusedInput
from macwright.hw.formats import FloatFormat

__all__ = ["Composer", "compose"]

UnitOf = Callable[[Any, Any, int, int], Any]


def compose(
    network: Network,
    *,
    interval: int,
    foldings: Mapping[str, Folding] | None = None,
    unit_of: UnitOf = default_unit,
    units: Mapping[str, Any] | None = None,
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
    units : mapping, optional
        Units like which those of layers are to be, by name; of the others, `unit_of` decides.

    Returns
    -------
    MachineSpec
        Depths of its buffers are for the control model to lessen.

    Raises
    ------
    ValueError
        If a node cannot be built, or no folding stays within the interval; the message names it.
    """
    return Composer(network, foldings or {}, interval, unit_of, units or {}).machine()


class Composer(Plan):
    """One composition."""

    def __init__(
        self,
        network: Network,
        foldings: Mapping[str, Folding],
        interval: int,
        unit_of: UnitOf,
        units: Mapping[str, Any],
    ) -> None:
        super().__init__(network, foldings, interval)
        self.unit_of, self.units = unit_of, units

    def machine(self) -> MachineSpec:
        """All stages."""
        self.reads, self.writes = self.lanes()
        self.bursts = {INPUT: 1}
        names = module_names([node.name for node in self.stages], taken=INPUT)
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
        name = self.network.name
        return MachineSpec(
            # With an ending, as "small" and "strong" are words of Verilog.
            name=f"{module_names([name], taken=INPUT)[name]}_machine",
            words=Words(lanes=self.writes[INPUT], bits=source.edge.format.width),
            frame_words=source.edge.size // self.writes[INPUT],
            stages=tuple(stages),
            output=(names[producer[0]], producer[1]),
            fifo=self._fifo(result, lanes),
            out_words=result.edge.size // lanes,
        )

    def _storage(self, source: Tensor, read_lanes: int) -> dict[str, Any]:
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

    def _fifo(self, source: Tensor, read_lanes: int) -> FifoSpec:
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
        formats = tuple(level_format(source.edge) for source in sources)
        if isinstance(node, Add):
            return AddSpec(fifos=fifos, words=words, formats=formats, drain=drain), constants
        spec = GlobalPoolSpec(
            fifos=fifos,
            words=words,
            format=formats[0],
            positions=sources[0].positions,
            drain=drain,
        )
        return spec, constants

    def _rearranged(
        self, node: Pad | Slice, source: Tensor, fifos: tuple[FifoSpec, ...], lanes: int
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
            chosen = tuple(tuple(range(*part)) for part in (channel, columns, rows))
            return SliceSpec(fifos=fifos, words=prod(sizes), counts=sizes, chosen=chosen)  # type: ignore[arg-type]
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
        spec, constants = self.engine_spec(node)
        if isinstance(spec.array, MacArraySpec):
            source = self.tensors[node.input]
            words = weight_words(node, source, self.folding(node), self.shape(node))
            constants = {"weights": words, **constants}
        return spec, constants

    def engine_spec(self, node: Any) -> tuple[EngineSpec, dict[str, Any]]:
        """Spec of the engine of a layer, with the constants of its drain."""
        source, folding, shape = self.tensors[node.input], self.folding(node), self.shape(node)
        window = self._window(node, source, folding, shape)
        rounds = window.folds * window.passes
        lanes = self.writes[node.name]
        if isinstance(node, (MaxPool, AveragePool)):
            low, high = source.edge.low, source.edge.high
            if isinstance(node, AveragePool):
                low, high = (int(ends[0]) for ends in self.network.products(node))
            array: Any = ReducerSpec(
                operation="max" if isinstance(node, MaxPool) else "sum",
                lanes=folding.groups,
                format=level_format(source.edge),
                sums=source.edge.format.width
                if isinstance(node, MaxPool)
                else range_width(low, high),
            )
        else:
            low, high = self.network.products(node)
            sums = range_width(int(low.min()), int(high.max()))
            act = operand_format(node, source.edge.format)
            weight = operand_format(node, node.weight_format, weight=True)
            array = MacArraySpec(
                unit=self._unit(node.name, act, weight, sums, folding.simd),
                pe=folding.pe,
                simd=folding.simd,
                groups=folding.groups,
                steps=rounds * window.beats,
            )
        if isinstance(node, MaxPool):
            drain = DrainSpec(
                results=array.results, lanes=lanes, rounds=rounds, sums=array.sums, outputs=()
            )
            return EngineSpec(window=window, array=array, drain=drain), {}
        drain, constants = self._drain(
            node, results=array.results, rounds=rounds, lanes=lanes, sums=array.sums
        )
        return EngineSpec(window=window, array=array, drain=drain), constants

    def _unit(self, name: str, act: Any, weight: Any, sums: int, simd: int) -> Any:
        like = self.units.get(name)
        if like is None:
            return self.unit_of(act, weight, sums, simd)
        return fitting_unit(like, act, weight, sums)

    def _window(self, node: Any, source: Tensor, folding: Folding, shape: LayerShape) -> WindowSpec:
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
            spec = self._requantiser(node, output, sums, width)
            outputs.append(spec)
            if spec.constant is None:
                multipliers.append([int(m) for m in np.broadcast_to(output.multiplier, channels)])
        drain = DrainSpec(
            results=results, lanes=lanes, rounds=rounds, sums=sums, outputs=tuple(outputs)
        )
        return drain, {"bias": bias if width else [], "multipliers": multipliers}

    def _requantiser(self, node: SumNode, output: Requant, sums: int, bias: int) -> RequantiserSpec:
        edge = self.network.edge(output.edge)
        fmt = level_format(edge)
        numbers = {int(m) for m in output.multiplier}
        return RequantiserSpec(
            sums=sums,
            bias=bias,
            multiplier=max(1, max(numbers).bit_length()),
            shift=output.shift,
            zero=edge.zero,
            low=output.low,
            high=output.high,
            bits=fmt.width,
            constant=numbers.pop() if len(numbers) == 1 else None,
            fraction=node.fraction,
            minifloat=fmt if isinstance(fmt, FloatFormat) else None,
        )
