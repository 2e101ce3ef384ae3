"""Bit-exact outputs of an integer network, for many samples at once."""

import math
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from macwright.hw.accelerator.network import (
    Add,
    AveragePool,
    Concat,
    Conv,
    Gemm,
    MaxPool,
    Network,
    Node,
    Pad,
    Reshape,
    Slice,
    Table,
    Transpose,
)
from macwright.hw.errors import RefusedInput, RefusedType
from macwright.sim.accelerator.products import LayerWeights, sum_type, taps
from macwright.sim.accelerator.rounding import requantise

__all__ = ["IntegerModel"]

#: Codes of the widest edge that are computed together: few enough to stay in cache.
CHUNK = 1 << 19
_Levels = dict[str, NDArray]


class IntegerModel:
    """An integer network that is run.

    All sums are exact, so that a sample gives the same bits whatever it runs with.

    Parameters
    ----------
    network : Network
        The network.

    Examples
    --------
    >>> from macwright.hw.accelerator.network import Edge, Gemm, Requant
    >>> from macwright.hw.formats import parse_format
    >>> edges = [Edge(name=n, format=parse_format("int8"), scale=1.0, zero=0, shape=(2,))
    ...          for n in ("in", "out")]
    >>> half = Requant(edge="out", multiplier=np.array([1]), shift=1, low=-128, high=127)
    >>> node = Gemm(name="fc", input="in", outputs=(half,), bias=np.array([1, 0]),
    ...             weight_format=parse_format("int4"), weights=np.array([[1, 0], [3, 15]]))
    >>> network = Network(name="n", model_sha256="", input="in", output="out",
    ...                   edges=tuple(edges), nodes=(node,))
    >>> IntegerModel(network).run([[6, 7]])
    array([[4, 6]])
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self._last = {name: node.name for node in network.nodes for name in node.inputs}
        self._tops = {}
        self._weights = {}
        for node in network.nodes:
            if isinstance(node, (Conv, Gemm, Add, AveragePool)):
                ends = network.products(node)
                self._tops[node.name] = max(int(np.abs(end).max()) for end in ends)
            if isinstance(node, (Conv, Gemm)):
                zero = network.edge(node.input).zero
                self._weights[node.name] = LayerWeights(node, zero, self._tops[node.name])
        widest = max(self._size(node) for node in network.nodes)
        self.chunk = max(1, CHUNK // widest)

    def run(
        self, levels: NDArray, *, progress: Callable[[int, int], None] | None = None
    ) -> NDArray:
        """Levels of the output.

        Parameters
        ----------
        levels : array_like of int, shape (n, *shape of the input)
            Levels of the input.
        progress : callable, optional
            Called with samples done and all samples.

        Returns
        -------
        ndarray of int64, shape (n, *shape of the output)

        Raises
        ------
        ValueError
            If the levels have another shape, or are none of the input's format.
        """
        name = self.network.output
        parts = []
        for done, part in self._chunks(levels, (name,)):
            parts.append(part[name])
            if progress:
                progress(done, len(levels))
        return np.concatenate(parts)

    def trace(self, levels: NDArray, edges: Iterable[str] | None = None) -> _Levels:
        """Levels of edges by name, all of them if none are named; see `run`."""
        names = tuple(edges if edges is not None else (e.name for e in self.network.edges))
        parts = [part for _, part in self._chunks(levels, names)]
        return {name: np.concatenate([part[name] for part in parts]) for name in names}

    def _chunks(self, levels: NDArray, names: tuple[str, ...]) -> Iterator[tuple[int, _Levels]]:
        edge = self.network.edge(self.network.input)
        levels = np.asarray(levels)
        if levels.shape[1:] != edge.shape or not len(levels) or levels.dtype.kind not in "iu":
            raise RefusedInput(
                f"Input of {self.network.name} must be integers of shape (samples, "
                f"{', '.join(map(str, edge.shape))}), not {levels.dtype} of {levels.shape}"
            )
        if levels.min() < edge.low or levels.max() > edge.high:
            raise RefusedInput(
                f"Input of {self.network.name} must be levels from {edge.low} to {edge.high}, "
                f"not from {levels.min()} to {levels.max()}"
            )
        for start in range(0, len(levels), self.chunk):
            part = levels[start : start + self.chunk]
            values = self._run(np.moveaxis(part, 1, -1), names)
            yield (
                start + len(part),
                {name: np.moveaxis(values[name], -1, 1).astype(np.int64) for name in names},
            )

    def _run(self, levels: NDArray, names: tuple[str, ...]) -> _Levels:
        """Levels of some edges, channels last."""
        edge = self.network.edge(self.network.input)
        wide = np.float32 if max(-edge.low, edge.high) >> 24 == 0 else np.float64
        values: _Levels = {self.network.input: levels.astype(wide)}
        for node in self.network.nodes:
            values.update(self._results(node, [values[name] for name in node.inputs]))
            for name in node.inputs:
                if self._last[name] == node.name and name not in names:
                    values.pop(name, None)
        return values

    def _results(self, node: Node, inputs: list[NDArray]) -> _Levels:
        if isinstance(node, (Conv, Gemm, Add, AveragePool)):
            sums, bias = self._sums(node, inputs)
            if node.fraction:
                sums = sums * sums.dtype.type(1 << node.fraction)
            top = (self._tops[node.name] << node.fraction) + int(np.abs(bias).max())
            return {
                output.edge: requantise(sums, bias, output, self.network.edge(output.edge), top)
                for output in node.outputs
            }
        if isinstance(node, Table):
            return self._looked_up(node, inputs[0])
        return {node.produced[0]: self._wired(node, inputs)}

    def _sums(self, node: Node, inputs: list[NDArray]) -> tuple[NDArray, NDArray]:
        """Sums without bias, and the bias."""
        if isinstance(node, (Conv, Gemm)):
            return self._weights[node.name].sums(inputs[0]), node.bias
        none, dtype = np.zeros(1, np.int64), sum_type(self._tops[node.name])
        if isinstance(node, Add):
            return inputs[0].astype(dtype) + inputs[1].astype(dtype), none
        assert isinstance(node, AveragePool)
        source = inputs[0].astype(dtype, copy=False)
        if source.shape[1:-1] == node.kernel and not any(map(any, node.pads)):
            axes = tuple(range(1, source.ndim - 1))
            return source.sum(axis=axes, keepdims=True), none
        ones = (1,) * len(node.kernel)
        parts = taps(source, node.kernel, node.strides, node.pads, ones, 0)
        total = parts[0].copy()
        for part in parts[1:]:
            total += part
        return total, none

    def _looked_up(self, node: Table, levels: NDArray) -> _Levels:
        source = self.network.edge(node.input)
        codes = source.codes(np.arange(source.low, source.high + 1))
        index = (levels - source.low).astype(np.intp)
        result = {}
        for output in node.outputs:
            table = self.network.edge(output.edge).levels(output.codes)[:, codes]
            table = table.astype(np.float32 if np.abs(table).max() >> 24 == 0 else np.float64)
            rows = 0 if len(table) == 1 else np.arange(len(table))
            result[output.edge] = table[rows, index]
        return result

    def _wired(self, node: Node, inputs: list[NDArray]) -> NDArray:
        first = inputs[0]
        if isinstance(node, MaxPool):
            low = self.network.edge(node.input).low
            parts = taps(first, node.kernel, node.strides, node.pads, node.dilations, low)
            largest = parts[0].copy()
            for part in parts[1:]:
                np.maximum(largest, part, out=largest)
            return largest
        if isinstance(node, Concat):
            return np.concatenate(inputs, axis=_last(node.axis, first.ndim))
        if isinstance(node, Pad):
            channels, *rest = node.pads
            return np.pad(first, [(0, 0), *rest, channels], constant_values=node.level)
        if isinstance(node, Slice):
            cuts = [slice(*ends) for ends in zip(node.starts, node.stops, node.steps, strict=True)]
            return first[(slice(None), *cuts[1:], cuts[0])]
        if isinstance(node, Transpose):
            order = [0, *(axis + 1 for axis in node.order)]
            return np.moveaxis(np.moveaxis(first, -1, 1).transpose(order), 1, -1)
        if isinstance(node, Reshape):
            shape = self.network.edge(node.output).shape
            moved = np.ascontiguousarray(np.moveaxis(first, -1, 1)).reshape(len(first), *shape)
            return np.moveaxis(moved, 1, -1)
        raise RefusedType(f"Node {node.name} must be of a kind that can be run, not {node.kind}")

    def _size(self, node: Node) -> int:
        """Numbers that a node handles for one sample."""
        produced = max(self.network.edge(name).size for name in node.produced)
        read = max(self.network.edge(name).size for name in node.inputs)
        if isinstance(node, Conv) and node.groups == 1:
            return max(read, produced // len(node.weights) * math.prod(node.weights.shape[1:]))
        return max(read, produced)


def _last(axis: int, rank: int) -> int:
    """Axis of a sample, channels first, in arrays of samples with channels last."""
    return rank - 1 if axis == 0 else axis
