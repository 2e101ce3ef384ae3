"""Fronts: all non-dominated points of two objectives, or evenly spaced ones."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from html import escape
from time import perf_counter
from typing import overload

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from macwright.dse.solver.choose import Dispatcher, dispatcher_of
from macwright.dse.solver.epsilon import epsilon_outcomes
from macwright.dse.solver.exact.optimise import why_infeasible
from macwright.dse.solver.exact.pareto_dp import MergedFront, merge_front
from macwright.dse.solver.model.problem import Budget, Count, Groups, group, limit_of
from macwright.dse.solver.model.rules import AS_NEEDED, NO_RULES, Effort, Rules
from macwright.dse.solver.model.solution import Outcome, Solution, make_solution
from macwright.dse.solver.model.table import OptionTable
from macwright.dse.solver.reduce.merge_pairs import merge_pairs
from macwright.hw.errors import RefusedInput

__all__ = ["Front", "evenly", "front", "nothing_found"]


@dataclass(frozen=True, eq=False)
class Totals:
    """Totals of all points of a front in one column, scaled to integers.

    Parameters
    ----------
    column : str
        Its name.
    scaled : array of int, shape (n_points,)
        As the solver counts them.
    """

    column: str
    scaled: NDArray[np.int64]


class Front(Sequence[Solution]):
    """Non-dominated points by increasing cost; a point is made when it is asked for.

    Attributes
    ----------
    objective, cost : str
        Columns.
    objectives, costs : array of float, shape (n_points,)
        Their totals, in their units.
    seconds : float
        Wall-clock time of all points.
    complete : bool
        False if the time was too short for some point that was asked for.

    Examples
    --------
    >>> table = OptionTable.from_arrays(
    ...     ["conv", "fc"],
    ...     [["int4", "int8"], ["int4", "int8"]],
    ...     loss=[[3.0, 0.5], [2.0, 0.25]],
    ...     area_time=[[4.0, 9.0], [2.0, 5.0]],
    ... )
    >>> points = front(table)
    >>> points.to_frame()
       area_time  loss
    0        6.0  5.00
    1        9.0  3.25
    2       11.0  2.50
    3       14.0  0.75
    >>> points[1].allocation
    {'conv': 'int4', 'fc': 'int8'}
    """

    def __init__(
        self,
        groups: Groups,
        outcome_of: Callable[[int], Outcome],
        *,
        objective: Totals,
        cost: Totals,
        seconds: float,
        choose: Dispatcher | None = None,
        complete: bool = True,
    ) -> None:
        self.groups, self._outcome_of = groups, outcome_of
        self.choose, self.complete = choose or Dispatcher(), complete
        self.loss, self.scaled_cost = objective.scaled, cost.scaled
        self.objective, self.cost, self.seconds = objective.column, cost.column, seconds
        self.objectives = self.loss / groups.objective.factor
        self.costs = self.scaled_cost / groups.rows[0].scaled.factor

    def __len__(self) -> int:
        return len(self.costs)

    @overload
    def __getitem__(self, index: int) -> Solution: ...
    @overload
    def __getitem__(self, index: slice) -> list[Solution]: ...
    def __getitem__(self, index: int | slice) -> Solution | list[Solution]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"Point must be below {len(self)}, not {index}")
        return make_solution(
            self.groups,
            self._outcome_of(index % len(self)),
            seconds=self.seconds,
            objective=self.objective,
            pair_terms=self.choose.terms,
            pair_error=self.choose.error,
        )

    def to_frame(self) -> pd.DataFrame:
        """Cost and objective of every point, columns of those names in their units."""
        return pd.DataFrame({self.cost: self.costs, self.objective: self.objectives})

    def __repr__(self) -> str:
        ranges = (
            f"{name} {values.min():.6g} to {values.max():.6g}"
            for name, values in ((self.cost, self.costs), (self.objective, self.objectives))
        )
        return f"Front({len(self)} points, {', '.join(ranges)})"

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>" + self.to_frame().to_html(max_rows=20)

    def some(self, points: int) -> "Front":
        """At most `points` points, evenly spaced in cost, both ends among them."""
        return self.at(evenly(self.costs, points))

    def at(self, index: Sequence[int]) -> "Front":
        """The points of these indices, a front of their own."""
        return Front(
            self.groups,
            lambda i: self._outcome_of(index[i]),
            objective=Totals(self.objective, self.loss[index]),
            cost=Totals(self.cost, self.scaled_cost[index]),
            seconds=self.seconds,
            choose=self.choose,
            complete=self.complete,
        )


def front(
    table: OptionTable,
    objective: str = "loss",
    cost: str = "area_time",
    budgets: Iterable[Budget | Count] = (),
    points: int | None = None,
    *,
    rules: Rules = NO_RULES,
    effort: Effort = AS_NEEDED,
    progress: Callable[[str, int, int], None] | None = None,
) -> Front:
    """All non-dominated allocations of two columns, not only those on the convex hull.

    Parameters
    ----------
    table : OptionTable
        Options.
    objective, cost : str
        Columns, both minimised.
    budgets : iterable of Budget or Count
        Further limits. Upper limits of the two columns are free; others, unit types, pairs that
        connect many layers and a solver by name make the front one of epsilon constraints, one
        solve for each point.
    points : int, optional
        Only so many, evenly spaced in cost.
    rules, effort
        As in :func:`macwright.dse.solver.solve`; the time is that of all points. Points that were
        not proved in their share of it have the status ``"feasible"`` and a gap; `complete` of the
        front says whether some are missing.
    progress : callable, optional
        Called with a stage, the points done and their number (0 if not known).

    Raises
    ------
    ValueError
        If a name is unknown or no allocation is within the limits.
    TimeoutError
        If the time passed before any point was found.

    Examples
    --------
    >>> table = OptionTable.from_arrays(
    ...     ["conv", "fc"],
    ...     [["int4", "int8"], ["int4", "int8"]],
    ...     loss=[[3.0, 0.5], [2.0, 0.25]],
    ...     area_time=[[4.0, 9.0], [2.0, 5.0]],
    ... )
    >>> front(table)
    Front(4 points, area_time 6 to 14, loss 0.75 to 5)
    """
    if cost == objective:
        raise RefusedInput(f"Cost must be another column than the objective, not {cost!r}")
    if points is not None and points < 1:
        raise RefusedInput(f"Points must be at least 1, not {points}")
    began = perf_counter()
    budgets = list(budgets)
    free = [b for b in budgets if isinstance(b, Budget) and b.min is None]
    most_loss = min(
        (b.max for b in free if b.column == objective and b.max is not None), default=None
    )
    easy = all(b in free and b.column in (cost, objective) for b in budgets)
    pairs = list(rules.pairs)
    rules = replace(rules, pairs=pairs, ties=list(rules.ties))
    merging = (
        easy
        and rules.types is None
        and effort.solver == "auto"
        and not (pairs and most_loss is not None)
    )
    limits = [Budget(cost, max=float("inf"))]
    limits += [
        b for b in budgets if not (merging and isinstance(b, Budget) and b.column == objective)
    ]
    groups = group(table, objective=objective, budgets=limits, ties=rules.ties, allow=rules.allow)
    choose, groups = dispatcher_of(groups, rules, effort.solver)
    merged_pairs = merge_pairs(groups, choose.pairs) if merging and pairs else None
    deadline = float("inf") if effort.time_limit_s is None else began + effort.time_limit_s
    if not merging or (pairs and merged_pairs is None):
        outcomes, complete = epsilon_outcomes(
            groups, points, choose, deadline=deadline, progress=progress
        )
        if not outcomes:
            raise nothing_found(choose, groups, complete)
        losses = [groups.loss[o.chosen].sum() if o.loss is None else o.loss for o in outcomes]
        scaled_cost = np.array([groups.rows[0].cost[o.chosen].sum() for o in outcomes], np.int64)
        return Front(
            groups,
            outcomes.__getitem__,
            objective=Totals(objective, np.array(losses, np.int64)),
            cost=Totals(cost, scaled_cost),
            seconds=perf_counter() - began,
            choose=choose,
            complete=complete,
        )
    if most_loss is not None:
        most_loss = limit_of(groups.objective, most_loss, upper=True)
    most_cost = min(row.limit for row in groups.rows)
    alone = groups if merged_pairs is None else merged_pairs.groups
    pieces = [
        (alone.rows[0].cost[a:b], alone.loss[a:b])
        for a, b in zip(alone.start[:-1].tolist(), alone.start[1:].tolist(), strict=True)
    ]
    try:
        merged = merge_front(
            pieces,
            most_cost=most_cost,
            most_loss=most_loss,
            most_points=effort.most_points,
            deadline=deadline,
        )
    except ValueError:
        every = group(
            table, objective=objective, budgets=budgets, ties=rules.ties, allow=rules.allow
        )
        raise why_infeasible(every) from None

    def outcome_of(index: int) -> Outcome:
        outcome = _outcome_of(alone, merged, index)
        return outcome if merged_pairs is None else merged_pairs.outcome(outcome)

    constant = 0 if merged_pairs is None else merged_pairs.constant
    whole = Front(
        groups,
        outcome_of,
        objective=Totals(objective, merged.loss + constant),
        cost=Totals(cost, merged.cost),
        seconds=perf_counter() - began,
        choose=choose,
    )
    return whole if points is None else whole.some(points)


def nothing_found(choose: Dispatcher, groups: Groups, complete: bool) -> Exception:
    """Why a front has no point: the limits, or the time."""
    if complete:
        return choose.why(groups)
    return TimeoutError("A point of the front must be found within the time limit: allow more time")


def _outcome_of(groups: Groups, merged: MergedFront, index: int) -> Outcome:
    """Point of a merged front."""
    loss = int(merged.loss[index])
    bound = loss
    if merged.rounding > 1:
        # The rounding is of the loss above the least one: see `MergedFront`.
        least = sum(np.minimum.reduceat(groups.loss, groups.start[:-1]).tolist())
        bound = least + max(0, int((loss - least + 1) / merged.rounding) - 1)
    chosen = groups.start[:-1] + merged.choices[index]
    return Outcome(chosen, bound, bound == loss, "list merging")


def evenly(costs: NDArray[np.float64], points: int) -> list[int]:
    """Indices of at most `points` points, evenly spaced in cost, both ends included.

    Examples
    --------
    >>> evenly(np.array([0.0, 1.0, 2.0, 9.0, 10.0]), 3)
    [0, 2, 4]
    """
    if points >= len(costs):
        return list(range(len(costs)))
    if points == 1:
        return [len(costs) // 2]
    wanted = np.linspace(costs[0], costs[-1], points)
    # The costliest point within what was asked for: what a budget of that size would give.
    index = np.searchsorted(costs, wanted, side="right") - 1
    index[-1] = len(costs) - 1
    return sorted({int(i) for i in index})
