"""Floating-point formats of up to 16 bits, and fp32."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from macwright.hw.errors import RefusedInput
from macwright.hw.formats.base import SymmetricFormat
from macwright.hw.formats.minifloat_round import quantize_float

__all__ = ["SPECIALS", "FloatFormat"]

#: Which code words are not finite numbers; see `FloatFormat`.
SPECIALS = ("ieee", "fn", "fnuz", "none", "wp")

#: Presets whose names are not what their fields would spell.
_NAMES = {
    (5, 10, 15, "ieee"): "fp16",
    (8, 7, 127, "ieee"): "bf16",
    (8, 23, 127, "ieee"): "fp32",
    (2, 1, 1, "none"): "e2m1fn",
    (2, 3, 1, "none"): "e2m3fn",
    (3, 2, 3, "none"): "e3m2fn",
}

#: The only formats of these specials: exponent and significand widths, bias.
_STANDARD = {"fn": {(4, 3, 7)}, "fnuz": {(4, 3, 8), (5, 2, 16), (4, 3, 11)}}
_INSTEAD = {
    "fn": "a minifloat in which every code is a number (fn exists as e4m3fn, and as the alias "
    "of fin in e2m1fn, e2m3fn and e3m2fn)",
    "fnuz": "a NaN in the place of negative zero (fnuz exists as e4m3fnuz, e5m2fnuz and "
    "e4m3b11fnuz)",
}


@dataclass(frozen=True)
class FloatFormat(SymmetricFormat):
    """Minifloat: sign, biased exponent, significand with a hidden bit, and subnormals.

    The value of a code word with sign `s`, exponent field `e` and trailing significand `m` is
    ``(-1)**s * 2**(max(e, 1) - bias) * ((e > 0) + m / 2**man_bits)``, unless it is special.

    A NaN that is rounded to a format without NaN stays NaN in `quantize`, and `encode` refuses
    it; with ``saturate=False`` both give negative zero, as ml_dtypes does.

    Parameters
    ----------
    exp_bits : int
        Width of the exponent field, 1 to 10.
    man_bits : int
        Width of the trailing significand field, without the hidden bit; may be 0.
    bias : int, optional
        Exponent bias; ``2**(exp_bits - 1) - 1`` by default, one more for "fnuz" and "wp".
    specials : {"ieee", "fn", "fnuz", "none", "wp"}
        Which codes are not finite numbers. "ieee": those with the largest exponent field, infinity
        where ``m == 0`` and NaN elsewhere; "fn": NaN where exponent and significand are all ones;
        "fnuz" and "wp": NaN in the place of negative zero; "none": every code is a number.
        Only ml_dtypes' formats are "fn" (e4m3) and "fnuz" (e4m3, e5m2, e4m3 of bias 11).

    Examples
    --------
    >>> fmt = FloatFormat(4, 3, specials="fn")
    >>> str(fmt), fmt.max, fmt.smallest_positive
    ('e4m3fn', 448.0, 0.001953125)
    """

    exp_bits: int
    man_bits: int
    bias: int = None  # pyright: ignore[reportAssignmentType]  # set below
    specials: str = "ieee"

    def __post_init__(self) -> None:
        if self.specials not in SPECIALS:
            raise RefusedInput(
                f"Specials must be one of {', '.join(SPECIALS)}, not {self.specials!r}"
            )
        if type(self.exp_bits) is not int or not 1 <= self.exp_bits <= 10:
            raise RefusedInput(
                f"Exponent width must be from 1 to 10 bits, so that float64 holds the values, "
                f"not {self.exp_bits!r}"
            )
        least = int(self.specials in ("ieee", "fn"))
        if type(self.man_bits) is not int or self.man_bits < least:
            raise RefusedInput(
                f"Significand width of {self.specials!r} formats must be at least {least}, "
                f"not {self.man_bits!r}"
            )
        if self.width > 16 and (self.exp_bits, self.man_bits) != (8, 23):
            raise RefusedInput(f"Minifloats must be at most 16 bits wide, not {self.width}")
        if self.bias is None:
            bias = (1 << (self.exp_bits - 1)) - int(self.specials not in ("fnuz", "wp"))
            object.__setattr__(self, "bias", bias)
        standard = _STANDARD.get(self.specials)
        if standard and (self.exp_bits, self.man_bits, self.bias) not in standard:
            raise RefusedInput(
                f"Format '{self}' is defined by no standard; write 'e{self.exp_bits}m"
                f"{self.man_bits}{'fin' if self.specials == 'fn' else 'wp'}' for "
                + _INSTEAD[self.specials]
            )
        low = (1 << self.exp_bits) - 1022
        if type(self.bias) is not int or not low <= self.bias <= 900:
            raise RefusedInput(f"Exponent bias must be from {low} to 900, not {self.bias!r}")

    @property
    def width(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Bits in a code word, the sign included."""
        return 1 + self.exp_bits + self.man_bits

    @property
    def signed(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether there are negative values: always."""
        return True

    @property
    def has_nan(self) -> bool:
        """Whether some code word is not a number."""
        return self.specials != "none"

    @property
    def has_inf(self) -> bool:
        """Whether some code word is an infinity."""
        return self.specials == "ieee"

    @property
    def has_negative_zero(self) -> bool:
        """Whether zero has a sign."""
        return self.specials not in ("fnuz", "wp")

    @property
    def max_code(self) -> int:
        """Code word of the largest finite value."""
        above = {"ieee": 1 << self.man_bits, "fn": 1}.get(self.specials, 0)
        return (1 << (self.width - 1)) - 1 - above

    @property
    def min_exponent(self) -> int:
        """Exponent of the smallest normal value, ``1 - bias``."""
        return 1 - self.bias

    @property
    def max(self) -> float:
        """Largest finite value."""
        return float(self._magnitude(np.array(self.max_code)))

    @property
    def smallest_positive(self) -> float:
        """Smallest value above zero, ``2**(1 - bias - man_bits)`` (for M = 0: a normal one)."""
        return float(self._magnitude(np.array(1)))

    @property
    def level_count(self) -> int:
        """Number of finite values; both zeros count as one."""
        return 2 * self.max_code + 1

    def quantize(
        self,
        values: ArrayLike,
        *,
        rounding: str = "nearest",
        saturate: bool = True,
        rng: np.random.Generator | None = None,
        axis: int = -1,
    ) -> NDArray[np.floating]:
        """Round to the values of the format; see `Format.quantize`."""
        # The protocol asks for less than the class has, which the checker cannot see of `Self`.
        return quantize_float(
            self,  # type: ignore[arg-type]
            values,
            rounding=rounding,
            saturate=saturate,
            rng=rng,
        )

    def _magnitude(self, code: NDArray[np.int64]) -> NDArray[np.float64]:
        field = code >> self.man_bits
        trailing = code & ((1 << self.man_bits) - 1)
        significand = trailing + ((field > 0) << self.man_bits)
        return np.ldexp(
            significand.astype(np.float64), np.maximum(field, 1) - self.bias - self.man_bits
        )

    def _decode(self, codes: NDArray[np.int64]) -> NDArray[np.float64]:
        code = codes & ((1 << (self.width - 1)) - 1)
        value = self._magnitude(code)
        if self.specials == "ieee":
            value[code > self.max_code + 1] = np.nan
            value[code == self.max_code + 1] = np.inf
        elif self.specials == "fn":
            value[code > self.max_code] = np.nan
        negative = codes >> (self.width - 1) == 1
        value = np.where(negative, -value, value)
        if not self.has_negative_zero:
            value[negative & (code == 0)] = np.nan
        return value

    def _encode(self, grid: NDArray[np.float64]) -> NDArray[np.int64]:
        sign = np.signbit(grid).astype(np.int64) << (self.width - 1)
        size = np.abs(grid)
        # Field and trailing significand of a normal value are the top bits of its float64.
        normal = (size.view(np.int64) >> (52 - self.man_bits)) - (
            (1023 - self.bias) << self.man_bits
        )
        finite = np.isfinite(size)
        steps = np.where(finite & (size < 2.0**self.min_exponent), size, 0)
        small = np.ldexp(steps, self.man_bits - self.min_exponent).astype(np.int64)
        code = np.where(size < 2.0**self.min_exponent, small, normal)
        if self.has_negative_zero:
            code = np.where(finite, code, self.max_code + 1)
            if self.has_inf:
                code[np.isnan(size)] |= 1 << (self.man_bits - 1)
            return code | sign
        return np.where(finite, code | sign, 1 << (self.width - 1))

    def __str__(self) -> str:
        name = _NAMES.get((self.exp_bits, self.man_bits, self.bias, self.specials))
        if name:
            return name
        usual = (1 << (self.exp_bits - 1)) - int(self.specials not in ("fnuz", "wp"))
        bias = "" if self.bias == usual else f"b{self.bias}"
        suffix = {"ieee": "", "none": "fin"}.get(self.specials, self.specials)
        return f"e{self.exp_bits}m{self.man_bits}{bias}{suffix}"
