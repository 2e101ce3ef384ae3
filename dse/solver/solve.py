"""Best allocation within limits."""

from collections.abc import Iterable, Mapping, Sequence
from time import perf_counter

from macwright.dse.solver.choose import dispatcher_of
from macwright.dse.solver.model.pairs import PairTerm
from macwright.dse.solver.model.problem import Budget, Count, group
from macwright.dse.solver.model.solution import Solution, make_solution
from macwright.dse.solver.model.table import OptionTable

__all__ = ["solve"]


def solve(
    table: OptionTable,
    objective: str = "loss",
    budgets: Iterable[Budget | Count] = (),
    *,
    ties: Iterable[Sequence[str]] = (),
    allow: Mapping[str, Iterable[str]] | None = None,
    types: tuple[str, int] | None = None,
    pairs: Iterable[PairTerm] = (),
    time_limit_s: float | None = None,
    solver: str = "auto",
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
    types : tuple of (str, int), optional
        Label column (or ``"option"``), such as the unit type, and how many different entries of
        it the allocation may use.
    pairs : iterable of (layer, option, layer, option, loss)
        Losses that two options add together, in the unit of the objective, any sign.
    time_limit_s : float, optional
        Wall-clock seconds after which the best allocation so far is returned with its gap.
    solver : {"auto", "cp-sat", "scip", "highs", "cbc"}
        ``"auto"`` chooses by size and kind of limits; the others are for comparison.

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
    deadline = began + time_limit_s if time_limit_s is not None else float("inf")
    groups = group(table, objective=objective, budgets=budgets, ties=ties, allow=allow)
    choose, groups = dispatcher_of(groups, types=types, pairs=pairs, solver=solver)
    outcome = choose(groups, deadline)
    if outcome.infeasible:
        raise choose.why(groups)
    if outcome.chosen is None:
        raise TimeoutError(f"An allocation must be found within {time_limit_s} s: allow more time")
    return make_solution(
        groups,
        outcome,
        seconds=perf_counter() - began,
        objective=objective,
        pair_terms=choose.terms,
        pair_error=choose.error,
    )
