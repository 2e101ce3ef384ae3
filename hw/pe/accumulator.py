"""Accumulator formats: integers, fixed point over the product's grid, floating point."""

import re
from dataclasses import dataclass

from macwright.hw.errors import RefusedInput
from macwright.hw.formats import FloatFormat, Format, IntFormat, parse_format


@dataclass(frozen=True)
class FixedAcc:
    """Two's complement sum in units of the smallest product of the operand formats.

    Parameters
    ----------
    width : int
        Bits, from 2 to 4096.

    Examples
    --------
    >>> str(FixedAcc(47))
    'fixed47'
    """

    width: int

    def __post_init__(self) -> None:
        if type(self.width) is not int or not 2 <= self.width <= 4096:
            raise RefusedInput(
                f"Fixed accumulator width must be an integer from 2 to 4096, not {self.width!r}"
            )

    def __str__(self) -> str:
        return f"fixed{self.width}"


def parse_int_acc(text: str) -> IntFormat | None:
    """Read the accumulator of an integer unit: "int32", "uint20" or "exact" (which is None)."""
    if text == "exact":
        return None
    fmt = parse_format(text)
    if not isinstance(fmt, IntFormat):
        raise RefusedInput(f"must be an integer format such as int32, or exact, not {text!r}")
    return fmt


def parse_fixed_acc(text: str) -> Format | FixedAcc | None:
    """Read the accumulator of a minifloat unit: "exact" (None), "fixed47", or a format."""
    if text == "exact":
        return None
    if match := re.fullmatch(r"fixed([0-9]{1,4})", text):
        return FixedAcc(int(match[1]))
    fmt = parse_format(text)
    if not isinstance(fmt, FloatFormat):
        raise RefusedInput(f"must be exact, fixed<bits> or a float format, not {text!r}")
    return fmt


def parse_dot_acc(text: str) -> Format | FixedAcc | None:
    """Read the accumulator of a dot unit: "exact" (None), "fixed47", an integer or a float."""
    if text == "exact":
        return None
    if match := re.fullmatch(r"fixed([0-9]{1,4})", text):
        return FixedAcc(int(match[1]))
    fmt = parse_format(text)
    if not isinstance(fmt, FloatFormat | IntFormat):
        raise RefusedInput(
            f"must be exact, an integer, fixed<bits> or a float format, not {text!r}"
        )
    return fmt
