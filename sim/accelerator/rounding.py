"""Requantisers, for arrays: exact, whatever the sizes of the numbers."""

import numpy as np
from numpy.typing import NDArray

from macwright.hw.accelerator.network import Edge, Requant, level_unit
from macwright.hw.formats import BinaryFormat, FloatFormat

__all__ = ["requantise"]

#: Bits of integers that float64 holds, and of those that int64 arithmetic has room for.
EXACT_BITS, INT_BITS = 53, 62


def requantise(sums: NDArray, bias: NDArray, output: Requant, edge: Edge, top: int) -> NDArray:
    """Levels of an edge from sums of products.

    Parameters
    ----------
    sums : ndarray of integers in any type, shape (..., channels)
        Sums without bias, channels last.
    bias : ndarray of int64, shape (channels,) or (1,)
        Added to the sums.
    output : Requant
        Multiplier, shift and bounds.
    edge : Edge
        Its edge.
    top : int
        Largest size of a sum with bias.

    Returns
    -------
    ndarray of float32 or float64, same shape
        float32 where it holds all levels of the edge.
    """
    product = (top + 1) * int(output.multiplier.max()) + (abs(edge.zero) << output.shift)
    if product >> (EXACT_BITS - 1) == 0 and sums.dtype.kind == "f":
        numbers = _scaled(sums, bias, output, edge)
        rounded = _round(numbers, edge)
    else:
        total = sums if sums.dtype == object else sums.astype(np.int64)
        if product >> INT_BITS or sums.dtype == object:
            total = total.astype(object)
        total = (total + bias.astype(total.dtype)) * output.multiplier.astype(total.dtype)
        total += edge.zero << output.shift
        rounded = _round_wide(total, output.shift, edge)
    np.maximum(rounded, output.low, out=rounded)
    np.minimum(rounded, output.high, out=rounded)
    wide = max(abs(output.low), abs(output.high)) >> 24
    return rounded if wide else rounded.astype(np.float32)


def _scaled(sums: NDArray, bias: NDArray, output: Requant, edge: Edge) -> NDArray[np.float64]:
    """Numbers before rounding; all terms are multiples of 2**-shift, and so are exact."""
    factor = np.ldexp(output.multiplier.astype(np.float64), -output.shift)
    numbers = np.multiply(sums, factor, dtype=np.float64)
    numbers += bias * factor + edge.zero
    return numbers


def _round(numbers: NDArray[np.float64], edge: Edge) -> NDArray[np.float64]:
    if isinstance(edge.format, (FloatFormat, BinaryFormat)):
        unit = level_unit(edge.format)
        return (edge.format.quantize(numbers * unit) / unit).astype(np.float64, copy=False)
    return np.rint(numbers, out=numbers)


def _round_wide(total: NDArray, shift: int, edge: Edge) -> NDArray[np.float64]:
    """Rounded ``total / 2**shift`` of integers that float64 does not hold.

    Dropped bits leave a one in the last place that is kept (rounding to odd), so that the second
    rounding, to far fewer bits, sees on which side of halfway a number lies.
    """
    sign, size = np.where(total < 0, -1.0, 1.0), np.abs(total)
    while (size >= 1 << EXACT_BITS - 1).any():
        large = size >= 1 << EXACT_BITS - 1
        odd = (size >> 1) | (size & 1)
        size, shifts = np.where(large, odd, size), np.where(large, 1, 0)
        sign = sign * np.exp2(shifts)
    numbers = np.ldexp(size.astype(np.float64) * sign, -shift)
    return _round(numbers, edge)
