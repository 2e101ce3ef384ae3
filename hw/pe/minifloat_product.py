"""Product of two minifloats (or a minifloat and an integer) as a signed fixed-point term."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed

from macwright.hw.arith.aligner import align
from macwright.hw.arith.bit_heap import BitHeap
from macwright.hw.arith.chain import CHAINS
from macwright.hw.arith.multipliers import baugh_wooley
from macwright.hw.arith.target import ASIC_INVERTING, GENERIC, Target
from macwright.hw.arith.widths import range_width
from macwright.hw.formats import FloatFormat
from macwright.hw.pe.product import split

__all__ = ["Term", "aligned_product", "raw_product", "signed_product"]


@dataclass(frozen=True)
class Term:
    """A number ``bits - sign * 2**width + sign``: a magnitude complemented by its sign.

    Parameters
    ----------
    bits : Value
        Magnitude, each bit exclusive-or the sign unless the target has carry chains.
    sign : Value
        One bit.
    special : Value
        Whether an operand is NaN or infinity.
    """

    bits: Value
    sign: Value
    special: Value


def raw_product(
    m: Module, spec: Any, a: Value, w: Value, *, target: Target
) -> tuple[list[Value], Value, int, Value, Value]:
    """Product of the significands, right shift, position at shift 0, sign, special.

    The shift is the sum of the complements of both exponents, so nothing is subtracted.
    """
    x, y = split(spec.act, a), split(spec.weight, w)
    heap = BitHeap(len(x.significand) + len(y.significand), target=target)
    factors = []
    for name, part in (("sig_a", x), ("sig_w", y)):
        factor = Signal(len(part.significand), name=name)
        m.d.comb += factor.eq(part.significand)
        factors.append(factor)
    if len(factors[0]) == 1 or len(factors[1]) == 1:
        narrow, wide = sorted(factors, key=len)
        bits = [wide[k] & narrow[0] for k in range(len(wide))]
    elif spec.target in CHAINS and heap.width > 4:
        whole, _ = CHAINS[spec.target].multiply(m, *sorted(factors, key=len))
        bits = [whole[k] for k in range(heap.width)]
    else:
        baugh_wooley(m, heap, *factors)
        whole = Signal(heap.width, name="sig_product")
        m.d.comb += whole.eq(heap.sum(m, adder=spec.lane_adder))
        bits = [whole[k] for k in range(heap.width)]
    amounts, top = [], 0
    for fmt, code in ((spec.act, a), (spec.weight, w)):
        if isinstance(fmt, FloatFormat):
            exponent = code[fmt.man_bits : fmt.man_bits + fmt.exp_bits]
            zero = ~exponent.any()
            amounts.append(~Cat(exponent[0] | zero, exponent[1:]))
            top += (1 << fmt.exp_bits) - 2
    amount = amounts[0]
    if len(amounts) == 2:
        widths = [len(amount) for amount in amounts]
        if spec.target in CHAINS and sum(widths) > 4:
            amount = amounts[0] + amounts[1]
        else:
            # Plain gates can be optimised with what is around them, adder cells cannot.
            plain = target if target == ASIC_INVERTING else GENERIC
            adder = BitHeap(max(widths) + 1, target=plain)
            for amount in amounts:
                adder.add(amount)
            amount = adder.sum(m)
        # The largest sum is not all ones.
        amount = amount[: ((1 << widths[0]) + (1 << widths[1]) - 4).bit_length()]
    shift = Signal(len(amount), name="shift")
    sign = Signal(name="sign")
    m.d.comb += [shift.eq(amount), sign.eq(x.sign ^ y.sign)]
    return bits, shift, top, sign, (x.special | y.special)[0]


def aligned_product(
    m: Module,
    spec: Any,
    a: Value,
    w: Value,
    *,
    target: Target,
    cut: Callable[..., list[Any]] | None = None,
) -> Term:
    """Product aligned to the accumulator's grid, cut off toward zero below it.

    On carry chains the magnitude is not complemented: the chain's LUTs do that. With `cut`, what
    is aligned comes out of it: a register.
    """
    bits, shift, top, sign, special = raw_product(m, spec, a, w, target=target)
    if cut is not None:
        product, shift, sign, special = cut(m, Cat(*bits), shift, sign, special)
        bits = list(product)
    low, high = spec.product_range
    width = max(-low, high).bit_length()
    fill = Const(0, 1) if spec.target in CHAINS else sign
    magnitude = bits if spec.target in CHAINS else [bit ^ sign for bit in bits]
    term = align(m, magnitude, shift, top=top - spec.drop, width=width, fill=fill)
    out = Signal(width, name="term")
    m.d.comb += out.eq(Cat(*term))
    return Term(out, sign, special)


def signed_product(m: Module, spec: Any, a: Value, w: Value, *, target: Target) -> Value:
    """Exact product as a signed number, its significand made one before it is aligned.

    Smaller than :func:`aligned_product` and its two bits for the sign if the significands'
    product has few bits.
    """
    bits, shift, top, sign, _ = raw_product(m, spec, a, w, target=target)
    low, high = spec.product_range
    number = []
    for k in range(len(bits) + 1):
        bit = Signal(name="signed_bit")
        lower = (Cat(*bits[:k]).any() & sign)[0] if k else Const(0, 1)
        m.d.comb += bit.eq(bits[k] ^ lower if k < len(bits) else lower)
        number.append(bit)
    term = align(
        m,
        number,
        shift,
        top=top,
        width=range_width(low, high),
        fill=number[-1],
        below=Const(0, 1),
    )
    out = Signal(signed(len(term)), name="signed_term")
    m.d.comb += out.eq(Cat(*term))
    return out
