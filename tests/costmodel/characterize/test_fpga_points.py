"""Points of FPGA units: mapped for depth and for area, each placed if it can be of use."""

import pytest

from macwright.costmodel.characterize import points
from macwright.costmodel.technology.catalogue import find_technology
from macwright.hw.pe import spec_from_fields

MINIFLOAT = {"act": "e2m1fn", "weight": "e2m1fn", "acc": "fp16"}
INTEGER = {"act": "int2", "weight": "int2", "acc": "int6"}


class Placer:
    """Places nothing, and says what it was given."""

    def __init__(self):
        self.placed = []

    def describe(self):
        return "fake"

    def place(self, netlist, top):
        self.placed.append(top)
        return {"placed_luts": 100 - len(self.placed), "period_ns": 1.0 * len(self.placed)}


@pytest.fixture
def placer(monkeypatch, tmp_path):
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path))
    fake = Placer()
    monkeypatch.setattr(points, "find_placer", lambda name: fake)
    return fake


def made(family, fields):
    spec = spec_from_fields(family, fields).tuned("ecp5")
    return points.unit_points(spec, find_technology("ecp5"), curve=False)


def test_the_smaller_and_the_faster_mapping_are_both_points(placer):
    rows = made("minifloat_mac", MINIFLOAT)
    assert [row["point"] for row in rows] == ["map=least_area", "map=least_depth"]
    assert rows[0]["luts"] < rows[1]["luts"]
    assert [row["checked"] > 1000 for row in rows] == [True, True]
    assert "scratchpad -set abc9.D" in rows[0]["flow"]
    assert "scratchpad" not in rows[1]["flow"]


def test_a_mapping_for_area_that_saves_nothing_is_not_placed(placer):
    (row,) = made("int_mac", INTEGER)
    assert row["point"] == "map=least_depth"
    assert len(placer.placed) == 1


def test_hard_multipliers_leave_no_choice():
    technology = find_technology("ecp5")
    assert points.with_mappings(technology, dsp=True) is technology
    gates = find_technology("gates")
    assert points.with_mappings(gates, dsp=False) is gates
