"""Walk over large arrays in pieces that stay in the cache, and round to integers."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from macwright.hw.errors import RefusedInput, RefusedType

__all__ = ["CHUNK", "ROUNDINGS", "as_float", "check_rounding", "in_chunks", "round_in_place"]

ROUNDINGS = ("nearest", "toward_zero", "stochastic")

#: Values in a piece: a few buffers of this size fit in a second-level cache.
CHUNK = 1 << 15

#: Rounds the first array into the second; both have the same length, at most `CHUNK`.
Kernel = Callable[[NDArray[np.floating], NDArray[np.floating]], None]


def as_float(values: ArrayLike) -> NDArray[np.floating]:
    """Array of float32 or float64 that holds the values exactly; float64 unless it was float."""
    array = np.asarray(values)
    if array.dtype in (np.float32, np.float64) and array.dtype.isnative:
        return array
    if array.dtype.kind == "c":
        raise RefusedType(f"Values must be real, not {array.dtype}")
    with np.errstate(invalid="ignore"):  # a signalling NaN
        return array.astype(np.float32 if array.dtype == np.float16 else np.float64)


def check_rounding(rounding: str, rng: np.random.Generator | None) -> None:
    """Refuse an unknown rounding, and stochastic rounding without random numbers."""
    if rounding not in ROUNDINGS:
        raise RefusedInput(f"Rounding must be one of {', '.join(ROUNDINGS)}, not {rounding!r}")
    if rounding == "stochastic" and not isinstance(rng, np.random.Generator):
        raise RefusedInput(f"Stochastic rounding must be given a random generator, not rng={rng!r}")


def in_chunks(values: NDArray[np.floating], kernel: Kernel) -> NDArray[np.floating]:
    """Apply a kernel to an array of any shape, piece by piece.

    Parameters
    ----------
    values : ndarray
        Of float32 or float64, any shape.
    kernel : callable
        ``kernel(x, y)`` writes the result for `x` into `y`.

    Returns
    -------
    ndarray, same shape and type
    """
    flat = np.ravel(values)
    result = np.empty_like(flat)
    for start in range(0, flat.size, CHUNK):
        kernel(flat[start : start + CHUNK], result[start : start + CHUNK])
    return result.reshape(values.shape)


def round_in_place(y: NDArray[np.floating], rounding: str, rng: np.random.Generator | None) -> None:
    """Round numbers to integers in place, with the sign of zero kept."""
    if rounding == "nearest":
        np.rint(y, out=y)
    elif rounding == "toward_zero" or rng is None:
        np.trunc(y, out=y)
    else:
        low = np.trunc(y)
        up = rng.random(y.shape) < np.abs(y - low)
        np.copyto(y, low + np.copysign(up.astype(y.dtype), y))
