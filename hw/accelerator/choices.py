"""Engines that a layer of a machine could have: every folding of each layer."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from macwright.hw.accelerator.array import MacArraySpec
from macwright.hw.accelerator.compose import Composer
from macwright.hw.accelerator.engine import EngineSpec
from macwright.hw.accelerator.folding import Folding, LayerShape, divisors
from macwright.hw.accelerator.machine import INPUT, MachineSpec
from macwright.hw.accelerator.network import Network, SumNode, Table, level_unit
from macwright.hw.accelerator.operands import default_unit, fitting_unit
from macwright.hw.accelerator.plan import compatible
from macwright.hw.accelerator.requantiser import RequantiserSpec
from macwright.hw.formats import FloatFormat

__all__ = [
    "EngineChoices",
    "foldings_of",
    "interval_of_units",
    "to_minifloat",
    "with_formats",
]


def foldings_of(shape: LayerShape) -> list[Folding]:
    """All foldings of a layer, by rising number of products a cycle.

    Examples
    --------
    >>> shape = LayerShape(positions=4, groups=3, outputs=1, taps=9, inputs=1)
    >>> [(f.units, f.cycles(shape)) for f in foldings_of(shape)]
    [(1, 108), (3, 36)]
    """
    choices = {
        Folding(pe=pe, simd=simd)
        for pe, simd in product(divisors(shape.outputs), divisors(shape.inputs))
    }
    choices |= {
        Folding(pe=shape.outputs, simd=shape.inputs, groups=groups)
        for groups in divisors(shape.groups)
    }
    return sorted(choices, key=lambda f: (f.units, f.pe, f.simd))


def interval_of_units(shapes: Mapping[str, LayerShape], units: int) -> int:
    """Least interval, in cycles, at which engines of no more units than that keep pace."""
    every = {name: [(f.cycles(s), f.units) for f in foldings_of(s)] for name, s in shapes.items()}
    times = sorted({cycles for choices in every.values() for cycles, _ in choices})
    able = [
        time
        for time in times
        if all(any(cycles <= time for cycles, _ in choices) for choices in every.values())
    ]
    low, high = 0, len(able) - 1
    while low < high:
        middle = (low + high) // 2
        needed = sum(
            min(count for cycles, count in choices if cycles <= able[middle])
            for choices in every.values()
        )
        low, high = (low, middle) if needed <= units else (middle + 1, high)
    return able[low]


@dataclass(frozen=True, kw_only=True)
class _TimedArray(MacArraySpec):
    """An array for the control model alone, of units of another latency."""

    unit_latency: int

    @property
    def latency(self) -> int:
        return super().latency - int(self.unit.latency) + self.unit_latency


class EngineChoices:
    """Specs of engines of a network, in any folding.

    Parameters
    ----------
    network : Network
        What is computed.
    interval : int
        Cycles of a frame of the machine around the engines.

    Attributes
    ----------
    machine : MachineSpec
        That machine, its buffers not sized.
    stage_names : list of str
        Node of each of its stages.
    shapes : dict
        Shape of each layer that has an engine.

    Raises
    ------
    RefusedInput
        If a node cannot be built.
    """

    def __init__(self, network: Network, interval: int) -> None:
        self.network = network
        self._composer = Composer(network, {}, interval, default_unit, {})
        self.machine: MachineSpec = self._composer.machine()
        self._nodes: dict[str, Any] = {
            name: node
            for name, node in self._composer.named.items()
            if name in self._composer.engines
        }
        self.stage_names = [node.name for node in self._composer.stages]
        self.shapes = {name: self._composer.shape(node) for name, node in self._nodes.items()}

    def largest_sum(self, name: str) -> float:
        """Greatest magnitude of a layer's sums, in products of levels."""
        low, high = self.network.products(self._nodes[name])
        return max(abs(float(low.min())), abs(float(high.max())))

    def spec(self, name: str, folding: Folding) -> EngineSpec:
        """Engine of a layer in a folding, next to engines that write as those of the machine do."""
        composer, node, shape = self._composer, self._nodes[name], self.shapes[name]
        folding.check(name, shape)
        results, beats = folding.pe * folding.groups, shape.taps * shape.inputs // folding.simd
        writer = composer.tensors[node.input].producer[0]
        read, written = folding.simd * folding.groups, composer.writes[writer]
        lanes = next(d for d in divisors(results) if results // d <= beats or d == results)
        written = written if compatible(written, read) else 1
        before = composer.foldings, composer.writes
        composer.foldings = {name: folding}
        composer.writes = {**composer.writes, name: lanes, writer: written}
        try:
            return composer.engine_spec(node)[0]
        finally:
            composer.foldings, composer.writes = before

    def sources(self, name: str) -> Iterator[tuple[str, int]]:
        """Stages and outputs whose requantisers make the codes that a layer, or a stage, reads."""
        for edge in self._composer.named[name].inputs:
            producer, output = self._composer.tensors[edge].producer
            node = None if producer == INPUT else self._composer.named[producer]
            if isinstance(node, SumNode):
                yield producer, output
            elif node is not None and not isinstance(node, Table):
                yield from self.sources(producer)

    def requantisers(self, name: str) -> list[RequantiserSpec]:
        """Requantisers that make the codes that a layer reads."""
        stages = dict(zip(self.stage_names, self.machine.stages, strict=True))
        return [stages[stage].spec.drain.outputs[k] for stage, k in self.sources(name)]

    def with_foldings(
        self,
        foldings: Mapping[str, Folding],
        interval: int,
        latencies: Mapping[str, int],
        minifloats: Mapping[str, FloatFormat],
    ) -> MachineSpec:
        """The machine with given foldings of layers, and of the others the smallest in time.

        `latencies` are those of the layers' units, in cycles, and `minifloats` the formats of
        activations of layers that read some.
        """
        spec = Composer(self.network, foldings, interval, default_unit, {}).machine()
        stages = []
        for stage, name in zip(spec.stages, self.stage_names, strict=True):
            if name in latencies:
                array = stage.spec.array
                timed = _TimedArray(**vars(array), unit_latency=latencies[name])
                engine = replace(stage.spec, array=timed)
                stage = replace(stage, spec=engine)
            stages.append(stage)
        places = {name: k for k, name in enumerate(self.stage_names)}
        for name, fmt in minifloats.items():
            for producer, output in self.sources(name):
                stage = stages[places[producer]]
                outputs = list(stage.spec.drain.outputs)
                outputs[output] = to_minifloat(outputs[output], fmt)
                drain = replace(stage.spec.drain, outputs=tuple(outputs))
                stages[places[producer]] = replace(stage, spec=replace(stage.spec, drain=drain))
        return replace(spec, stages=tuple(stages))


def to_minifloat(spec: RequantiserSpec, fmt: FloatFormat) -> RequantiserSpec:
    """A requantiser to minifloats in the place of one to integers of 8 bits."""
    most = int(fmt.max / level_unit(fmt))
    return replace(
        spec,
        bits=fmt.width,
        zero=0,
        low=0 if spec.low >= 0 else -most,
        high=most,
        shift=max(0, spec.shift + 8 - most.bit_length()),
        minifloat=fmt,
    )


def with_formats(spec: EngineSpec, like: Any, sums: int) -> EngineSpec:
    """The engine of a layer with other units, and so many bits for its sums."""
    act = like.act
    unit = fitting_unit(like, act, like.weight, sums)
    array = replace(spec.array, unit=unit)
    grown = array.sums - spec.drain.sums
    outputs = tuple(
        replace(o, sums=array.sums, bias=max(1, o.bias + grown) if o.bias else 0)
        for o in spec.drain.outputs
    )
    return EngineSpec(
        window=replace(spec.window, bits=act.width, pad_code=0),
        array=array,
        drain=replace(spec.drain, sums=array.sums, outputs=outputs),
    )
