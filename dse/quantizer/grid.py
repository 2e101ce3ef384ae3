"""Grids that a layer's weights are rounded to: one scale a channel, a group or a block."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from macwright.dse.quantizer.options import QuantOptions
from macwright.dse.quantizer.scales import on_grid, scale_of, weight_scales
from macwright.dse.workload.layer import Layer
from macwright.hw.formats import BlockFormat, FloatFormat, Format

__all__ = ["Grid", "group_columns", "weight_grid"]

_Array = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """Values that weights may take.

    Parameters
    ----------
    format : Format
        Format of the codes, without blocks.
    scale : ndarray of float32, shape (..., n, 1) or (..., n, k)
        Value of one unit of each channel's weights, or of each weight.
    """

    format: Format
    scale: _Array

    def round(self, weights: _Array) -> _Array:
        """Nearest values to all weights, shape (..., n, k)."""
        return on_grid(self.format, weights, self.scale)

    def column(self, j: int) -> _Array:
        """Scales of a column of weights, shape (..., n)."""
        return self.scale[..., j if self.scale.shape[-1] > 1 else 0]

    def of_groups(self, groups: int) -> "Grid":
        """The same with an axis for the groups of a layer in front, of shape (groups, n, ...)."""
        return Grid(format=self.format, scale=self.scale.reshape(groups, -1, self.scale.shape[-1]))


def weight_grid(layer: Layer, matrix: _Array, fmt: Format, options: QuantOptions) -> Grid:
    """Choose the scales of a layer's weights.

    Parameters
    ----------
    layer : Layer
        The layer.
    matrix : ndarray of float32, shape (n_rows, k)
        Its weights, from `to_matrix`.
    fmt : Format
        Their format.
    options : QuantOptions
        Techniques; scales that follow from the layer's outputs are found elsewhere.
    """
    method = "max" if options.weight_scale == "output" else options.weight_scale
    if isinstance(fmt, BlockFormat):
        groups, blocks = _split(layer, matrix, fmt.block)
        scales = _block_scales(blocks, fmt, search=method == "mse")
        return Grid(format=fmt.element, scale=scales[:, groups])
    if options.group_size is None:
        scales = weight_scales(matrix, fmt, method=method, power_of_two=options.power_of_two)
        return Grid(format=fmt, scale=scales[:, None])
    groups, blocks = _split(layer, matrix, options.group_size)
    scales = weight_scales(
        blocks.reshape(-1, blocks.shape[-1]), fmt, method=method, power_of_two=options.power_of_two
    )
    return Grid(format=fmt, scale=scales.reshape(blocks.shape[:2])[:, groups])


def group_columns(layer: Layer, k: int, size: int) -> NDArray[np.int64]:
    """Number of the group of each column of `to_matrix`, shape (k,).

    Groups are runs of input channels, anew at each position of a kernel, as hardware that sums
    along channels reads them; where a channel has its own kernel, they are runs of positions.
    """
    kernel = layer.operator.kernel_size(layer)
    channels = k // kernel
    if channels == 1:
        return np.arange(k) // size
    each = -(-channels // size)
    channel, position = np.divmod(np.arange(k), kernel)
    return position * each + channel // size


def _split(layer: Layer, matrix: _Array, size: int) -> tuple[NDArray[np.int64], _Array]:
    """Group of each column, and the weights as (n_rows, n_groups, largest size), zeros added."""
    groups = group_columns(layer, matrix.shape[1], size)
    counts = np.bincount(groups)
    order = np.argsort(groups, kind="stable")
    starts = np.cumsum(counts) - counts
    place = np.empty(len(groups), np.int64)
    place[order] = np.arange(len(groups)) - np.repeat(starts, counts)
    blocks = np.zeros((len(matrix), len(counts), counts.max()), np.float32)
    blocks[:, groups, place] = matrix
    return groups, blocks


def _block_scales(blocks: _Array, fmt: BlockFormat, *, search: bool) -> _Array:
    """Scales of blocks, shape (n_rows, n_groups); those around the standard's are tried too."""
    top = np.abs(blocks).max(axis=-1).astype(np.float64)
    if isinstance(fmt.scale, FloatFormat):
        tensor = max(float(np.float32(top.max() / (fmt.element.max * fmt.scale.max))), 1e-30)
        factors = np.linspace(0.7, 1.3, 13) if search else np.ones(1)
        tried = fmt.scale.quantize(top[..., None] * factors / (fmt.element.max * tensor)) * tensor
    else:
        exponent = np.frexp(top)[1] - 1 - fmt.max_exponent
        steps = np.array([0, 1, -1]) if search else np.zeros(1, int)
        tried = np.ldexp(1.0, np.clip(exponent[..., None] + steps, -126, 126))
    tried = scale_of(np.asarray(tried, np.float64))
    best, least = tried[..., 0], np.full(top.shape, np.inf)
    for i in range(tried.shape[-1]):
        wrong = on_grid(fmt.element, blocks, tried[..., i, None]) - blocks
        error = np.einsum("ijk,ijk->ij", wrong, wrong)
        best = np.where(error < least, tried[..., i], best)
        least = np.minimum(error, least)
    return best
