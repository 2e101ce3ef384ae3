"""Fronts of formats and hardware chosen together, and of hardware chosen after the formats."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter

import numpy as np

from macwright.costmodel.progress import Progress
from macwright.dse.search.joint_problem import JointProblem
from macwright.dse.search.points import Point
from macwright.dse.solver import Budget, Infeasible, OptionTable, Rules, Solution, front
from macwright.dse.solver.front3 import non_dominated_rows
from macwright.dse.solver.joint.sequential import restricted_table
from macwright.hw.errors import RefusedInput

__all__ = ["JointResult", "joint_points"]


@dataclass(frozen=True, kw_only=True)
class JointResult:
    """Points of the joint choice by rising cost, and of the best sequential one.

    `beside` has for each sequential point the joint one of the same limit; `complete` is False if
    the time was too short for some point.
    """

    front: list[Point]
    sequential: list[Point]
    beside: list[Point] = field(default_factory=list)
    complete: bool = True


def joint_points(
    problem: JointProblem,
    cost: str,
    budgets: Iterable[Budget],
    *,
    points: int,
    second: str | None = None,
    format_points: int = 24,
    deadline: float = float("inf"),
    progress: Progress | None = None,
) -> JointResult:
    """Proved points of loss against a cost, and what choosing the hardware last would give.

    Parameters
    ----------
    problem : JointProblem
        What to choose.
    cost : str
        Column that the loss is traded against.
    budgets : iterable of Budget
        Limits.
    points : int
        Limits of the cost, evenly spaced in its logarithm; those of the sequential choice come on
        top.
    second : str, optional
        Another cost: the points are spread over limits of both.
    format_points : int, default=24
        Points of the front of loss against bit operations, each of which gets the hardware that is
        best for it: the sequential choice.
    deadline : float
        Value of `time.perf_counter` at which to stop.
    progress : callable, optional
        Called with stage, done and total.

    Raises
    ------
    ValueError
        If nothing is within the limits.
    TimeoutError
        If the time passed before any choice was found.
    """
    search = _Search(problem, cost, list(budgets), deadline, progress)
    low, high = search.ends()
    sequential = [] if second else search.sequential(format_points)
    if second is None:
        limits = {*np.geomspace(low, high, max(points, 2)), *(p.totals[cost] for p in sequential)}
        candidates = search.points(sorted(limits, reverse=True))
    else:
        side = max(2, round(points**0.5))
        candidates = search.points(np.geomspace(low, high, side)[::-1].tolist())
        # Beyond what the points without a limit of the second cost need, more of it is no use.
        least = _Search(problem, second, search.budgets, deadline, None).ends()[0]
        most = max((point.totals[second] for point in candidates), default=least)
        for limit in np.geomspace(least, max(most, least), side)[:-1]:
            budgets = [*search.budgets, Budget(second, max=limit)]
            inner = _Search(problem, cost, budgets, deadline, progress)
            candidates += inner.points(np.geomspace(*inner.ends(), side)[::-1].tolist())
            search.complete &= inner.complete
    names = ("loss", cost) if second is None else ("loss", cost, second)
    best = _non_dominated(candidates, names)
    best.sort(key=lambda point: (point.totals[cost], point.totals["loss"]))
    best = [replace(point, name=str(number)) for number, point in enumerate(best)]
    tops = [_at(best, cost, point.totals[cost]) for point in sequential]
    both = [(s, b) for s, b in zip(sequential, tops, strict=True) if b is not None]
    return JointResult(
        front=best,
        sequential=[s for s, _ in both],
        beside=[b for _, b in both],
        complete=search.complete,
    )


def _at(points: Sequence[Point], cost: str, limit: float) -> Point | None:
    """Least lossy of the points within a limit."""
    inside = [p for p in points if p.totals[cost] <= limit * (1 + 1e-12)]
    return min(inside, key=lambda p: p.totals["loss"], default=None)


def _non_dominated(points: Sequence[Point], names: Sequence[str]) -> list[Point]:
    totals = np.array([[p.totals[name] for name in names] for p in points]).reshape(-1, len(names))
    return [points[index] for index in non_dominated_rows(totals)]


class _Search:
    """Solves one after the other; `complete` is False once the time was too short."""

    def __init__(
        self,
        problem: JointProblem,
        cost: str,
        budgets: list[Budget],
        deadline: float,
        progress: Progress | None,
    ) -> None:
        self.problem, self.cost, self.budgets, self.deadline = problem, cost, budgets, deadline
        self.say = progress or (lambda *_: None)
        self.complete = True

    def _left(self) -> float | None:
        if self.deadline == float("inf"):
            return None
        return max(self.deadline - perf_counter(), 1e-3)

    def ends(self) -> tuple[float, float]:
        """Least cost of all, and least cost of the least loss."""
        cheap = self.problem.best(self.cost, self.budgets, self._left())
        if cheap is None:
            self.problem.refuse(self.budgets)
            raise RefusedInput("Limits must allow some choice, not none")
        expensive = self._lexicographic(self.budgets)
        if expensive is None:
            raise TimeoutError("A choice must be found within the time limit: allow more time")
        return cheap[0].totals[self.cost], expensive[0].totals[self.cost]

    def points(self, limits: Sequence[float]) -> list[Point]:
        """A point for each limit of the cost (falling), without repetitions."""
        points: list[Point] = []
        for done, limit in enumerate(limits):
            if points and points[-1].totals[self.cost] <= limit:
                continue
            answer = self._lexicographic([*self.budgets, Budget(self.cost, max=float(limit))])
            self.say("joint choice", done + 1, len(limits))
            if answer is not None:
                points.append(self.problem.point(str(done), *answer))
        return points

    def _lexicographic(self, budgets: list[Budget]) -> tuple[Solution, str, Solution] | None:
        """Least loss and, at that, least cost; the array; and the proof of the loss."""
        try:
            first = self.problem.best("loss", budgets, self._left())
        except TimeoutError:
            self.complete = False
            return None
        if first is None:
            return None
        solution, array = first
        if solution.status == "optimal":
            at_loss = [*budgets, Budget("loss", max=solution.objective)]
            try:
                second = self.problem.best(self.cost, at_loss, self._left())
            except TimeoutError:
                second = None
            if second is not None:
                return second[0], second[1], solution
        return solution, array, solution

    def sequential(self, points: int) -> list[Point]:
        """Points of a front of formats that knows no hardware, each with its best hardware.

        For an array also of the front with no more pairs of formats than it may have unit types:
        few points of the other one can be built.
        """
        table = self.problem.table
        texts = np.asarray(table.labels["formats"], object).astype(str)
        candidates: list[Point] = []
        pairs = _formats_only(table)
        formats = list(front(pairs, "loss", "bops", points=points))
        if self.problem.arrays:
            kinds = ("formats", self.problem.types)
            try:
                formats += front(pairs, "loss", "bops", points=points, rules=Rules(types=kinds))
            except Infeasible:
                pass  # layers of signed and of unsigned activations have no pair in common
        for done, choice in enumerate(formats):
            chosen = np.array([choice.allocation[layer] for layer in table.layers])
            rows = np.flatnonzero(texts == chosen[table.layer_of_row])
            part = self.problem.restricted(rows)
            self.say("sequential choice", done + 1, len(formats))
            try:
                answer = part.best(self.cost, self.budgets, self._left())
            except TimeoutError:
                self.complete = False
                break
            if answer is not None:
                candidates.append(part.point(f"{done}", *answer, None))
        best = _non_dominated(candidates, ("loss", self.cost))
        best.sort(key=lambda point: point.totals[self.cost])
        return best


def _formats_only(table: OptionTable) -> OptionTable:
    """One option for each pair of formats of a layer."""
    pairs = list(zip(table.layer_of_row.tolist(), table.labels["formats"], strict=True))
    rows = np.array(sorted({pair: row for row, pair in reversed(list(enumerate(pairs)))}.values()))
    part = restricted_table(table, rows)
    return replace(
        part,
        options=list(part.labels["formats"]),
        values={name: part.values[name] for name in ("loss", "bops")},
    )
