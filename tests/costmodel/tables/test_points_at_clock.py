"""Shipped points of cell libraries: why formats rank otherwise at another clock."""

from typing import Any

import pytest

from macwright.costmodel.tables.default_units import mac_spec
from macwright.costmodel.tables.points import current_points, load_points, pointed_units
from macwright.costmodel.technology.catalogue import LIBERTY_NAMES, find_technology


def points(technology) -> Any:
    """Shipped points with one sum."""
    rows = load_points(technology)
    return rows[~rows["point"].str.contains("carry_save")]


def curve(technology, name):
    """Spec of a format's MAC and its points with one sum."""
    spec = mac_spec(act=name, weight=name, technology=technology)
    return spec, points(technology).query("unit == @spec.row")


def least(rows, clock_mhz):
    """Cheapest point that meets a clock without a margin."""
    met = rows[rows["period_ns"] <= 1e3 / clock_mhz]
    return met.loc[met["area"].idxmin()]


@pytest.mark.parametrize("technology", LIBERTY_NAMES)
def test_every_unit_has_current_points_that_were_simulated(technology):
    rows: Any = load_points(technology)
    units = pointed_units(technology)
    assert set(rows["unit"]) == {spec.row for spec in units}
    assert (rows["checked"] >= 1000).all()
    assert rows[["area", "period_ns", "energy_fj_per_mac"]].notna().all(axis=None)
    some = units[:: len(units) // 6]
    assert set(current_points(some, find_technology(technology))) == {spec.row for spec in some}


@pytest.mark.parametrize("technology", LIBERTY_NAMES)
def test_no_unit_pays_less_for_a_faster_clock(technology):
    rows = points(technology)
    for _, of_unit in rows[~rows["unit"].str.contains("@")].groupby("unit"):
        ordered = of_unit.sort_values("period_ns", ascending=False)
        clocks = 1e3 / ordered["period_ns"]
        areas = [least(of_unit, clock * (1 - 1e-12))["area"] for clock in clocks]
        assert areas == sorted(areas)
        assert areas[0] == of_unit["area"].min()


@pytest.mark.parametrize(
    ("technology", "slow_mhz", "fast_mhz"), [("nangate45", 250, 500), ("asap7", 250, 500)]
)
def test_e4m3_loses_to_int8_at_speed_because_its_sum_is_wider(technology, slow_mhz, fast_mhz):
    int8, of_int8 = curve(technology, "int8")
    e4m3, of_e4m3 = curve(technology, "e4m3fin")
    ratio = {f: least(of_e4m3, f)["area"] / least(of_int8, f)["area"] for f in (slow_mhz, fast_mhz)}
    assert ratio[fast_mhz] > ratio[slow_mhz] > 1
    # The carry of 49 columns comes behind an aligner, that of 28 in one tree with the product.
    assert e4m3.acc.width > int8.acc.width
    smallest = [rows.loc[rows["area"].idxmin(), "period_ns"] for rows in (of_int8, of_e4m3)]
    assert smallest[1] > smallest[0]
    # So E4M3 needs a prefix adder (or a register, too) where INT8 keeps its plain registers.
    assert "adder=" in least(of_e4m3, fast_mhz)["point"]
    assert least(of_int8, fast_mhz)["ffs"] == int8.acc.width
    # A register in front of the sum holds the product's bits on top of the sum's.
    cut = of_e4m3[of_e4m3["point"].str.contains("cut=product")]
    assert (cut["ffs"] > e4m3.acc.width).all()
    assert cut["period_ns"].min() < of_e4m3.drop(cut.index)["period_ns"].min()
