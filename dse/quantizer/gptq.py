"""Rounding of a layer's weights that keeps its outputs."""

import numpy as np
from numpy.typing import NDArray

from macwright.dse.quantizer.grid import Grid
from macwright.dse.quantizer.moments import DAMPING, damped, elimination
from macwright.dse.quantizer.scales import candidates, on_grid, to_power_of_two

__all__ = ["best_scale", "descend", "gptq", "output_error"]

_Array = NDArray[np.float32]
#: Columns whose errors are passed on together.
BLOCK = 64
#: Times that columns are rounded again.
SWEEPS = 3


def gptq(
    weights: _Array,
    square: _Array,
    grid: Grid,
    *,
    damping: float = DAMPING,
    steps: tuple[NDArray[np.int64], _Array] | None = None,
) -> _Array:
    """Round column by column; the columns that follow make up for each rounding error.

    Frantar, Ashkboos, Hoefler, Alistarh: GPTQ (ICLR 2023), with columns in the order of falling
    second moment.

    Parameters
    ----------
    weights : ndarray of float32, shape (groups, n, k)
        Weights.
    square : ndarray of float32, shape (groups, k, k)
        Second moments of the inputs.
    grid : Grid
        Values that are allowed, of scales (groups, n, 1) or (groups, n, k).
    damping : float
        Share of the mean second moment that is added to the diagonal; the larger it is, the nearer
        is the result to nearest rounding.
    steps : tuple, optional
        What `elimination` gives, if it is known.
    """
    groups, _, k = weights.shape
    order, factor = elimination(square, damping) if steps is None else steps
    scales = grid.scale
    if scales.shape[-1] > 1:
        scales = np.take_along_axis(scales, order[:, None], axis=2)
    sorted_grid = Grid(format=grid.format, scale=scales)
    left = np.take_along_axis(weights, order[:, None], axis=2).transpose(0, 2, 1).copy()
    for start in range(0, k, BLOCK):
        stop = min(start + BLOCK, k)
        errors = np.empty((groups, stop - start, weights.shape[1]), np.float32)
        for j in range(start, stop):
            column = left[:, j]
            rounded = on_grid(grid.format, column, sorted_grid.column(j))
            error = (column - rounded) / factor[:, j, j, None]
            left[:, j] = rounded
            errors[:, j - start] = error
            left[:, j + 1 : stop] -= factor[:, j, j + 1 : stop, None] * error[:, None]
        left[:, stop:] -= factor[:, start:stop, stop:].transpose(0, 2, 1) @ errors
    result = np.empty_like(left)
    np.put_along_axis(result, order[:, :, None], left, axis=1)
    return result.transpose(0, 2, 1).copy()


def descend(
    rounded: _Array,
    weights: _Array,
    square: _Array,
    grid: Grid,
    *,
    sweeps: int = SWEEPS,
    damping: float = DAMPING,
) -> _Array:
    """Round each column again to what suits all the others best, a few times over.

    Cyclic coordinate descent on the layer's output error (Behdin et al.: QuantEase, 2023); the
    error never rises.

    Parameters
    ----------
    rounded : ndarray of float32, shape (groups, n, k)
        Rounded weights to start from, on the grid.
    weights, square, grid, damping
        As of `gptq`.
    sweeps : int
        Times that all columns are visited.
    """
    moments = damped(square, damping)
    diagonal = np.diagonal(moments, axis1=1, axis2=2)
    now = rounded.transpose(0, 2, 1).copy()
    target = weights.transpose(0, 2, 1)
    for _ in range(sweeps):
        slope = moments @ (now - target)
        for j in range(now.shape[1]):
            wanted = now[:, j] - slope[:, j] / diagonal[:, j, None]
            better = on_grid(grid.format, wanted, grid.column(j))
            step = better - now[:, j]
            if step.any():
                slope += moments[:, :, j, None] * step[:, None]
                now[:, j] = better
    return now.transpose(0, 2, 1).copy()


def output_error(wrong: _Array, square: _Array) -> _Array:
    """Mean squared output error of each row of weight errors, shape (groups, n)."""
    return np.einsum("gnk,gnk->gn", wrong @ square, wrong)


def best_scale(
    weights: _Array,
    square: _Array,
    grid: Grid,
    *,
    rounding: str,
    power_of_two: bool = False,
) -> tuple[Grid, _Array]:
    """Scale of each row, and the rounded weights, with the least output error.

    Parameters
    ----------
    weights, square
        As of `gptq`.
    grid : Grid
        Format, and scales (groups, n, 1) that just hold the largest weights.
    rounding : {"gptq", "nearest"}
        How weights are rounded.
    power_of_two : bool
        Whether scales are powers of two.
    """
    groups, n, k = weights.shape
    fractions = candidates(grid.format)
    if rounding == "gptq":
        fractions = fractions[len(fractions) // 4 :: 2]
    # All candidates run as rows of one problem: the inverse and the loop over columns are shared.
    scales = (grid.scale[:, None, :, 0] * fractions[:, None]).reshape(groups, -1)
    if power_of_two:
        scales = to_power_of_two(scales)
    many = np.broadcast_to(weights[:, None], (groups, len(fractions), n, k))
    many = many.reshape(groups, -1, k)
    tried = Grid(format=grid.format, scale=scales[..., None])
    rounded = gptq(many, square, tried) if rounding == "gptq" else tried.round(many)
    errors = output_error(rounded - many, square).reshape(groups, len(fractions), n)
    pick = errors.argmin(axis=1)[:, None]
    scale = np.take_along_axis(scales.reshape(errors.shape), pick, axis=1)[:, 0]
    chosen = np.take_along_axis(rounded.reshape(*errors.shape, k), pick[..., None], axis=1)[:, 0]
    return Grid(format=grid.format, scale=scale[..., None]), chosen
