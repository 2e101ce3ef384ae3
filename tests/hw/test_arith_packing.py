# amaranth: UnusedElaboratable=no
# Amaranth's values are not typed.
# pyright: reportArgumentType=false
"""Packed products: layout by hand, every operand in NumPy, hardware proved, one DSP in Yosys."""

import itertools
from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Cat, Module, Signal, unsigned
from helpers.proof import prove

from macwright.costmodel.characterize.many import characterize
from macwright.hw.arith.packing import Packing
from macwright.hw.errors import ToolError
from macwright.hw.formats import parse_format
from macwright.hw.pe import spec_from_fields

#: act, weight, products; spacing and bits of the word, by hand: products of int8 and int4 go to
#: 1024, one more than 11 bits hold; those of int4 to 64, and less the borrow from -57.
LAYOUTS = [
    ("int8", "int4", 2, 12, 17),
    ("int8", "int4sym", 2, 11, 15),
    ("int4", "int4sym", 3, 7, 18),
    ("int4", "int4sym", 4, 7, 25),
    ("int4", "int4", 3, 8, 21),
    ("int8", "int8", 2, 16, 25),
    ("int8sym", "int8", 2, 15, 24),
    ("uint8", "int8", 2, 16, 25),
    ("uint4", "uint3", 3, 7, 18),
    ("int3", "uint2", 3, 5, 13),
    ("uint1", "int4", 3, 5, 15),
    ("int1", "int1", 4, 1, 5),
    ("int16", "int16", 1, 32, 16),
]


def packing_of(act, weight, products):
    ends = [(int(f.min), int(f.max)) for f in map(parse_format, (act, weight))]
    return Packing(act=ends[0], weight=ends[1], products=products)


@pytest.mark.parametrize(("act", "weight", "products", "spacing", "width"), LAYOUTS)
def test_layout_is_as_narrow_as_can_be(act, weight, products, spacing, width):
    packing = packing_of(act, weight, products)
    assert (packing.spacing, packing.word_width) == (spacing, width)


@pytest.mark.parametrize(("act", "weight", "products"), [layout[:3] for layout in LAYOUTS])
def test_fields_and_carries_are_the_products(act, weight, products):
    """In NumPy: every pair of weights that are neighbours, and all else at the ends."""
    packing = packing_of(act, weight, products)
    low, high = packing.weight
    ends = sorted({low, -1, 0, 1, high} & set(range(low, high + 1)))
    some = list(range(low, high + 1)) if high - low < 300 else ends
    acts = np.array(sorted({*packing.act, *range(max(-9, packing.act[0]), 9)}))
    acts = acts[(acts >= packing.act[0]) & (acts <= packing.act[1])]
    for place in range(max(1, products - 1)):
        choices = [some if place <= i <= place + 1 else ends for i in range(products)]
        w = np.array(list(itertools.product(*choices)))
        word = (w << (np.arange(products) * packing.spacing)).sum(axis=1)
        assert word.min() >= -(2 ** (packing.word_width - 1))
        assert word.max() < 2 ** (packing.word_width - 1)
        for a in acts:
            product = word * a
            for i in range(products):
                field = product >> (i * packing.spacing)
                if i < products - 1:
                    field = field % 2**packing.spacing
                    if packing.product_range[0] < 0:
                        half = 2 ** (packing.spacing - 1)
                        field = np.where(field >= half, field - 2 * half, field)
                carry = 0
                if i and packing.product_range[0] < 0:
                    carry = product >> (i * packing.spacing - 1) & 1
                assert np.array_equal(field + carry, a * w[:, i])


@pytest.mark.parametrize(("act", "weight", "products"), [layout[:3] for layout in LAYOUTS])
def test_word_is_proved(act, weight, products):
    """The word of the weights is their shifted sum, for every weight."""
    packing, fmt, m = packing_of(act, weight, products), parse_format(weight), Module()
    a, y = Signal(unsigned(products * fmt.width)), Signal(packing.word_width)
    parts: list[Any] = [a.word_select(i, fmt.width) for i in range(products)]
    parts = [part.as_signed() for part in parts] if fmt.signed else parts
    m.d.comb += y.eq(packing.pack(m, parts))
    prove(m, [a], y, _sum(packing, fmt.width, "a"), legal=_legal(packing, fmt.width, "a"))


@pytest.mark.parametrize(("act", "weight", "products"), [layout[:3] for layout in LAYOUTS])
def test_fields_are_proved(act, weight, products):
    """Any products of the range, shifted and added, come back as field plus carry."""
    prove_fields(packing_of(act, weight, products))


class Tight(Packing):
    """Fields one bit nearer to each other."""

    @property
    def spacing(self):
        return super().spacing - 1


@pytest.mark.parametrize(("act", "weight", "products"), [x[:3] for x in LAYOUTS if 1 < x[2]][:10])
def test_a_bit_less_is_found(act, weight, products):
    packing = packing_of(act, weight, products)
    tight = Tight(act=packing.act, weight=packing.weight, products=products)
    with pytest.raises(ToolError, match="proof"):
        prove_fields(tight)


def prove_fields(packing):
    m = Module()
    low, high = packing.product_range
    bits = max(abs(low), high).bit_length() + 1
    # `a` is the word of products, `b` the products themselves.
    width = len(packing.multiply(Module(), Signal(packing.word_width), Signal(packing.act_width)))
    a, b = Signal(width), Signal(packing.products * bits)
    y, sums = Signal(len(b)), []
    for field, carry in packing.split(a):
        total = Signal(bits)
        m.d.comb += total.eq(field if carry is None else field + carry)
        sums.append(total)
    m.d.comb += y.eq(Cat(*sums))
    legal = f"({_legal(packing, bits, 'b', of=(low, high))}) & (a == the_word)"
    word = _sum(packing, bits, "b", signed=low < 0)
    lines = f"  wire [{width - 1}:0] the_word = {word};\n"
    prove(m, [a, b], y, "b", legal=legal, lines=lines)


def _value(name, width, i, signed):
    part = f"{name}[{i * width} +: {width}]"
    return f"$signed({part})" if signed else f"$signed({{1'b0, {part}}})"


def _sum(packing, width, name, signed=None):
    signed = packing.weight[0] < 0 if signed is None else signed
    parts = [_value(name, width, i, signed) for i in range(packing.products)]
    return " + ".join(f"({p} <<< {i * packing.spacing})" for i, p in enumerate(parts))


def _legal(packing, width, name, of=None):
    low, high = of or packing.weight
    parts = [_value(name, width, i, low < 0) for i in range(packing.products)]
    return " & ".join(f"({p} >= {low}) & ({p} <= {high})" for p in parts)


@pytest.mark.parametrize(
    ("technology", "layout", "cell", "taken"),
    [
        ("ecp5", ("int8", "int8", 2), r"18 x 18 bits of one MULT18X18D", "25 x 8"),
        ("ecp5", ("int4", "int4", 3), r"18 x 18 bits of one MULT18X18D", "21 x 4"),
        ("ice40", ("int8", "int4", 2), r"16 x 16 bits of one SB_MAC16", "17 x 8"),
        ("xc7", ("int4", "int4", 4), r"25 x 18 bits of one DSP48E1", "29 x 4"),
    ],
)
def test_what_does_not_fit_is_refused(technology, layout, cell, taken):
    match = rf"^{layout[2]} packed products must fit the {cell} of {technology}, not take {taken}$"
    with pytest.raises(ValueError, match=match):
        packing_of(*layout).check_cell(technology)


#: Technology, unit, most look-up tables; the goals of the project's study on ecp5 are 58 and 99.
MAPPED = [
    ("ecp5", {"acc": "int24"}, 56),
    ("ecp5", {"products": 3, "act": "int4", "weight": "int4sym", "acc": "int20"}, 74),
    ("ice40", {"weight": "int4sym", "acc": "int24"}, 65),
    ("xc7", {"weight": "int8"}, 74),
    ("xc7", {"products": 3, "act": "int4", "acc": "int20"}, 71),
    ("xc7", {"products": 4, "act": "int4", "weight": "int4sym", "acc": "int20"}, 94),
]
#: Yosys takes 3 to 10 s for a unit with xc7.
QUICK = [pytest.param(*row, marks=() if row[0] != "xc7" else pytest.mark.slow) for row in MAPPED]


def mapped(spec, technology):
    return characterize([spec], technology, dsp=True, stimulus=None, jobs=1).iloc[0]


@pytest.mark.parametrize(("technology", "fields", "luts"), QUICK)
def test_one_dsp_makes_all_products(technology, fields, luts):
    row = mapped(spec_from_fields("packed_mac", fields).tuned(technology), technology)
    assert row["dsps"] == 1
    assert 0 < row["luts"] <= luts


@pytest.mark.slow
@pytest.mark.parametrize(("technology", "fields", "luts"), MAPPED)
def test_one_dsp_with_any_target_and_pipeline(technology, fields, luts):
    plain = mapped(spec_from_fields("packed_mac", fields), technology)
    piped = spec_from_fields("packed_mac", {**fields, "pipeline": 2}).tuned(technology)
    assert plain["dsps"] == mapped(piped, technology)["dsps"] == 1
    assert luts <= plain["luts"] < 2 * luts


def test_fewer_look_up_tables_than_a_dsp_for_each_product():
    """On ecp5, whose multiplier does not accumulate (those of ice40 and xc7 do)."""
    for fields in (MAPPED[0][1], MAPPED[1][1]):
        spec = spec_from_fields("packed_mac", fields).tuned("ecp5")
        other = {"act": str(spec.act), "weight": str(spec.weight), "acc": str(spec.acc)}
        packed, single = (
            mapped(unit, "ecp5") for unit in (spec, spec_from_fields("int_mac", other))
        )
        n = spec.products
        print(
            f"{spec.name}: {packed['luts']} LUTs + 1 DSP; {n} int_mac: {n * single['luts']} + {n}"
        )
        assert single["dsps"] == 1
        assert packed["luts"] < n * single["luts"]
