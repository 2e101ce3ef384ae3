"""Lanes of the dot-product unit: their sum in a bit heap, exact or aligned to a window."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from macwright.hw.arith.aligner import align
from macwright.hw.arith.bit_heap import BitHeap
from macwright.hw.arith.target import target_of
from macwright.hw.formats import IntFormat, TernaryFormat
from macwright.hw.pe.float_mac import kinds
from macwright.hw.pe.int_product import add_int_product
from macwright.hw.pe.minifloat_product import aligned_product, raw_product
from macwright.hw.pe.operand import range_width
from macwright.hw.pe.product import split

__all__ = ["Specials", "add_lanes", "lane_specials", "split_lanes", "sum_width", "windowed_sum"]


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
    for a, w in zip(acts, weights, strict=True):
        if lane.is_integer:
            add_int_product(m, heap, lane, a, w, negative=negative)
        else:
            term = aligned_product(m, lane, a, w, target=target_of(spec.target))
            _add_signed(heap, term.bits, term.sign)


def _add_signed(heap: BitHeap, bits: Value, sign: Value) -> None:
    """Add a magnitude whose bits are complemented by its sign."""
    heap.add(bits)
    heap.add_bit(sign, 0)
    heap.add_bit(sign, len(bits), negative=True)


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
    for bits, back, _, sign, _ in products:
        amount = Signal(len(back), name="amount")
        m.d.comb += amount.eq(back - least)
        window = align(
            m,
            [(bit ^ sign)[0] for bit in bits],
            amount,
            top=spec.window - len(bits),
            width=spec.window,
            fill=sign,
        )
        _add_signed(heap, Cat(*window), sign)
    total = Signal(heap.width, name="window_sum")
    m.d.comb += total.eq(heap.sum(m))
    shift = Signal(len(least), name="window_shift")
    m.d.comb += shift.eq(products[0][2] - least)
    return total.as_signed(), shift


def _minimum(m: Module, values: list[Value]) -> Value:
    """Smallest of unsigned numbers of the same width, by a tree of comparisons."""
    while len(values) > 1:
        pairs = []
        for x, y in zip(values[::2], values[1::2], strict=False):
            smaller = Signal(len(x), name="smaller")
            m.d.comb += smaller.eq(Mux(x < y, x, y))
            pairs.append(smaller)
        values = pairs + ([values[-1]] if len(values) % 2 else [])
    return values[0]


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
