"""What a code word stands for, read off the definition of its format in Python integers.

Written apart from :mod:`macwright.hw.formats` and from the units: this is what they are checked
against.
"""

from functools import lru_cache
from typing import Any

from macwright.hw.errors import RefusedType
from macwright.hw.formats import BinaryFormat, FloatFormat, IntFormat, TernaryFormat

__all__ = ["Special", "decode", "decode_all", "legal_codes"]

Special = str
"""What a code that is no number stands for: "nan", "inf" or "-inf"."""


def decode(fmt: Any, code: int) -> tuple[int, int] | Special:
    """Value of a code as ``(n, k)``, meaning ``n * 2**k``; or which special value it is.

    Examples
    --------
    >>> from macwright.hw.formats import parse_format
    >>> decode(parse_format("e4m3fn"), 0b1_0111_100), decode(parse_format("e5m2"), 0b0_11111_00)
    ((-12, -3), 'inf')
    """
    if isinstance(fmt, BinaryFormat):
        return (1 if code else -1), 0
    if isinstance(fmt, FloatFormat):
        return _decode_float(fmt, code)
    if not isinstance(fmt, IntFormat | TernaryFormat):
        raise RefusedType(f"Format to decode must be an integer or a minifloat, not {fmt}")
    negative = isinstance(fmt, TernaryFormat) or fmt.signed
    return (code - 2**fmt.width if negative and code >= 2 ** (fmt.width - 1) else code), 0


def _decode_float(fmt: FloatFormat, code: int) -> tuple[int, int] | Special:
    steps, fields = 2**fmt.man_bits, 2**fmt.exp_bits
    rest, fraction = divmod(code, steps)
    sign, exponent = divmod(rest, fields)
    kind = fmt.specials
    if kind == "ieee" and exponent == fields - 1:
        return "nan" if fraction else ("-inf" if sign else "inf")
    if kind == "fn" and exponent == fields - 1 and fraction == steps - 1:
        return "nan"
    if kind in ("fnuz", "wp") and sign and exponent == fraction == 0:
        return "nan"
    if exponent == 0:
        number, power = fraction, 1 - fmt.bias - fmt.man_bits
    else:
        number, power = steps + fraction, exponent - fmt.bias - fmt.man_bits
    return (-number if sign else number), power


@lru_cache(maxsize=64)
def decode_all(fmt: Any) -> tuple[tuple[int, int] | Special, ...]:
    """What :func:`decode` gives for every code of a format of at most 16 bits, in order."""
    return tuple(decode(fmt, code) for code in range(2**fmt.width))


@lru_cache(maxsize=64)
def legal_codes(fmt: Any) -> tuple[int, ...]:
    """Every code word that a format has, special values included, in rising order."""
    if isinstance(fmt, TernaryFormat):
        return 0, 1, 3
    codes = range(2**fmt.width)
    if getattr(fmt, "symmetric", False):
        return tuple(code for code in codes if code != 2 ** (fmt.width - 1))
    return tuple(codes)
