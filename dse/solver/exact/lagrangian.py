"""Lagrangian bound: limits moved into the objective, each with a Lagrange multiplier."""

from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from ortools.linear_solver import pywraplp

from macwright.dse.solver.model.problem import Groups

__all__ = ["Dual", "lagrangian_dual", "least_of_groups"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Dual:
    """Best Lagrange multipliers found, and what they prove.

    Parameters
    ----------
    multipliers : array of float, shape (n_rows,)
        At least zero; scaled loss for each unit of the scaled cost of a row.
    bound : float
        No allocation within the limits has less scaled loss; infinite if there is none.
    reduced : array of float, shape (n_options,)
        Priced loss of each option above the least of its group: an allocation within the limits
        has at least the loss `bound` + the sum of these.
    margin : float
        Largest rounding error of `bound` plus such a sum.
    allocations : list of array of int, shape (n_groups,)
        Options that were best at the multipliers tried, last ones last.
    """

    multipliers: Floats
    bound: float
    reduced: Floats
    margin: float
    allocations: list[Ints]


def least_of_groups(values: Floats, start: Ints) -> tuple[Floats, Ints]:
    """Least value of each group and the index of the first option that has it."""
    sizes = np.diff(start)
    if sizes[0] and (sizes == sizes[0]).all():
        square = values.reshape(len(sizes), sizes[0])
        first = square.argmin(axis=1)
        return square[np.arange(len(sizes)), first], start[:-1] + first
    least = np.minimum.reduceat(values, start[:-1])
    hits = np.flatnonzero(values == np.repeat(least, sizes))
    group_of_hit = np.searchsorted(start, hits, side="right") - 1
    return least, hits[np.concatenate(([True], group_of_hit[1:] > group_of_hit[:-1]))]


def lagrangian_dual(
    groups: Groups,
    *,
    tolerance: float = 1e-9,
    most_steps: int = 150,
    deadline: float = float("inf"),
) -> Dual:
    """Maximise the Lagrangian bound over the multipliers, by Kelley's cutting planes.

    Parameters
    ----------
    groups : Groups
        The problem.
    tolerance : float, default=1e-9
        Stop when the best bound is within this of what any multipliers can give, relative to the
        least loss found or, if none is known, to the range of the loss.
    most_steps : int, default=150
        Prices tried at most.
    deadline : float
        Value of `time.perf_counter` at which to stop.

    Notes
    -----
    All multipliers give a valid bound: the accuracy of the linear solver decides only how good it
    is.
    """
    rows, start = groups.rows, groups.start
    loss = groups.loss.astype(np.float64)
    excess, limits, worth = [], [], []
    loss_range = float(
        (np.maximum.reduceat(loss, start[:-1]) - np.minimum.reduceat(loss, start[:-1])).sum()
    )
    loss_range = max(loss_range, 1.0)
    for row in rows:
        sign = 1.0 if row.upper else -1.0
        cost = sign * row.cost.astype(np.float64)
        spread = np.maximum.reduceat(cost, start[:-1]) - np.minimum.reduceat(cost, start[:-1])
        excess.append(cost)
        limits.append(sign * row.limit)
        worth.append(loss_range / max(float(spread.sum()), 1.0))
    costs = np.array(excess).reshape(len(rows), len(loss))
    limit, unit = np.array(limits, np.float64), np.array(worth, np.float64)
    most_loss = float(np.maximum.reduceat(loss, start[:-1]).sum())
    box, best, best_multiplier = 16.0, -np.inf, np.zeros(len(rows))
    allocations: list[Ints] = []
    cuts: dict[tuple[float, tuple[float, ...]], None] = {}
    least_loss = np.inf
    multiplier = np.zeros(len(rows))
    for _ in range(most_steps):
        penalised = loss + (multiplier * unit) @ costs
        least, chosen = least_of_groups(penalised, start)
        value = float(least.sum() - (multiplier * unit) @ limit)
        allocations.append(chosen)
        over = costs[:, chosen].sum(axis=1) - limit
        total = float(loss[chosen].sum())
        if (over <= 0).all():
            least_loss = min(least_loss, total)
        if value > best:
            best, best_multiplier = value, multiplier
        if not rows or perf_counter() > deadline or best > most_loss * (1 + 1e-9) + 1:
            break
        cut = (total / loss_range, tuple((unit * over / loss_range).tolist()))
        # No new choice, or none that could help: the bound is the best in the box.
        settled = cut in cuts
        cuts[cut] = None
        if not settled:
            answer = _master(list(cuts), box)
            scale = least_loss if np.isfinite(least_loss) else loss_range
            if answer is None:
                break  # numerically hard: the bound so far is as valid
            multiplier, ceiling = answer
            settled = ceiling * loss_range - best <= tolerance * scale + 1e-12 * loss_range
        if settled:
            if (multiplier < box * 0.999).all() or box > 1e14:
                break
            box *= 64
            if (answer := _master(list(cuts), box)) is None:
                break
            multiplier = answer[0]
    multipliers = best_multiplier * unit
    penalised = loss + multipliers @ costs
    least, _ = least_of_groups(penalised, start)
    absolute = float((np.maximum.reduceat(np.abs(penalised), start[:-1])).sum())
    margin = 1e-15 * (len(start) + 8) ** 0.5 * 8 * (absolute + float(multipliers @ np.abs(limit)))
    bound = np.inf if best > most_loss * (1 + 1e-9) + 1 + margin else best
    reduced = penalised - np.repeat(least, np.diff(start))
    return Dual(multipliers, bound, reduced, margin, allocations)


def _master(cuts: list[tuple[float, tuple[float, ...]]], box: float) -> tuple[Floats, float] | None:
    """Prices in a box that maximise the least of the cuts, and that maximum; None on failure."""
    solver = pywraplp.Solver.CreateSolver("GLOP")
    height = solver.NumVar(-solver.infinity(), solver.infinity(), "height")
    multipliers = [solver.NumVar(0.0, box, "") for _ in cuts[0][1]]
    for total, over in cuts:
        cut = solver.Constraint(-solver.infinity(), total)
        cut.SetCoefficient(height, 1.0)
        for multiplier, amount in zip(multipliers, over, strict=True):
            cut.SetCoefficient(multiplier, -amount)
    solver.Objective().SetCoefficient(height, 1.0)
    solver.Objective().SetMaximization()
    if solver.Solve() != pywraplp.Solver.OPTIMAL:
        return None
    prices = np.array([multiplier.solution_value() for multiplier in multipliers])
    return np.clip(prices, 0.0, box), float(solver.Objective().Value())
