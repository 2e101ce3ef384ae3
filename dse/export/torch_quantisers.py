"""Quantisers of activations as torch modules: the text of their classes, and of one of them."""

from macwright.dse.quantizer.activation import Operand
from macwright.hw.errors import RefusedInput
from macwright.hw.formats import (
    BinaryFormat,
    FixedFormat,
    FloatFormat,
    Format,
    IntFormat,
    TernaryFormat,
)

__all__ = ["CLASSES", "quantiser"]

#: Classes that every exported module has.
CLASSES = '''\
class Quantiser(nn.Module):
    """Round to levels of a format: (level(x / scale + zero) - zero) * scale."""

    def __init__(self, scale, zero=0.0):
        super().__init__()
        self.scale, self.zero = scale, zero
        self.inverse = float(1 / torch.tensor(scale, dtype=torch.float32))

    def forward(self, x):
        return (self.level(x * self.inverse + self.zero) - self.zero) * self.scale


class IntegerQuantiser(Quantiser):
    """Integers from low to high; ties go to even ones."""

    def __init__(self, scale, zero, low, high):
        super().__init__(scale, zero)
        self.low, self.high = low, high

    def level(self, x):
        return torch.round(torch.clamp(x, self.low, self.high))


class BinaryQuantiser(Quantiser):
    """1 where x is at least 0, else -1."""

    def level(self, x):
        return torch.where(x >= 0, 1.0, -1.0)


class FloatQuantiser(Quantiser):
    """Minifloats with subnormals, from low to high; ties go to even codes."""

    def __init__(self, scale, zero, man_bits, min_exponent, low, high):
        super().__init__(scale, zero)
        self.man_bits, self.min_exponent = man_bits, min_exponent
        self.low, self.high = low, high

    def level(self, x):
        x = torch.clamp(x, self.low, self.high)
        exponent = torch.clamp(torch.frexp(x).exponent - 1, min=self.min_exponent)
        step = torch.ldexp(torch.ones_like(x), exponent - self.man_bits)
        quotient = x / step
        rounded = torch.round(quotient)
        if self.man_bits == 0:
            # Codes of powers of two are even or odd by turns.
            down = (quotient.abs() == 1.5) & ((exponent - self.min_exponent) % 2 == 1)
            rounded = torch.where(down, torch.trunc(quotient), rounded)
        return rounded * step
'''


def quantiser(operand: Operand, where: str) -> str:
    """Call that makes the quantiser of an operand with a fixed scale.

    Raises
    ------
    RefusedInput
        If no class is of its format; `where` says whose it is.
    """
    return _call(operand.format, operand.scale, operand.zero, where)


def _call(fmt: Format, scale: float, zero: float, where: str) -> str:
    start = f"scale={float(scale)!r}, zero={float(zero)!r}"
    if isinstance(fmt, FixedFormat):
        unit = 2.0**-fmt.fraction
        return _call(fmt.integer, scale * unit, zero / unit, where)
    if isinstance(fmt, BinaryFormat):
        return f"BinaryQuantiser({start})"
    if isinstance(fmt, IntFormat | TernaryFormat):
        return f"IntegerQuantiser({start}, low={int(fmt.min)}, high={int(fmt.max)})"
    if isinstance(fmt, FloatFormat):
        low, high = -fmt.max if fmt.signed else 0.0, fmt.max
        return (
            f"FloatQuantiser({start}, man_bits={fmt.man_bits}, min_exponent={fmt.min_exponent}, "
            f"low={float(low)!r}, high={float(high)!r})"
        )
    raise RefusedInput(f"{where} must be in an integer, fixed-point or minifloat format, not {fmt}")
