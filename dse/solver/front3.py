"""Three objectives: fronts of two under limits of the third."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import ceil, sqrt
from time import perf_counter

import numpy as np

from macwright.costmodel.progress import Progress
from macwright.dse.solver.choose import Dispatcher, dispatcher_of
from macwright.dse.solver.epsilon import epsilon_outcomes
from macwright.dse.solver.front import nothing_found
from macwright.dse.solver.model.problem import Budget, Count, Groups, group
from macwright.dse.solver.model.rules import AS_NEEDED, NO_RULES, Effort, Rules
from macwright.dse.solver.model.solution import Outcome, Solution, make_solution
from macwright.dse.solver.model.table import OptionTable
from macwright.hw.errors import RefusedInput

__all__ = ["Points", "front_of_three", "non_dominated_rows"]


class Points(list[Solution]):
    """Solutions; `complete` is False if the time was too short for some that were asked for."""

    def __init__(self, points: Iterable[Solution] = (), *, complete: bool = True) -> None:
        super().__init__(points)
        self.complete = complete


def front_of_three(
    table: OptionTable,
    objective: str,
    costs: Sequence[str],
    budgets: Iterable[Budget | Count] = (),
    points: int | None = 25,
    *,
    rules: Rules = NO_RULES,
    effort: Effort = AS_NEEDED,
    progress: Progress | None = None,
) -> Points:
    """Points that no other beats, by nested limits of the two costs.

    Every point has proved least objective at its limits of the two costs, or says its gap.

    Parameters
    ----------
    table : OptionTable
        Options.
    objective : str
        Column to minimise.
    costs : sequence of two str
        Columns of which the front is.
    budgets : iterable of Budget or Count
        Further limits.
    points : int or None, default=25
        About the number of solves: the square root of it for each cost. ``None`` for the whole
        front, every point of it; that takes one front of two for each level of the second cost.
    rules, effort
        As in :func:`macwright.dse.solver.solve`; the time is that of all points.
    progress : callable, optional
        Called with a stage, the fronts done and their number (0 if not known).

    Raises
    ------
    ValueError
        If a name is unknown or no allocation is within the limits.
    TimeoutError
        If the time passed before any point was found.
    """
    first, second = costs
    if len({objective, first, second}) < 3:
        raise RefusedInput(f"Objectives must be three columns, not {objective}, {first}, {second}")
    if points is not None and points < 1:
        raise RefusedInput(f"Points must be at least 1, not {points}")
    began = perf_counter()
    deadline = float("inf") if effort.time_limit_s is None else began + effort.time_limit_s
    limits = [Budget(first, max=float("inf")), Budget(second, max=float("inf")), *budgets]
    groups = group(table, objective=objective, budgets=limits, ties=rules.ties, allow=rules.allow)
    choose, groups = dispatcher_of(groups, rules, effort.solver)
    levels = _all_levels if points is None else _some_levels
    candidates, complete = levels(groups, choose, points, deadline, progress)
    if not candidates:
        raise nothing_found(choose, groups, complete)
    names = (objective, first, second)
    solutions = [
        make_solution(
            groups,
            outcome,
            seconds=perf_counter() - began,
            objective=objective,
            pair_terms=choose.terms,
            pair_error=choose.error,
        )
        for outcome in _non_dominated(groups, candidates)
    ]
    solutions.sort(key=lambda point: [point.totals[name] for name in (*names[1:], names[0])])
    return Points(solutions, complete=complete)


def _all_levels(
    groups: Groups,
    choose: Dispatcher,
    points: int | None,
    deadline: float,
    progress: Progress | None,
) -> tuple[list[Outcome], bool]:
    """Fronts at every level of the second cost that changes them.

    The front at a level stays the same down to the largest second cost of its points: the next
    level is one less.
    """
    del points
    gathered: list[Outcome] = []
    known: list[tuple[int, int, Outcome]] = []
    level = groups.rows[1].limit
    while True:
        limited = _limited(groups, level)
        outcomes, complete = epsilon_outcomes(limited, None, choose, deadline=deadline, known=known)
        gathered += [outcome for outcome in outcomes if all(outcome is not k[2] for k in known)]
        if not outcomes or not complete:
            return gathered, complete
        costs, seconds = (
            [int(row.cost[o.chosen].sum()) for o in outcomes] for row in groups.rows[:2]
        )
        level = max(seconds) - 1
        # What stays within the next level is the best there, too.
        highs = [*(cost - 1 for cost in costs[1:]), groups.rows[0].limit]
        known = [
            (low, high, outcome)
            for low, high, outcome, reached in zip(costs, highs, outcomes, seconds, strict=True)
            if reached <= level and outcome.optimal
        ]
        if progress:
            progress("levels of the front", len(gathered), 0)


def _some_levels(
    groups: Groups,
    choose: Dispatcher,
    points: int | None,
    deadline: float,
    progress: Progress | None,
) -> tuple[list[Outcome], bool]:
    """Fronts of a few points at a few levels, evenly spaced."""
    side = max(1, ceil(sqrt(points or 1)))
    second = groups.rows[1]
    ends, complete = epsilon_outcomes(groups, 1, choose, deadline=deadline)
    cheapest = choose.without_pairs()(
        replace(groups, loss=second.cost, rows=[groups.rows[0], *groups.rows[2:]]), deadline
    )
    if not ends:
        return [], complete
    most = int(second.cost[ends[-1].chosen].sum())
    least = most if cheapest.chosen is None else int(second.cost[cheapest.chosen].sum())
    gathered = list(ends)
    for done in range(side):
        # Python's integers, because the product may pass 64 bits.
        level = least + (most - least) * done // (side - 1) if side > 1 else most
        share = (deadline - perf_counter()) / (side - done)
        outcomes, whole = epsilon_outcomes(
            _limited(groups, level), side, choose, deadline=perf_counter() + share
        )
        gathered += outcomes
        complete &= whole
        if progress:
            progress("fronts", done + 1, side)
    return gathered, complete


def _limited(groups: Groups, level: int) -> Groups:
    first, second, *others = groups.rows
    return replace(groups, rows=[first, replace(second, limit=level), *others])


def _non_dominated(groups: Groups, outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Outcomes that no other beats in all three; of equal ones the first."""
    totals = np.array(
        [
            [
                groups.loss[o.chosen].sum() if o.loss is None else o.loss,
                *(row.cost[o.chosen].sum() for row in groups.rows[:2]),
            ]
            for o in outcomes
        ]
    )
    return [outcomes[index] for index in non_dominated_rows(totals)]


def non_dominated_rows(totals: np.ndarray) -> list[int]:
    """Indices of the rows that no other is at most as large as in all columns; of equals the first.

    Examples
    --------
    >>> non_dominated_rows(np.array([[1, 3], [2, 3], [2, 1], [1, 3]]))
    [0, 2]
    """
    best = []
    for index, row in enumerate(totals):
        as_good = (totals <= row).all(axis=1)
        better = as_good & (totals < row).any(axis=1)
        if not better.any() and not (as_good[:index] & ~better[:index]).any():
            best.append(index)
    return best
