"""Scales: how far a format's range is stretched over a tensor's values."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from macwright.hw.formats import Format

__all__ = ["PERCENTILE", "candidates", "on_grid", "scale_of", "to_power_of_two", "weight_scales"]

#: Percentile that `percentile` scales put at the end of the range.
PERCENTILE = 99.9
_FloatArray = NDArray[np.floating]


def on_grid(
    fmt: Format,
    values: _FloatArray,
    scale: float | _FloatArray,
    *,
    zero: float | _FloatArray = 0.0,
) -> NDArray[np.float32]:
    """Round values to the format at a scale.

    Parameters
    ----------
    fmt : Format
        Format of the values, without blocks.
    values : ndarray of float, any shape
        Numbers to be rounded.
    scale : float or ndarray that broadcasts against `values`
        Value of one unit of the format, positive.
    zero : float or ndarray that broadcasts against `values`
        Level of the format that stands for the value 0.
    """
    scale = np.asarray(scale, np.float32)
    shifted = isinstance(zero, np.ndarray) or zero != 0
    scaled = values * (1 / scale)
    if shifted:
        scaled += np.asarray(zero, scaled.dtype)
    result = fmt.quantize(scaled)
    if shifted:
        result -= np.asarray(zero, result.dtype)
    result *= scale
    return result.astype(np.float32, copy=False)


@cache
def candidates(fmt: Format) -> NDArray[np.float32]:
    """Fractions of the scale that just holds the largest value, to be tried, shape (n,).

    Few levels are better spent on the many small values than on the largest.
    """
    lowest, count = (0.08, 40) if fmt.width <= 3 else (0.25, 28) if fmt.width <= 6 else (0.6, 12)
    return np.geomspace(lowest, 1.0, count, dtype=np.float32)


def weight_scales(
    matrix: _FloatArray, fmt: Format, *, method: str = "mse", power_of_two: bool = False
) -> NDArray[np.float32]:
    """Scale of each row.

    Parameters
    ----------
    matrix : ndarray of float, shape (n_rows, n_columns)
        Weights, a row for each output channel.
    fmt : Format
        Format of the weights.
    method : {"mse", "max", "percentile"}
        See `QuantOptions`.
    power_of_two : bool
        Whether scales are powers of two.

    Returns
    -------
    ndarray of float32, shape (n_rows,)
        Positive; 1 for rows of zeros.
    """
    size = np.abs(matrix)
    top = size.max(axis=1) if method != "percentile" else np.percentile(size, PERCENTILE, axis=1)
    full = scale_of(np.asarray(top, np.float64) / fmt.max)
    if method != "mse":
        return to_power_of_two(full) if power_of_two else full
    fractions = candidates(fmt)
    best, least = full, np.full(len(matrix), np.inf, np.float32)
    at = np.zeros(len(matrix), np.int64)

    def attempt(index: NDArray[np.int64]) -> None:
        nonlocal best, least, at
        scale = full * fractions[index]
        scale = to_power_of_two(scale) if power_of_two else scale
        wrong = on_grid(fmt, matrix, scale[:, None])
        wrong -= matrix
        error = np.einsum("ij,ij->i", wrong, wrong)
        better = error < least
        best, at = np.where(better, scale, best), np.where(better, index, at)
        least = np.minimum(error, least)

    # Every third, and then the neighbours of each row's best.
    for i in range(1, len(fractions), 3):
        attempt(np.full(len(matrix), i))
    middle = at
    for step in (-2, -1, 1, 2):
        attempt(np.clip(middle + step, 0, len(fractions) - 1))
    return best


def scale_of(scale: NDArray[np.float64]) -> NDArray[np.float32]:
    """Scales as float32; 1 for those that have no float32 reciprocal, as of tensors of zeros."""
    return np.where((scale > 1e-30) & (scale < 1e30), scale, 1.0).astype(np.float32)


def to_power_of_two(scale: NDArray[np.float32]) -> NDArray[np.float32]:
    """Next powers of two that are no smaller."""
    return np.exp2(np.ceil(np.log2(scale))).astype(np.float32)
