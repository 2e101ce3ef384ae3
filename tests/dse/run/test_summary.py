# What the summary reads of an exploration stands in for it.
# pyright: reportArgumentType=false
"""What the terminal says of differences that samples do not tell."""

from types import SimpleNamespace

from macwright.dse.run.summary import _within_error_lines
from macwright.dse.search.points import Point


def point(name, accuracy, error, status="optimal"):
    """A measured point, uniform without a status."""
    return name, Point(
        name=name, pairs={}, totals={}, status=status, accuracy=accuracy, standard_error=error
    )


def test_points_within_the_standard_error_are_named():
    run = SimpleNamespace(reference=92.0, reference_error=0.6)
    points = [
        point("1", 80.0, 1.0),
        point("2", 88.0, 1.0),
        point("uniform int4", 88.5, 1.0, None),
        point("3", 89.2, 1.0),
        point("4", 91.0, 1.0),
    ]
    assert _within_error_lines(run, points) == [
        "within the standard error of the difference to FP32: 4",
        "within the standard error of the difference to a cheaper point: 3 to 2",
    ]
    assert _within_error_lines(run, points[:2]) == []
    without = [point("1", 92.0, None), point("2", 92.0, None)]
    assert _within_error_lines(run, without) == []
