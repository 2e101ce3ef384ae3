"""Best choice of integers under limits."""

from math import ceil
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from macwright.dse.solver.backends.cp_sat import solve_cpsat
from macwright.dse.solver.exact.gap_search import search_gap
from macwright.dse.solver.exact.infeasible import explain
from macwright.dse.solver.exact.lagrangian import Dual, lagrangian_dual
from macwright.dse.solver.exact.rounding import round_choices
from macwright.dse.solver.model.problem import Groups
from macwright.dse.solver.model.solution import Outcome
from macwright.dse.solver.reduce.dominance import drop_dominated
from macwright.dse.solver.reduce.restriction import restrict
from macwright.hw.errors import Infeasible

__all__ = ["beyond_limits", "optimise", "why_infeasible"]

#: CP-SAT is not asked about more options than this: it would only build its model.
MOST_OPTIONS_CPSAT = 200_000
#: Lengths of lists at the first and at the second attempt, and the first effort of CP-SAT.
FEW_STATES, MANY_STATES, SHORT = 10_000, 100_000, 2.0


def why_infeasible(groups: Groups) -> Infeasible:
    """Error for a problem without a choice within its limits."""
    return explain(groups, lambda other: optimise(other).chosen)


def beyond_limits(groups: Groups) -> bool:
    """Whether some limit cannot be kept even alone."""
    for row in groups.rows:
        extreme = np.minimum if row.upper else np.maximum
        nearest = sum(extreme.reduceat(row.cost, groups.start[:-1]).tolist())
        if (nearest > row.limit) if row.upper else (nearest < row.limit):
            return True
    return False


def optimise(
    groups: Groups,
    *,
    deadline: float = float("inf"),
    below: int | None = None,
    known: NDArray[np.int64] | None = None,
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
    known : array of int, shape (n_groups,), optional
        A choice within the limits to start from.
    """
    if beyond_limits(groups):
        return Outcome(None, 0, False, "limits", infeasible=True)
    smaller = drop_dominated(groups, known=known)
    outcome = _optimise(
        smaller.groups, deadline, below, None if known is None else smaller.reduce(known)
    )
    return smaller.outcome(outcome)


def _optimise(
    small: Groups, deadline: float, below: int | None, known: NDArray[np.int64] | None
) -> Outcome:
    """The same of a problem without dominated options."""
    dual = lagrangian_dual(small, deadline=deadline)
    if np.isinf(dual.bound):
        return Outcome(None, 0, False, "Lagrangian bound", infeasible=True)
    if below is not None and ceil(dual.bound - dual.margin) >= below:
        return Outcome(None, ceil(dual.bound - dual.margin), False, "Lagrangian bound")
    start_at = round_choices(small, dual)
    if known is not None:
        if start_at is None or small.loss[known].sum() < small.loss[start_at].sum():
            start_at = known
    best, bound, solver = start_at, ceil(dual.bound - dual.margin), "Lagrangian bound"
    # Of three limits lists grow long soon, and CP-SAT is quick if few options are left.
    quick = [(FEW_STATES, SHORT)] if len(small.rows) > 2 else []
    for states, effort in (*quick, (MANY_STATES, None)):
        searched = search_gap(small, dual, best, most_states=states, deadline=deadline)
        if searched.infeasible:
            return Outcome(None, 0, False, "list merging", infeasible=True)
        best = searched.chosen
        if searched.bound is None and best is not None:
            loss = int(small.loss[best].sum())
            return Outcome(best, loss, True, "list merging")
        if searched.bound is not None:
            bound = max(bound, ceil(searched.bound - dual.margin))
        near = restrict(small, _near(small, dual, best))
        if perf_counter() >= deadline or len(near.options) > MOST_OPTIONS_CPSAT:
            continue
        hint = None if best is None else near.reduce(best)
        result = solve_cpsat(near.groups, hint=hint, deadline=deadline, effort=effort)
        if result.proved and result.chosen is None:
            return Outcome(None, 0, False, "CP-SAT", infeasible=True)
        bound, solver = max(bound, result.bound), "CP-SAT"
        if result.chosen is not None:
            choice = near.expand(result.chosen)
            if best is None or small.loss[choice].sum() <= small.loss[best].sum():
                best = choice
            if result.proved:
                return Outcome(best, min(bound, int(small.loss[best].sum())), True, solver)
    return Outcome(best, bound, False, solver)


def _near(groups: Groups, dual: Dual, best: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Options that a better choice than this one can have: their reduced loss is in the gap."""
    if best is None:
        return np.arange(len(groups.loss))
    near = dual.reduced <= int(groups.loss[best].sum()) - dual.bound + dual.margin
    near[best] = True
    return np.flatnonzero(near)
