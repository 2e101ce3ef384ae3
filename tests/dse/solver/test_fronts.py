"""Fronts under every kind of limit, and of three objectives, against all allocations."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import count, product
from math import fsum, inf

import numpy as np
import pytest
from helpers.solving import asked

from macwright.dse.solver import Budget, Count, Effort, OptionTable, confirm, front, solve
from macwright.dse.solver.choose import Dispatcher
from macwright.dse.solver.exact.pareto_dp import merge_front
from macwright.dse.solver.front3 import front_of_three
from macwright.dse.solver.model.pairs import PairTerm
from macwright.dse.solver.model.problem import Groups
from macwright.dse.solver.model.solution import Outcome

COLUMNS = ("loss", "bops", "area")
PAIRS = [
    ("l0", "o0", "l1", "o1", -7.0),
    ("l0", "o2", "l2", "o2", 9.0),
    ("l1", "o1", "l2", "o0", -5.0),
    ("l1", "o3", "l0", "o3", 4.0),
]


def random_table(seed: int, layers: int = 4, options: int = 4) -> OptionTable:
    """Whole numbers, costs lower where more is lost."""
    rng = np.random.default_rng(seed)
    loss = rng.integers(1, 30, (layers, options))
    costs = [np.rint(120 / (loss + 2) + rng.integers(0, 9, loss.shape)) for _ in range(2)]
    columns = {n: c.astype(float).tolist() for n, c in zip(COLUMNS, (loss, *costs), strict=True)}
    names = [[f"o{i}" for i in range(options)]] * layers
    return OptionTable.from_arrays([f"l{i}" for i in range(layers)], names, **columns)


Point = tuple[tuple[str, ...], dict[str, float]]


def every(table: OptionTable, pairs: Sequence[PairTerm] = ()) -> list[Point]:
    """Options and totals of all allocations."""
    per_layer = [range(a, b) for a, b in zip(table.start[:-1], table.start[1:], strict=True)]
    found = []
    for rows in product(*per_layer):
        options = tuple(table.options[row] for row in rows)
        totals = {name: fsum(table.values[name][list(rows)]) for name in COLUMNS}
        for a, i, b, j, value in pairs:
            totals["loss"] += value * (options[int(a[1])] == i and options[int(b[1])] == j)
        found.append((options, totals))
    return found


def best_of(points: Sequence[Point], names: Sequence[str]) -> set[tuple[float, ...]]:
    totals = {tuple(total[name] for name in names) for _, total in points}
    return {
        a
        for a in totals
        if not any(b != a and all(x <= y for x, y in zip(b, a, strict=True)) for b in totals)
    }


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    "kind", ["types", "pairs", "pairs of many", "pairs and types", "cp-sat", "scip", "count"]
)
def test_front_under_other_limits_is_all_of_them(
    seed: int, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "pairs of many":
        monkeypatch.setattr("macwright.dse.solver.reduce.merge_pairs.MOST_OPTIONS", 20)
    table = random_table(seed)
    pairs = PAIRS if "pairs" in kind else []
    points = every(table, pairs)
    arguments: dict[str, object] = {"pairs": pairs} if pairs else {}
    if "types" in kind:
        arguments["types"] = ("option", 2)
        points = [p for p in points if len(set(p[0])) <= 2]
    if kind == "count":
        arguments["budgets"] = [Count("o0", max=1), Budget("area", max=90)]
        points = [p for p in points if p[0].count("o0") <= 1 and p[1]["area"] <= 90]
    if kind in ("cp-sat", "scip"):
        arguments["solver"] = kind
    found = front(table, cost="bops", **asked(arguments))
    assert found.complete
    assert {(p.totals["bops"], p.objective) for p in found} == best_of(points, ("bops", "loss"))
    assert len(found) == len(best_of(points, ("bops", "loss")))
    if kind != "scip":
        assert all(p.status == "optimal" for p in found)
    few = front(table, cost="bops", points=4, **asked(arguments))
    assert {(p.totals["bops"], p.objective) for p in few} <= best_of(points, ("bops", "loss"))
    if "solver" not in arguments:
        assert len(confirm(table, found, 5)) == min(5, len(found))


@pytest.mark.parametrize("seed", range(6))
def test_front_of_three_is_all_of_it(seed: int) -> None:
    table = random_table(seed, 3 + seed % 2, 4)
    points = every(table)
    arguments: dict[str, object] = {}
    if seed % 3 == 1:
        arguments["types"] = ("option", 2)
        points = [p for p in points if len(set(p[0])) <= 2]
    if seed % 3 == 2:
        arguments["budgets"] = [Count("o1", max=1)]
        points = [p for p in points if p[0].count("o1") <= 1]
    found = front_of_three(table, "loss", ["bops", "area"], points=None, **asked(arguments))
    assert found.complete
    expected = best_of(points, COLUMNS)
    assert {tuple(p.totals[name] for name in COLUMNS) for p in found} == expected
    assert len(found) == len(expected)
    assert all(p.status == "optimal" for p in found)


def hard_table() -> OptionTable:
    rng = np.random.default_rng(5)
    columns = {name: rng.uniform(0, 1, (24, 10)).tolist() for name in ("loss", "a", "b", "c")}
    return OptionTable.from_arrays(
        [f"l{i}" for i in range(24)], [[f"o{i}" for i in range(10)]] * 24, **columns
    )


def late_after(solves: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time for so many solves only: later ones find nothing, or an answer without its proof."""
    solved = Dispatcher.__call__
    number = count()

    def choose(
        self: Dispatcher, groups: Groups, deadline: float = inf, known: np.ndarray | None = None
    ) -> Outcome:
        best = solved(self, groups, inf, known)
        late = next(number) - solves
        if late < 0:
            return best
        if late % 2:
            return Outcome(None, 0, False, best.solver)
        return replace(best, bound=best.bound // 2, optimal=False)

    monkeypatch.setattr(Dispatcher, "__call__", choose)


def test_front_in_short_time_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    table = hard_table()
    budgets = [Budget(c, max=24 * 0.3) for c in "bc"]
    with pytest.raises(TimeoutError, match="within the time limit: allow more time"):
        front(table, cost="a", budgets=budgets, points=5, effort=Effort(time_limit_s=1e-6))
    with pytest.raises(TimeoutError, match="within the time limit"):
        front_of_three(table, "loss", ["a", "b"], budgets, effort=Effort(time_limit_s=1e-6))
    with monkeypatch.context() as short_of_time:
        late_after(3, short_of_time)
        short = front(table, cost="a", budgets=budgets, points=5, effort=Effort(time_limit_s=1e6))
    assert not short.complete
    assert {point.status for point in short} == {"optimal", "feasible"}
    for point in short:
        assert (point.status == "optimal") == (point.gap < 1e-9)
        best = solve(table, budgets=[*budgets, Budget("a", max=point.totals["a"])])
        assert point.bound <= best.objective + 1e-9 <= point.objective + 2e-9
    with monkeypatch.context() as short_of_time:
        late_after(5, short_of_time)
        short = front_of_three(
            table, "loss", ["a", "b"], budgets, points=9, effort=Effort(time_limit_s=1e6)
        )
    assert not short.complete
    assert {point.status for point in short} == {"optimal", "feasible"}


def test_whole_front_in_short_time_is_rounded_and_says_how_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("macwright.dse.solver.exact.pareto_dp.LATE_POINTS", 40)
    table = hard_table()
    exact = front(table, cost="a")
    rough = front(table, cost="a", effort=Effort(time_limit_s=1e-6))
    assert len(rough) < len(exact)
    assert exact[0].gap < 1e-9 < max(point.gap for point in rough)
    for point in (rough[i] for i in range(len(rough))):
        best = exact.objectives[np.searchsorted(exact.costs, point.totals["a"] + 1e-12) - 1]
        assert point.bound <= best + 1e-9 <= point.objective + 2e-9


def test_merging_some_options_at_a_time_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    groups = [(rng.integers(0, 300, 12), rng.integers(0, 300, 12)) for _ in range(6)]
    whole = merge_front(groups, most_cost=900)
    monkeypatch.setattr("macwright.dse.solver.exact.pareto_dp.MOST_SUMS", 50)
    parts = merge_front(groups, most_cost=900)
    assert parts.cost.tolist() == whole.cost.tolist()
    assert parts.loss.tolist() == whole.loss.tolist()
    for point, choices in enumerate(parts.choices):
        taken = [(cost[c], loss[c]) for (cost, loss), c in zip(groups, choices, strict=True)]
        assert np.sum(taken, axis=0).tolist() == [parts.cost[point], parts.loss[point]]
