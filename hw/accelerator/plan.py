"""Where the tensors of a network come from, and in words of how many channels they go."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from macwright.hw.accelerator.folding import Folding, LayerShape, smallest_folding
from macwright.hw.accelerator.machine import INPUT
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
    Reshape,
    Slice,
    Table,
)
from macwright.hw.errors import RefusedInput

__all__ = ["Plan", "Tensor", "compatible", "layer_shapes"]

#: Nodes that are stages.
_BUILT = (Conv, Gemm, Add, AveragePool, MaxPool, Concat, Table, Pad, Slice)


@dataclass(frozen=True, kw_only=True)
class Tensor:
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
    plan = Plan(network, {}, 1)
    return {
        node.name: plan.shape(node)
        for node in network.nodes
        if isinstance(node, (Conv, Gemm, MaxPool, AveragePool)) and not plan.is_global(node)
    }


class Plan:
    """Where the tensors of a network come from, and in words of how many channels they go.

    Parameters
    ----------
    network : Network
        What is computed.
    foldings : mapping
        Folding of layers, by name.
    interval : int
        Cycles of a frame to stay within.

    Raises
    ------
    RefusedInput
        If a node cannot be built; the message names it.
    """

    def __init__(self, network: Network, foldings: Mapping[str, Folding], interval: int) -> None:
        self.network, self.interval = network, interval
        self.foldings = foldings
        unknown = set(foldings) - {node.name for node in network.nodes}
        if unknown:
            raise RefusedInput(f"Foldings must be of nodes of the network, not {min(unknown)!r}")
        self.tensors: dict[str, Tensor] = {}
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
        self.tensors[edge.name] = Tensor(
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
            reads[node.name] = self.fewest(common, size)
        writes = {}
        source = self.tensors[self.network.input]
        readers = self._readers()
        for name in (INPUT, *(node.name for node in self.stages)):
            able = self._writable(name, reads.get(name, 1), source)
            fits = [
                lanes
                for lanes in able
                if all(compatible(lanes, reads.get(reader, lanes)) for reader in readers[name])
            ]
            if not fits:
                raise RefusedInput(
                    f"Lanes of {name} must be one of {able} and fit those that its readers take, "
                    f"{sorted({reads[r] for r in readers[name] if r in reads})}: choose other "
                    "foldings"
                )
            writes[name] = fits[0]
        return reads, writes

    def fewest(self, channels: int, size: int) -> int:
        """Fewest lanes that divide the channels and pass so many codes within the interval."""
        able = [d for d in range(1, channels + 1) if channels % d == 0]
        return next((d for d in able if size <= d * self.interval), channels)

    def _writable(self, name: str, reads: int, source: Tensor) -> list[int]:
        """Lanes that a stage could write, the fewest first."""
        if name == INPUT:
            least = self.fewest(source.channels, source.edge.size)
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


def _channel_ends(node: Node) -> tuple[int, ...]:
    """Numbers of channels that a word must not straddle."""
    if isinstance(node, Slice):
        return node.starts[0], node.stops[0]
    return node.pads[0] if isinstance(node, Pad) else ()


def compatible(written: int, read: int) -> bool:
    """Whether a buffer can turn words of so many lanes into words of so many."""
    if read % written == 0:
        return True
    ratio, rest = divmod(written, read)
    return rest == 0 and ratio & (ratio - 1) == 0
