"""Best allocation within limits."""

from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from time import perf_counter

import numpy as np

from macwright.dse.solver.cpsat import solve_cpsat
from macwright.dse.solver.deepen import deepen
from macwright.dse.solver.dual import lagrangian_dual
from macwright.dse.solver.infeasible import Infeasible, explain
from macwright.dse.solver.presolve import keep_undominated
from macwright.dse.solver.problem import Budget, Count, Groups, group
from macwright.dse.solver.rounding import round_choices
from macwright.dse.solver.solution import Outcome, Solution, make_solution
from macwright.dse.solver.table import OptionTable

__all__ = ["optimise", "solve", "why_infeasible"]

#: CP-SAT is not asked about more options than this: it would only build its model.
MOST_OPTIONS_CPSAT = 200_000


def solve(
    table: OptionTable,
    objective: str = "loss",
    budgets: Iterable[Budget | Count] = (),
    *,
    ties: Iterable[Sequence[str]] = (),
    allow: Mapping[str, Iterable[str]] | None = None,
    time_limit_s: float | None = None,
) -> Solution:
    """Choose an option for each layer: least total of a column within limits.

    Parameters
    ----------
    table : OptionTable
        Options.
    objective : str, default="loss"
        Column to minimise.
    budgets : iterable of Budget or Count
        Limits of totals of columns and of numbers of layers.
    ties : iterable of sequences of str
        Layers that take the option of the same name.
    allow : mapping from str to iterable of str, optional
        Shell patterns of layers to patterns of the options they may take.
    time_limit_s : float, optional
        Wall-clock seconds after which the best allocation so far is returned with its gap.

    Raises
    ------
    ValueError
        If a name is unknown or no allocation is within the limits; the message says which limit,
        by how much, and the cheapest relaxation.
    TimeoutError
        If the time passed before any allocation was found.

    Notes
    -----
    Columns are scaled to integers and solved exactly in integers; `gap` of an optimal solution is
    what the scaling can hide (0 for decimals of few digits). A limit is kept to within the same
    rounding of its column, at most 2**-60 of the column's largest total for each layer.
    """
    began = perf_counter()
    deadline = began + time_limit_s if time_limit_s is not None else float("inf")
    groups = group(table, objective=objective, budgets=budgets, ties=ties, allow=allow)
    outcome = optimise(groups, deadline=deadline)
    if outcome.infeasible:
        raise why_infeasible(groups)
    if outcome.chosen is None:
        raise TimeoutError(f"An allocation must be found within {time_limit_s} s, not later")
    return make_solution(groups, outcome, seconds=perf_counter() - began, objective=objective)


def why_infeasible(groups: Groups) -> Infeasible:
    """Error for a problem without a choice within its limits."""
    return explain(groups, lambda other: optimise(other).chosen)


def optimise(groups: Groups, *, deadline: float = float("inf")) -> Outcome:
    """Best choice of integers: presolve, Lagrangian bound, list merging near it, CP-SAT.

    Parameters
    ----------
    groups : Groups
        The problem.
    deadline : float
        Value of `time.perf_counter` at which to stop.
    """
    start = groups.start
    for row in groups.rows:
        extreme = np.minimum if row.upper else np.maximum
        nearest = sum(extreme.reduceat(row.cost, start[:-1]).tolist())
        if (nearest > row.limit) if row.upper else (nearest < row.limit):
            return Outcome(None, 0, False, "limits", infeasible=True)
    kept = np.flatnonzero(keep_undominated(groups))
    small = groups.restricted(kept)
    dual = lagrangian_dual(small, deadline=deadline)
    if np.isinf(dual.bound):
        return Outcome(None, 0, False, "Lagrangian bound", infeasible=True)
    found = deepen(small, dual, round_choices(small, dual), deadline=deadline)
    if found.infeasible:
        return Outcome(None, 0, False, "list merging", infeasible=True)
    if found.bound is None and found.chosen is not None:
        loss = int(small.loss[found.chosen].sum())
        return Outcome(kept[found.chosen], loss, True, "list merging")
    bound = ceil(dual.bound - dual.margin if found.bound is None else found.bound - dual.margin)
    best, solver = found.chosen, "Lagrangian bound"
    if best is not None:
        # No better choice has an option whose reduced loss alone is above the gap.
        gap = int(small.loss[best].sum()) - dual.bound
        near = dual.reduced <= gap + dual.margin
        near[best] = True
        index = np.flatnonzero(near)
    else:
        index = np.arange(len(small.loss))
    if len(index) <= MOST_OPTIONS_CPSAT and perf_counter() < deadline:
        core = small.restricted(index)
        hint = None if best is None else np.searchsorted(index, best)
        result = solve_cpsat(core, hint=hint, deadline=deadline)
        if result.proved and result.chosen is None:
            return Outcome(None, 0, False, "CP-SAT", infeasible=True)
        if result.chosen is not None:
            choice = index[result.chosen]
            bound = max(bound, result.bound)
            if best is None or small.loss[choice].sum() <= small.loss[best].sum():
                best = choice
            if result.proved:
                return Outcome(kept[best], min(bound, int(small.loss[best].sum())), True, "CP-SAT")
        solver = "CP-SAT"
        bound = max(bound, result.bound)
    return Outcome(None if best is None else kept[best], bound, False, solver)
