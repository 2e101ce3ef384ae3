"""Rounding of an exact product to a minifloat, to the nearest, a tie to the even code."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed

from macwright.hw.accelerator.levels import constant_code
from macwright.hw.arith.widths import range_width

__all__ = ["ROUNDING_STAGES", "minifloat_code"]

#: Register stages: size, places, significand, rounding, saturation.
ROUNDING_STAGES = 5


def minifloat_code(m: Module, spec: Any, product: Value) -> Signal:
    """Register: code of ``product / 2**spec.shift + spec.zero``, limited to `low` and `high`.

    A level of n bits keeps the upper ``man_bits + 1`` of them, or all of fewer: as many are cut
    off as the exponent of the code is above that of the smallest numbers. So the code is what is
    left, plus that number in the place of the exponent; a carry of the rounding goes into the
    exponent by itself.

    Parameters
    ----------
    m : Module
        Module that it is part of.
    spec : RequantiserSpec
        `minifloat`, `shift`, `zero`, `low`, `high`.
    product : Value
        Signed, registered.
    """
    fmt, shift = spec.minifloat, spec.shift
    least, most = -(1 << len(product) - 1), (1 << len(product) - 1) - 1
    zero = spec.zero << shift
    total = Signal(signed(range_width(least + zero, most + zero)), name="total_product")
    m.d.comb += total.eq(product + zero)
    size = _register(m, Mux(total[-1], -total, total)[: len(total)], "size")
    negative = _register(m, total[-1], "negative_size")

    # Level, a bit behind it, and whether there is anything behind that.
    digits = fmt.man_bits + 1
    cuts = max(0, max(abs(spec.low), abs(spec.high)).bit_length() - digits)
    level, half = size[shift:], size[shift - 1] if shift else Const(0, 1)
    rest = size[: max(0, shift - 1)].any() if shift > 1 else Const(0, 1)
    level = Cat(level, Const(0, max(0, digits + cuts - len(level))))
    beyond = _register(
        m, level[digits + cuts :].any() if len(level) > digits + cuts else 0, "beyond"
    )
    _, cut = _leading(level[digits - 1 : digits + cuts])
    cut = _register(m, cut, "cut")
    behind = _register(m, Cat(rest, half, level[: digits + cuts]), "behind")
    negative = _register(m, negative, "negative_places")

    moved = behind >> cut
    lost = Cat(*(behind[place] & (cut >= place) for place in range(cuts + 1))).any()
    significand = _register(m, moved[2 : 2 + digits], "significand")
    half, lost = _register(m, moved[1], "half"), _register(m, lost, "lost")
    exponent, beyond = _register(m, cut, "exponent"), _register(m, beyond, "beyond_significand")
    negative = _register(m, negative, "negative_significand")

    odd = significand[0] if fmt.man_bits else significand[0] ^ exponent[0]
    code = (exponent << fmt.man_bits) + significand + (half & (lost | odd))
    code = _register(m, code[: fmt.width], "code")
    beyond, negative = _register(m, beyond, "beyond_code"), _register(m, negative, "negative")

    low, high = (constant_code(level, fmt) for level in (spec.low, spec.high))
    sign = 1 << (fmt.width - 1)
    above, below = beyond | (code > (high & ~sign)), beyond | (code > (low & ~sign))
    if spec.high >= 0:
        is_high = ~negative & above
    else:
        is_high = ~negative | (~beyond & (code < (high & ~sign)))
    if spec.low <= 0:
        is_low = negative & below
    else:
        is_low = negative | (~beyond & (code < low))
    signed_code = (code[: fmt.width - 1]) | ((negative & code.any()) << (fmt.width - 1))
    y = Mux(is_high, high, Mux(is_low, low, signed_code))
    return _register(m, y[: fmt.width], "y_reg")


def _register(m: Module, value: Any, name: str) -> Signal:
    value = Value.cast(value)
    register = Signal(value.shape(), name=name, reset_less=True)
    m.d.sync += register.eq(value)
    return register


def _leading(bits: Value) -> tuple[Value, Value]:
    """Whether any bit is set, and the place of the highest that is; 0 of none."""
    if len(bits) == 1:
        return bits[0], Const(0, 1)
    split = 1 << (len(bits) - 1).bit_length() - 1
    low, low_place = _leading(bits[:split])
    high, high_place = _leading(bits[split:])
    return low | high, Mux(high, high_place + split, low_place)
