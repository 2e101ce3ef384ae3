"""Multipliers that leave their partial products in a bit heap.

Adding a product to a heap, rather than making it a number first, lets the accumulator and all
other terms share one compressor tree.
"""

from amaranth.hdl import Cat, Const, Module, Signal, Value

from macwright.hw.arith.bit_heap import BitHeap
from macwright.hw.arith.target import Bit
from macwright.hw.errors import RefusedInput

__all__ = [
    "MULTIPLIERS",
    "add_product",
    "add_signed",
    "baugh_wooley",
    "booth4",
    "smallest_multiplier",
]


def baugh_wooley(
    m: Module, heap: BitHeap, a: Value, b: Value, *, shift: int = 0, negative: bool = False
) -> None:
    """Add ``a * b * 2**shift`` to the heap, or subtract it: one AND gate a bit pair.

    Each operand is signed or unsigned as its shape says. The sign bits' products have negative
    weight, which the heap turns into complements and one constant (Baugh and Wooley, 1973).
    """
    for i in range(len(a)):
        for j in range(len(b)):
            minus = negative
            minus ^= a.shape().signed and i == len(a) - 1
            minus ^= b.shape().signed and j == len(b) - 1
            product = Signal(name=f"pp_{i}_{j}")
            if minus:
                m.d.comb += product.eq(~(a[i] & b[j]))
                heap.add_constant(-(1 << (i + j + shift)))
                heap.add_bit(product, i + j + shift)
            else:
                m.d.comb += product.eq(a[i] & b[j])
                heap.add_bit(product, i + j + shift)


def booth4(
    m: Module, heap: BitHeap, a: Value, b: Value, *, shift: int = 0, negative: bool = False
) -> None:
    """Add ``a * b * 2**shift`` to the heap, or subtract it: half as many rows, each a 5:1 choice.

    `a` is recoded to digits -2, -1, 0, 1, 2 (Booth, radix 4; MacSorley, 1961). A negative digit
    complements its row; the missing one is merged with the row's lowest bit ``x``:
    ``(x ^ n) + n = x + 2 * (n & ~x)``.
    """
    top = a[-1] if a.shape().signed else Const(0, 1)
    bits = [Const(0, 1), *(a[k] for k in range(len(a)))]
    while len(bits) % 2 == 0 or (not a.shape().signed and bits[-1] is not top):
        bits.append(top)
    sign = b[-1] if b.shape().signed else Const(0, 1)
    wide = Cat(Const(0, 1), b, sign)  # bit k + 1 is bit k of b
    for row in range(len(bits) // 2):
        low, mid, high = bits[2 * row : 2 * row + 3]
        single, two, minus = (Signal(name=f"{name}_{row}") for name in ("one", "two", "minus"))
        m.d.comb += [
            single.eq(mid ^ low),
            two.eq((high ^ mid) & ~single),
            minus.eq(high),
        ]
        at = shift + 2 * row
        for k in range(len(b) + 1):
            magnitude = (wide[k + 1] & single) | (wide[k] & two)
            lowest = k == 0
            bit = Signal(name=f"pp_{row}_{k}")
            m.d.comb += bit.eq(magnitude if lowest else magnitude ^ minus)
            last = k == len(b) and b.shape().signed
            heap.add_bit(Bit(bit, False, 0.8), at + k, negative=negative != last)
            if lowest:
                heap.add_bit(Bit((minus & ~bit)[0], False, 0.9), at + 1, negative=negative)
        if not b.shape().signed:
            heap.add_bit(Bit(minus, False, 0.3), at + len(b) + 1, negative=not negative)


MULTIPLIERS = {"baugh_wooley": baugh_wooley, "booth4": booth4}


def smallest_multiplier(a_bits: int, b_bits: int, *, target: str, lanes: int = 1) -> str:
    """The multiplier that is smallest in a heap, by measurement (gates, nangate45, sky130, ASAP7).

    Booth's pays where its rows save many full adders: not with few bits, and later in ASAP7, whose
    exclusive-or gates are large beside its full adder. Of one product, the other array can save
    gates as well (see :func:`~macwright.hw.arith.accumulate.accumulate`).
    """
    if target == "asic_inverting":
        least = 24
    else:
        least = 10 if lanes > 1 and min(a_bits, b_bits) % 2 == 0 else 12
    return "booth4" if a_bits + b_bits >= least else "baugh_wooley"


def add_product(
    m: Module,
    heap: BitHeap,
    a: Value,
    b: Value,
    *,
    multiplier: str = "baugh_wooley",
    shift: int = 0,
    negative: bool = False,
) -> None:
    """Add ``a * b * 2**shift`` to the heap, or subtract it, by the multiplier of that name.

    Raises
    ------
    ValueError
        If there is no such multiplier.
    """
    if multiplier not in MULTIPLIERS:
        raise RefusedInput(
            f"Multiplier must be one of {', '.join(MULTIPLIERS)}, not {multiplier!r}"
        )
    MULTIPLIERS[multiplier](m, heap, a, b, shift=shift, negative=negative)


def add_signed(
    m: Module,
    heap: BitHeap,
    x: Value,
    minus: Value,
    *,
    nonzero: Value | None = None,
    shift: int = 0,
    negative: bool = False,
) -> None:
    """Add ``-x`` if `minus`, else `x`, times ``2**shift``; nothing if `nonzero` is given and 0.

    That is the product of `x` and a binary or ternary digit. `minus` must be 0 where `nonzero` is.
    """
    minus = minus if not negative else ~minus if nonzero is None else minus ^ nonzero
    minus = minus[0]
    signed = x.shape().signed
    for k in range(len(x)):
        bit = Signal(name=f"term_{k}")
        m.d.comb += bit.eq((x[k] if nonzero is None else x[k] & nonzero) ^ minus)
        heap.add_bit(bit, shift + k, negative=signed and k == len(x) - 1)
    if not signed:
        heap.add_bit(minus, shift + len(x), negative=True)
    heap.add_bit(minus, shift)
