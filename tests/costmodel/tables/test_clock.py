"""Cost rows at a clock: the cheapest point that meets it, and nothing without a period."""

import math

import pandas as pd
import pytest

from macwright.costmodel.characterize.many import cost_frame
from macwright.costmodel.characterize.points import point_frame
from macwright.costmodel.tables.clock import built, modules, points_of_rows, rows_at_clock

COSTS = cost_frame(
    [
        {"unit": "mac", "area": 10.0, "delay_ns": 4.0, "energy_fj_per_mac": 5.0},
        {"unit": "mac@small", "area": 10.0, "delay_ns": 4.0, "energy_fj_per_mac": 2.0},
        {"unit": "other", "area": 1.0, "energy_fj_per_mac": 1.0},
    ]
)
POINTS = point_frame(
    [
        {"unit": "mac", "point": "", "module": "mac", "area": 10, "period_ns": 4.0, "ffs": 1},
        {"unit": "mac", "point": "f", "module": "mac_f", "area": 14, "period_ns": 2.0, "ffs": 1},
        {"unit": "mac", "point": "g", "module": "mac_g", "area": 14, "period_ns": 1.9, "ffs": 2},
        {"unit": "mac@small", "point": "f", "area": 14, "energy_fj_per_mac": 3.0},
        {"unit": "other", "point": "", "module": "other", "area": 1, "ffs": 0},
    ]
)


@pytest.mark.parametrize(
    ("clock_mhz", "margin", "point"),
    [
        (200, 0.0, ""),
        (250, 0.0, ""),  # just met
        (250.1, 0.0, "f"),
        (250, 0.05, "f"),
        (500, 0.0, "f"),  # as large as g, with fewer registers
        (520, 0.0, "g"),
    ],
)
def test_the_cheapest_point_that_meets_the_clock(clock_mhz, margin, point):
    at = rows_at_clock(COSTS, POINTS, clock_mhz, margin=margin)
    row = at.rows.set_index("unit").loc["mac"]
    assert row["point"] == point
    assert row["area"] == (14 if point else 10)
    assert row["period_ns"] * (1 + margin) <= 1e3 / clock_mhz
    assert row["clock_mhz"] == clock_mhz
    assert modules(at.rows)["mac"] == (f"mac_{point}" if point else "mac")
    assert {n.split("@")[0] for n in built(at.rows)["unit"]} == set(at.rows["module"])


def test_a_carry_save_accumulator_is_not_taken_for_the_unit():
    split = {"unit": "mac", "point": "adder=carry_save map=nf", "module": "mac_carry_save"}
    points = point_frame(
        [*POINTS.to_dict("records"), {**split, "area": 1, "period_ns": 0.5, "ffs": 1}]
    )
    at = rows_at_clock(COSTS, points, 100.0)
    assert modules(at.rows)["mac"] == "mac"
    assert rows_at_clock(COSTS, points, 2000.0).refused["mac"] == "501 MHz at most"


@pytest.mark.parametrize("clock_mhz", [1e-6, 1.0, 2000.0])
def test_a_unit_without_a_period_meets_no_clock(clock_mhz):
    at = rows_at_clock(COSTS, POINTS, clock_mhz, lacking="not placed")
    assert "other" not in set(at.rows["unit"])
    assert at.refused["other"] == "not placed"


def test_what_is_too_slow_says_how_fast_it_is():
    at = rows_at_clock(COSTS, POINTS, 1000.0, margin=0.25)
    assert at.rows.empty
    assert at.refused["mac"] == f"{1e3 / (1.9 * 1.25):.0f} MHz at most"


def test_modes_take_the_point_of_their_unit_and_their_own_energy():
    rows = rows_at_clock(COSTS, POINTS, 500.0, margin=0.0).rows.set_index("unit")
    assert rows.loc["mac@small", "area"] == 14
    assert rows.loc["mac@small", "energy_fj_per_mac"] == 3.0
    # Nothing was measured of the mode at the other point: no energy rather than one of another.
    slow = rows_at_clock(COSTS, POINTS, 100.0, margin=0.0).rows.set_index("unit")
    assert math.isnan(slow.loc["mac@small", "energy_fj_per_mac"])


def test_rows_with_a_delay_stand_for_points_with_a_register_in_front():
    points = points_of_rows(COSTS, point_frame([]), 0.5)
    assert set(points["unit"]) == {"mac", "mac@small"}
    assert set(points["period_ns"]) == {4.5}
    at = rows_at_clock(COSTS, points, 1e3 / 4.5, margin=0.0)
    assert pd.Series(at.rows["energy_fj_per_mac"]).tolist() == [5.0, 2.0]
    assert points_of_rows(COSTS, POINTS, 0.5)["unit"].tolist() == POINTS["unit"].tolist()
