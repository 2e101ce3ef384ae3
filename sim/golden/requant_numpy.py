"""Vectorised twin of the requantiser's golden model."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from macwright.hw.errors import RefusedInput
from macwright.hw.formats import IntFormat

__all__ = ["requant_results"]


def requant_results(
    spec: Any,
    x: ArrayLike,
    scale: ArrayLike,
    *,
    bias: ArrayLike = 0,
    shift: ArrayLike = 0,
    zero: ArrayLike = 0,
) -> NDArray[np.int64]:
    """Results of many requantisers at once.

    Parameters
    ----------
    spec : RequantSpec
        Formats and rounding.
    x, bias : array_like of int
        Sums and biases, as numbers; everything broadcasts.
    scale : array_like of int
        Codes of the scales.
    shift : array_like of int
        Shifts, with an integer scale.
    zero : array_like of int
        Zero points, as numbers.

    Returns
    -------
    ndarray of int64
        Results as numbers, from ``spec.acc.min`` to ``spec.acc.max``.

    Raises
    ------
    ValueError
        If the product of sum and scale can have more than 62 bits.
    """
    codes = np.asarray(scale, dtype=np.int64)
    if isinstance(spec.weight, IntFormat):
        number, right = codes, np.asarray(shift, dtype=np.int64)
        scale_bits = spec.weight.width
    else:
        fmt = spec.weight
        field = codes >> fmt.man_bits
        number = (codes & ((1 << fmt.man_bits) - 1)) + ((field > 0) << fmt.man_bits)
        right = fmt.bias + fmt.man_bits - np.maximum(field, 1)
        scale_bits = fmt.man_bits + 1
    bits = spec.act.width + spec.bias + scale_bits - 1
    if bits > 62:
        raise RefusedInput(f"Product of sum and scale must have at most 62 bits, not {bits}")
    product = (np.asarray(x, dtype=np.int64) + np.asarray(bias, dtype=np.int64)) * number
    product, right = np.broadcast_arrays(product, right)
    rounded = _shifted(product, np.clip(right, 0, 63), half_up=spec.rounding == "half_up")
    # What float64 does not hold exactly saturates. So does what is beyond its range.
    with np.errstate(over="ignore"):
        large = product * np.exp2(np.maximum(-right, 0).astype(np.float64))
    wide = np.where(right < 0, np.clip(large, -(2.0**53), 2.0**53), 0).astype(np.int64)
    result = np.where(right < 0, wide, rounded) + np.asarray(zero, dtype=np.int64)
    return np.clip(result, int(spec.acc.min), int(spec.acc.max))


def _shifted(
    product: NDArray[np.int64], right: NDArray[np.int64], *, half_up: bool
) -> NDArray[np.int64]:
    """Numbers divided by a power of two and rounded."""
    low = product >> right
    # Twice the remainder against the divisor, both less than 2**63: by the bit below the last.
    half = np.where(right > 0, product >> np.maximum(right - 1, 0) & 1, 0)
    sticky = product & ((np.int64(1) << np.maximum(right - 1, 0)) - 1)
    up = half if half_up else half & ((sticky != 0) | (low & 1))
    return low + up
