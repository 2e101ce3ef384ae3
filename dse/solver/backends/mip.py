"""SCIP, HiGHS and CBC through OR-Tools: mixed-integer programming with the gap set to zero."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from ortools.linear_solver import pywraplp

from macwright.dse.solver.model.pairs import Pair
from macwright.dse.solver.model.problem import Groups
from macwright.hw.errors import RefusedInput

__all__ = ["SOLVERS", "LinearResult", "solve_linear"]

#: Names for users, and OR-Tools' own.
SOLVERS = {"scip": "SCIP", "highs": "HIGHS", "cbc": "CBC"}

#: These solvers compute in doubles and take a row as kept when it is missed by this part.
TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class LinearResult:
    """What the solver answered.

    Parameters
    ----------
    chosen : array of int, shape (n_groups,), or None
        Within the limits in exact integers.
    bound : float
        The solver's lower bound of the scaled loss.
    proved : bool
        Its status was optimal (infeasible, if `chosen` is ``None``), with a gap of zero.
    error : float
        Scaled loss to which its doubles can be trusted.
    """

    chosen: NDArray[np.int64] | None
    bound: float
    proved: bool
    error: float


def solve_linear(
    groups: Groups,
    solver: str,
    *,
    pairs: Sequence[Pair] = (),
    classes: NDArray[np.int64] | None = None,
    most_classes: int = 0,
    deadline: float = float("inf"),
) -> LinearResult:
    """Minimise the loss within the limits.

    Parameters
    ----------
    groups : Groups
        The problem.
    solver : {"scip", "highs", "cbc"}
        HiGHS by default calls a relative gap of 1e-4 optimal: here the gap is zero.
    pairs : sequence of Pair
        Of two groups that have one, every pair of options, with losses of at least zero.
    classes : array of int, shape (n_options,), optional
        Class of each option.
    most_classes : int
        How many different ones may be chosen.
    deadline : float
        Value of `time.perf_counter` at which to stop.
    """
    if solver not in SOLVERS:
        raise RefusedInput(f"Solver must be one of {', '.join(SOLVERS)}, not {solver!r}")
    model = pywraplp.Solver.CreateSolver(SOLVERS[solver])
    if solver == "highs":
        # Its banner would go to standard output, between the lines of --json.
        model.SetSolverSpecificParametersAsString("output_flag=false\n")
    model.SuppressOutput()
    loss = groups.loss.astype(np.float64)
    start = groups.start
    least = np.repeat(np.minimum.reduceat(loss, start[:-1]), np.diff(start))
    above = loss - least
    unit = float(np.maximum.reduceat(above, start[:-1]).sum())
    unit = max(unit, float(max((pair.loss for pair in pairs), default=0)), 1.0)
    chosen = [model.BoolVar("") for _ in range(len(loss))]
    for a, b in zip(start[:-1].tolist(), start[1:].tolist(), strict=True):
        exactly_one = model.Constraint(1.0, 1.0)
        for variable in chosen[a:b]:
            exactly_one.SetCoefficient(variable, 1.0)
    for row in groups.rows:
        size = max(float(np.abs(row.cost).max()), 1.0)
        limit = row.limit / size
        bounds = (-model.infinity(), limit) if row.upper else (limit, model.infinity())
        constraint = model.Constraint(*bounds)
        for variable, cost in zip(chosen, (row.cost / size).tolist(), strict=True):
            constraint.SetCoefficient(variable, cost)
    if classes is not None:
        _limit_classes(model, chosen, start, classes, most_classes)
    goal = model.Objective()
    # A thousand per unit: absolute tolerances of the solvers are near 1e-6.
    scale = 1e3 * len(start) / unit
    for variable, weight in zip(chosen, (above * scale).tolist(), strict=True):
        goal.SetCoefficient(variable, weight)
    _add_products(model, goal, chosen, start, pairs, scale)
    goal.SetMinimization()
    options = pywraplp.MPSolverParameters()
    options.SetDoubleParam(options.RELATIVE_MIP_GAP, 0.0)
    if solver != "cbc":
        options.SetDoubleParam(options.PRIMAL_TOLERANCE, TOLERANCE)
    if deadline < float("inf"):
        model.SetTimeLimit(max(1, int(1000 * (deadline - perf_counter()))))
    with _quiet():
        status = model.Solve(options)
    offset = float(np.minimum.reduceat(loss, start[:-1]).sum())
    error = 1e-6 * unit / (1e3 * len(start)) + 1e-9 * unit
    if status == pywraplp.Solver.INFEASIBLE:
        return LinearResult(None, 0.0, True, error)
    if status not in (pywraplp.Solver.OPTIMAL, pywraplp.Solver.FEASIBLE):
        return LinearResult(None, 0.0, False, error)
    picks = np.flatnonzero([variable.solution_value() > 0.5 for variable in chosen])
    bound = goal.BestBound() / scale + offset
    inside = len(picks) == groups.n_groups and all(
        (int(row.cost[picks].sum()) <= row.limit)
        if row.upper
        else (int(row.cost[picks].sum()) >= row.limit)
        for row in groups.rows
    )
    proved = status == pywraplp.Solver.OPTIMAL and inside
    return LinearResult(picks if inside else None, bound, proved, error)


@contextmanager
def _quiet() -> Iterator[None]:
    """Discard what a solver writes to standard output itself, past Python."""
    sys.stdout.flush()
    saved, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)
        os.close(nowhere)


def _limit_classes(
    model: pywraplp.Solver,
    chosen: list[pywraplp.Variable],
    start: NDArray[np.int64],
    classes: NDArray[np.int64],
    most: int,
) -> None:
    """A group takes options of a class only if the class is used, of which few are.

    One inequality for all options of a class in a group: the relaxation is tighter than with one
    for each option.
    """
    used = {c: model.BoolVar("") for c in np.unique(classes).tolist()}
    limit = model.Constraint(0.0, float(most))
    for variable in used.values():
        limit.SetCoefficient(variable, 1.0)
    group_of = np.repeat(np.arange(len(start) - 1), np.diff(start)).tolist()
    links: dict[tuple[int, int], pywraplp.Constraint] = {}
    for variable, key in zip(chosen, zip(group_of, classes.tolist(), strict=True), strict=True):
        if key not in links:
            links[key] = model.Constraint(-model.infinity(), 0.0)
            links[key].SetCoefficient(used[key[1]], -1.0)
        links[key].SetCoefficient(variable, 1.0)


def _add_products(
    model: pywraplp.Solver,
    goal: pywraplp.Objective,
    chosen: list[pywraplp.Variable],
    start: NDArray[np.int64],
    pairs: Sequence[Pair],
    scale: float,
) -> None:
    """Products of one option with all of another group sum to the option itself."""
    group_of = np.repeat(np.arange(len(start) - 1), np.diff(start)).tolist()
    links: dict[tuple[int, int], pywraplp.Constraint] = {}
    for pair in pairs:
        both = model.NumVar(0.0, 1.0, "")
        goal.SetCoefficient(both, pair.loss * scale)
        for option, other in ((pair.first, pair.second), (pair.second, pair.first)):
            key = (option, group_of[other])
            if key not in links:
                links[key] = model.Constraint(0.0, 0.0)
                links[key].SetCoefficient(chosen[option], -1.0)
            links[key].SetCoefficient(both, 1.0)
