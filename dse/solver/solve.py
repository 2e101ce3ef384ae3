"""Best allocation within limits."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import floor
from time import perf_counter

import numpy as np

from macwright.dse.solver.cpsat import Pair, solve_cpsat
from macwright.dse.solver.infeasible import Infeasible, explain
from macwright.dse.solver.linear import SOLVERS, solve_linear
from macwright.dse.solver.pair_search import optimise_pairs
from macwright.dse.solver.pairs import PairTerm, scaled_pairs
from macwright.dse.solver.presolve import keep_undominated
from macwright.dse.solver.problem import Budget, Count, Groups, group
from macwright.dse.solver.solution import Outcome, Solution, make_solution
from macwright.dse.solver.solve_groups import optimise, why_infeasible
from macwright.dse.solver.table import OptionTable
from macwright.dse.solver.types import TypeLimit, optimise_types

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
    each layer. SCIP, HiGHS and CBC compute in doubles: their `gap` is at least 1e-9 of the range
    of the objective.
    """
    began = perf_counter()
    if solver not in ("auto", "cp-sat", *SOLVERS):
        raise ValueError(
            f"Solver must be one of auto, cp-sat, {', '.join(SOLVERS)}, not {solver!r}"
        )
    if (types or pairs) and solver in SOLVERS:
        raise ValueError(f"Solver must be auto or cp-sat for unit types and pairs, not {solver!r}")
    deadline = began + time_limit_s if time_limit_s is not None else float("inf")
    groups = group(table, objective=objective, budgets=budgets, ties=ties, allow=allow)
    limit = None if types is None else _type_limit(groups, *types)
    terms = list(pairs)
    if terms:
        scaled, groups, pair_error = scaled_pairs(groups, terms)
        if limit is None and solver == "auto" and scaled:
            outcome = optimise_pairs(groups, scaled, deadline=deadline)
        else:
            outcome = _with_cpsat(groups, limit, scaled, deadline)
    else:
        pair_error = 0.0
        outcome = _by_solver(groups, limit, solver, deadline)
    if outcome.infeasible:
        raise _why(groups, limit)
    if outcome.chosen is None:
        raise TimeoutError(f"An allocation must be found within {time_limit_s} s: allow more time")
    return make_solution(
        groups,
        outcome,
        seconds=perf_counter() - began,
        objective=objective,
        pair_terms=terms,
        pair_error=pair_error,
    )


def _type_limit(groups: Groups, column: str, most: int) -> TypeLimit:
    if most < 1:
        raise ValueError(f"Number of types must be at least 1, not {most}")
    names = np.asarray(groups.table.label(column), object)[groups.table_row]
    for option, more in groups.tied.items():
        if any(groups.table.label(column)[row] != names[option] for row in more):
            raise ValueError(
                f"Tied options must have the same {column}, not {names[option]!r} and another"
            )
    return TypeLimit(np.unique(names.astype(str), return_inverse=True)[1].astype(np.int64), most)


def _by_solver(groups: Groups, limit: TypeLimit | None, solver: str, deadline: float) -> Outcome:
    if solver == "cp-sat":
        return _with_cpsat(groups, limit, [], deadline)
    if solver == "auto":
        if limit is not None:
            return optimise_types(groups, limit, deadline=deadline)
        return optimise(groups, deadline=deadline)
    kept = np.flatnonzero(keep_undominated(groups))
    result = solve_linear(groups.restricted(kept), solver, deadline=deadline)
    if result.chosen is None:
        return Outcome(None, 0, False, solver, infeasible=result.proved)
    chosen = kept[result.chosen]
    bound = floor(result.bound - result.error)
    return Outcome(chosen, bound, result.proved, solver)


def _with_cpsat(
    groups: Groups, limit: TypeLimit | None, pairs: list[Pair], deadline: float
) -> Outcome:
    classes = None if limit is None else limit.classes
    # An option may be dominated in its own loss and better in a pair.
    kept = (
        np.arange(len(groups.loss)) if pairs else np.flatnonzero(keep_undominated(groups, classes))
    )
    result = solve_cpsat(
        groups.restricted(kept),
        pairs=pairs,
        classes=None if classes is None else classes[kept],
        most_classes=0 if limit is None else limit.most,
        deadline=deadline,
    )
    if result.chosen is None:
        return Outcome(None, 0, False, "CP-SAT", infeasible=result.proved)
    chosen = kept[result.chosen]
    picked = set(chosen.tolist())
    loss = sum(groups.loss[chosen].tolist()) + sum(
        pair.loss for pair in pairs if pair.first in picked and pair.second in picked
    )
    return Outcome(chosen, min(result.bound, loss), result.proved, "CP-SAT", loss=loss)


def _why(groups: Groups, limit: TypeLimit | None) -> Infeasible:
    """What to relax: the limits of totals, or the number of types."""
    if limit is None:
        return why_infeasible(groups)
    free = optimise(groups)
    if free.infeasible:
        return why_infeasible(groups)
    enough = limit.most + 1
    total = len(np.unique(limit.classes))
    while enough < total and optimise_types(groups, replace(limit, most=enough)).infeasible:
        enough += 1
    if not groups.rows or optimise_types(replace(groups, rows=[]), limit).infeasible:
        others = ""
    else:
        others = f"; or, with {limit.most}: " + str(
            explain(groups, lambda other: optimise_types(other, limit).chosen)
        )
    return Infeasible(
        f"Number of types must be at least {enough} with the other limits as they are, not "
        f"{limit.most}{others}"
    )
