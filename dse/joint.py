"""Fronts of formats and hardware chosen together, and of hardware chosen after the formats."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import numpy as np

from macwright.dse.hardware import FRAME, LATENCY
from macwright.dse.points import Point
from macwright.dse.solver import (
    ArrayShape,
    Budget,
    OptionTable,
    Solution,
    choose_dataflow,
    choose_temporal,
    front,
)
from macwright.dse.solver.joint_dataflow import best_dataflow
from macwright.dse.solver.joint_sequential import restricted_table
from macwright.dse.solver.joint_temporal import best_temporal

__all__ = ["JointProblem", "JointResult", "joint_points"]

Progress = Callable[[str, int, int], None]
Rows = np.ndarray


@dataclass(frozen=True, eq=False, kw_only=True)
class JointProblem:
    """Formats and hardware to choose.

    Parameters
    ----------
    table : OptionTable
        Options with the labels `formats` and `unit`.
    arrays : sequence of ArrayShape
        Arrays to choose from; none for engines of their own.
    types : int
        Unit types on an array at most.
    area : str
        Name of the area: ``"area"`` or ``"luts"``.
    """

    table: OptionTable
    arrays: Sequence[ArrayShape] = ()
    types: int = 1
    area: str = "area"

    @property
    def columns(self) -> list[str]:
        """Cost columns."""
        names = [name for name in self.table.values if name != "loss"]
        if self.arrays:
            names += [self.area, *self.arrays[0].columns]
        return names

    def restricted(self, rows: Rows) -> "JointProblem":
        """The problem with only some options (sorted); every layer must keep one."""
        arrays = [
            replace(array, columns={name: np.asarray(c)[rows] for name, c in array.columns.items()})
            for array in self.arrays
        ]
        return replace(self, table=restricted_table(self.table, rows), arrays=arrays)

    def best(
        self, objective: str, budgets: Sequence[Budget], time_limit_s: float | None = None
    ) -> tuple[Solution, str] | None:
        """Best choice and its array (``""`` of engines), or ``None`` if there is none."""
        if not self.arrays:
            found = best_dataflow(
                self.table, objective, budgets, slowest=FRAME, time_limit_s=time_limit_s
            )
            return None if found is None else (found, "")
        chip = best_temporal(
            self.table,
            self.arrays,
            objective,
            budgets,
            types=self.types,
            area=self.area,
            time_limit_s=time_limit_s,
        )
        return None if chip is None else (chip.solution, chip.array)

    def refuse(self, budgets: Sequence[Budget]) -> None:
        """Raise the error that says which limit cannot be kept."""
        if self.arrays:
            choose_temporal(
                self.table, self.arrays, "loss", budgets, types=self.types, area=self.area
            )
        else:
            choose_dataflow(self.table, "loss", budgets, slowest=FRAME)

    def point(self, name: str, solution: Solution, array: str, proof: Solution | None) -> Point:
        """What is reported of a choice; `proof` has the status of its loss."""
        index = {
            (self.table.layers[layer], option): row
            for row, (layer, option) in enumerate(
                zip(self.table.layer_of_row.tolist(), self.table.options, strict=True)
            )
        }
        rows = {layer: index[layer, option] for layer, option in solution.allocation.items()}
        units = {layer: self.table.labels["unit"][row] for layer, row in rows.items()}
        hardware: dict[str, Any] = {"unit_types": sorted(set(units.values()))}
        time = solution.totals[LATENCY if self.arrays else FRAME]
        totals = {**solution.totals, "throughput_fps": 1e3 / time}
        if self.arrays:
            hardware["array"] = array
        else:
            folds = {layer: option.split(" ")[1] for layer, option in solution.allocation.items()}
            hardware["folding"] = {
                layer: dict(zip(("pe", "simd"), map(int, fold.split("x")), strict=True))
                for layer, fold in folds.items()
            }
        return Point(
            name=name,
            pairs={layer: self.table.labels["formats"][row] for layer, row in rows.items()},
            totals=totals,
            status=None if proof is None else proof.status,
            gap=None if proof is None else proof.gap,
            hardware=hardware,
            units=units,
        )


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
        found = search.points(sorted(limits, reverse=True))
    else:
        side = max(2, round(points**0.5))
        ends = _Search(problem, second, search.budgets, deadline, None).ends()
        found = []
        for limit in np.geomspace(*ends, side):
            inner = _Search(
                problem, cost, [*search.budgets, Budget(second, max=limit)], deadline, None
            )
            try:
                found += inner.points(np.geomspace(*inner.ends(), side)[::-1].tolist())
            except ValueError:
                continue
            search.complete &= inner.complete
    names = ("loss", cost) if second is None else ("loss", cost, second)
    kept = _undominated(found, names)
    kept.sort(key=lambda point: (point.totals[cost], point.totals["loss"]))
    kept = [replace(point, name=str(number)) for number, point in enumerate(kept)]
    tops = [_at(kept, cost, point.totals[cost]) for point in sequential]
    both = [(s, b) for s, b in zip(sequential, tops, strict=True) if b is not None]
    return JointResult(
        front=kept,
        sequential=[s for s, _ in both],
        beside=[b for _, b in both],
        complete=search.complete,
    )


def _at(points: Sequence[Point], cost: str, limit: float) -> Point | None:
    """Least lossy of the points within a limit."""
    inside = [p for p in points if p.totals[cost] <= limit * (1 + 1e-12)]
    return min(inside, key=lambda p: p.totals["loss"], default=None)


def _undominated(points: Sequence[Point], names: Sequence[str]) -> list[Point]:
    totals = np.array([[p.totals[name] for name in names] for p in points]).reshape(-1, len(names))
    kept = []
    for index, row in enumerate(totals):
        as_good = (totals <= row).all(axis=1)
        better = as_good & (totals < row).any(axis=1)
        if not better.any() and not (as_good[:index] & ~better[:index]).any():
            kept.append(points[index])
    return kept


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
            raise ValueError("Limits must allow some choice, not none")
        dear = self._lexicographic(self.budgets)
        if dear is None:
            raise TimeoutError("A choice must be found within the time limit: allow more time")
        return cheap[0].totals[self.cost], dear[0].totals[self.cost]

    def points(self, limits: Sequence[float]) -> list[Point]:
        """A point for each limit of the cost (falling), without repetitions."""
        found: list[Point] = []
        for done, limit in enumerate(limits):
            if found and found[-1].totals[self.cost] <= limit:
                continue
            answer = self._lexicographic([*self.budgets, Budget(self.cost, max=float(limit))])
            self.say("joint choice", done + 1, len(limits))
            if answer is not None:
                found.append(self.problem.point(str(done), *answer))
        return found

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
        """Points of a front of formats that knows no hardware, each with its best hardware."""
        table = self.problem.table
        texts = np.asarray(table.labels["formats"], object).astype(str)
        found: list[Point] = []
        formats = front(_formats_only(table), "loss", "bops", points=points)
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
                found.append(part.point(f"{done}", *answer, None))
        best = _undominated(found, ("loss", self.cost))
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
