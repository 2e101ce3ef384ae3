"""Names of formats."""

import re
from functools import lru_cache

from macwright.hw.formats.base import Format
from macwright.hw.formats.integer import BinaryFormat, IntFormat, TernaryFormat
from macwright.hw.formats.minifloat import FloatFormat

__all__ = ["ALIASES", "parse_format"]

#: Other names that are understood, and what they stand for.
ALIASES = {
    "bfloat16": "bf16",
    "e8m7": "bf16",
    "float16": "fp16",
    "e5m10": "fp16",
    "float32": "fp32",
    "e8m23": "fp32",
    "e2m1fin": "e2m1fn",
    "e2m3fin": "e2m3fn",
    "e3m2fin": "e3m2fn",
}

_FLOATS = {
    "fp16": FloatFormat(5, 10),
    "bf16": FloatFormat(8, 7),
    "fp32": FloatFormat(8, 23),
    "e4m3fn": FloatFormat(4, 3, specials="fn"),
    "e4m3fnuz": FloatFormat(4, 3, specials="fnuz"),
    "e5m2fnuz": FloatFormat(5, 2, specials="fnuz"),
    "e4m3b11fnuz": FloatFormat(4, 3, 11, "fnuz"),
    "e2m1fn": FloatFormat(2, 1, specials="none"),
    "e2m3fn": FloatFormat(2, 3, specials="none"),
    "e3m2fn": FloatFormat(3, 2, specials="none"),
}
_SPECIALS = {"": "ieee", "fin": "none", "wp": "wp"}


@lru_cache(maxsize=1024)
def parse_format(name: str) -> Format:
    """Format of this name.

    Parameters
    ----------
    name : str
        For example ``int8``, ``uint4``, ``int8sym``, ``ternary``, ``e4m3fn``, ``e3m2fin``,
        ``bf16``. ml_dtypes' names work too: ``float8_e4m3fn`` is ``e4m3fn``.

    Returns
    -------
    Format
        ``str`` of it is the canonical name.

    Raises
    ------
    ValueError
        If no format has this name; the message says what is near.

    Examples
    --------
    >>> parse_format("e2m1fin")
    FloatFormat(exp_bits=2, man_bits=1, bias=1, specials='none')
    >>> str(parse_format("e2m1fin")), str(parse_format("float8_e5m2"))
    ('e2m1fn', 'e5m2')
    """
    if not isinstance(name, str):
        raise ValueError(f"Format name must be a string, not {name!r}")
    short = re.sub(r"^float(\d+)_(?=e\d)", "", name)
    short = ALIASES.get(short, short)
    if short == "binary":
        return BinaryFormat()
    if short == "ternary":
        return TernaryFormat()
    if short in _FLOATS:
        return _FLOATS[short]
    if match := re.fullmatch(r"(u?)int(\d+)(sym)?", short):
        return IntFormat(int(match[2]), signed=not match[1], symmetric=bool(match[3]))
    if match := re.fullmatch(r"e(\d+)m(\d+)(?:b(-?\d+))?([a-z]*)", short):
        return _minifloat(name, match)
    raise ValueError(f"Unknown format {name!r}")


def _minifloat(name: str, match: re.Match[str]) -> FloatFormat:
    exp_bits, man_bits, suffix = int(match[1]), int(match[2]), match[4]
    if suffix not in _SPECIALS:
        raise ValueError(f"Unknown format {name!r}")
    bias = None if match[3] is None else int(match[3])
    return FloatFormat(exp_bits, man_bits, bias, _SPECIALS[suffix])  # pyright: ignore
