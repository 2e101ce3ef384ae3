"""Fronts under further limits: one solve for each point, with a limit on the cost."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from macwright.dse.solver.problem import Groups
from macwright.dse.solver.solution import Outcome
from macwright.dse.solver.solve_groups import optimise, why_infeasible

__all__ = ["epsilon_outcomes"]

Progress = Callable[[str, int, int], None]


def epsilon_outcomes(
    groups: Groups, points: int | None, progress: Progress | None = None
) -> list[Outcome]:
    """Non-dominated outcomes by increasing cost.

    Parameters
    ----------
    groups : Groups
        The first row limits the cost that the front is over.
    points : int or None
        Number of limits, evenly spaced; ``None`` for all points.
    progress : callable, optional
        Called with a stage, the points done and their number (0 if not known).

    Raises
    ------
    ValueError
        If no choice is within the limits.
    """
    dearest = _best_at(groups, groups.rows[0].limit)
    if dearest is None:
        raise why_infeasible(groups)
    found = [dearest]
    if points is None:
        while (nxt := _best_at(groups, _cost(groups, found[-1]) - 1)) is not None:
            found.append(nxt)
            if progress:
                progress("points of the front", len(found), 0)
    elif points > 1:
        least = _least_cost(groups)
        most = _cost(groups, dearest)
        # The dearest point is known; Python's integers, because the product may pass 64 bits.
        for index in range(points - 2, -1, -1):
            limit = least + (most - least) * index // (points - 1)
            if limit < _cost(groups, found[-1]):
                point = _best_at(groups, limit)
                if point is not None:
                    found.append(point)
            if progress:
                progress("points of the front", points - index, points)
    return found[::-1]


def _cost(groups: Groups, outcome: Outcome) -> int:
    return int(groups.rows[0].cost[outcome.chosen].sum())


def _best_at(groups: Groups, limit: int) -> Outcome | None:
    """Least loss at a limit of the cost and, of those, least cost."""
    one = replace(groups, rows=[replace(groups.rows[0], limit=limit), *groups.rows[1:]])
    best = optimise(one)
    if best.chosen is None:
        return None
    if best.solver == "list merging" or not best.optimal:
        return best
    # Other solvers stop at the least loss: the same problem with the columns changed over.
    loss = int(groups.loss[best.chosen].sum())
    second = replace(
        one,
        loss=one.rows[0].cost,
        rows=[replace(one.rows[0], cost=one.loss, limit=loss), *one.rows[1:]],
    )
    cheapest = optimise(second)
    if cheapest.chosen is None:
        return best
    return replace(best, chosen=cheapest.chosen)


def _least_cost(groups: Groups) -> int:
    cheapest = optimise(replace(groups, loss=groups.rows[0].cost, rows=groups.rows[1:]))
    if cheapest.chosen is None:
        raise why_infeasible(groups)
    return int(np.asarray(groups.rows[0].cost)[cheapest.chosen].sum())
