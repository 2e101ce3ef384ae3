"""Formats, unit types and array shape chosen together: one array that all layers share."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import ceil
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from macwright.dse.solver.exact.lagrangian import lagrangian_dual
from macwright.dse.solver.exact.type_sets import search_sets, set_bounds
from macwright.dse.solver.joint.least_area import least_area
from macwright.dse.solver.joint.problem import (
    ArrayShape,
    JointChoice,
    area_limit,
    groups_of_arrays,
    with_columns,
)
from macwright.dse.solver.joint.subproblems import Place, place_on
from macwright.dse.solver.model.problem import Budget, Count, Groups
from macwright.dse.solver.model.solution import Outcome, make_solution
from macwright.dse.solver.model.table import OptionTable
from macwright.hw.errors import Infeasible, RefusedInput

__all__ = ["best_temporal", "choose_temporal"]

Ints = NDArray[np.int64]


def choose_temporal(
    table: OptionTable,
    arrays: Sequence[ArrayShape],
    objective: str = "loss",
    budgets: Iterable[Budget | Count] = (),
    *,
    types: int,
    unit: str = "unit",
    area: str = "area",
    time_limit_s: float | None = None,
) -> JointChoice:
    """Choose the array, at most so many unit types on it, and an option for each layer.

    The area is shared, fixed area + that of each type used; every other column adds up over layers.

    Parameters
    ----------
    table : OptionTable
        Options; the label column `unit` says which type computes each.
    arrays : sequence of ArrayShape
        What could be built. Buffer sizes and clocks are further arrays.
    objective : str, default="loss"
        Column to minimise, or `area`.
    budgets : iterable of Budget or Count
        Limits of totals; of the area, an upper one.
    types : int
        Number of unit types on chip at most.
    unit, area : str
        Label column of the unit types; name of the shared area, which is no column.
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
    Exact: the least Lagrangian bound says which array comes next, its sets of types are searched as
    in :mod:`macwright.dse.solver.exact.type_sets`, and arrays whose bound is not below the best
    choice so far are done. The least area is the first of all (array, set), by area, that has an
    allocation.
    """
    budgets = list(budgets)
    choice = best_temporal(
        table,
        arrays,
        objective,
        budgets,
        types=types,
        unit=unit,
        area=area,
        time_limit_s=time_limit_s,
    )
    if choice is None:
        raise _why(table, arrays, budgets, types=types, unit=unit, area=area)
    return choice


def best_temporal(
    table: OptionTable,
    arrays: Sequence[ArrayShape],
    objective: str,
    budgets: Sequence[Budget | Count],
    *,
    types: int,
    unit: str = "unit",
    area: str = "area",
    time_limit_s: float | None = None,
) -> JointChoice | None:
    """As :func:`choose_temporal`, but ``None`` if no choice is within the limits."""
    began = perf_counter()
    deadline = began + time_limit_s if time_limit_s is not None else float("inf")
    _check(table, arrays, types, area)
    most_area = area_limit(budgets, area)
    others = [b for b in budgets if isinstance(b, Count) or b.column != area]
    by_area = objective == area
    problems = groups_of_arrays(
        table, arrays, objective=None if by_area else objective, budgets=others
    )
    names = np.asarray(table.label(unit), object).astype(str)
    places = [
        place
        for index, groups in enumerate(problems)
        if (place := place_on(index, groups, arrays[index], names, types, most_area, by_area))
    ]
    if by_area:
        least = least_area([(p.groups, p.classes, p.sets, p.areas) for p in places], deadline)
        if least is None:
            return None
        place, outcome = places[least[0]], Outcome(least[1], 0, True, "area order")
    else:
        place, outcome = _search(places, deadline)
    if outcome.chosen is None or place is None:
        if not outcome.infeasible:
            raise TimeoutError(f"A choice must be found within {time_limit_s} s: allow more time")
        return None
    options = place.smaller.expand(outcome.chosen)
    chosen = replace(outcome, chosen=options)
    column = next(iter(table.values)) if by_area else objective
    array = arrays[place.index]
    there = replace(problems[place.index], table=with_columns(table, array))
    solution = make_solution(there, chosen, seconds=perf_counter() - began, objective=column)
    units = sorted(set(names[options].tolist()))
    total = array.fixed_area + sum(array.area[name] for name in units)
    solution = replace(solution, totals={**solution.totals, area: total})
    if by_area:
        solution = replace(solution, objective=total, bound=total, gap=0.0)
    return JointChoice(solution=solution, array=array.name, units=tuple(units))


def _check(table: OptionTable, arrays: Sequence[ArrayShape], types: int, area: str) -> None:
    if types < 1:
        raise RefusedInput(f"Number of types must be at least 1, not {types}")
    if not arrays:
        raise RefusedInput("Arrays must be one or more, not none")
    if area in table.values:
        raise RefusedInput(f"Shared area must not be a column of the options, not {area!r}")
    names = [array.name for array in arrays]
    if len(set(names)) < len(names):
        raise RefusedInput("Names of the arrays must be all different, not some twice")


def _search(places: list[Place], deadline: float) -> tuple[Place | None, Outcome]:
    """Best choice of all arrays, the least bound first."""
    best, best_place, best_loss = None, None, None
    unproved: list[int] = []
    waiting = list(places)
    while waiting:
        place = min(waiting, key=lambda p: p.bound)
        if best_loss is not None and ceil(place.bound) >= best_loss:
            break
        if perf_counter() > deadline:
            unproved.append(max(0, ceil(place.bound)))
            break
        if not place.tight:
            dual = lagrangian_dual(place.groups, deadline=deadline)
            if np.isinf(dual.bound):
                waiting.remove(place)
                continue
            place.tight = True
            for other in waiting:
                every = np.arange(int(other.classes.max()) + 1, dtype=np.int16)[None, :]
                bound = set_bounds(
                    other.groups, other.classes, every, every.shape[1], dual.multipliers
                )
                other.bound = max(
                    other.bound, float(bound[0]) - _margin(other.groups, dual.multipliers)
                )
            continue
        waiting.remove(place)
        outcome = search_sets(
            place.groups, place.classes, place.sets, below=best_loss, deadline=deadline
        )
        if outcome.chosen is not None:
            best, best_place = outcome.chosen, place
            best_loss = int(place.groups.loss[best].sum())
        if not outcome.optimal and not outcome.infeasible:
            unproved.append(max(outcome.bound, ceil(place.bound)))
    if best_loss is None:
        return None, Outcome(None, 0, False, "arrays", infeasible=not unproved)
    bound = min([best_loss, *unproved])
    return best_place, Outcome(best, bound, bound == best_loss, "arrays and type sets")


def _margin(groups: Groups, multipliers: NDArray[np.float64]) -> float:
    """Most that floats may be wrong by in a bound at these multipliers."""

    def largest(values: Ints) -> float:
        return float(np.maximum.reduceat(np.abs(values), groups.start[:-1]).astype(float).sum())

    terms = [
        multiplier * (largest(row.cost) + abs(row.limit))
        for row, multiplier in zip(groups.rows, multipliers.tolist(), strict=True)
    ]
    return 1e-14 * (groups.n_groups + 8) * (largest(groups.loss) + sum(terms))


def _why(
    table: OptionTable,
    arrays: Sequence[ArrayShape],
    budgets: list[Budget | Count],
    *,
    types: int,
    unit: str,
    area: str,
) -> Infeasible:
    """Which upper limit, relaxed alone, would help, and by how much."""
    helps: list[tuple[float, str]] = []
    for index, budget in enumerate(budgets):
        if not isinstance(budget, Budget) or budget.max is None:
            continue
        rest = [other for i, other in enumerate(budgets) if i != index]
        if budget.min is not None:
            rest.append(Budget(budget.column, min=budget.min))
        if any(isinstance(b, Budget) and b.column == budget.column and b.max for b in rest):
            continue
        try:
            best = choose_temporal(
                table, arrays, budget.column, rest, types=types, unit=unit, area=area
            )
        except Infeasible:
            continue
        needed = best.solution.objective
        change = (needed - budget.max) / max(abs(budget.max), 1e-300)
        words = f"{budget.column!r} must be at least {needed:.12g}, not {budget.max:.12g}"
        helps.append((change, words))
    if helps:
        change, words = min(helps)
        return Infeasible(
            f"{words}: no choice is within the limits, and this is the cheapest relaxation "
            f"({100 * change:.3g} % off)"
        )
    return Infeasible(
        f"Limits must be relaxed together, not only one: no array with at most {types} unit types "
        "has an allocation within them"
    )
