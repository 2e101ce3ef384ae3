"""Nodes that sum: convolutions, matrix products, additions, average pools; and maximum pools."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from macwright.hw.accelerator.network.node import Node, Pairs, Shape, SumNode
from macwright.hw.formats import Format

__all__ = ["Add", "AveragePool", "Conv", "Gemm", "MaxPool"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Conv(SumNode):
    """Convolution: ``t[c, p] = bias[c] + 2**fraction * sum over taps of level * weight level``.

    Taps outside the input read its `zero`. The constant part of the input's zero is in the bias.

    Parameters
    ----------
    weight_format : Format
        Format of the weights.
    weights : ndarray of int64, shape (out channels, in channels / groups, *kernel)
        Code words.
    bias : ndarray of int64, shape (out channels,)
        In units of ``2**-fraction`` of one level times one weight level.
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
    pads: Pairs
    dilations: tuple[int, ...]

    def result_shape(self, *shapes: Shape) -> Shape:
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
class Gemm(SumNode):
    """Fully connected layer: ``t[c] = bias[c] + 2**fraction * sum of level[k] * weight[c, k]``.

    Parameters
    ----------
    weight_format : Format
        Format of the weights.
    weights : ndarray of int64, shape (out channels, in channels)
        Code words.
    bias : ndarray of int64, shape (out channels,)
        In units of ``2**-fraction`` of one level times one weight level.
    """

    kind = "gemm"
    input: str
    weight_format: Format
    weights: NDArray[np.int64]
    bias: NDArray[np.int64]

    def result_shape(self, *shapes: Shape) -> Shape:
        """See `Node.result_shape`."""
        (shape,) = shapes
        self._check(self.weights.ndim == 2, "a matrix of weights", self.weights.shape)
        self._check(
            shape == self.weights.shape[1:], f"an input of shape {self.weights.shape[1:]}", shape
        )
        return self.weights.shape[:1]


@dataclass(frozen=True, kw_only=True, eq=False)
class Add(SumNode):
    """Addition of two tensors in one scale: ``t = level + level``; both zeros are 0."""

    kind = "add"
    input_a: str
    input_b: str

    @property
    def inputs(self) -> tuple[str, ...]:
        """Edges that are read."""
        return self.input_a, self.input_b

    def result_shape(self, *shapes: Shape) -> Shape:
        """See `Node.result_shape`."""
        first, second = shapes
        self._check(first == second, "two inputs of one shape", f"{first} and {second}")
        return first


@dataclass(frozen=True, kw_only=True, eq=False)
class AveragePool(SumNode):
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
    pads: Pairs

    def result_shape(self, *shapes: Shape) -> Shape:
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
    pads: Pairs
    dilations: tuple[int, ...]

    def result_shape(self, *shapes: Shape) -> Shape:
        """See `Node.result_shape`."""
        return _pooled(self, shapes[0], self.kernel)


def _pooled(node: AveragePool | MaxPool, shape: Shape, kernel: Sequence[int]) -> Shape:
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
