"""Codes of activations as numbers: their levels, and numbers in the order of the levels."""

import numpy as np
from amaranth.hdl import Const, Module, Mux, Shape, Signal, Value, signed

from macwright.hw.accelerator.network import level_unit
from macwright.hw.formats import FloatFormat, Format

__all__ = ["code_of_order", "constant_code", "level_of", "level_shape", "order_of"]


def level_shape(fmt: Format) -> Shape:
    """Shape of the levels of an operand's format."""
    if isinstance(fmt, FloatFormat):
        return signed(int(fmt.max / level_unit(fmt)).bit_length() + 1)
    return Shape(fmt.width, fmt.min < 0)


def level_of(m: Module, code: Value, fmt: Format, name: str) -> Signal:
    """Level of a code: of integers the code itself, of minifloats its significand, moved."""
    level = Signal(level_shape(fmt), name=name)
    if not isinstance(fmt, FloatFormat):
        m.d.comb += level.eq(code)
        return level
    fraction, exponent = code[: fmt.man_bits], code[fmt.man_bits : -1]
    normal = exponent.any()
    # The places of a normal number are those of the subnormal ones at an exponent of 1.
    places = Signal(fmt.exp_bits, name=f"{name}_places")
    size = Signal(len(level) - 1, name=f"{name}_size")
    m.d.comb += [
        places.eq(exponent - normal),
        size.eq((fraction if fmt.man_bits else Const(0, 1)) + (normal << fmt.man_bits) << places),
        level.eq(Mux(code[-1], -size, size)),
    ]
    return level


def order_of(code: Value, fmt: Format) -> Value:
    """Number of as many bits, greater for a greater level; the one of a minifloat is signed."""
    if not isinstance(fmt, FloatFormat):
        return code.as_signed() if fmt.min < 0 else code
    size = code[:-1]
    return Mux(code[-1], -size, size)[: fmt.width].as_signed()


def code_of_order(order: Value, fmt: Format) -> Value:
    """Code of such a number; zero is positive."""
    if not isinstance(fmt, FloatFormat):
        return order
    size = Mux(order[-1], -order.as_signed(), order)[: fmt.width - 1]
    return size | (order[-1] << (fmt.width - 1))


def constant_code(level: int, fmt: FloatFormat) -> int:
    """Code of a level; zero is positive."""
    return int(fmt.encode(np.array(level * level_unit(fmt)))) if level else 0
