"""Fronts under further limits: one solve for each point, with a limit on the cost."""

from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter

import numpy as np

from macwright.costmodel.progress import Progress
from macwright.dse.solver.choose import Dispatcher
from macwright.dse.solver.model.problem import Groups
from macwright.dse.solver.model.solution import Outcome

__all__ = ["epsilon_outcomes"]

Known = tuple[int, int, Outcome]

#: Part of the time left that a point may take where their number is not known.
SHARE = 1 / 16


def epsilon_outcomes(
    groups: Groups,
    points: int | None,
    choose: Dispatcher,
    *,
    deadline: float = float("inf"),
    known: Sequence[Known] = (),
    progress: Progress | None = None,
) -> tuple[list[Outcome], bool]:
    """Non-dominated outcomes by increasing cost, and whether all that were asked for are there.

    None, and true, if no choice is within the limits.

    Parameters
    ----------
    groups : Groups
        The first row limits the cost that the front is over.
    points : int or None
        Number of limits, evenly spaced; ``None`` for all points.
    choose : Dispatcher
        How each is solved.
    deadline : float
        Value of `time.perf_counter` at which to stop. Each point gets its share of the time, after
        which it is the best so far.
    known : sequence of (int, int, Outcome)
        Outcomes that are best at limits of the cost from the first to the second number.
    progress : callable, optional
        Called with a stage, the points done and their number (0 if not known).
    """
    search = _Search(groups, choose, deadline, known)
    costliest = search.best_at(groups.rows[0].limit, points)
    if costliest is None:
        return [], not search.missing
    outcomes = [costliest]
    if points is None:
        while (nxt := search.best_at(search.cost(outcomes[-1]) - 1)) is not None:
            outcomes.append(nxt)
            if progress:
                progress("points of the front", len(outcomes), 0)
    elif points > 1:
        least = search.least_cost()
        most = search.cost(costliest)
        # Python's integers, because the product may pass 64 bits; the costliest point is known.
        for index in range(points - 2, -1, -1):
            limit = least + (most - least) * index // (points - 1)
            if limit < search.cost(outcomes[-1]):
                point = search.best_at(limit, index + 1)
                if point is not None:
                    outcomes.append(point)
            if progress:
                progress("points of the front", points - index, points)
    front: list[Outcome] = []
    for outcome in reversed(outcomes):
        # A point that was not proved may be worse than one that is cheaper.
        if not front or search.loss(outcome) < search.loss(front[-1]):
            front.append(outcome)
    return front, not search.missing


class _Search:
    """Points one by one; `missing` is set where the time was too short for one."""

    def __init__(
        self, groups: Groups, choose: Dispatcher, deadline: float, known: Sequence[Known]
    ) -> None:
        self.groups, self.choose, self.deadline, self.known = groups, choose, deadline, known
        self.missing = False

    def cost(self, outcome: Outcome) -> int:
        return int(self.groups.rows[0].cost[outcome.chosen].sum())

    def loss(self, outcome: Outcome) -> int:
        loss = outcome.loss
        return int(self.groups.loss[outcome.chosen].sum()) if loss is None else loss

    def best_at(self, limit: int, left: int | None = None) -> Outcome | None:
        """Least loss at a limit of the cost and, of those, least cost; one of `left` points."""
        for low, high, outcome in self.known:
            if low <= limit <= high:
                return outcome
        until = self._until(left)
        best = self._solve(limit, until)
        if best is None:
            return None
        if best.solver == "list merging" or not best.optimal:
            return best
        if self.choose.pairs:
            # As long as one point less cost has no more loss.
            while (other := self._solve(self.cost(best) - 1, until)) is not None:
                if self.loss(other) > self.loss(best):
                    break
                best = other
            return best
        # Other solvers stop at the least loss: the same problem with the columns changed over.
        groups = self.groups
        second = replace(
            groups,
            loss=groups.rows[0].cost,
            rows=[
                replace(groups.rows[0], cost=groups.loss, limit=self.loss(best)),
                *groups.rows[1:],
            ],
        )
        cheapest = self.choose(second, until, best.chosen)
        return best if cheapest.chosen is None else replace(best, chosen=cheapest.chosen)

    def least_cost(self) -> int:
        """Least cost within the other limits, or a bound of it."""
        groups = self.groups
        alone = replace(groups, loss=groups.rows[0].cost, rows=groups.rows[1:])
        cheapest = self.choose.without_pairs()(alone, self._until(None))
        if cheapest.chosen is None:
            return sum(np.minimum.reduceat(alone.loss, groups.start[:-1]).tolist())
        return int(alone.loss[cheapest.chosen].sum())

    def _solve(self, limit: int, until: float) -> Outcome | None:
        groups = self.groups
        rows = [replace(groups.rows[0], limit=limit), *groups.rows[1:]]
        best = self.choose(replace(groups, rows=rows), until)
        if best.chosen is None:
            self.missing |= not best.infeasible
            return None
        return best

    def _until(self, left: int | None) -> float:
        now = perf_counter()
        share = SHARE if left is None else 1 / left
        return now + max(self.deadline - now, 0.0) * share
