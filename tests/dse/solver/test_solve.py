"""Solver against brute force, and what it refuses."""

from itertools import product
from math import fsum

import numpy as np
import pandas as pd
import pytest
from helpers.solving import asked
from hypothesis import given, settings
from hypothesis import strategies as st

from macwright.dse.solver import Budget, Count, Effort, OptionTable, Rules, confirm, front, solve
from macwright.dse.solver.model.solution import ROUNDING_GAP

NAMES = ("int2", "int4", "int8", "e2m1")
COLUMNS = ("loss", "bops", "area")


@st.composite
def tables(draw: st.DrawFn) -> OptionTable:
    """Small tables with ties of value, zeros, decimals, and layers of one option."""
    number = draw(
        st.sampled_from(
            [
                st.integers(0, 6).map(float),
                st.integers(0, 400).map(lambda n: n / 100),
                st.floats(0, 1e3, allow_subnormal=False),
            ]
        )
    )
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    columns = {name: [[draw(number) for _ in range(size)] for size in sizes] for name in COLUMNS}
    layers = [f"layer{i}" for i in range(len(sizes))]
    return OptionTable.from_arrays(layers, [NAMES[:size] for size in sizes], **columns)


def every(table: OptionTable) -> list[tuple[dict[str, str], dict[str, float]]]:
    """All allocations and their totals; shares no code with the solver."""
    per_layer = [list(range(a, b)) for a, b in zip(table.start[:-1], table.start[1:], strict=True)]
    return [
        (
            {table.layers[i]: table.options[row] for i, row in enumerate(rows)},
            {name: fsum(table.values[name][list(rows)]) for name in COLUMNS},
        )
        for rows in product(*per_layer)
    ]


def fraction_of(table: OptionTable, column: str, part: float) -> float:
    totals = [total[column] for _, total in every(table)]
    return min(totals) + part * (max(totals) - min(totals))


PART = st.sampled_from([-0.1, 0.0, 0.2, 0.4, 0.7, 1.0])


def check(
    table: OptionTable,
    ok: list[tuple[dict[str, str], dict[str, float]]],
    **arguments: object,
) -> None:
    """`solve` finds the best of the allocations that brute force accepts, or refuses."""
    if not ok:
        with pytest.raises(ValueError, match=r"no allocation|must be relaxed together"):
            solve(table, **asked(arguments))
        return
    solution = solve(table, **asked(arguments))
    best = min(total["loss"] for _, total in ok)
    # Beside losses near 1, those near 1e-200 are lost in the rounding, and it is said so.
    assert solution.status == ("optimal" if solution.gap <= ROUNDING_GAP else "feasible")
    assert solution.objective == pytest.approx(best, rel=1e-9, abs=1e-9)
    assert solution.bound <= best + 1e-9
    assert any(allocation == solution.allocation for allocation, _ in ok)


@settings(max_examples=60, deadline=None)
@given(tables(), PART, PART, st.booleans())
def test_two_budgets_and_a_window(
    table: OptionTable, bops: float, area: float, window: bool
) -> None:
    most_bops, most_area = fraction_of(table, "bops", bops), fraction_of(table, "area", area)
    least = most_area - 0.3 * abs(most_area) - 0.5 if window else None
    slack = 1e-9
    ok = [
        (allocation, total)
        for allocation, total in every(table)
        if total["bops"] <= most_bops + slack
        and total["area"] <= most_area + slack
        and (least is None or total["area"] >= least - slack)
    ]
    tight = [
        (allocation, total)
        for allocation, total in ok
        if total["bops"] <= most_bops and total["area"] <= most_area
    ]
    if len(ok) != len(tight):
        return  # on a limit to within rounding: both answers would be right
    check(
        table, ok, budgets=[Budget("bops", max=most_bops), Budget("area", min=least, max=most_area)]
    )


@settings(max_examples=50, deadline=None)
@given(tables(), st.integers(0, 3), st.integers(0, 3), PART)
def test_counts(table: OptionTable, least: int, most: int, bops: float) -> None:
    most_bops = fraction_of(table, "bops", bops) + 1e-6
    budgets: list[Budget | Count] = [Budget("bops", max=most_bops)]
    if "int4" in table.options:
        budgets.append(Count("int[48]", min=least))
    budgets.append(Count("int2", max=most))
    ok = [
        (allocation, total)
        for allocation, total in every(table)
        if total["bops"] <= most_bops
        and sum(o == "int2" for o in allocation.values()) <= most
        and (
            "int4" not in table.options
            or sum(o in ("int4", "int8") for o in allocation.values()) >= least
        )
    ]
    check(table, ok, budgets=budgets)


@settings(max_examples=40, deadline=None)
@given(tables(), PART)
def test_ties_and_allowed_options(table: OptionTable, bops: float) -> None:
    most_bops = fraction_of(table, "bops", bops) + 1e-6
    first, last = table.layers[0], table.layers[-1]
    ok = [
        (allocation, total)
        for allocation, total in every(table)
        if allocation[first] == allocation[last]
        and total["bops"] <= most_bops
        and allocation[last] in ("int2", "int4")
    ]
    check(
        table,
        ok,
        budgets=[Budget("bops", max=most_bops)],
        ties=[(first, last)],
        allow={last: ["int[24]"]},
    )


@settings(max_examples=50, deadline=None)
@given(tables(), st.sampled_from([None, 0.3, 0.8]))
def test_front_is_the_whole_non_dominated_set(table: OptionTable, area: float | None) -> None:
    budgets = [] if area is None else [Budget("area", max=fraction_of(table, "area", area) + 1e-6)]
    totals = sorted(
        {
            (round(total["bops"], 6), round(total["loss"], 6))
            for _, total in every(table)
            if all(total["area"] <= (budget.max or 0) for budget in budgets)
        }
    )
    expected = [
        p for p in totals if not any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in totals)
    ]
    found = front(table, cost="bops", budgets=budgets)
    points = {(round(p.totals["bops"], 6), round(p.totals["loss"], 6)) for p in found}
    # Points that rounding here makes equal or dominated may be there besides.
    assert set(expected) <= points
    assert points <= set(totals)
    assert all((p.status == "optimal") == (p.gap <= ROUNDING_GAP) for p in found)
    assert all(p.objective - p.bound <= 1e-9 for p in found)
    assert len(confirm(table, found, 2)) == min(2, len(found))


def test_thinned_front_states_a_gap_that_holds() -> None:
    rng = np.random.default_rng(7)
    loss, cost = -np.log(rng.uniform(0, 1, (2, 9, 4)))
    loss, cost = np.sort(loss), -np.sort(-cost)
    table = OptionTable.from_arrays(
        list("abcdefghi"), [NAMES] * 9, loss=loss.tolist(), area=cost.tolist()
    )
    exact = front(table, cost="area")
    thin = front(table, cost="area", effort=Effort(most_points=40))
    assert len(thin) < len(exact)
    assert any(p.status == "feasible" and p.gap > 0 for p in thin)
    for point in thin:
        best = exact.objectives[
            np.searchsorted(exact.costs, point.totals["area"] + 1e-9, "right") - 1
        ]
        assert point.bound <= best * (1 + 1e-12) <= point.objective * (1 + 1e-9)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [("a", "x", 1, 2), ("a", "x", 1, 3)],
            "option 'x' of layer 'a' must be given once, not twice",
        ),
        ([("a", "x", -1, 2)], "'loss' of option 'x' of layer 'a' must be at least 0, not -1.0"),
        (
            [("a", "x", "nan", 2)],
            "'loss' of option 'x' of layer 'a' must be a finite number, not 'nan'",
        ),
        (
            [("a", "x", "inf", 2)],
            "'loss' of option 'x' of layer 'a' must be a finite number, not inf",
        ),
        (
            [("a", "x", 1, 2), ("b", "x", "much", 2)],
            "'loss' of option 'x' of layer 'b' must be a finite",
        ),
        ([("a", "", 1, 2)], "Option of row 1 must be a name, not empty"),
        ([("", "x", 1, 2)], "Layer of row 1 must be a name, not empty"),
        ([], "Options must have one row or more, not none"),
    ],
)
def test_bad_tables(rows: list[tuple[object, ...]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OptionTable.from_frame(pd.DataFrame(rows, columns=["layer", "option", "loss", "bops"]))


def test_refusals_of_solve() -> None:
    table = OptionTable.from_arrays(
        ["a", "b"], [["x", "y"]] * 2, loss=[[0, 9], [0, 7]], bops=[[5, 1], [6, 2]]
    )
    for budgets, message in (
        ([Budget("luts", max=1)], "Column must be one of loss, bops, not 'luts'"),
        (
            [Budget("bops", max=2)],
            r"'bops' must be at least 3, not 2: .*cheapest relaxation \(50 % off\)",
        ),
        ([Budget("bops", max=2.5)], r"at least 3, not 2.5: .* \(20 % off\)"),
        ([Budget("bops", min=12)], r"'bops' must be at most 11, not 12"),
        (
            [Budget("bops", max=3), Budget("loss", max=8)],
            "'bops' must be at least 7|'loss' must be at least 16",
        ),
        ([Count("z", max=1)], "Count must be of the option of some layer, not 'z'"),
        ([Count("x", min=3)], "Count of 'x' must be at most 2, not 3"),
    ):
        with pytest.raises(ValueError, match=message):
            solve(table, budgets=budgets)
    with pytest.raises(ValueError, match="Tied layers must be in the table, not 'c'"):
        solve(table, rules=Rules(ties=[("a", "c")]))
    with pytest.raises(ValueError, match="Layer 'a' must have one of the allowed options z"):
        solve(table, rules=Rules(allow={"a": ["z"]}))
    huge = OptionTable.from_arrays(["a", "b"], [["x"]] * 2, loss=[[0], [0]], bops=[[4e18], [4e18]])
    with pytest.raises(ValueError, match=r"Total of 'bops' must be below 2\*\*62"):
        solve(huge, budgets=[Budget("bops", max=1)])
    with pytest.raises(ValueError, match="Limit of the budget on 'bops' must be a number, not nan"):
        Budget("bops", max=float("nan"))
    with pytest.raises(ValueError, match="must be a number that a total can meet, not inf"):
        Budget("bops", max=float("-inf"))
    with pytest.raises(ValueError, match="must have a min or a max, not neither"):
        Budget("bops")


@pytest.mark.parametrize("size", [1e-300, 1e-200, 1e-20, 1e15])
def test_small_and_large_losses_are_solved_all_the_same(size: float) -> None:
    losses = [[1 * size, 3 * size], [2 * size, 5 * size]]
    table = OptionTable.from_arrays("ab", ["xy", "xy"], loss=losses, cost=[[1, 0], [1, 0]])
    solution = solve(table, budgets=[Budget("cost", max=1)])
    assert (solution.allocation, solution.status) == ({"a": "y", "b": "x"}, "optimal")
    assert solution.gap < 1e-6


def test_what_rounding_hides_is_not_called_optimal() -> None:
    table = OptionTable.from_arrays("a", ["xyz"], loss=[[1.0, 2e-300, 1e-300]])
    solution = solve(table)
    assert (solution.status, solution.gap) == ("feasible", 1.0)
