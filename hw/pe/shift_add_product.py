"""Products by shifts and additions, of integer and of floating-point activations."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, signed

from macwright.hw.arith.aligner import align
from macwright.hw.arith.bit_heap import BitHeap
from macwright.hw.arith.multipliers import MULTIPLIERS, add_signed
from macwright.hw.arith.target import Target
from macwright.hw.arith.widths import range_width
from macwright.hw.formats import FloatFormat, IntFormat, PotFormat, TernaryFormat
from macwright.hw.pe.modes import add_signed_if
from macwright.hw.pe.operand import grid_ends, product_range
from macwright.hw.pe.product import split

__all__ = ["FloatTerms", "add_product"]


def add_product(
    m: Module,
    heap: BitHeap,
    weight: Any,
    a: Value,
    w: Value,
    *,
    negative: bool,
    multiplier: str = "baugh_wooley",
) -> None:
    """Add ``a * w`` to a heap, or subtract it; `multiplier` is for integer weights."""
    if isinstance(weight, IntFormat):
        MULTIPLIERS[multiplier](m, heap, w, a, negative=negative)
    elif isinstance(weight, TernaryFormat):
        add_signed(m, heap, a, w[1], nonzero=w[0], negative=negative)
    elif isinstance(weight, PotFormat):
        # Field k stands for 2**(k - 1); the lowest bit of a << k is then always 0.
        field = w[:-1]
        operand = Signal(a.shape(), name="kept")
        m.d.comb += operand.eq(Mux(field.any(), a, 0))
        far = operand << field
        row = Signal(Shape(len(far) - 1, a.shape().signed), name="row")
        m.d.comb += row.eq(far >> 1)
        add_signed_if(m, heap, row, (w[-1] ^ Const(int(negative), 1))[0], name="row_signed")
    else:
        at = len(w) - 1
        for k, choices in enumerate(weight.terms):
            bits = (len(choices) - 1).bit_length()
            at -= bits
            shifts = [choice.bit_length() - 1 for choice in choices[1:]]
            least = min(shifts)
            row = Signal(Shape(len(a) + max(shifts) - least, a.shape().signed), name=f"row_{k}")
            with m.Switch(w[at : at + bits]):
                for code, shift in enumerate(shifts, 1):
                    with m.Case(code):
                        m.d.comb += row.eq(a << (shift - least))
            minus = (w[-1] ^ Const(int(negative), 1))[0]
            add_signed_if(m, heap, row, minus, name=f"row_{k}_signed", shift=least)


class FloatTerms:
    """A floating-point activation and its product with a weight, as integers of the unit's grid.

    The significand is multiplied before it is aligned. Both are kept complemented by the sign of
    the activation, which is added with them.

    Parameters
    ----------
    m : Module
        Where the logic goes.
    spec : ShiftAddMacSpec
        Formats.
    a, w : Value
        Codes of activation and weight.
    target : Target
        What the adders are made of.
    """

    def __init__(self, m: Module, spec: Any, a: Value, w: Value, *, target: Target) -> None:
        self._m, self._act = m, spec.act
        parts = split(spec.act, a)
        self.special = parts.special
        self._sign = Signal(name="a_sign")
        significand = Signal(len(parts.significand), name="significand")
        m.d.comb += [self._sign.eq(parts.sign), significand.eq(parts.significand)]
        most = (1 << len(significand)) - 1
        low, high = int(spec.weight.min) * most, int(spec.weight.max) * most
        product = Signal(signed(range_width(min(low, 0), high)), name="significand_product")
        heap = BitHeap(len(product), target=target)
        add_product(m, heap, spec.weight, significand, w, negative=False)
        m.d.comb += product.eq(heap.sum(m))
        width = range_width(*product_range(spec.act, spec.weight))
        self._product = self._aligned(a, list(product), width)
        bits = [*significand, Const(0, 1)]
        self._value = self._aligned(a, bits, range_width(*grid_ends(spec.act)))

    def _aligned(self, code: Value, number: list[Value], width: int) -> Value:
        """Complement a signed number by the sign and shift it left by the exponent."""
        fmt: FloatFormat = self._act
        exponent = code[fmt.man_bits : fmt.man_bits + fmt.exp_bits]
        # Subnormals share the exponent of the smallest normals. The complement counts from the top.
        right = ~Cat(exponent[0] | ~exponent.any(), exponent[1:])
        bits = [bit ^ self._sign for bit in number]
        top = (1 << fmt.exp_bits) - 2
        return Cat(
            *align(self._m, bits, right, top=top, width=width, fill=bits[-1], below=self._sign)
        ).as_signed()

    def add_product(self, heap: BitHeap, negative: bool) -> None:
        """Add the product to a heap; `negative` must be false."""
        heap.add(self._product)
        heap.add_bit(self._sign, 0)

    def add_value(self, heap: BitHeap, negative: bool) -> None:
        """Add the activation to a heap; `negative` must be false."""
        heap.add(self._value)
        heap.add_bit(self._sign, 0)
