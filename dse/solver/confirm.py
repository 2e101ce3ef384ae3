"""Points of a front, proved again by OR-Tools."""

from dataclasses import replace
from time import perf_counter

from macwright.dse.solver.front import Front
from macwright.dse.solver.model.solution import Solution, make_solution
from macwright.dse.solver.model.table import OptionTable
from macwright.hw.errors import RefusedInput

__all__ = ["confirm"]


def confirm(
    table: OptionTable, points: Front, n: int, *, time_limit_s: float = 10.0
) -> list[Solution]:
    """Solve evenly spaced points of a front again with OR-Tools' CP-SAT.

    CP-SAT gets the options that no other dominates and the cost of the point as the limit; no
    hint, and no bound.

    Parameters
    ----------
    table : OptionTable
        The table of the front.
    points : Front
        The front.
    n : int
        How many points.
    time_limit_s : float, default=10.0
        For each point. CP-SAT's answer has the status ``"feasible"`` if it had to stop; a point
        for which it found nothing is left out.

    Returns
    -------
    list of Solution
        CP-SAT's own, by increasing cost.

    Raises
    ------
    RuntimeError
        If an answer contradicts the front, which would be a bug.
    """
    if points.groups.table is not table:
        raise RefusedInput("Points must be of a front of this table, not of another")
    some, groups = points.some(max(1, n)), points.groups
    answers = []
    for index in range(len(some)):
        began = perf_counter()
        limited = replace(groups.rows[0], limit=int(some.scaled_cost[index]))
        limited_groups = replace(groups, rows=[limited, *groups.rows[1:]])
        smaller, result = points.choose.ask_cpsat(limited_groups, began + time_limit_s)
        outcome = smaller.outcome(result.outcome(smaller.groups, points.choose.pairs))
        ours, theirs = int(some.loss[index]), outcome.loss
        if theirs is None:
            if result.proved:
                raise RuntimeError(f"CP-SAT must find the point of loss {ours}, not none")
            continue
        exact = some[index].status == "optimal"
        if (exact and theirs < ours) or (result.proved and theirs > ours + result.error):
            raise RuntimeError(f"CP-SAT must find the loss {ours} of the front, not {theirs}")
        answers.append(
            make_solution(
                limited_groups,
                outcome,
                seconds=perf_counter() - began,
                objective=points.objective,
                pair_terms=points.choose.terms,
                pair_error=points.choose.error,
            )
        )
    return answers
