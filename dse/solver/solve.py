"""Best allocation within limits."""

from collections.abc import Iterable
from time import perf_counter

from macwright.dse.solver.choose import dispatcher_of
from macwright.dse.solver.model.problem import Budget, Count, group
from macwright.dse.solver.model.rules import AS_NEEDED, NO_RULES, Effort, Rules
from macwright.dse.solver.model.solution import Solution, make_solution
from macwright.dse.solver.model.table import OptionTable

__all__ = ["solve"]


def solve(
    table: OptionTable,
    objective: str = "loss",
    budgets: Iterable[Budget | Count] = (),
    *,
    rules: Rules = NO_RULES,
    effort: Effort = AS_NEEDED,
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
    rules : Rules, optional
        What layers may take, and what connects them.
    effort : Effort, optional
        Solver and time limit.

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
    what the scaling can hide (0 for decimals of few digits). A limit is kept to within 1e-14
    of itself and the rounding of its column, at most 2**-53 of the column's largest total for
    each layer. SCIP, HiGHS and CBC compute in doubles: their bound is trusted to 1e-9 of the range
    of the objective.

    Examples
    --------
    >>> table = OptionTable.from_arrays(
    ...     ["conv", "fc"],
    ...     [["int4", "int8"], ["int4", "int8"]],
    ...     loss=[[3.0, 0.5], [2.0, 0.25]],
    ...     area_time=[[4.0, 9.0], [2.0, 5.0]],
    ... )
    >>> best = solve(table, budgets=[Budget("area_time", max=11)])
    >>> best.status, best.objective, best.allocation
    ('optimal', 2.5, {'conv': 'int8', 'fc': 'int4'})
    """
    began = perf_counter()
    limit_s = effort.time_limit_s
    deadline = float("inf") if limit_s is None else began + limit_s
    groups = group(table, objective=objective, budgets=budgets, ties=rules.ties, allow=rules.allow)
    choose, groups = dispatcher_of(groups, rules, effort.solver)
    outcome = choose(groups, deadline)
    if outcome.infeasible:
        raise choose.why(groups)
    if outcome.chosen is None:
        raise TimeoutError(f"An allocation must be found within {limit_s} s: allow more time")
    return make_solution(
        groups,
        outcome,
        seconds=perf_counter() - began,
        objective=objective,
        pair_terms=choose.terms,
        pair_error=choose.error,
    )
