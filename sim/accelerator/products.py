"""Sums of products of convolutions and matrix products, for arrays: exact."""

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from macwright.hw.accelerator.network import Conv, Gemm, levels_of

__all__ = ["LayerWeights", "sum_type", "taps"]


def sum_type(top: int) -> type:
    """Cheapest type in which sums are exact whose partial sums are at most `top` in size."""
    for bits, dtype in ((24, np.float32), (53, np.float64), (62, np.int64)):
        if top >> bits == 0:
            return dtype
    return object


def taps(
    levels: NDArray,
    kernel: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[tuple[int, int]],
    dilations: Sequence[int],
    fill: float,
) -> list[NDArray]:
    """What each tap of a window reads, in the order of the kernel.

    Parameters
    ----------
    levels : ndarray, shape (n, *sizes, channels)
        Input.
    kernel, strides, pads, dilations
        Of the window, for each spatial axis.
    fill : float
        What is outside the input.

    Returns
    -------
    list of ndarray, shape (n, *positions, channels)
        Views of one array.
    """
    if any(map(any, pads)):
        levels = np.pad(levels, [(0, 0), *pads, (0, 0)], constant_values=fill)
    sizes = levels.shape[1:-1]
    result = []
    for offset in product(*map(range, kernel)):
        index = [slice(None)]
        for n, size, at, stride, dilation in zip(
            sizes, kernel, offset, strides, dilations, strict=True
        ):
            start = at * dilation
            count = (n - (size - 1) * dilation - 1) // stride + 1
            index.append(slice(start, start + (count - 1) * stride + 1, stride))
        result.append(levels[tuple(index)])
    return result


class LayerWeights:
    """Weights of a layer, ready for sums of products.

    Parameters
    ----------
    node : Conv or Gemm
        The layer.
    zero : int
        Level of its input that stands for 0.
    top : int
        Largest size of a partial sum.
    """

    def __init__(self, node: Conv | Gemm, zero: int, top: int) -> None:
        self.node, self.zero = node, zero
        self.dtype = sum_type(top)
        levels = levels_of(node.weight_format, node.weights)
        out, each, *kernel = levels.shape
        self.groups = node.groups if isinstance(node, Conv) else 1
        # (groups, taps, in channels of a group, out channels of a group)
        grouped = levels.reshape(self.groups, out // self.groups, each, -1).transpose(0, 3, 2, 1)
        self.matrices = np.ascontiguousarray(grouped, self.dtype)
        self.kernel = tuple(kernel)

    def sums(self, levels: NDArray) -> NDArray:
        """Sums of products, shape (n, *positions, out channels), in the type `sum_type` gives."""
        node = self.node
        levels = levels.astype(self.dtype, copy=False)
        groups, count, each, out = self.matrices.shape
        parts = [levels]
        if isinstance(node, Conv):
            fill = self.zero
            parts = taps(levels, self.kernel, node.strides, node.pads, node.dilations, fill)
        if each == out == 1:
            return self._depthwise(parts)
        columns = parts[0]
        if groups > 1:
            columns = [part.reshape(*part.shape[:-1], groups, each) for part in parts]
            columns = np.stack(columns, axis=-2)  # (n, *positions, groups, taps, each)
            columns = np.moveaxis(columns, -3, 0).reshape(groups, -1, count * each)
        elif count > 1:
            columns = np.stack(parts, axis=-2)
        matrices = self.matrices.reshape(groups, count * each, out)
        shape = parts[0].shape[:-1]
        if groups == 1:
            result = columns.reshape(-1, count * each) @ matrices[0]
        else:
            result = np.moveaxis(columns @ matrices, 0, 1)
        return result.reshape(*shape, groups * out)

    def _depthwise(self, parts: list[NDArray]) -> NDArray:
        factors = self.matrices[:, :, 0, 0].T  # (taps, channels)
        result = parts[0] * factors[0]
        product = np.empty_like(result)
        for part, factor in zip(parts[1:], factors[1:], strict=True):
            np.multiply(part, factor, out=product)
            result += product
        return result
