"""Settings are checked where they are made, and the command line has their defaults."""

import argparse

import pytest

from macwright.costmodel.technology.record import TechnologyRecord
from macwright.dse.cli import dse
from macwright.dse.settings import Dataflow, Settings, Temporal
from macwright.dse.solver import Budget

MINE = TechnologyRecord(
    name="mine", kind="cells", help="", area_unit="um2", target="asic", energy=True, node_nm=28
)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"points": -5}, "points to report must be a whole number of at least 1, not -5"),
        ({"points": True}, "points to report must be a whole number of at least 1, not True"),
        ({"measured": -1}, "points to measure must be a whole number of at least 0, not -1"),
        ({"metric": "foo"}, "Metric of sensitivities must be one of logit_mse, .*, not 'foo'"),
        ({"technology": "nope"}, "Technology must be one of gates, .* not 'nope'"),
        ({"technology": "other", "library": MINE}, "must be the library's, 'mine', not 'other'"),
        ({"weights": ()}, r"Formats of weights must be one name or more, not \(\)"),
        ({"weights": "int4"}, "Formats of weights must be one name or more, not 'int4'"),
        ({"activations": ("int99",)}, "Integer width must be .*, not 99"),
        ({"images": 0}, r"samples \(images\) must be a whole number of at least 1, not 0"),
        ({"rank": 2}, "to rank must be 0 or 3 at least, not 2"),
        ({"pairs": 1, "metric": "kl"}, "Pairs of layers must come without another metric"),
        ({"pairs": 1, "architecture": Dataflow()}, "must come without an architecture"),
        ({"held_out": 0.7}, "Share held out must be from 0 to 0.5, not 0.7"),
        ({"held_out": float("nan")}, "Share held out must be from 0 to 0.5, not nan"),
        ({"time_limit_s": float("nan")}, "Time limit must be above 0 seconds, not nan"),
        ({"jobs": 0}, "Number of jobs must be a whole number of at least 1, not 0"),
        ({"objective": "energy_uj"}, "Objective must be one of area_time, .*, not 'energy_uj'"),
        ({"second": "area_time"}, "Objectives must be different, not 'area_time' twice"),
        ({"budgets": (Budget("luts", max=1),)}, "Budget column must be one of loss, .*'luts'"),
        ({"architecture": "temporal"}, "Architecture must be Temporal, Dataflow or None"),
    ],
)
def test_settings_that_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Settings(**fields)


def test_names_stand_for_columns():
    assert Settings().objective == "area_time"
    assert Settings(architecture=Temporal(), technology="ecp5").objective == "luts"
    fast = Settings(architecture=Dataflow(), budgets=(Budget("throughput_fps", min=200.0),))
    assert fast.budgets == (Budget("frame_ms", max=5.0),)
    assert Settings(weights=("e2m1fin", "e2m1fn", "int4")).weights == ("e2m1fn", "int4")
    own = Settings(technology="mine", library=MINE, objective="energy_uj")
    assert own.record.node_nm == 28


def test_command_line_has_the_defaults_of_the_settings():
    parser = argparse.ArgumentParser()
    dse.add_arguments(parser)
    given, default = parser.parse_args([]), Settings()
    names = ("images", "pairs", "rank", "refine", "held_out", "points")
    assert [getattr(given, name) for name in names] == [getattr(default, name) for name in names]
    assert given.measure == default.measured
