"""Vectorised sums that are rounded to a float format after every term."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from macwright.hw.formats import FloatFormat

__all__ = ["rounded_sums"]


def rounded_sums(
    fmt: FloatFormat, terms: Iterable[NDArray[np.float64]], shape: tuple[int, ...]
) -> NDArray[np.int64]:
    """Sums from zero on, rounded to the nearest number of the format after every term.

    Parameters
    ----------
    fmt : FloatFormat
        Format of the accumulators.
    terms : iterable of ndarray of float64, each of that shape
        Exact terms; NaN and infinity as they come.
    shape : tuple of int
        Shape of the accumulators.

    Returns
    -------
    ndarray of int64
        Code words; -1 where a format without NaN met a term that is no number.
    """
    total = np.zeros(shape)
    bad = np.zeros(shape, dtype=bool)
    for term in terms:
        bad |= ~np.isfinite(term)
        exact = _odd_sum(total, term)
        total = np.asarray(fmt.quantize(exact, saturate=not fmt.has_nan), dtype=np.float64)
        if not fmt.has_inf:
            total = np.where(np.isinf(total), np.nan, total)
    lost = np.isnan(total)
    finite = np.where(lost | (bad & (not fmt.has_nan)), 0, total)
    codes = np.asarray(fmt.encode(finite, saturate=not fmt.has_nan), dtype=np.int64)
    if not fmt.has_nan:
        return np.where(bad, -1, codes)
    quiet = fmt.max_code + 1 + ((1 << (fmt.man_bits - 1)) if fmt.has_inf else 0)
    return np.where(lost, quiet, codes)


def _odd_sum(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum rounded to odd: rounding it again, to fewer bits, is right (Boldo, Melquiond 2008)."""
    total = x + y
    # What the addition lost, exactly (Knuth's two-sum).
    back = total - x
    lost = (x - (total - back)) + (y - back)
    even = total.view(np.int64) % 2 == 0
    beside = np.nextafter(total, np.where(lost > 0, np.inf, -np.inf))
    return np.where(np.isfinite(total) & (lost != 0) & even, beside, total)
