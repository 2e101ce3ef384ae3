"""Lanes of the dot-product unit: their sum in a bit heap, exact or aligned to a window."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value

from macwright.hw.arith.aligner import align
from macwright.hw.arith.bit_heap import BitHeap
from macwright.hw.arith.target import ASIC_INVERTING, GENERIC, target_of
from macwright.hw.arith.widths import range_width
from macwright.hw.formats import IntFormat, TernaryFormat
from macwright.hw.pe.float_mac import kinds
from macwright.hw.pe.int_product import add_int_product
from macwright.hw.pe.minifloat_product import aligned_product, raw_product, signed_product
from macwright.hw.pe.product import split

__all__ = ["Specials", "add_lanes", "lane_specials", "split_lanes", "sum_width", "windowed_sum"]

#: Products of significands of up to so many bits become signed before they are aligned.
SIGNED_BITS = 4


@dataclass(frozen=True)
class Specials:
    """What the lanes' special values make of the sum; None where it cannot happen."""

    nan: Value | None
    inf: Value | None
    negative: Value


def split_lanes(fmt: Any, vector: Value, lanes: int) -> list[Value]:
    """Operands of a flat vector, lane 0 in its low bits; integers as numbers."""
    codes = [vector[k * fmt.width : (k + 1) * fmt.width] for k in range(lanes)]
    signed = isinstance(fmt, TernaryFormat) or (isinstance(fmt, IntFormat) and fmt.signed)
    return [code.as_signed() for code in codes] if signed else codes


def sum_width(spec: Any) -> int:
    """Bits of the lanes' sum, signed."""
    if spec.window is not None:
        most = spec.lanes * ((1 << spec.window) - 1)
        return range_width(-most, most)
    low, high = spec.product_range
    return range_width(min(0, spec.lanes * low), max(0, spec.lanes * high))


def add_lanes(
    m: Module, heap: BitHeap, spec: Any, acts: list[Value], weights: list[Value], *, negative: bool
) -> None:
    """Add all lanes' exact products to a heap, in units of the smallest; or subtract integers."""
    lane = spec.lane
    pairs = list(zip(acts, weights, strict=True))
    if lane.is_integer:
        for a, w in pairs:
            add_int_product(m, heap, lane, a, w, negative=negative)
        return
    target = target_of(spec.target)
    if lane.product_bits <= SIGNED_BITS:
        for a, w in pairs:
            heap.add(signed_product(m, lane, a, w, target=target))
        return
    terms = [aligned_product(m, lane, a, w, target=target) for a, w in pairs]
    _add_signed(m, heap, [(term.bits, term.sign) for term in terms])


def _add_signed(m: Module, heap: BitHeap, terms: list[tuple[Value, Value]]) -> None:
    """Add magnitudes of the same width whose bits are complemented by their signs.

    That is ``bits + sign - sign * 2**width`` for each. The signs are counted in groups of one less
    than a power of two, which takes full adders alone, and the counts are added.
    """
    width = len(terms[0][0])
    for bits, _ in terms:
        heap.add(bits)
    signs = [sign for _, sign in terms]
    while signs:
        digits = (len(signs) + 1).bit_length() - 1
        group, signs = signs[: (1 << digits) - 1], signs[(1 << digits) - 1 :]
        counter = BitHeap(digits, target=heap.target)
        for sign in group:
            counter.add_bit(sign, 0)
        count = Signal(digits, name="negative_lanes")
        m.d.comb += count.eq(counter.sum(m))
        heap.add(count)
        heap.add(count, shift=width, negative=True)


def windowed_sum(
    m: Module, spec: Any, acts: list[Value], weights: list[Value]
) -> tuple[Value, Value]:
    """Sum of the products aligned to the largest exponent, and that exponent's left shift.

    The sum is signed and in units of ``2**(shift + product_bits - window)`` smallest products.
    """
    target = target_of(spec.target)
    products = [
        raw_product(m, spec.lane, a, w, target=target) for a, w in zip(acts, weights, strict=True)
    ]
    least = _minimum(m, [back for _, back, _, _, _ in products])
    heap = BitHeap(sum_width(spec), target=target)
    terms = []
    for bits, back, _, sign, _ in products:
        difference = BitHeap(len(back), target=target if target == ASIC_INVERTING else GENERIC)
        difference.add(back)
        difference.add(least, negative=True)
        amount = Signal(len(back), name="amount")
        m.d.comb += amount.eq(difference.sum(m))
        window = align(
            m,
            [(bit ^ sign)[0] for bit in bits],
            amount,
            top=spec.window - len(bits),
            width=spec.window,
            fill=sign,
        )
        terms.append((Cat(*window), sign))
    _add_signed(m, heap, terms)
    total = Signal(heap.width, name="window_sum")
    m.d.comb += total.eq(heap.sum(m, adder=spec.lane_adder))
    shift = Signal(len(least), name="window_shift")
    m.d.comb += shift.eq(products[0][2] - least)
    return total.as_signed(), shift


def _minimum(m: Module, values: list[Value]) -> Value:
    """Smallest of unsigned numbers of the same width, bit by bit from the highest.

    A number drops out where it has a one and another, still in, has a zero.
    """
    width = len(values[0])
    least = Signal(width, name="least")
    within: list[Value] = [Const(1, 1)] * len(values)
    for k in reversed(range(width)):
        m.d.comb += least[k].eq(
            ~Cat(*(i & ~v[k] for i, v in zip(within, values, strict=True))).any()
        )
        after = []
        for inside, value in zip(within, values, strict=True):
            fits = Signal(name="within")
            m.d.comb += fits.eq(inside & (least[k] | ~value[k]))
            after.append(fits)
        within = after
    return least


def lane_specials(m: Module, spec: Any, acts: list[Value], weights: list[Value]) -> Specials:
    """NaN and infinity of the lanes' sum."""
    lane, no = spec.lane, Const(0, 1)
    special = [getattr(fmt, "specials", "none") for fmt in lane.formats]
    if special == ["none", "none"]:
        return Specials(None, None, no)
    nans, plus, minus = [], [], []
    for a, w in zip(acts, weights, strict=True):
        (nan_a, inf_a), (nan_w, inf_w) = kinds(lane.act, a), kinds(lane.weight, w)
        x, y = split(lane.act, a), split(lane.weight, w)
        nan, inf = Signal(name="lane_nan"), Signal(name="lane_inf")
        m.d.comb += nan.eq(
            nan_a | nan_w | (inf_a & ~y.significand.any()) | (inf_w & ~x.significand.any())
        )
        m.d.comb += inf.eq(inf_a | inf_w)
        nans.append(nan)
        plus.append(inf & ~(x.sign ^ y.sign))
        minus.append(inf & (x.sign ^ y.sign))
    nan, inf, negative = Signal(name="nan"), Signal(name="inf"), Signal(name="negative_inf")
    m.d.comb += [
        nan.eq(Cat(*nans).any() | (Cat(*plus).any() & Cat(*minus).any())),
        negative.eq(Cat(*minus).any()),
        inf.eq((Cat(*plus).any() | negative) & ~nan),
    ]
    return Specials(nan, inf if "ieee" in special else None, negative)
