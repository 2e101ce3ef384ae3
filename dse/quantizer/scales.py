"""Scales: how far a format's range is stretched over a tensor's values."""

import numpy as np
from numpy.typing import NDArray

from macwright.hw.formats import Format

__all__ = ["Histogram", "act_scale", "candidates", "on_grid", "to_power_of_two", "weight_scales"]

#: Percentile that `percentile` scales put at the end of the range.
PERCENTILE = 99.9
#: Values that a histogram is made of, about; the range is that of all values.
SAMPLES = 1 << 19
_FloatArray = NDArray[np.floating]


def on_grid(
    fmt: Format, values: _FloatArray, scale: float | _FloatArray, axis: int = -1
) -> NDArray[np.float32]:
    """Round values to the format at a scale.

    Parameters
    ----------
    fmt : Format
        Format of the values.
    values : ndarray of float, any shape
        Numbers to be rounded.
    scale : float or ndarray that broadcasts against `values`
        Value of one unit of the format, positive.
    axis : int
        Axis along which blocks lie, for formats that have them.
    """
    scale = np.asarray(scale, np.float32)
    result = fmt.quantize(values * (1 / scale), axis=axis)
    result *= scale
    return result.astype(np.float32, copy=False)


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
    if fmt.block > 1:
        return np.ones(len(matrix), np.float32)
    size = np.abs(matrix)
    top = size.max(axis=1) if method != "percentile" else np.percentile(size, PERCENTILE, axis=1)
    full = _full_scale(top, fmt)
    if method != "mse":
        return to_power_of_two(full) if power_of_two else full
    best, least = full, np.full(len(matrix), np.inf, np.float32)
    for fraction in candidates(fmt):
        scale = to_power_of_two(full * fraction) if power_of_two else full * fraction
        wrong = on_grid(fmt, matrix, scale[:, None])
        wrong -= matrix
        error = np.einsum("ij,ij->i", wrong, wrong)
        best = np.where(error < least, scale, best)
        least = np.minimum(error, least)
    return best


class Histogram:
    """Distribution of a tensor's values, as bins with their counts and mean values.

    Parameters
    ----------
    values : ndarray of float, any shape
        Values of the tensor.
    bins : int
        Number of bins of equal width.
    """

    def __init__(self, values: _FloatArray, bins: int = 2048) -> None:
        flat = values.reshape(-1)
        low, high = float(flat.min()), float(flat.max())
        # An odd step, so that the samples do not all lie in one column of the images.
        flat = flat[:: max(flat.size // SAMPLES, 1) | 1]
        width = (high - low) / bins or 1.0
        index = ((flat - np.float32(low)) * np.float32(1 / width)).astype(np.int32)
        np.minimum(index, bins - 1, out=index)
        counts = np.bincount(index, minlength=bins)
        sums = np.bincount(index, weights=flat, minlength=bins)
        kept = counts > 0
        self.counts = counts[kept].astype(np.float64)
        self.means = sums[kept] / self.counts
        self.top = max(abs(low), abs(high))

    def percentile(self, q: float) -> float:
        """Size below which `q` percent of the values are."""
        order = np.argsort(np.abs(self.means))
        part = np.cumsum(self.counts[order]) / self.counts.sum()
        return float(np.abs(self.means)[order][np.searchsorted(part, q / 100 * part[-1])])


def act_scale(
    histogram: Histogram, fmt: Format, *, method: str = "mse", power_of_two: bool = False
) -> float:
    """Scale of a tensor of activations; parameters as of `weight_scales`.

    Returns
    -------
    float
        Positive; 1 for a tensor of zeros.
    """
    if fmt.block > 1:
        return 1.0
    top = histogram.percentile(PERCENTILE) if method == "percentile" else histogram.top
    full = _full_scale(np.array([top]), fmt)
    if method != "mse":
        return float((to_power_of_two(full) if power_of_two else full)[0])
    fractions = np.geomspace(0.05, 1.0, 64, dtype=np.float32)
    scales = full * fractions
    if power_of_two:
        scales = np.unique(to_power_of_two(scales))
    wrong = on_grid(fmt, histogram.means[None].astype(np.float32), scales[:, None])
    errors = (wrong - histogram.means) ** 2 @ histogram.counts
    return float(scales[np.argmin(errors)])


def _full_scale(top: NDArray, fmt: Format) -> NDArray[np.float32]:
    scale = np.asarray(top, np.float64) / fmt.max
    # Below this, float32 has no reciprocal; such tensors are zero for every purpose.
    return np.where(scale > 1e-30, scale, 1.0).astype(np.float32)


def to_power_of_two(scale: NDArray[np.float32]) -> NDArray[np.float32]:
    """Next powers of two that are no smaller."""
    return np.exp2(np.ceil(np.log2(scale))).astype(np.float32)
