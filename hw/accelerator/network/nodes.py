"""Nodes of an integer network.

All arithmetic is on levels (see `Edge`), exact. A node with sums `t` (convolution, Gemm, addition,
average pool) gives a tensor for each format that a reader wants, always from the sums::

    level = clip(round((t * multiplier[c] + zero * 2**shift) / 2**shift), low, high)

`round` is to the nearest level of the edge's format, halfway to the even code word; `zero` is that
of the edge.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from macwright.hw.errors import RefusedInput
from macwright.hw.formats import Format

__all__ = [
    "Add",
    "AveragePool",
    "Concat",
    "Conv",
    "Gemm",
    "MaxPool",
    "Node",
    "Pad",
    "Requant",
    "Reshape",
    "Slice",
    "Table",
    "TableOutput",
    "Transpose",
]

_Shape = tuple[int, ...]
_Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Requant:
    """From sums to the codes of one edge.

    Parameters
    ----------
    edge : str
        Edge that is produced.
    multiplier : ndarray of int64, shape (channels,) or (1,)
        From 0 to 65535, for each channel (first axis of the result) or for all.
    shift : int
        From 0 to 63.
    low, high : int
        Least and greatest level of the result: the format's, ReLU's or Clip's.
    """

    edge: str
    multiplier: NDArray[np.int64]
    shift: int
    low: int
    high: int


@dataclass(frozen=True, kw_only=True, eq=False)
class TableOutput:
    """Table of one edge.

    Parameters
    ----------
    edge : str
        Edge that is produced.
    codes : ndarray of int64, shape (channels or 1, 2**width of the input)
        Code word of the result for each code word of the input.
    """

    edge: str
    codes: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Node:
    """What all nodes have.

    Parameters
    ----------
    name : str
        Name, unique in the network; that of the ONNX node where there is one.
    """

    kind: ClassVar[str] = ""
    name: str

    @property
    def inputs(self) -> tuple[str, ...]:
        """Edges that are read."""
        return (self.input,)  # type: ignore[attr-defined]

    @property
    def produced(self) -> tuple[str, ...]:
        """Edges that are produced."""
        return (self.output,)  # type: ignore[attr-defined]

    def result_shape(self, *shapes: _Shape) -> _Shape | None:
        """Shape of the results for those of the inputs, for one sample; None if any will do.

        Raises
        ------
        ValueError
            If the inputs do not fit the node.
        """
        return shapes[0]

    def _check(self, fits: bool, must: str, given: object) -> None:
        if not fits:
            raise RefusedInput(f"Node {self.name} ({self.kind}) must have {must}, not {given}")


@dataclass(frozen=True, kw_only=True, eq=False)
class _Sums(Node):
    """Nodes whose sums are requantised for each reader."""

    outputs: tuple[Requant, ...]

    @property
    def produced(self) -> tuple[str, ...]:
        """Edges that are produced."""
        return tuple(output.edge for output in self.outputs)


@dataclass(frozen=True, kw_only=True, eq=False)
class Conv(_Sums):
    """Convolution: ``t[c, p] = bias[c] + sum over taps of level * weight level``.

    Taps outside the input read its `zero`. The constant part of the input's zero is in the bias.

    Parameters
    ----------
    weight_format : Format
        Format of the weights.
    weights : ndarray of int64, shape (out channels, in channels / groups, *kernel)
        Code words.
    bias : ndarray of int64, shape (out channels,)
        In units of one level times one weight level.
    groups : int
        Groups of channels; as many as channels in a depthwise convolution.
    strides, dilations : tuple of int
        For each spatial axis.
    pads : tuple of (int, int)
        Before and after, for each spatial axis.
    """

    kind = "conv"
    input: str
    weight_format: Format
    weights: NDArray[np.int64]
    bias: NDArray[np.int64]
    groups: int
    strides: tuple[int, ...]
    pads: _Pairs
    dilations: tuple[int, ...]

    def result_shape(self, *shapes: _Shape) -> _Shape:
        """See `Node.result_shape`."""
        (shape,) = shapes
        out, each, *kernel = self.weights.shape
        self._check(len(shape) == len(kernel) + 1, f"an input of {len(kernel) + 1} axes", shape)
        self._check(
            self.groups >= 1 and shape[0] == each * self.groups and out % self.groups == 0,
            f"{each} input channels in each of {self.groups} groups that divide {out} channels",
            shape,
        )
        return out, *_slid(self, shape[1:], kernel)


@dataclass(frozen=True, kw_only=True, eq=False)
class Gemm(_Sums):
    """Fully connected layer: ``t[c] = bias[c] + sum over k of level[k] * weight level[c, k]``.

    Parameters
    ----------
    weight_format : Format
        Format of the weights.
    weights : ndarray of int64, shape (out channels, in channels)
        Code words.
    bias : ndarray of int64, shape (out channels,)
        In units of one level times one weight level.
    """

    kind = "gemm"
    input: str
    weight_format: Format
    weights: NDArray[np.int64]
    bias: NDArray[np.int64]

    def result_shape(self, *shapes: _Shape) -> _Shape:
        """See `Node.result_shape`."""
        (shape,) = shapes
        self._check(self.weights.ndim == 2, "a matrix of weights", self.weights.shape)
        self._check(
            shape == self.weights.shape[1:], f"an input of shape {self.weights.shape[1:]}", shape
        )
        return self.weights.shape[:1]


@dataclass(frozen=True, kw_only=True, eq=False)
class Add(_Sums):
    """Addition of two tensors in one scale: ``t = level + level``; both zeros are 0."""

    kind = "add"
    input_a: str
    input_b: str

    @property
    def inputs(self) -> tuple[str, ...]:
        """Edges that are read."""
        return self.input_a, self.input_b

    def result_shape(self, *shapes: _Shape) -> _Shape:
        """See `Node.result_shape`."""
        first, second = shapes
        self._check(first == second, "two inputs of one shape", f"{first} and {second}")
        return first


@dataclass(frozen=True, kw_only=True, eq=False)
class AveragePool(_Sums):
    """Average over windows: ``t = sum of levels``; the division is in the multiplier.

    The input's zero is 0, and so are taps outside it.

    Parameters
    ----------
    kernel, strides : tuple of int
        For each spatial axis.
    pads : tuple of (int, int)
        Before and after, for each spatial axis.
    """

    kind = "average_pool"
    input: str
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    pads: _Pairs

    def result_shape(self, *shapes: _Shape) -> _Shape:
        """See `Node.result_shape`."""
        return _pooled(self, shapes[0], self.kernel)


@dataclass(frozen=True, kw_only=True, eq=False)
class MaxPool(Node):
    """Largest level of each window; taps outside the input are never the largest."""

    kind = "max_pool"
    input: str
    output: str
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    pads: _Pairs
    dilations: tuple[int, ...]

    def result_shape(self, *shapes: _Shape) -> _Shape:
        """See `Node.result_shape`."""
        return _pooled(self, shapes[0], self.kernel)


@dataclass(frozen=True, kw_only=True, eq=False)
class Table(Node):
    """Function of one value: code words looked up by code words."""

    kind = "table"
    input: str
    outputs: tuple[TableOutput, ...]

    @property
    def produced(self) -> tuple[str, ...]:
        """Edges that are produced."""
        return tuple(output.edge for output in self.outputs)


@dataclass(frozen=True, kw_only=True, eq=False)
class Concat(Node):
    """Tensors one after the other along an axis (0 is channels)."""

    kind = "concat"
    sources: tuple[str, ...]
    output: str
    axis: int

    @property
    def inputs(self) -> tuple[str, ...]:
        """Edges that are read."""
        return self.sources

    def result_shape(self, *shapes: _Shape) -> _Shape:
        """See `Node.result_shape`."""
        rank = len(shapes[0])
        self._check(0 <= self.axis < rank, f"an axis below {rank}", self.axis)
        rests = {(*shape[: self.axis], *shape[self.axis + 1 :]) for shape in shapes}
        self._check(len(rests) == 1, "inputs that differ along one axis only", shapes)
        total = sum(shape[self.axis] for shape in shapes)
        return (*shapes[0][: self.axis], total, *shapes[0][self.axis + 1 :])


@dataclass(frozen=True, kw_only=True, eq=False)
class Pad(Node):
    """Constant levels before and after, along each axis.

    Parameters
    ----------
    pads : tuple of (int, int)
        Before and after, for each axis.
    level : int
        What is added.
    """

    kind = "pad"
    input: str
    output: str
    pads: _Pairs
    level: int

    def result_shape(self, *shapes: _Shape) -> _Shape:
        """See `Node.result_shape`."""
        (shape,) = shapes
        self._check(len(shape) == len(self.pads), f"an input of {len(self.pads)} axes", shape)
        self._check(min(map(min, self.pads)) >= 0, "no negative pads", self.pads)
        return tuple(n + sum(pad) for n, pad in zip(shape, self.pads, strict=True))


@dataclass(frozen=True, kw_only=True, eq=False)
class Slice(Node):
    """Every `steps`-th level from `starts` to before `stops`, for each axis."""

    kind = "slice"
    input: str
    output: str
    starts: tuple[int, ...]
    stops: tuple[int, ...]
    steps: tuple[int, ...]

    def result_shape(self, *shapes: _Shape) -> _Shape:
        """See `Node.result_shape`."""
        (shape,) = shapes
        ends = list(zip(self.starts, self.stops, self.steps, strict=True))
        fits = len(ends) == len(shape) and all(
            0 <= start < stop <= n and step >= 1
            for n, (start, stop, step) in zip(shape, ends, strict=True)
        )
        self._check(fits, f"starts, stops and steps inside {shape}", ends)
        return tuple(len(range(*end)) for end in ends)


@dataclass(frozen=True, kw_only=True, eq=False)
class Reshape(Node):
    """The same levels, channels first and last axis fastest, in another shape."""

    kind = "reshape"
    input: str
    output: str

    def result_shape(self, *shapes: _Shape) -> None:
        """See `Node.result_shape`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Transpose(Node):
    """Axes in another order: axis i of the result is axis ``order[i]`` of the input."""

    kind = "transpose"
    input: str
    output: str
    order: tuple[int, ...]

    def result_shape(self, *shapes: _Shape) -> _Shape:
        """See `Node.result_shape`."""
        (shape,) = shapes
        fits = sorted(self.order) == list(range(len(shape)))
        self._check(fits, f"an order of {len(shape)} axes", self.order)
        return tuple(shape[axis] for axis in self.order)


def _pooled(node: AveragePool | MaxPool, shape: _Shape, kernel: Sequence[int]) -> _Shape:
    node._check(len(shape) == len(kernel) + 1, f"an input of {len(kernel) + 1} axes", shape)
    fits = all(max(pad) < size for pad, size in zip(node.pads, kernel, strict=True))
    node._check(fits, f"pads smaller than the kernel {tuple(kernel)}", node.pads)
    return shape[0], *_slid(node, shape[1:], kernel)


def _slid(
    node: Conv | AveragePool | MaxPool, sizes: Sequence[int], kernel: Sequence[int]
) -> list[int]:
    """Positions of a window along each spatial axis."""
    dilations = getattr(node, "dilations", (1,) * len(kernel))
    lengths = {len(kernel), len(node.strides), len(node.pads), len(dilations)}
    node._check(len(lengths) == 1, f"strides, pads and dilations for {len(kernel)} axes", lengths)
    node._check(
        min(*kernel, *node.strides, *dilations) >= 1 and min(map(min, node.pads)) >= 0,
        "positive kernels, strides and dilations and no negative pads",
        f"{tuple(kernel)}, {node.strides}, {dilations} and {node.pads}",
    )
    result = []
    for n, size, stride, pad, dilation in zip(
        sizes, kernel, node.strides, node.pads, dilations, strict=True
    ):
        room = n + sum(pad) - (size - 1) * dilation - 1
        node._check(room >= 0, f"a window inside its padded input of {n + sum(pad)}", size)
        result.append(room // stride + 1)
    return result
