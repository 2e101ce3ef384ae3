"""Which multiplier is taken where: what the measurements behind the choice said."""

import pytest

from macwright.hw.arith.multipliers import smallest_multiplier


@pytest.mark.parametrize(
    ("bits", "target", "lanes", "multiplier"),
    [
        ((8, 8), "asic", 1, "booth4"),
        ((8, 4), "generic", 1, "booth4"),
        ((8, 3), "asic", 1, "baugh_wooley"),
        ((8, 2), "asic", 1, "baugh_wooley"),
        ((8, 2), "asic", 8, "booth4"),
        ((5, 5), "asic", 8, "baugh_wooley"),
        ((4, 4), "asic", 8, "baugh_wooley"),
        ((8, 8), "asic_inverting", 8, "baugh_wooley"),
        ((16, 16), "asic_inverting", 1, "booth4"),
    ],
)
def test_smallest_multiplier(bits, target, lanes, multiplier):
    assert smallest_multiplier(*bits, target=target, lanes=lanes) == multiplier
    assert smallest_multiplier(*bits[::-1], target=target, lanes=lanes) == multiplier
