"""Exact products of integer matrices at the speed of floating-point ones."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["wrapping_matmul"]


def wrapping_matmul(a: NDArray[np.int64], w: NDArray[np.int64]) -> NDArray[np.int64]:
    """Matrix product modulo ``2**64``, every bit of it right.

    The factors are cut into digits so small that float64 holds every sum of products of digits.

    Parameters
    ----------
    a, w : ndarray of int64, shapes (m, k) and (k, n)
        Factors.

    Returns
    -------
    ndarray of int64, shape (m, n)

    Examples
    --------
    >>> wrapping_matmul(np.array([[2**40, 3]]), np.array([[2**30], [5]])).tolist()
    [[15]]
    """
    spare = 53 - a.shape[1].bit_length()
    needed = [_bits(a), _bits(w)]
    if sum(needed) > spare:
        needed = [min(bits, spare // 2) for bits in needed]
    total = np.zeros((a.shape[0], w.shape[1]), dtype=np.int64)
    for i, x in enumerate(_digits(a, needed[0])):
        for j, y in enumerate(_digits(w, needed[1])):
            shift = i * needed[0] + j * needed[1]
            if shift < 64:
                total += (x @ y).astype(np.int64) << shift
    return total


def _bits(x: NDArray[np.int64]) -> int:
    """Bits of the largest magnitude."""
    return max(int(x.max(initial=0)).bit_length(), int(x.min(initial=0)).bit_length())


def _digits(x: NDArray[np.int64], bits: int) -> list[NDArray[np.float64]]:
    """Digits to the base ``2**bits``, the lowest first; the highest has the sign."""
    digits = []
    for _ in range(-(-_bits(x) // max(1, bits)) - 1):
        digits.append((x & ((1 << bits) - 1)).astype(np.float64))
        x = x >> bits
    return [*digits, x.astype(np.float64)]
