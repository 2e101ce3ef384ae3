"""Best choice of integers under limits."""

from math import ceil
from time import perf_counter

import numpy as np

from macwright.dse.solver.cpsat import solve_cpsat
from macwright.dse.solver.deepen import deepen
from macwright.dse.solver.dual import lagrangian_dual
from macwright.dse.solver.infeasible import Infeasible, explain
from macwright.dse.solver.presolve import keep_undominated
from macwright.dse.solver.problem import Groups
from macwright.dse.solver.rounding import round_choices
from macwright.dse.solver.solution import Outcome

__all__ = ["optimise", "why_infeasible"]

#: CP-SAT is not asked about more options than this: it would only build its model.
MOST_OPTIONS_CPSAT = 200_000


def why_infeasible(groups: Groups) -> Infeasible:
    """Error for a problem without a choice within its limits."""
    return explain(groups, lambda other: optimise(other).chosen)


def optimise(
    groups: Groups, *, deadline: float = float("inf"), below: int | None = None
) -> Outcome:
    """Best choice of integers: presolve, Lagrangian bound, list merging near it, CP-SAT.

    Parameters
    ----------
    groups : Groups
        The problem.
    deadline : float
        Value of `time.perf_counter` at which to stop.
    below : int, optional
        Only losses below this are of interest: give up with a bound that says there is none.
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
    if below is not None and ceil(dual.bound - dual.margin) >= below:
        return Outcome(None, ceil(dual.bound - dual.margin), False, "Lagrangian bound")
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
