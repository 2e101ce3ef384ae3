# Amaranth's values are not typed.
# pyright: reportArgumentType=false
"""Building blocks proved equal to plain Verilog expressions, for every input, by Yosys' solver."""

from typing import Any

import pytest
from amaranth.hdl import Cat, Const, Module, Shape, Signal
from helpers.paths import ROOT
from helpers.proof import prove

from macwright.hw.arith.aligner import align
from macwright.hw.arith.bit_heap import BitHeap
from macwright.hw.arith.chain import CHAINS
from macwright.hw.arith.multipliers import MULTIPLIERS, add_product, add_signed
from macwright.hw.arith.normalise import (
    leading_zeros,
    normalise,
    shift_left,
    shift_right_sticky,
)
from macwright.hw.arith.prefix import ADDERS, add_around, prefix_add
from macwright.hw.arith.target import target_of
from macwright.hw.errors import ToolError
from macwright.hw.formats import parse_format
from macwright.hw.pe.product import split

#: Behaviour of cells, also for Yosys, which otherwise has cells of FPGAs of its own.
CELLS = {p.stem: "`undef SYNTHESIS\n" + p.read_text() for p in ROOT.glob("sim/cells/*.v")}
A, B = "$signed(a)", "$signed(b)"
UNSIGNED_A, UNSIGNED_B = "$signed({1'b0, a})", "$signed({1'b0, b})"


def operands(na, sa, nb, sb):
    return Signal(Shape(na, sa)), Signal(Shape(nb, sb))


def product_of(sa, sb):
    """Product of a and b, each signed or not."""
    return f"{A if sa else UNSIGNED_A} * {B if sb else UNSIGNED_B}"


SIGNS = [(True, True), (False, True), (False, False)]
SLOW = pytest.mark.slow
LARGE = [(4, 8), (6, 6)]


@pytest.mark.parametrize(("sa", "sb"), SIGNS)
@pytest.mark.parametrize("target", ["generic", "asic", "asic_inverting"])
@pytest.mark.parametrize("multiplier", MULTIPLIERS)
@pytest.mark.parametrize(("na", "nb"), [(8, 4), *(pytest.param(*n, marks=SLOW) for n in LARGE)])
def test_multipliers(na, nb, multiplier, target, sa, sb):
    m, (a, b), y = Module(), operands(na, sa, nb, sb), Signal(na + nb)
    heap = BitHeap(len(y), target=target_of(target))
    add_product(m, heap, a, b, multiplier=multiplier)
    m.d.comb += y.eq(heap.sum(m))
    prove(m, [a, b], y, product_of(sa, sb), cells=CELLS["macwright_asic"])


@pytest.mark.parametrize("target", CHAINS)
@pytest.mark.parametrize(("sa", "sb"), [(True, True), (False, True), (True, False)])
@pytest.mark.parametrize(("na", "nb"), [(4, 8), pytest.param(6, 6, marks=SLOW)])
def test_rows_on_carry_chains(na, nb, target, sa, sb):
    m, (a, b), y = Module(), operands(na, sa, nb, sb), Signal(na + nb)
    product, rest = CHAINS[target].multiply(m, a, b)
    m.d.comb += y.eq(product if rest is None else product + rest)
    prove(m, [a, b], y, product_of(sa, sb), cells=CELLS[target])


@pytest.mark.parametrize("adder", ADDERS)
@pytest.mark.parametrize("width", [7, 16])
def test_adders(adder, width):
    m, (a, b), y = Module(), operands(width, False, width, False), Signal(width)
    m.d.comb += y.eq(prefix_add(m, a, b, adder=adder))
    prove(m, [a, b], y, "a + b")


@pytest.mark.parametrize("adder", ADDERS)
def test_adders_with_carry(adder):
    m, (a, b), y = Module(), operands(9, False, 10, False), Signal(9)
    m.d.comb += y.eq(prefix_add(m, a, b[:9], adder=adder, carry=b[9]))
    prove(m, [a, b], y, "a + b[8:0] + b[9]")


@pytest.mark.parametrize("adder", [adder for adder in ADDERS if adder != "plus"])
def test_adders_whose_carry_is_added(adder):
    m, (a, b), y = Module(), operands(9, False, 10, False), Signal(10)
    total, carry = add_around(m, a, b[:9], adder=adder, around=b[9])
    m.d.comb += y.eq(Cat(total, carry))
    whole = "({1'b0, a} + {1'b0, b[8:0]})"
    prove(m, [a, b], y, f"{{{whole} > 511, a + b[8:0] + ({whole} > 511 && b[9])}}")


@pytest.mark.parametrize("adder", [*ADDERS, "carry_save"])
def test_heap_of_many_terms(adder):
    m, (a, b), y = Module(), operands(7, True, 9, False), Signal(12)
    heap = BitHeap(len(y))
    heap.add(a, shift=2)
    heap.add(b, negative=True)
    heap.add(a)
    heap.add_constant(-77)
    heap.subtract_sign(b[3], 5)
    if adder == "carry_save":
        first, second = heap.carry_save(m)
        m.d.comb += y.eq(first + second)
    else:
        m.d.comb += y.eq(heap.sum(m, adder=adder))
    prove(m, [a, b], y, f"5 * {A} - {UNSIGNED_B} - 77 - (b[3] ? 32 : 0)")


@pytest.mark.parametrize("target", ["generic", "asic", "asic_inverting"])
@pytest.mark.parametrize("adder", [*ADDERS, "carry_save"])
def test_heap_of_a_sum_and_a_magnitude_with_its_sign(adder, target):
    """The sign is a carry at the lowest bit, and is taken away above the magnitude's highest."""
    m, (a, b), y = Module(), operands(11, False, 6, False), Signal(11)
    heap = BitHeap(len(y), target=target_of(target))
    heap.add(a)
    bits: Any = b[:5]
    sign: Any = b[5]
    heap.add(bits ^ sign.replicate(5))
    heap.add_bit(b[5], 0)
    heap.subtract_sign(b[5], 5)
    if adder == "carry_save":
        first, second = heap.carry_save(m)
        m.d.comb += y.eq(first + second)
    else:
        m.d.comb += y.eq(heap.sum(m, adder=adder))
    cells = CELLS["macwright_asic"]
    magnitude = "$signed({1'b0, b[4:0]})"
    prove(m, [a, b], y, f"$signed({{1'b0, a}}) + (b[5] ? -{magnitude} : {magnitude})", cells=cells)


@pytest.mark.parametrize("is_signed", [True, False])
@pytest.mark.parametrize("negative", [True, False])
def test_signed_digits(is_signed, negative):
    """Products with binary and ternary digits: b[0] is not zero, b[1] minus."""
    m, (a, b), y = Module(), operands(7, is_signed, 2, False), Signal(10)
    heap = BitHeap(len(y))
    add_signed(m, heap, a, b[1], nonzero=b[0], shift=1, negative=negative)
    m.d.comb += y.eq(heap.sum(m))
    x, sign = A if is_signed else UNSIGNED_A, "-" if negative else ""
    prove(m, [a, b], y, f"{sign}2 * (b[0] ? (b[1] ? -{x} : {x}) : 0)", legal="b != 2")


@pytest.mark.parametrize(("top", "width"), [(15, 21), (7, 12), (-2, 5)])
def test_aligner(top, width):
    """Shifted right from the highest place, cut off below."""
    m, (a, b), y = Module(), operands(6, False, 4, False), Signal(width)
    m.d.comb += y.eq(Cat(*align(m, list(a), b, top=top, width=width, fill=Const(0, 1))))
    start = f"{{40'b0, a}} << {top + 16}" if top + 16 >= 0 else "0"
    prove(m, [a, b], y, f"(({start}) >> b) >> 16")


@pytest.mark.parametrize("width", [2, 5, 8, 13])
def test_leading_zeros_and_normalisation(width):
    loop = (
        f"  integer k; reg [3:0] n;\n  always @* begin n = 0; for (k = 0; k < {width}; k = k + 1)"
    )
    loop += f" if (a[k]) n = {width} - 1 - k; end\n"
    m, a, y = Module(), Signal(width), Signal(4)
    m.d.comb += y.eq(Cat(*leading_zeros(m, list(a))))
    prove(m, [a], y, "n", lines=loop, legal="a != 0")
    m, a, y = Module(), Signal(width), Signal(width + 4)
    value, count = normalise(m, a)
    m.d.comb += y.eq(Cat(count, Const(0, 4 - len(count)), value))
    want = f"{{a << n, n}} & {{{{{width}{{1'b1}}}}, 4'hf}}"
    prove(m, [a], y, want, lines=loop, legal="a != 0")


@pytest.mark.parametrize(("width", "bits"), [(5, 3), (11, 4), (9, 5), (6, 2)])
def test_shifters(width, bits):
    m, (a, b), y = Module(), operands(width, False, bits, False), Signal(width)
    m.d.comb += y.eq(shift_left(m, a, list(b)))
    prove(m, [a, b], y, "a << b")
    m, (a, b), y = Module(), operands(width, False, bits, False), Signal(width)
    m.d.comb += y.eq(shift_right_sticky(m, a, b))
    lost = f"(a & ~({{{width}{{1'b1}}}} << b)) != 0"
    prove(m, [a, b], y, f"(a >> b) | ({lost})")


@pytest.mark.parametrize("name", ["e4m3fn", "e5m2", "e3m0fin", "e2m3wp", "e4m3fnuz"])
def test_decoder(name):
    """Sign, significand and shift against the words of the format's definition."""
    fmt: Any = parse_format(name)
    man, exp = fmt.man_bits, fmt.exp_bits
    m, a, y = Module(), Signal(fmt.width), Signal(1 + man + 1 + exp + 1)
    parts = split(fmt, a)
    m.d.comb += y.eq(Cat(parts.special, parts.shift, parts.significand, parts.sign))
    field, sign = f"a[{man + exp - 1}:{man}]", f"a[{man + exp}]"
    trailing = f", a[{man - 1}:0]" if man else ""
    special = {
        "e4m3fn": "a[6:0] == 7'h7f",
        "e5m2": "a[6:2] == 5'h1f",
        "e3m0fin": "1'b0",
        "e2m3wp": "a == 6'h20",
        "e4m3fnuz": "a == 8'h80",
    }[name]
    lines = f"  wire [{exp - 1}:0] shift = {field} == 0 ? 0 : {field} - 1;\n"
    lines += f"  wire hidden = {field} != 0, special = {special};\n"
    prove(m, [a], y, f"{{{sign}, hidden{trailing}, shift, special}}", lines=lines)


def test_a_wrong_block_is_found():
    m, (a, b), y = Module(), operands(8, True, 4, True), Signal(12)
    m.d.comb += y.eq(a * b + (a == 77))
    with pytest.raises(ToolError, match="proof"):
        prove(m, [a, b], y, f"{A} * {B}")
