"""Products of integer, binary and ternary operands: for a bit heap, or left to the tool."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, signed

from macwright.hw.arith.bit_heap import BitHeap
from macwright.hw.arith.chain import CHAINS, ChainTarget, Cut, no_cut
from macwright.hw.arith.multipliers import add_product, add_signed
from macwright.hw.arith.widths import range_width
from macwright.hw.formats import BinaryFormat, IntFormat, TernaryFormat

__all__ = ["add_int_product", "chain_product", "chain_rows", "infer_product"]


def add_int_product(
    m: Module,
    heap: BitHeap,
    spec: Any,
    a: Value,
    w: Value,
    *,
    shift: int = 0,
    negative: bool = False,
) -> None:
    """Add ``a * w * 2**shift`` to a heap, or subtract it.

    `spec` has the formats `act` and `weight`, and `multiplier`, which a binary or ternary factor
    does not need.
    """
    for fmt, digit, x in ((spec.weight, w, a), (spec.act, a, w)):
        other = spec.act if fmt is spec.weight else spec.weight
        if isinstance(fmt, BinaryFormat):
            if isinstance(other, BinaryFormat):
                heap.add_bit((a[0] == w[0])[0], shift + 1, negative=negative)
                heap.add_constant((1 if negative else -1) << shift)
            else:
                add_signed(m, heap, x, (~digit)[0], shift=shift, negative=negative)
            return
    for fmt, digit, x in ((spec.weight, w, a), (spec.act, a, w)):
        if isinstance(fmt, TernaryFormat):
            add_signed(m, heap, x, digit[1], nonzero=digit[0], shift=shift, negative=negative)
            return
    # Booth recodes the factor with fewer bits: fewer rows.
    first, second = (a, w) if len(a) < len(w) else (w, a)
    add_product(m, heap, first, second, multiplier=spec.multiplier, shift=shift, negative=negative)


def chain_rows(spec: Any) -> int:
    """Rows of the product on carry chains that registers can be put between."""
    if not (isinstance(spec.act, IntFormat) and isinstance(spec.weight, IntFormat)):
        return 1
    first = spec.act if spec.act.width < spec.weight.width else spec.weight
    return 1 if first.width == 1 else CHAINS[spec.target].rows(Shape(first.width, first.signed))


def chain_product(
    m: Module, target: ChainTarget, spec: Any, a: Value, w: Value, *, cut: Cut = no_cut
) -> tuple[Value, Value | None]:
    """Product on carry chains, and a bit that is still to be added to it.

    `cut` as in :meth:`~macwright.hw.arith.chain.ChainTarget.multiply`.
    """
    for fmt, other, digit, x in ((spec.weight, spec.act, w, a), (spec.act, spec.weight, a, w)):
        if isinstance(fmt, BinaryFormat):
            if isinstance(other, BinaryFormat):
                return Cat(1, a[0] ^ w[0]).as_signed(), None
            return signed_row(m, x, (~digit)[0], None)
    for fmt, digit, x in ((spec.weight, w, a), (spec.act, a, w)):
        if isinstance(fmt, TernaryFormat):
            return signed_row(m, x, digit[1], digit[0])
    first, second = (a, w) if len(a) < len(w) else (w, a)
    if len(first) == 1:
        if first.shape().signed:
            return signed_row(m, second, first[0], first[0])
        return signed_row(m, second, Const(0, 1), first[0])[0], None
    return target.multiply(m, first, second, cut=cut)


def signed_row(m: Module, x: Value, minus: Value, nonzero: Value | None) -> tuple[Value, Value]:
    """``-x`` if `minus` else `x`, 0 unless `nonzero`, as a row and the bit to be added to it."""
    row = Signal(signed(len(x) + (not x.shape().signed)), name="row")
    wide = x if x.shape().signed else Cat(x, Const(0, 1)).as_signed()
    operand = wide if nonzero is None else Mux(nonzero, wide, 0)
    m.d.comb += row.eq(Mux(minus, ~operand, operand))
    return row, minus


def infer_product(m: Module, spec: Any, a: Value, w: Value) -> Signal:
    """Product as a signal of its own range, left to the synthesiser.

    Synthesisers merge a bare acc + a * w into one operator and extend every partial product to
    the width of the accumulator; the kept wire prevents that.
    """
    low, high = spec.product_range
    product = Signal(Shape(range_width(low, high), True), attrs={"keep": 1})
    m.d.comb += product.eq(_multiply(spec, a, w))
    return product


def _multiply(spec: Any, a: Value, w: Value) -> Value:
    """Product of the operands; a binary factor only chooses the sign."""
    binary = [isinstance(fmt, BinaryFormat) for fmt in (spec.act, spec.weight)]
    if all(binary):
        return Mux(a == w, 1, -1)
    if any(binary):
        factor, sign = (w, a) if binary[0] else (a, w)
        return Mux(sign, factor, -factor)
    return a * w
