"""Which points of a front are measured, against what is asked for."""

import numpy as np
import pytest

from macwright.dse.search.knee import knee_index
from macwright.dse.search.points import Point
from macwright.dse.search.selection import points_to_measure
from macwright.dse.settings import Settings

COST = "area_time"


def point(name, cost, loss):
    return Point(name=name, pairs={}, totals={COST: cost, "loss": loss})


def random_points(seed, front=30, uniforms=9):
    """A front, and baselines above it, by rising cost."""
    rng = np.random.default_rng(seed)
    costs = np.sort(rng.lognormal(0, 1, front))
    losses = np.sort(rng.lognormal(0, 3, front))[::-1]
    every = [point(str(i), c, x) for i, (c, x) in enumerate(zip(costs, losses, strict=True))]
    others = np.sort(rng.lognormal(0, 1, uniforms))
    level = [
        min((x for c, x in zip(costs, losses, strict=True) if c <= y), default=99.0) for y in others
    ]
    named = [
        point(f"int{i}", cost, loss * rng.uniform(1, 50))
        for i, (cost, loss) in enumerate(zip(others, level, strict=True))
    ]
    return every, named


@pytest.mark.parametrize("sizes", [(30, 9), (3, 9), (1, 0), (2, 1), (40, 2)])
def test_as_many_are_measured_as_were_asked_for_baselines_included(sizes):
    for seed in range(5):
        front, uniforms = random_points(seed, *sizes)
        for count in range(60):
            chosen = points_to_measure(front, uniforms, Settings(measured=count))
            assert len(chosen) == min(count, sum(sizes))
            assert chosen <= {p.name for p in (*front, *uniforms)}


def test_knee_ends_and_the_points_at_the_costs_of_baselines_are_measured():
    for seed in range(20):
        front, uniforms = random_points(seed)
        chosen = points_to_measure(front, uniforms, Settings(measured=12))
        knee = knee_index([p.totals[COST] for p in front], [p.totals["loss"] for p in front])
        assert knee is None or front[knee].name in chosen
        assert {"0", str(len(front) - 1)} <= chosen
        compared = [p for p in uniforms if p.name in chosen]
        assert len(compared) <= 4
        for one in compared:
            assert not any(
                other.totals[COST] <= one.totals[COST] and other.totals["loss"] < one.totals["loss"]
                for other in uniforms
            ), "a baseline that another beats is measured although others are not"
            within = [p for p in front if p.totals[COST] <= one.totals[COST]]
            assert not within or within[-1].name in chosen


def test_points_are_spread_over_the_costs():
    front = [point(str(i), 2.0**i, 2.0**-i) for i in range(33)]
    chosen = points_to_measure(front, [], Settings(measured=5))
    assert chosen == {"0", "8", "16", "24", "32"}
