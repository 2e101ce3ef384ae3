"""Rounding of exact numbers to the codes of a float format, in Python integers."""

from typing import Any

__all__ = ["round_to_code"]


def round_to_code(fmt: Any, number: int, power: int, *, negative: bool = False) -> int:
    """Code nearest to ``number * 2**power``, of two equally near the even one.

    Parameters
    ----------
    fmt : FloatFormat
        Format.
    number, power : int
        Exact number.
    negative : bool
        Sign of the result if `number` is 0.

    Returns
    -------
    int
        Too large a number gives infinity if the format has it, else NaN, else the largest number.

    Examples
    --------
    >>> from macwright.hw.formats import parse_format
    >>> hex(round_to_code(parse_format("fp16"), 1, 0))
    '0x3c00'
    """
    if number:
        negative = number < 0
    rest = abs(number)
    # Exponent of the last place: that of the format's smallest number, or further up.
    place = max(rest.bit_length() + power - 1, 1 - fmt.bias) - fmt.man_bits
    steps = _nearest_even(rest, place - power)
    if steps == 2 ** (fmt.man_bits + 1):
        steps, place = steps // 2, place + 1
    exponent = place + fmt.man_bits + fmt.bias if steps >= 2**fmt.man_bits else 0
    magnitude = exponent * 2**fmt.man_bits + steps % 2**fmt.man_bits
    sign = 2 ** (fmt.exp_bits + fmt.man_bits) if negative else 0
    everything = 2 ** (fmt.exp_bits + fmt.man_bits)
    top = everything - 2**fmt.man_bits
    match fmt.specials:
        case "ieee":
            return sign + min(magnitude, top)
        case "fn":
            return everything - 1 if magnitude >= everything - 1 else sign + magnitude
        case "none":
            return sign + min(magnitude, everything - 1)
        case _:
            if magnitude >= everything:
                return everything
            return sign + magnitude if magnitude else 0


def _nearest_even(number: int, shift: int) -> int:
    """``number / 2**shift`` to the nearest integer, halves to the even one."""
    if shift <= 0:
        return number * 2**-shift
    steps, left = divmod(number, 2**shift)
    half = 2 ** (shift - 1)
    return steps + (left > half or (left == half and steps % 2 == 1))
