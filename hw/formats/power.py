"""Powers of two and sums of a few: weights whose products are shifts and additions."""

from dataclasses import dataclass, field
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from macwright.hw.errors import RefusedInput
from macwright.hw.formats.base import SymmetricFormat
from macwright.hw.formats.minifloat import FloatFormat
from macwright.hw.formats.rounding import as_float, check_rounding, in_chunks

__all__ = ["ApotFormat", "PotFormat"]

#: What the fields of an `ApotFormat` choose from, as shifts of 1, the field of the most
#: significant bits first; every field can also be 0. From Y. Li, X. Dong, W. Wang, "Additive
#: Powers-of-Two Quantization", ICLR 2020, and for odd magnitudes from its published program,
#: both scaled so that the smallest shift is 0.
_SHIFTS = {
    3: ((2, 1, 0),),
    4: ((3, 2, 0), (1,)),
    5: ((5, 3, 1), (4, 2, 0)),
    6: ((6, 4, 1), (5, 3, 0), (2,)),
    7: ((8, 5, 2), (7, 4, 1), (6, 3, 0)),
}


@dataclass(frozen=True)
class PotFormat(SymmetricFormat):
    """Zero and signed powers of two, ``0, 1, 2, 4 ...``, as integers: a product is one shift.

    The code word is a sign bit and a field k; k = 0 is zero (also with the sign bit set, which
    `encode` never does), else the magnitude is ``2**(k - 1)``. Ties go to the even field.

    Parameters
    ----------
    width : int
        Bits in a code word, 2 to 6.

    Examples
    --------
    >>> PotFormat(3).levels().tolist()
    [-4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0]
    """

    width: int
    signed: bool = field(default=True, init=False, repr=False)

    def __post_init__(self) -> None:
        if type(self.width) is not int or not 2 <= self.width <= 6:
            raise RefusedInput(f"Power-of-two formats must have 2 to 6 bits, not {self.width!r}")

    @property
    def max(self) -> float:
        """Largest value, ``2**(2**(width - 1) - 2)``."""
        return float(1 << ((1 << (self.width - 1)) - 2))

    def quantize(
        self,
        values: ArrayLike,
        *,
        rounding: str = "nearest",
        saturate: bool = True,
        rng: np.random.Generator | None = None,
        axis: int = -1,
    ) -> NDArray[np.floating]:
        """Round to the nearest level by value, not by exponent; see `Format.quantize`."""
        grid = self._float.quantize(values, rounding=rounding, rng=rng)
        grid += 0  # zero has no sign
        return grid

    @property
    def _float(self) -> FloatFormat:
        """Minifloat that has the same values, and a second zero."""
        return FloatFormat(self.width - 1, 0, 1, "none")

    def _decode(self, codes: NDArray[np.int64]) -> NDArray[np.float64]:
        return self._float._decode(codes) + 0.0

    def _encode(self, grid: NDArray[np.float64]) -> NDArray[np.int64]:
        return self._float._encode(grid)

    def __str__(self) -> str:
        return f"pot{self.width}"


@dataclass(frozen=True)
class ApotFormat(SymmetricFormat):
    """Signed sums of powers of two, as integers: a product is a few shifts and additions.

    The code word is a sign bit and fields of two bits (or one) that each choose zero or a power
    of two from their own set in `terms`; the magnitude is the sum. Negative zero is never
    written and reads as zero. Ties go to the level of even rank, zero's being 0.

    Parameters
    ----------
    width : int
        Bits in a code word, 3 to 7.

    Examples
    --------
    >>> ApotFormat(4).levels()[7:].tolist()
    [0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0]
    >>> ApotFormat(4).terms
    ((0, 8, 4, 1), (0, 2))
    """

    width: int
    signed: bool = field(default=True, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.width not in _SHIFTS or type(self.width) is not int:
            raise RefusedInput(
                f"Additive power-of-two formats must have 3 to 7 bits, not {self.width!r}"
            )

    @property
    def terms(self) -> tuple[tuple[int, ...], ...]:
        """What each field chooses, by its value; the field of the top bits first."""
        return tuple((0, *(1 << shift for shift in field)) for field in _SHIFTS[self.width])

    @property
    def max(self) -> float:
        """Largest value."""
        return float(sum(max(field) for field in self.terms))

    def quantize(
        self,
        values: ArrayLike,
        *,
        rounding: str = "nearest",
        saturate: bool = True,
        rng: np.random.Generator | None = None,
        axis: int = -1,
    ) -> NDArray[np.floating]:
        """Round to the nearest level; see `Format.quantize`."""
        check_rounding(rounding, rng)
        levels, table = self._magnitudes, self._nearest

        def kernel(x: NDArray[np.floating], y: NDArray[np.floating]) -> None:
            # Not a NaN, for a moment: it could not index.
            size = np.fmin(np.abs(x), levels[-1]).astype(x.dtype, copy=False)
            if rounding == "nearest":
                size *= 2
                place = np.floor(size)
                place += np.ceil(size, out=size)
                np.take(table.astype(x.dtype), place.astype(np.intp), out=y, mode="clip")
            else:
                low = np.searchsorted(levels, size, "right") - 1
                if rounding == "stochastic" and rng is not None:
                    gap = np.diff(levels, append=np.inf)[low]
                    low += rng.random(x.shape) * gap < size - levels[low]
                y[:] = levels[low]
            np.copysign(y, x, out=y)
            y += 0  # zero has no sign
            np.copyto(y, x, where=np.isnan(x))

        source = np.asarray(values)
        result = in_chunks(as_float(source), kernel)
        return result.astype(np.float16) if source.dtype == np.float16 else result

    @cached_property
    def _sums(self) -> NDArray[np.float64]:
        """Magnitude of each code word without the sign, shape (2**(width - 1),)."""
        return np.array([sum(choice) for choice in product(*self.terms)], dtype=np.float64)

    @cached_property
    def _magnitudes(self) -> NDArray[np.float64]:
        """Levels that are not negative, in rising order."""
        return np.unique(self._sums)

    @cached_property
    def _nearest(self) -> NDArray[np.float64]:
        """Nearest level of a magnitude z, at index ``floor(2 * z) + ceil(2 * z)``.

        Levels are integers, so that nothing changes between neighbouring multiples of one half.
        """
        levels = self._magnitudes
        quarters = np.arange(4 * int(levels[-1]) + 1) / 4
        high = np.searchsorted(levels, quarters)
        low = np.maximum(high - 1, 0)
        twice = 2 * quarters - levels[low] - levels[high]
        return levels[np.where((twice > 0) | ((twice == 0) & (high % 2 == 0)), high, low)]

    def _decode(self, codes: NDArray[np.int64]) -> NDArray[np.float64]:
        half = 1 << (self.width - 1)
        return np.where(codes >= half, -1.0, 1.0) * self._sums[codes % half] + 0.0

    def _encode(self, grid: NDArray[np.float64]) -> NDArray[np.int64]:
        order = np.argsort(self._sums, kind="stable")
        code = order[np.searchsorted(self._sums[order], np.abs(grid))]
        return code.astype(np.int64) | ((grid < 0).astype(np.int64) << (self.width - 1))

    def __str__(self) -> str:
        return f"apot{self.width}"
