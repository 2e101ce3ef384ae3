"""Fixed point, and the power-of-two scales of block formats."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from macwright.hw.errors import RefusedInput, RefusedType
from macwright.hw.formats.base import Format
from macwright.hw.formats.integer import IntFormat
from macwright.hw.formats.rounding import as_float, check_rounding

__all__ = ["E8M0Format", "FixedFormat"]


@dataclass(frozen=True)
class FixedFormat(Format):
    """Fixed point: an integer times ``2**-fraction``.

    Parameters
    ----------
    integer : IntFormat
        What the code words are without the binary point; at most 16 bits.
    fraction : int
        Bits after the binary point, -64 to 64; may be negative or more than there are.

    Examples
    --------
    >>> fmt = FixedFormat(IntFormat(8), 6)
    >>> str(fmt), fmt.min, fmt.max
    ('int8q6', -2.0, 1.984375)
    """

    integer: IntFormat
    fraction: int

    def __post_init__(self) -> None:
        if not isinstance(self.integer, IntFormat):
            raise RefusedType(f"Fixed point must be made of an IntFormat, not {self.integer!r}")
        if self.integer.width > 16:
            raise RefusedInput(f"Fixed point must have at most 16 bits, not {self.integer.width}")
        if type(self.fraction) is not int or not -64 <= self.fraction <= 64:
            raise RefusedInput(f"Fraction bits must be from -64 to 64, not {self.fraction!r}")

    @property
    def width(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Bits in a code word."""
        return self.integer.width

    @property
    def signed(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether there are negative values."""
        return self.integer.signed

    @property
    def min(self) -> float:
        """Smallest value."""
        return self.integer.min * 2.0**-self.fraction

    @property
    def max(self) -> float:
        """Largest value."""
        return self.integer.max * 2.0**-self.fraction

    def quantize(
        self,
        values: ArrayLike,
        *,
        rounding: str = "nearest",
        saturate: bool = True,
        rng: np.random.Generator | None = None,
        axis: int = -1,
    ) -> NDArray[np.floating]:
        """Round to multiples of ``2**-fraction`` and saturate; see `Format.quantize`."""
        source = np.asarray(values)
        array = as_float(source)
        # Scaling is exact, or far beyond the largest value, or far below half the smallest.
        with np.errstate(over="ignore", under="ignore"):
            grid = self.integer.quantize(
                array * array.dtype.type(2.0**self.fraction), rounding=rounding, rng=rng
            )
            grid *= grid.dtype.type(2.0**-self.fraction)
            return grid.astype(np.float16) if source.dtype == np.float16 else grid

    def _decode(self, codes: NDArray[np.int64]) -> NDArray[np.float64]:
        return self.integer._decode(codes) * 2.0**-self.fraction

    def _encode(self, grid: NDArray[np.float64]) -> NDArray[np.int64]:
        return self.integer._encode(grid * 2.0**self.fraction)

    def __str__(self) -> str:
        return f"{self.integer}q{self.fraction}"


@dataclass(frozen=True)
class E8M0Format(Format):
    """Power of two from 2**-127 to 2**127, the scale of OCP MX blocks; code word 255 is NaN.

    Zero and negative numbers become NaN. To nearest is by value, halfway goes up, both as in
    ml_dtypes; too small becomes 2**-127.

    Examples
    --------
    >>> E8M0Format().decode([0, 127, 130]).tolist()
    [5.877471754111438e-39, 1.0, 8.0]
    """

    width: int = field(default=8, init=False, repr=False)
    signed: bool = field(default=False, init=False, repr=False)

    @property
    def min(self) -> float:
        """Smallest value; there is no zero."""
        return 2.0**-127

    @property
    def max(self) -> float:
        """Largest finite value."""
        return 2.0**127

    @property
    def has_nan(self) -> bool:
        """Whether some code word is not a number."""
        return True

    def quantize(
        self,
        values: ArrayLike,
        *,
        rounding: str = "nearest",
        saturate: bool = True,
        rng: np.random.Generator | None = None,
        axis: int = -1,
    ) -> NDArray[np.floating]:
        """Round to powers of two; see `Format.quantize`."""
        check_rounding(rounding, rng)
        source = np.asarray(values)
        wide = np.atleast_1d(as_float(source)).astype(np.float64)
        with np.errstate(invalid="ignore"):
            wide[~(wide > 0)] = np.nan
        significand, exponent = np.frexp(np.clip(wide, 2.0**-127, 2.0**128))
        low = np.ldexp(np.sign(significand), exponent - 1)
        if rounding == "nearest":
            low *= 1 + (significand >= 0.75)
        elif rounding == "stochastic" and rng is not None:
            low *= 1 + (rng.random(low.shape) < 2 * significand - 1)
        if saturate:
            low = np.minimum(low, self.max)
        elif rounding == "toward_zero":
            low = np.where(np.isinf(wide), np.nan, np.minimum(low, self.max))
        else:
            low[low > self.max] = np.nan
        with np.errstate(over="ignore", under="ignore"):
            dtype = source.dtype if source.dtype.kind == "f" else np.dtype(np.float64)
            return low.astype(dtype).reshape(source.shape)

    def _decode(self, codes: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.where(codes == 255, np.nan, np.ldexp(1.0, codes - 127))

    def _encode(self, grid: NDArray[np.float64]) -> NDArray[np.int64]:
        nan = np.isnan(grid)
        return np.where(nan, 255, np.frexp(np.where(nan, 1.0, grid))[1] + 126).astype(np.int64)

    def __str__(self) -> str:
        return "e8m0fnu"
