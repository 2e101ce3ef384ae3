"""Names of formats."""

import difflib
import re
from functools import lru_cache

from macwright.hw.errors import RefusedInput
from macwright.hw.formats.base import Format
from macwright.hw.formats.block import PRESETS, BlockFormat
from macwright.hw.formats.integer import BinaryFormat, IntFormat, TernaryFormat
from macwright.hw.formats.minifloat import FloatFormat
from macwright.hw.formats.power import ApotFormat, PotFormat
from macwright.hw.formats.scaled import E8M0Format, FixedFormat

__all__ = ["ALIASES", "FORMAT_NAMES", "aliases", "parse_format"]

#: Other names that are understood, and what they stand for.
ALIASES = {
    "bfloat16": "bf16",
    "e8m7": "bf16",
    "float16": "fp16",
    "e5m10": "fp16",
    "float32": "fp32",
    "e8m23": "fp32",
    "float8_e3m4": "e3m4",
    "float8_e4m3": "e4m3",
    "float8_e4m3b11fnuz": "e4m3b11fnuz",
    "float8_e4m3fn": "e4m3fn",
    "float8_e4m3fnuz": "e4m3fnuz",
    "float8_e5m2": "e5m2",
    "float8_e5m2fnuz": "e5m2fnuz",
    "float8_e8m0fnu": "e8m0fnu",
    "float6_e2m3fn": "e2m3fn",
    "e2m3fin": "e2m3fn",
    "float6_e3m2fn": "e3m2fn",
    "e3m2fin": "e3m2fn",
    "float4_e2m1fn": "e2m1fn",
    "e2m1fin": "e2m1fn",
}

#: Formats whose names are not spelled by a rule.
_NAMED: dict[str, Format] = {
    "binary": BinaryFormat(),
    "ternary": TernaryFormat(),
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
    "e8m0fnu": E8M0Format(),
    **{name: BlockFormat(*fields) for name, fields in PRESETS.items()},
}

#: A list of names worth showing: every named format, and a choice of those spelled by a rule.
FORMAT_NAMES = (
    *("binary", "ternary"),
    *(f"int{width}" for width in (2, 3, 4, 5, 6, 7, 8, 16)),
    *("int4sym", "int8sym", "uint2", "uint4", "uint8"),
    *("pot3", "pot4", "pot5", "apot4", "apot5", "apot7"),
    *("e2m1fn", "e3m0fin", "e2m2fin", "e3m1fin", "e2m3fn", "e3m2fn", "e3m3fin"),
    *("e2m5fin", "e3m4fin", "e4m3fin", "e5m2fin", "e2m5wp", "e3m4wp", "e4m3wp", "e5m2wp"),
    *("e3m4", "e4m3", "e5m2", "e4m3fn", "e4m3fnuz", "e5m2fnuz", "e4m3b11fnuz"),
    *("fp16", "bf16", "fp32", "e8m0fnu"),
    *PRESETS,
    *("bfp4x16", "bfp6x16", "bfp8x16"),
)

_NUMBER = r"(0|-?[1-9][0-9]{0,3})"
_INTEGER = re.compile(rf"(u?)int{_NUMBER}(sym)?(?:q{_NUMBER})?")
_FLOAT = re.compile(rf"e{_NUMBER}m{_NUMBER}(?:b{_NUMBER})?([a-z]*)")
_SPECIALS = {"": "ieee", "fin": "none", "wp": "wp", "fn": "fn", "fnuz": "fnuz"}
_VAGUE = {
    "fp8": "e4m3fn or e5m2",
    "float8": "e4m3fn or e5m2",
    "mxfp8": "mxfp8e4m3 or mxfp8e5m2",
    "mxfp6": "mxfp6e3m2 or mxfp6e2m3",
    "fp6": "e3m2fn or e2m3fn",
    "fp4": "e2m1fn",
    "int": "int8",
    "uint": "uint8",
    "int1sym": "binary or ternary",
    "double": "fp32",
    "fp64": "fp32",
}


def parse_format(name: str) -> Format:
    """Format of this name.

    Parameters
    ----------
    name : str
        For example ``int8``, ``uint4``, ``int8sym``, ``int8q6`` (fixed point), ``ternary``,
        ``pot4``, ``e4m3fn``, ``e3m2fin``, ``e4m3wp``, ``e4m3b9fin`` (bias 9), ``bf16``, ``mxfp4``,
        ``bfp8x16`` or ``e3m2fnx16`` (blocks). ml_dtypes' names work too: ``float8_e4m3fn``.

    Returns
    -------
    Format
        ``str`` of it is the canonical name. The same name gives the same object.

    Raises
    ------
    ValueError
        If no format has this name; the message says what is near.

    Examples
    --------
    >>> parse_format("e2m1fin")
    parse_format('e2m1fn')
    >>> str(parse_format("e2m1fin")), str(parse_format("float8_e5m2"))
    ('e2m1fn', 'e5m2')
    """
    if not isinstance(name, str):
        raise RefusedInput(f"Format name must be a string, not {name!r}")
    return _parse(name)


def aliases(fmt: Format) -> list[str]:
    """Other names of a format, besides its canonical one."""
    return sorted(alias for alias, name in ALIASES.items() if name == str(fmt))


@lru_cache(maxsize=1024)
def _parse(name: str) -> Format:
    short = ALIASES.get(name, name)
    if short in _NAMED:
        return _NAMED[short]
    if match := _INTEGER.fullmatch(short):
        integer = IntFormat(int(match[2]), signed=not match[1], symmetric=bool(match[3]))
        return integer if match[4] is None else FixedFormat(integer, int(match[4]))
    if match := re.fullmatch(rf"pot{_NUMBER}", short):
        return PotFormat(int(match[1]))
    if match := re.fullmatch(rf"apot{_NUMBER}", short):
        return ApotFormat(int(match[1]))
    if match := re.fullmatch(rf"bfp{_NUMBER}x{_NUMBER}", short):
        width = int(match[1])
        return BlockFormat(FixedFormat(IntFormat(width), width - 2), int(match[2]))
    if match := re.fullmatch(rf"([^x]+)x{_NUMBER}(?:s([^x]+))?", short):
        scale = E8M0Format() if match[3] is None else _parse(match[3])
        return _blocks(_parse(match[1]), int(match[2]), scale)
    if (match := _FLOAT.fullmatch(short)) and match[4] in _SPECIALS:
        return _minifloat(name, match)
    raise RefusedInput(f"Format must be one that `macwright formats` explains, {_near(name)}")


def _minifloat(name: str, match: re.Match[str]) -> FloatFormat:
    exp_bits, man_bits, suffix = int(match[1]), int(match[2]), match[4]
    if suffix == "" and man_bits == 0:
        raise RefusedInput(
            f"Format {name!r} must have a significand to tell NaN from infinity; "
            f"write 'e{exp_bits}m0fin' for a minifloat in which every code is a number"
        )
    if match[3] is None:
        return FloatFormat(exp_bits, man_bits, specials=_SPECIALS[suffix])
    return FloatFormat(exp_bits, man_bits, int(match[3]), _SPECIALS[suffix])


def _blocks(element: Format, block: int, scale: Format) -> BlockFormat:
    if isinstance(element, IntFormat):
        raise RefusedInput(
            f"Blocks of signed integers must be written 'bfp{element.width}x{block}', "
            f"not '{element}x{block}'"
        )
    if not isinstance(element, FloatFormat | FixedFormat):
        raise RefusedInput(f"Block elements must be minifloats or fixed point, not {element}")
    if not isinstance(scale, FloatFormat | E8M0Format):
        raise RefusedInput(f"Block scales must be minifloats or e8m0fnu, not {scale}")
    return BlockFormat(element, block, scale)


def _near(name: str) -> str:
    lower = name.strip().lower()
    if lower in _VAGUE:
        return f"perhaps {_VAGUE[lower]}, not {name!r}"
    if lower != name:
        try:
            return f"perhaps {_parse(lower)}, not {name!r}"
        except ValueError:
            pass
    close = difflib.get_close_matches(lower, [*FORMAT_NAMES, *ALIASES], n=1, cutoff=0.6)
    hint = f"perhaps {close[0]}" if close else "such as int8, e4m3fn, e3m2fin, ternary or mxfp4"
    return f"{hint}, not {name!r}"
