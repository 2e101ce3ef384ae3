"""Integers, and the one- and two-bit formats of binary and ternary networks."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from macwright.hw.errors import RefusedInput
from macwright.hw.formats.base import Format, SymmetricFormat
from macwright.hw.formats.rounding import as_float, check_rounding, in_chunks, round_in_place

__all__ = ["BinaryFormat", "IntFormat", "TernaryFormat"]


class _Integers(Format):
    """Formats whose values are all the integers from `min` to `max`."""

    def quantize(
        self,
        values: ArrayLike,
        *,
        rounding: str = "nearest",
        saturate: bool = True,
        rng: np.random.Generator | None = None,
        axis: int = -1,
    ) -> NDArray[np.floating]:
        """Round to integers and saturate; see `Format.quantize`. There are no special values."""
        check_rounding(rounding, rng)
        array = as_float(values)
        low, high = (_toward_zero(bound, array.dtype) for bound in (self.min, self.max))

        def kernel(x: NDArray[np.floating], y: NDArray[np.floating]) -> None:
            np.maximum(x, low, out=y)
            np.minimum(y, high, out=y)
            round_in_place(y, rounding, rng)
            y += 0  # an integer has no negative zero

        result = in_chunks(array, kernel)
        return result.astype(np.float16) if np.asarray(values).dtype == np.float16 else result

    def _decode(self, codes: NDArray[np.int64]) -> NDArray[np.float64]:
        if self.width > 53:
            raise RefusedInput(f"Decoding needs a format of at most 53 bits, not {self}")
        wrap = 1 << self.width if self.signed else 0
        return np.where(codes > int(self.max), codes - wrap, codes).astype(np.float64)

    def _encode(self, grid: NDArray[np.float64]) -> NDArray[np.int64]:
        if self.width > 53:
            raise RefusedInput(f"Encoding needs a format of at most 53 bits, not {self}")
        return grid.astype(np.int64) & ((1 << self.width) - 1)


def _toward_zero(bound: float, dtype: np.dtype) -> np.floating:
    """Bound as a number of the type, no larger in magnitude."""
    rounded = dtype.type(bound)
    return rounded if abs(int(rounded)) <= abs(bound) else np.nextafter(rounded, dtype.type(0))


@dataclass(frozen=True)
class IntFormat(_Integers):
    """Two's complement or unsigned integer.

    Parameters
    ----------
    width : int
        Bits in a code word, 1 to 64; operands have up to 16.
    signed : bool
        Whether the most significant bit has negative weight.
    symmetric : bool
        Whether the most negative code is left out, so that ``min == -max``.

    Examples
    --------
    >>> IntFormat(4).min, IntFormat(4).max
    (-8, 7)
    >>> str(IntFormat(4)), str(IntFormat(4, signed=False)), str(IntFormat(8, symmetric=True))
    ('int4', 'uint4', 'int8sym')
    """

    width: int
    signed: bool = True
    symmetric: bool = False

    def __post_init__(self) -> None:
        if type(self.width) is not int or not 1 <= self.width <= 64:
            raise RefusedInput(f"Integer width must be from 1 to 64 bits, not {self.width!r}")
        if self.symmetric and not self.signed:
            raise RefusedInput(f"A symmetric integer must be signed, not uint{self.width}")
        if self.symmetric and self.width < 2:
            raise RefusedInput(f"A symmetric integer must have at least 2 bits, not {self.width!r}")

    @property
    def min(self) -> int:
        """Smallest value."""
        return -(1 << (self.width - 1)) + int(self.symmetric) if self.signed else 0

    @property
    def max(self) -> int:
        """Largest value."""
        return (1 << (self.width - int(self.signed))) - 1

    @property
    def smallest_positive(self) -> float:
        """Smallest value above zero; 0 where there is none."""
        return 1.0 if self.max > 0 else 0.0

    @property
    def level_count(self) -> int:
        """Number of values."""
        return self.max - self.min + 1

    def levels(self) -> NDArray[np.float64]:
        """Values in rising order, shape (n_levels,); see `Format.levels`."""
        self._check_table("Levels")
        return np.arange(self.min, self.max + 1, dtype=np.float64)

    def __str__(self) -> str:
        return f"{'int' if self.signed else 'uint'}{self.width}{'sym' if self.symmetric else ''}"


@dataclass(frozen=True)
class TernaryFormat(_Integers, SymmetricFormat):
    """-1, 0 and 1, as two's complement code words of two bits (3, 0 and 1).

    Code word 2 is never written; it decodes to -2, as the hardware would read it.

    Examples
    --------
    >>> TernaryFormat().quantize([-3.0, 0.4, 0.6]).tolist()
    [-1.0, 0.0, 1.0]
    """

    width: int = field(default=2, init=False, repr=False)
    signed: bool = field(default=True, init=False, repr=False)

    @property
    def max(self) -> int:
        """Largest value."""
        return 1

    def levels(self) -> NDArray[np.float64]:
        """Values in rising order: -1, 0, 1."""
        return np.array([-1.0, 0.0, 1.0])

    def __str__(self) -> str:
        return "ternary"


@dataclass(frozen=True)
class BinaryFormat(SymmetricFormat):
    """-1 (code word 0) and +1 (code word 1).

    Rounding to nearest takes the sign, and both zeros become +1, as the sign function of binary
    networks does. Toward zero has no meaning between -1 and 1 and does the same.

    Examples
    --------
    >>> BinaryFormat().quantize([-0.2, 0.0, 5.0]).tolist()
    [-1.0, 1.0, 1.0]
    """

    width: int = field(default=1, init=False, repr=False)
    signed: bool = field(default=True, init=False, repr=False)

    @property
    def max(self) -> int:
        """Largest value."""
        return 1

    def quantize(
        self,
        values: ArrayLike,
        *,
        rounding: str = "nearest",
        saturate: bool = True,
        rng: np.random.Generator | None = None,
        axis: int = -1,
    ) -> NDArray[np.floating]:
        """Take the sign; see `Format.quantize`. Stochastic: +1 with probability (1 + x) / 2."""
        check_rounding(rounding, rng)
        array = as_float(values)

        def kernel(x: NDArray[np.floating], y: NDArray[np.floating]) -> None:
            if rounding == "stochastic" and rng is not None:
                up = 2 * rng.random(x.shape) - 1 < x
            else:
                up = x >= 0
            # Times zero plus one: NaN stays NaN without a second look at it.
            np.minimum(np.abs(x, out=y), 1, out=y)
            y *= 0
            y += up
            y += up
            y -= 1

        result = in_chunks(array, kernel)
        return result.astype(np.float16) if np.asarray(values).dtype == np.float16 else result

    def _decode(self, codes: NDArray[np.int64]) -> NDArray[np.float64]:
        return (2 * codes - 1).astype(np.float64)

    def _encode(self, grid: NDArray[np.float64]) -> NDArray[np.int64]:
        return (grid > 0).astype(np.int64)

    def __str__(self) -> str:
        return "binary"
