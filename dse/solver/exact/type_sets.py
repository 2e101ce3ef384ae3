"""At most K different unit types on chip: sets of types, bounds between, exact search inside."""

from dataclasses import dataclass
from itertools import combinations
from math import ceil, comb
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from macwright.dse.solver.backends.cp_sat import solve_cpsat
from macwright.dse.solver.exact.lagrangian import lagrangian_dual
from macwright.dse.solver.exact.optimise import optimise
from macwright.dse.solver.model.problem import Groups
from macwright.dse.solver.model.solution import Outcome
from macwright.dse.solver.reduce.dominance import drop_dominated
from macwright.dse.solver.reduce.restriction import restrict

__all__ = ["TypeLimit", "optimise_types", "search_sets", "set_bounds"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: More sets of types than this are left to CP-SAT.
MOST_SETS = 3_000_000


@dataclass(frozen=True, eq=False)
class TypeLimit:
    """At most `most` different classes among the chosen options.

    Parameters
    ----------
    classes : array of int, shape (n_options,)
        Unit type of each option, from 0.
    most : int
    """

    classes: Ints
    most: int


def optimise_types(groups: Groups, limit: TypeLimit, *, deadline: float = float("inf")) -> Outcome:
    """Best choice that uses few types, by decomposition.

    The Lagrangian bound of every set of types is a sum of minima, so the same multipliers bound
    all sets at once. The set with the least bound is solved exactly; its multipliers go into the
    pool; sets whose bound is not below the best choice so far are done.

    Parameters
    ----------
    groups : Groups
        The problem.
    limit : TypeLimit
        Types of its options.
    deadline : float
        Value of `time.perf_counter` at which to stop.
    """
    smaller = drop_dominated(groups, limit.classes)
    names, classes = np.unique(smaller.values(limit.classes), return_inverse=True)
    size = min(limit.most, len(names))
    if comb(len(names), size) > MOST_SETS:
        result = solve_cpsat(smaller.groups, classes=classes, most_classes=size, deadline=deadline)
        return smaller.outcome(result.outcome(smaller.groups))
    sets = np.array(list(combinations(range(len(names)), size)), np.int16)
    return smaller.outcome(search_sets(smaller.groups, classes, sets, deadline=deadline))


def search_sets(
    groups: Groups,
    classes: Ints,
    sets: NDArray[np.int16],
    *,
    below: int | None = None,
    deadline: float = float("inf"),
) -> Outcome:
    """Best choice that uses the types of one of the sets only.

    Parameters
    ----------
    groups : Groups
        The problem, without options that another of their type dominates.
    classes : array of int, shape (n_options,)
        Unit type of each option, from 0.
    sets : array of int, shape (n_sets, size)
        Types of each set; one may occur twice.
    below : int, optional
        Only losses below this are of interest. Where there is none, the outcome has no choice,
        is optimal, and has this as its bound.
    deadline : float
        Value of `time.perf_counter` at which to stop.
    """
    n_types = max(int(classes.max()), int(sets.max(initial=0))) + 1
    sets = sets[covering(groups, classes, sets, n_types)]
    if not len(sets):
        return Outcome(None, 0, False, "type sets", infeasible=True)
    relaxed = lagrangian_dual(groups)
    if np.isinf(relaxed.bound):
        return Outcome(None, 0, False, "type sets", infeasible=True)
    multipliers = [np.zeros(len(groups.rows)), relaxed.multipliers]
    bounds = np.full(len(sets), -np.inf)
    for multiplier in multipliers:
        np.maximum(bounds, set_bounds(groups, classes, sets, n_types, multiplier), out=bounds)
    open_sets = np.ones(len(sets), bool)
    best, best_loss = None, below
    while open_sets.any():
        if best_loss is not None:
            # Losses are integers.
            open_sets &= np.ceil(bounds - relaxed.margin) < best_loss
            if not open_sets.any():
                break
        candidates = np.flatnonzero(open_sets)
        index = int(candidates[np.argmin(bounds[candidates])])
        if perf_counter() > deadline:
            bound = bounds[index] - relaxed.margin
            return Outcome(
                best, max(0, ceil(bound)) if np.isfinite(bound) else 0, False, "type sets"
            )
        inside = restrict(groups, np.isin(classes, sets[index]))
        dual = lagrangian_dual(inside.groups)
        open_sets[index] = False
        if np.isinf(dual.bound):
            continue
        rest = np.flatnonzero(open_sets)
        better = set_bounds(groups, classes, sets[rest], n_types, dual.multipliers)
        bounds[rest] = np.maximum(bounds[rest], better)
        if best_loss is not None and ceil(dual.bound - dual.margin) >= best_loss:
            continue
        answer = inside.outcome(optimise(inside.groups, deadline=deadline, below=best_loss))
        if answer.chosen is not None:
            loss = int(groups.loss[answer.chosen].sum())
            if best_loss is None or loss < best_loss:
                best, best_loss = answer.chosen, loss
        proved = answer.optimal or answer.infeasible
        if not proved and (best_loss is None or answer.bound < best_loss):
            left = [answer.bound, *(bounds[open_sets] - relaxed.margin)]
            return Outcome(best, max(0, ceil(min(left))), False, "type sets")
    if best_loss is None:
        return Outcome(None, 0, False, "type sets", infeasible=True)
    return Outcome(best, best_loss, True, "type sets")


def covering(groups: Groups, classes: Ints, sets: NDArray[np.int16], n: int) -> NDArray[np.bool_]:
    """Sets that have an option for every group."""
    group_of = np.repeat(np.arange(groups.n_groups), np.diff(groups.start))
    has = np.zeros((groups.n_groups, n), bool)
    has[group_of, classes] = True
    covered = np.ones(len(sets), bool)
    for row in np.unique(has, axis=0):
        covered &= row[sets].any(axis=1)
    return covered


def set_bounds(
    groups: Groups, classes: Ints, sets: NDArray[np.int16], n: int, multipliers: Floats
) -> Floats:
    """Lagrangian bound of each set of types at the same multipliers, shape (n_sets,)."""
    penalised = groups.loss.astype(np.float64)
    constant = 0.0
    for row, multiplier in zip(groups.rows, multipliers.tolist(), strict=True):
        sign = multiplier if row.upper else -multiplier
        penalised = penalised + sign * row.cost
        constant -= sign * row.limit
    group_of = np.repeat(np.arange(groups.n_groups), np.diff(groups.start))
    least = np.full((groups.n_groups, n), np.inf)
    np.minimum.at(least, (group_of, classes), penalised)
    total = np.full(len(sets), constant)
    for of_group in least:
        total += of_group[sets].min(axis=1)
    return total
