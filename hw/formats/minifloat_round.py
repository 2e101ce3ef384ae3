"""Rounding to a minifloat, in NumPy, at a few passes over data that stay in the cache."""

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from macwright.hw.formats.rounding import as_float, check_rounding, in_chunks, round_in_place

__all__ = ["quantize_float"]


class _Minifloat(Protocol):
    """What rounding asks of a minifloat."""

    @property
    def man_bits(self) -> int: ...
    @property
    def bias(self) -> int: ...
    @property
    def min_exponent(self) -> int: ...
    @property
    def max(self) -> float: ...
    @property
    def max_code(self) -> int: ...
    @property
    def has_nan(self) -> bool: ...
    @property
    def has_inf(self) -> bool: ...
    @property
    def has_negative_zero(self) -> bool: ...
    def decode(self, code: ArrayLike) -> NDArray[np.floating]: ...
    def quantize(
        self, values: ArrayLike, *, rounding: str, rng: np.random.Generator | None
    ) -> NDArray[np.floating]: ...


def quantize_float(
    fmt: _Minifloat,
    values: ArrayLike,
    *,
    rounding: str,
    saturate: bool,
    rng: np.random.Generator | None,
) -> NDArray[np.floating]:
    """Round to the values of `fmt`; see `Format.quantize`.

    With q the distance of neighbouring values around x, a power of two, the result is
    ``round(x / q) * q``; both operations but the rounding are exact.
    """
    check_rounding(rounding, rng)
    source = np.asarray(values)
    work = as_float(source)
    dtype = source.dtype if source.dtype.kind == "f" else work.dtype
    bound = min(fmt.max, _largest(fmt, dtype)) if saturate else _beyond(fmt)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        # Where float32 has no room for the steps in between, float64 has.
        limits = np.finfo(np.float32)
        if not limits.tiny <= bound <= limits.max or fmt.min_exponent > 127:
            work = work.astype(np.float64, copy=False)
        result = in_chunks(work, _Kernel(fmt, work.dtype, bound, rounding, saturate, rng))
        return result.astype(dtype, copy=False)


def _beyond(fmt: _Minifloat) -> float:
    """First value beyond the largest, if there were one more."""
    return float(2 * fmt.max - fmt.decode(fmt.max_code - 1))


def _largest(fmt: _Minifloat, dtype: np.dtype) -> float:
    """Largest value that both have, if the format's exponents went on."""
    info = np.finfo(dtype)
    return float(np.ldexp(2 - 2.0 ** -min(fmt.man_bits, info.nmant), info.maxexp - 1))


class _Kernel:
    """Rounding of one piece of an array; the constants are made once for all pieces."""

    def __init__(
        self,
        fmt: _Minifloat,
        dtype: np.dtype,
        bound: float,
        rounding: str,
        saturate: bool,
        rng: np.random.Generator | None,
    ) -> None:
        self.fmt, self.rounding, self.saturate, self.rng = fmt, rounding, saturate, rng
        self.man_bits, self.integer = (23, np.int32) if dtype == np.float32 else (52, np.int64)
        info = np.finfo(dtype)
        self.exp_mask = self.integer((1 << (info.bits - 1)) - (1 << self.man_bits))
        # Below the smallest normal number of the array type, formats of more range than it
        # have finer steps, which only float64 can follow.
        self.tiny = info.tiny
        self.deep = fmt.min_exponent < info.minexp
        self.least = dtype.type(2.0 ** max(fmt.min_exponent, info.minexp))
        # Arithmetic with subnormal numbers is slow, and zeros are frequent: where the smallest
        # step is subnormal, scale in two goes.
        self.two_goes = fmt.min_exponent - fmt.man_bits < info.minexp
        self.steps, self.step = dtype.type(2.0**fmt.man_bits), dtype.type(2.0**-fmt.man_bits)
        self.bound = dtype.type(bound)
        if not fmt.man_bits:
            # Exactly between two powers of two, the lower one's exponent field being even.
            even = (1 << (info.bits - 1 - self.man_bits - 1)) - 1 - fmt.bias & 1
            self.tie = self.integer((even << self.man_bits) + (1 << (self.man_bits - 1)))
            self.tie_mask = self.integer((2 << self.man_bits) - 1)

    def __call__(self, x: NDArray[np.floating], y: NDArray[np.floating]) -> None:
        np.minimum(x, self.bound, out=y)
        np.maximum(y, -self.bound, out=y)
        bits = y.view(self.integer)
        if not self.fmt.man_bits and self.rounding == "nearest":
            bits -= (bits & self.tie_mask) == self.tie
        q = (bits & self.exp_mask).view(y.dtype)
        np.maximum(q, self.least, out=q)
        if not self.two_goes:
            q *= self.step
        y /= q
        if self.two_goes:
            y *= self.steps
        round_in_place(y, self.rounding, self.rng)
        if self.two_goes:
            y *= self.step
        y *= q
        if self.deep:
            tiny = (x < self.tiny) & (x > -self.tiny) & (x != 0)
            if tiny.any():
                self._follow(x, y, tiny)
        if not self.fmt.has_negative_zero:
            y += 0
        if not self.saturate:
            self._overflow(x, y)

    def _follow(
        self, x: NDArray[np.floating], y: NDArray[np.floating], where: NDArray[np.bool_]
    ) -> None:
        """Round some of the values in float64."""
        y[where] = self.fmt.quantize(
            x[where].astype(np.float64), rounding=self.rounding, rng=self.rng
        )

    def _overflow(self, x: NDArray[np.floating], y: NDArray[np.floating]) -> None:
        """Put infinity or NaN where the result is too large."""
        if self.rounding == "toward_zero":
            over = np.isinf(x)
            np.clip(y, -self.fmt.max, self.fmt.max, out=y)
        else:
            over = np.abs(y) >= self.bound
        if self.fmt.has_nan:
            special = np.copysign(y.dtype.type(np.inf if self.fmt.has_inf else np.nan), x)
            np.copyto(y, special, where=over)
        else:
            np.clip(y, -self.fmt.max, self.fmt.max, out=y)
            np.copyto(y, np.copysign(y.dtype.type(0), -x), where=np.isnan(x))
