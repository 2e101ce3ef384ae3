"""Three objectives: a front under each of several limits of the third."""

from collections.abc import Callable, Iterable, Sequence
from math import ceil, sqrt
from typing import Any

import numpy as np

from macwright.dse.solver.front import front
from macwright.dse.solver.problem import Budget, Count
from macwright.dse.solver.solution import Solution
from macwright.dse.solver.solve import solve
from macwright.dse.solver.table import OptionTable

__all__ = ["front_of_three"]


def front_of_three(
    table: OptionTable,
    objective: str,
    costs: Sequence[str],
    budgets: Iterable[Budget | Count] = (),
    points: int = 25,
    *,
    progress: Callable[[str, int, int], None] | None = None,
    **limits: Any,
) -> list[Solution]:
    """Points that no other point found beats, by nested limits of the two costs.

    Every point has proved least objective at its limits of the two costs.

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
    points : int, default=25
        About the number of solves: the square root of it for each cost.
    progress : callable, optional
        Called with a stage, the fronts done and their number.
    **limits
        `ties` and `allow` as in :func:`macwright.dse.solver.solve`.

    Raises
    ------
    ValueError
        If a name is unknown or no allocation is within the limits.
    """
    first, second = costs
    if len({objective, first, second}) < 3:
        raise ValueError(f"Objectives must be three columns, not {objective}, {first}, {second}")
    if points < 1:
        raise ValueError(f"Points must be at least 1, not {points}")
    budgets = list(budgets)
    side = max(1, ceil(sqrt(points)))
    least = solve(table, second, budgets, **limits).totals[second]
    ends = front(table, objective, second, budgets, points=2, **limits)
    found: list[Solution] = []
    most = ends[-1].totals[second]
    for done, limit in enumerate(np.linspace(least, most, side) if side > 1 else [most]):
        under = [*budgets, Budget(second, max=float(limit))]
        found += front(table, objective, first, under, points=side, **limits)
        if progress:
            progress("fronts", done + 1, side)
    names = (objective, first, second)
    totals = np.array([[point.totals[name] for name in names] for point in found])
    kept = []
    for index, row in enumerate(totals):
        as_good = (totals <= row).all(axis=1)
        better = as_good & (totals < row).any(axis=1)
        equal_before = as_good[:index] & ~better[:index]
        if not better.any() and not equal_before.any():
            kept.append(index)
    return sorted((found[i] for i in kept), key=lambda p: (p.totals[first], p.totals[second]))
