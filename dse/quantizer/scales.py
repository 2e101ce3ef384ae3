"""Scales: how far a format's range is stretched over a tensor's values."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from macwright.hw.formats import BlockFormat, Format

__all__ = [
    "PERCENTILE",
    "candidates",
    "on_grid",
    "rounding_table",
    "scale_of",
    "to_power_of_two",
    "weight_scales",
]

#: Percentile that `percentile` scales put at the end of the range.
PERCENTILE = 99.9
#: Values up to which looking them up is faster than computing, and levels that tables have.
FEW, MOST_LEVELS = 2048, 256
_FloatArray = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class RoundingTable:
    """A format's levels, and the largest float32 values that are rounded to each.

    Parameters
    ----------
    levels : ndarray of float32, shape (n + 1,)
        Rising, and NaN.
    ends : ndarray of float32, shape (n,)
        Rising.
    """

    levels: NDArray[np.float32]
    ends: NDArray[np.float32]

    def round(self, values: _FloatArray) -> NDArray[np.float32]:
        """Round values; zeros are positive, and NaN stays."""
        return self.levels[np.searchsorted(self.ends, values)]


@cache
def rounding_table(fmt: Format) -> RoundingTable | None:
    """Table that gives what the format itself does; None if it cannot, or has too many levels.

    It is made from what the format does at the middle between neighbours and just beside it.
    """
    if isinstance(fmt, BlockFormat) or fmt.width > 8:
        return None
    levels = np.unique(fmt.levels().astype(np.float32)) + np.float32(0)
    if not 1 < len(levels) <= MOST_LEVELS:
        return None
    low, high = levels[:-1], levels[1:]
    middle = (low + high) / np.float32(2)
    below, above = (np.nextafter(middle, np.float32(end)) for end in (-np.inf, np.inf))
    at = fmt.quantize(middle)
    far = np.array([-np.inf, np.inf], np.float32)
    alike = [
        (middle.astype(np.float64) * 2 == low.astype(np.float64) + high).all(),
        ((at == low) | (at == high)).all(),
        np.array_equal(fmt.quantize(below), low),
        np.array_equal(fmt.quantize(above), high),
        np.array_equal(fmt.quantize(levels), levels),
        np.array_equal(fmt.quantize(far), levels[[0, -1]]),
    ]
    if not all(alike):
        return None
    # What is not a number comes after infinity.
    ends = np.append(np.where(at == low, middle, below), np.float32(np.inf)).astype(np.float32)
    return RoundingTable(np.append(levels, np.float32(np.nan)).astype(np.float32), ends)


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
    table = rounding_table(fmt) if scaled.size <= FEW and scaled.dtype == np.float32 else None
    result = fmt.quantize(scaled) if table is None else table.round(scaled)
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
