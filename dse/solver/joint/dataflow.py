"""Formats and folding chosen together: each layer has its own engine, the slowest sets the rate."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import ceil
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from macwright.dse.solver.exact.lagrangian import lagrangian_dual
from macwright.dse.solver.exact.optimise import optimise, why_infeasible
from macwright.dse.solver.joint.least_area import first_limit_as_loss
from macwright.dse.solver.model.problem import LIMIT_ROUNDING, Budget, Count, Groups, Row, group
from macwright.dse.solver.model.scaling import Scaled
from macwright.dse.solver.model.solution import Outcome, Solution, gap_of, make_solution
from macwright.dse.solver.model.table import OptionTable
from macwright.dse.solver.reduce.dominance import drop_dominated
from macwright.dse.solver.reduce.restriction import restrict
from macwright.hw.errors import Infeasible, RefusedInput

__all__ = ["best_dataflow", "choose_dataflow"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def choose_dataflow(
    table: OptionTable,
    objective: str = "loss",
    budgets: Iterable[Budget | Count] = (),
    *,
    slowest: str = "cycles",
    time_limit_s: float | None = None,
) -> Solution:
    """Choose formats and folding of each layer's engine.

    Parameters
    ----------
    table : OptionTable
        Options: every pair of formats in every folding, with the area of the engine.
    objective : str, default="loss"
        Column to minimise; `slowest` for the greatest frame rate.
    budgets : iterable of Budget or Count
        Limits of totals; an upper limit of `slowest` is a least frame rate.
    slowest : str, default="cycles"
        Column whose total is the largest entry of all layers, not their sum.
    time_limit_s : float, optional
        Wall-clock seconds after which the best choice so far is returned with its gap.

    Raises
    ------
    ValueError
        If a name is unknown or no choice is within the limits.
    TimeoutError
        If the time passed before any choice was found.

    Notes
    -----
    Exact: at a given rate slower options are out and the rest is a problem of sums; the least time
    is found by bisection over the times of the options.
    """
    budgets = list(budgets)
    solution = best_dataflow(table, objective, budgets, slowest=slowest, time_limit_s=time_limit_s)
    if solution is None:
        raise _why(table, budgets, slowest)
    return solution


def best_dataflow(
    table: OptionTable,
    objective: str,
    budgets: Sequence[Budget | Count],
    *,
    slowest: str = "cycles",
    time_limit_s: float | None = None,
) -> Solution | None:
    """As :func:`choose_dataflow`, but ``None`` if no choice is within the limits."""
    began = perf_counter()
    deadline = began + time_limit_s if time_limit_s is not None else float("inf")
    times = table.column(slowest)
    limits = [b for b in budgets if isinstance(b, Budget) and b.column == slowest]
    if any(limit.min is not None for limit in limits):
        raise RefusedInput(f"Limit of {slowest!r} must be a max, not a min")
    most = min((limit.max for limit in limits if limit.max is not None), default=float("inf"))
    others = [b for b in budgets if b not in limits]
    by_time = objective == slowest
    column = next(iter(table.values)) if by_time else objective
    groups = group(table, objective=column, budgets=others)
    allowed = restrict(groups, times <= most + abs(most) * LIMIT_ROUNDING)
    if not allowed.complete:
        return None
    groups, times = allowed.groups, allowed.values(times)
    if by_time:
        chosen, bound = _least_time(groups, times, deadline)
        outcome = Outcome(chosen, 0, False, "bisection", infeasible=chosen is None and bound < 0)
    else:
        outcome, bound = optimise(groups, deadline=deadline), 0.0
    if outcome.chosen is None:
        if not outcome.infeasible:
            raise TimeoutError(f"A choice must be found within {time_limit_s} s: allow more time")
        return None
    solution = make_solution(groups, outcome, seconds=perf_counter() - began, objective=column)
    time = float(times[outcome.chosen].max())
    solution = replace(solution, totals={**solution.totals, slowest: time})
    if by_time:
        status = "optimal" if bound >= time else "feasible"
        gap = gap_of(time, bound)
        solution = replace(solution, status=status, objective=time, bound=bound, gap=gap)
    return solution


def _least_time(groups: Groups, times: Floats, deadline: float) -> tuple[Ints | None, float]:
    """Options with the least largest time within the limits, and a proved bound of that time.

    Without any options, the bound is -1 if it is proved that there are none, else at least 0.
    """
    problem, limit = first_limit_as_loss(groups)
    # Of two options the one that is slower and no better in any limit is never needed.
    ranks = np.unique(times, return_inverse=True)[1].astype(np.int64)
    row = Row("time", ranks, 0, True, Scaled(ranks, 1.0, 0.0), Budget("time", max=0.0))
    smaller = restrict(problem, drop_dominated(replace(problem, rows=[*problem.rows, row])).options)
    small, times = smaller.groups, smaller.values(times)
    values = np.unique(times)
    floor = float(np.minimum.reduceat(times, small.start[:-1]).max())
    low, high = int(np.searchsorted(values, floor)), len(values)
    best: Ints | None = None
    # Everything below `low` has no choice; `high` has one, or is beyond the last.
    step = len(values) - 1
    while low < high:
        if perf_counter() > deadline:
            return best, float(values[low])
        here = restrict(small, times <= values[step])
        chosen, proved = _within(here.groups, limit, deadline)
        if chosen is not None:
            chosen = here.expand(chosen)
            best = smaller.expand(chosen)
            high = int(np.searchsorted(values, times[chosen].max()))
        elif proved:
            if step == len(values) - 1:
                return None, -1.0
            low = step + 1
        else:
            return best, float(values[low])
        step = (low + high) // 2
    return best, float(values[high])


def _within(groups: Groups, limit: int, deadline: float) -> tuple[Ints | None, bool]:
    """Options of a loss of at most the limit, and whether it is proved that there are none."""
    dual = lagrangian_dual(groups, deadline=deadline)
    if np.isinf(dual.bound) or ceil(dual.bound - dual.margin) > limit:
        return None, True
    answer = optimise(groups, deadline=deadline, below=limit + 1)
    if answer.chosen is not None and int(groups.loss[answer.chosen].sum()) <= limit:
        return answer.chosen, False
    return None, answer.infeasible or answer.optimal or answer.bound > limit


def _why(table: OptionTable, budgets: list[Budget | Count], slowest: str) -> Infeasible:
    """What to relax: the frame rate, or the limits of totals at that rate."""
    limits = [b for b in budgets if isinstance(b, Budget) and b.column == slowest]
    others = [b for b in budgets if b not in limits]
    if not limits:
        return why_infeasible(group(table, objective=slowest, budgets=others))
    most = min(limit.max for limit in limits if limit.max is not None)
    fastest = best_dataflow(table, slowest, others, slowest=slowest)
    if fastest is None:
        return why_infeasible(group(table, objective=slowest, budgets=others))
    text = (
        f"{slowest!r} must be at least {fastest.objective:.12g} with the other limits as they are, "
        f"not {most:.12g}"
    )
    groups = group(table, objective=slowest, budgets=others)
    quick = restrict(groups, table.column(slowest) <= most + abs(most) * LIMIT_ROUNDING)
    if others and quick.complete:
        text += f"; or, at that rate: {why_infeasible(quick.groups)}"
    return Infeasible(text)
