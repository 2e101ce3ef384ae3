"""Operands taken apart into sign, significand and shift, as plain expressions."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Const, Mux, Value

from macwright.hw.formats import BinaryFormat, FloatFormat, TernaryFormat

__all__ = ["Parts", "split"]


@dataclass(frozen=True)
class Parts:
    """A value as ``(-1)**sign * significand * 2**shift``, in units of the format's grid."""

    sign: Value
    significand: Value
    shift: Value
    special: Value


def split(fmt: Any, code: Value) -> Parts:
    """Take an operand apart; an integer's significand is its magnitude and its shift 0."""
    zero = Const(0, 1)
    if isinstance(fmt, FloatFormat):
        return _split_float(fmt, code)
    if isinstance(fmt, BinaryFormat):
        return Parts(~code[0], Const(1, 1), zero, zero)
    if isinstance(fmt, TernaryFormat):
        return Parts(code[1], code[0], zero, zero)
    if not fmt.signed:
        return Parts(zero, code, zero, zero)
    magnitude = Mux(code[-1], -code, code)[: fmt.width]
    return Parts(code[-1], magnitude, zero, zero)


def _split_float(fmt: FloatFormat, code: Value) -> Parts:
    man, exp = fmt.man_bits, fmt.exp_bits
    exponent = code[man : man + exp]
    normal = exponent.any()
    significand = Cat(code[:man], normal)
    # Subnormals share the exponent of the smallest normals.
    shift = Mux(normal, exponent - 1, 0)[:exp]
    sign = code[man + exp] if fmt.signed else Const(0, 1)
    return Parts(sign, significand, shift, _special(fmt, code))


def _special(fmt: FloatFormat, code: Value) -> Value:
    """Whether a code is NaN or infinity."""
    man, exp = fmt.man_bits, fmt.exp_bits
    match fmt.specials:
        case "ieee":
            return code[man : man + exp].all()
        case "fn":
            return code[: man + exp].all()
        case "fnuz" | "wp":
            return code == 1 << (man + exp)
        case _:
            return Const(0, 1)
