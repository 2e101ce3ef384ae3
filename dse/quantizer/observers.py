"""Ranges of activations: scale and zero point from a histogram."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from macwright.dse.quantizer.scales import PERCENTILE, on_grid, scale_of, to_power_of_two
from macwright.hw.formats import Format

__all__ = ["HistogramObserver", "act_range"]

#: Values that a histogram is made of, about.
SAMPLES = 1 << 19
#: Fractions of the scale that just holds the largest value, to be tried.
FRACTIONS = np.geomspace(0.05, 1.0, 64, dtype=np.float32)
_FloatArray = NDArray[np.floating]


class HistogramObserver:
    """Distribution of a tensor's values, as bins with their counts and mean values.

    Parameters
    ----------
    values : ndarray of float, any shape
        Values of the tensor.
    bins : int
        Number of bins of equal width.
    samples : int
        Values that counts are made of, about; the range is that of all values.
    """

    def __init__(self, values: _FloatArray, bins: int = 2048, samples: int = SAMPLES) -> None:
        flat = values.reshape(-1)
        low, high = float(flat.min()), float(flat.max())
        self.low, self.high = low, high
        self.top = max(abs(low), abs(high))
        width = (high - low) / bins
        if width < np.finfo(np.float32).tiny:
            width = 1.0  # values that are one, or differ by less than bins can tell
        # An odd step, so that the samples do not all lie in one column of the images. Large values
        # are few and matter most: all of them count.
        step = max(flat.size // samples, 1) | 1
        parts = [(flat[::step], 1.0)]
        if step > 1:
            large = flat > self.top / 8
            if low < 0:
                large |= flat < -self.top / 8
            if np.count_nonzero(large) < samples:
                bulk = parts[0][0]
                parts = [(bulk[~large[::step]], float(step)), (flat[large], 1.0)]
        counts, sums = np.zeros(bins), np.zeros(bins)
        for part, weight in parts:
            index = ((part - np.float32(low)) * np.float32(1 / width)).astype(np.int32)
            np.minimum(index, bins - 1, out=index)
            counts += weight * np.bincount(index, minlength=bins)
            sums += weight * np.bincount(index, weights=part, minlength=bins)
        occupied = counts > 0
        self.counts = counts[occupied]
        self.means = sums[occupied] / self.counts

    @cached_property
    def coarse(self) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Means and counts of at most 256 bins."""
        starts = np.arange(0, len(self.counts), -(-len(self.counts) // 256))
        counts = np.add.reduceat(self.counts, starts)
        sums = np.add.reduceat(self.counts * self.means, starts)
        return (sums / counts).astype(np.float32), counts

    def percentile(self, q: float) -> float:
        """Size below which `q` percent of the values are."""
        order = np.argsort(np.abs(self.means))
        part = np.cumsum(self.counts[order]) / self.counts.sum()
        return float(np.abs(self.means)[order][np.searchsorted(part, q / 100 * part[-1])])


def act_range(
    histogram: HistogramObserver,
    fmt: Format,
    *,
    method: str = "mse",
    power_of_two: bool = False,
    asymmetric: bool = False,
) -> tuple[float, float]:
    """Scale and zero point of a tensor of activations.

    Parameters
    ----------
    histogram : HistogramObserver
        Values of the tensor.
    fmt, method, power_of_two
        As of `weight_scales`.
    asymmetric : bool
        Whether a level other than 0 may stand for the value 0.

    Returns
    -------
    scale : float
        Positive; 1 for a tensor of zeros.
    zero : float
        Level of the format that stands for the value 0.
    """
    zero = 0.0
    if asymmetric and fmt.signed and 1 < fmt.width <= 8:
        zero = _zero_point(histogram, fmt)
    top = (histogram.low, histogram.high)
    if method == "percentile":
        size = histogram.percentile(PERCENTILE)
        top = (max(top[0], -size), min(top[1], size))
    full = _full_range(*top, fmt, zero)
    if method != "mse":
        return float((to_power_of_two(full) if power_of_two else full)[0]), zero
    scales = full * FRACTIONS
    if power_of_two:
        scales = np.unique(to_power_of_two(scales))
    means = histogram.means.astype(np.float32)

    def errors(tried: NDArray[np.float32]) -> NDArray[np.float64]:
        wrong = on_grid(fmt, means[None], tried[:, None], zero=zero)
        return (wrong - means) ** 2 @ histogram.counts

    # Every third, the largest among them, and then those around the best.
    best = len(scales) - 1 - 3 * int(errors(scales[::-3]).argmin())
    near = scales[max(best - 2, 0) : best + 3]
    return float(near[np.argmin(errors(near))]), zero


def _zero_point(histogram: HistogramObserver, fmt: Format) -> float:
    """Level that had better stand for 0; 0 unless another saves at least 5 % of the error."""
    low, high = min(histogram.low, 0.0), max(histogram.high, 0.0)
    if low == high:
        return 0.0
    levels = fmt.levels()
    middle = fmt.min - (fmt.max - fmt.min) * low / (high - low)
    tried = levels[np.linspace(0, len(levels) - 1, 13).round().astype(int)]
    zeros = np.unique([*tried, levels[np.abs(levels - middle).argmin()], 0.0])
    full = np.array([_full_range(low, high, fmt, zero)[0] for zero in zeros], np.float32)
    scales = full[:, None, None] * np.geomspace(0.12, 1.0, 14, dtype=np.float32)[:, None]
    means, counts = histogram.coarse
    wrong = on_grid(fmt, means, scales, zero=zeros[:, None, None].astype(np.float32))
    errors = ((wrong - means) ** 2 @ counts).min(axis=1)
    best = int(errors.argmin())
    return float(zeros[best]) if errors[best] < 0.95 * errors[zeros == 0][0] else 0.0


def _full_range(low: float, high: float, fmt: Format, zero: float) -> NDArray[np.float32]:
    """Scale at which all values just fit, shape (1,)."""
    spans = [(high, fmt.max - zero), (-low, zero - fmt.min)]
    if zero == 0:
        # As the format's largest value is what it is named for: -8 is a bonus of int4.
        spans = [(max(abs(low), abs(high)), fmt.max)]
    needed = [size / room if room > 0 else np.inf for size, room in spans if size > 0]
    return scale_of(np.array([max(needed, default=0.0)]))
