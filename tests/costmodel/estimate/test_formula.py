"""Formula model against sums done by hand from the published cell counts."""

import numpy as np
import pytest

from macwright.costmodel.estimate.formula import mac_gates, unit_gates
from macwright.costmodel.tables.default_units import default_units
from macwright.costmodel.tables.lookup import load_table
from macwright.hw.pe import spec_from_fields

# Partial products, their reduction, exponent adder; shifter, adder, product register; increment,
# accumulator register. FA 7, HA 3, MUX 3, AND 1, FF 6, 12 spare bits.
BY_HAND = {
    0: (64 + (49 * 7 + 7 * 3), 14 * 7 + 3, 12 * 3 + 27 * 6),
    2: (
        49 + (36 * 7 + 6 * 3) + (7 + 3),
        (11 * 3 * 3 + 4 * 4) + (16 * 7 + 3) + 17 * 6,
        12 * 3 + 29 * 6,
    ),
    3: (
        36 + (25 * 7 + 5 * 3) + (2 * 7 + 3),
        (9 * 4 * 3 + 12 * 4) + (22 * 7 + 3) + 16 * 6,
        12 * 3 + 35 * 6,
    ),
    4: (
        25 + (16 * 7 + 4 * 3) + (3 * 7 + 3),
        (7 * 5 * 3 + 28 * 4) + (36 * 7 + 3) + 15 * 6,
        12 * 3 + 49 * 6,
    ),
    5: (
        16 + (9 * 7 + 3 * 3) + (4 * 7 + 3),
        (5 * 6 * 3 + 60 * 4) + (66 * 7 + 3) + 14 * 6,
        12 * 3 + 79 * 6,
    ),
}


@pytest.mark.parametrize("exp_bits", BY_HAND)
def test_stages_are_those_computed_by_hand(exp_bits):
    stages = mac_gates(exp_bits)
    assert list(stages) == ["multiply", "align_and_add", "norm_and_accumulate"]
    assert tuple(stages.values()) == BY_HAND[exp_bits]


def test_published_ratios_to_int8():
    total = {exp_bits: sum(mac_gates(exp_bits).values()) for exp_bits in BY_HAND}
    assert list(total.values()) == sorted(total.values())
    assert total[4] / total[0] == pytest.approx(1.5, abs=0.05)
    assert total[5] / total[0] == pytest.approx(2.1, abs=0.05)


def test_other_widths_and_spare_bits():
    # INT4 with 8 spare bits: 16 + (9 * 7 + 3 * 3), 6 * 7 + 3, 8 * 3 + 15 * 6.
    assert tuple(mac_gates(0, magnitude_bits=3, spare_bits=8).values()) == (88, 45, 114)


@pytest.mark.parametrize("exp_bits", [-1, 8])
def test_exponent_that_does_not_fit_is_refused(exp_bits):
    text = rf"^Exponent must have from 0 to 7 bits \(the magnitude's\), not {exp_bits}$"
    with pytest.raises(ValueError, match=text):
        mac_gates(exp_bits)


def test_unit_of_the_published_formats_has_the_published_gates():
    unit = spec_from_fields("int_mac", {"acc": "int27"})
    assert unit_gates(unit) == 727
    # e4m3: significand of 5 with sign and hidden bit, without the product register of 15 bits.
    fields: dict[str, object] = {"act": "e4m3fin", "weight": "e4m3fin", "acc": "fixed49"}
    assert unit_gates(spec_from_fields("minifloat_mac", fields)) == 1065 - 15 * 6
    fields["pipeline"] = 2
    assert unit_gates(spec_from_fields("minifloat_mac", fields)) == 1065 + 16 * 6


@pytest.mark.parametrize(
    ("family", "fields"),
    [("minifloat_mac", {"acc": "fp32"}), ("dot", {}), ("requant", {}), ("shift_add_mac", {})],
)
def test_unit_that_the_formula_does_not_cover_is_refused(family, fields):
    spec = spec_from_fields(family, fields)
    text = rf"^Unit must be one of int_mac, minifloat_mac with a fixed-.*, not {spec.name}$"
    with pytest.raises(ValueError, match=text):
        unit_gates(spec)


def test_ranks_units_as_synthesis_does():
    rows = load_table("gates").set_index("unit")
    units = [spec for spec in default_units("gates") if spec.name in rows.index]
    assert len(units) > 100
    formula = np.array([unit_gates(spec) for spec in units])
    measured = rows.loc[[spec.name for spec in units], "area"].to_numpy()
    ranks = [np.argsort(np.argsort(x)) for x in (formula, measured)]
    assert np.corrcoef(ranks).min() > 0.95
