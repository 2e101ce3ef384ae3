"""What the solver is compared with: the ratio greedy, NSGA-II, and relaxations by others."""

import time

import numpy as np

from macwright.dse.solver import OptionTable

__all__ = ["highs_relaxation", "nsga2", "ratio_greedy", "relaxation", "volume"]


def volume(points: np.ndarray, worst: np.ndarray) -> float:
    """Area that points dominate, both coordinates minimised, up to the worst corner."""
    points = points[(points <= worst).all(axis=1)]
    total, ceiling = 0.0, worst[1]
    for cost, loss in points[np.lexsort((points[:, 1], points[:, 0]))]:
        if loss < ceiling:
            total += (worst[0] - cost) * (ceiling - loss)
            ceiling = loss
    return total


def ratio_greedy(table: OptionTable, cost: str) -> np.ndarray:
    """From the cheapest options on, always the step of most loss saved for its cost."""
    rows = [range(a, b) for a, b in zip(table.start[:-1], table.start[1:], strict=True)]
    loss, costs = table.values["loss"], table.values[cost]
    chosen = [min(options, key=lambda row: (costs[row], loss[row])) for options in rows]
    points = [(costs[chosen].sum(), loss[chosen].sum())]
    while True:
        steps = [
            ((loss[now] - loss[row]) / max(costs[row] - costs[now], 1e-9), layer, row)
            for layer, now in enumerate(chosen)
            for row in rows[layer]
            if loss[row] < loss[now]
        ]
        if not steps:
            return np.array(points)
        _, layer, row = max(steps)
        chosen[layer] = row
        points.append((costs[chosen].sum(), loss[chosen].sum()))


def nsga2(table: OptionTable, cost: str, generations: int) -> tuple[np.ndarray, float]:
    """Front of pymoo's NSGA-II with a population of 100, and its seconds."""
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.problem import Problem
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.mutation.pm import PM
    from pymoo.operators.repair.rounding import RoundingRepair
    from pymoo.operators.sampling.rnd import IntegerRandomSampling
    from pymoo.optimize import minimize

    start, sizes = table.start[:-1], np.diff(table.start)

    class Allocation(Problem):
        def __init__(self) -> None:
            super().__init__(n_var=len(sizes), n_obj=2, xl=0, xu=sizes - 1, vtype=int)

        def _evaluate(self, x: np.ndarray, out: dict, *args: object, **kwargs: object) -> None:
            rows = start + x.astype(int)
            totals = [table.values[name][rows].sum(axis=1) for name in (cost, "loss")]
            out["F"] = np.column_stack(totals)

    algorithm = NSGA2(
        pop_size=100,
        sampling=IntegerRandomSampling(),
        crossover=SBX(vtype=float, repair=RoundingRepair()),
        mutation=PM(vtype=float, repair=RoundingRepair()),
        eliminate_duplicates=True,
    )
    began = time.perf_counter()
    found = minimize(Allocation(), algorithm, ("n_gen", generations), seed=1)
    return np.atleast_2d(np.asarray(found.F)), time.perf_counter() - began


def _threes(table: OptionTable) -> tuple[np.ndarray, np.ndarray]:
    """Losses and bits of groups of three options, shape (n_groups, 3)."""
    loss, bits = (table.values[name].reshape(-1, 3) for name in ("loss", "bits"))
    return loss, bits


def relaxation(table: OptionTable, limit: float) -> float:
    """Least loss with parts of options, of convex groups: the best steps first (Zemel 1980)."""
    loss, bits = _threes(table)
    steps = np.diff(bits, axis=1)
    saved = -np.diff(loss, axis=1)
    if not (saved[:, 0] * steps[:, 1] > saved[:, 1] * steps[:, 0]).all():
        raise ValueError("Groups must be convex")
    order = np.argsort(-(saved / steps).ravel())
    room = limit - bits[:, 0].sum() - np.concatenate(([0], np.cumsum(steps.ravel()[order])[:-1]))
    parts = np.clip(room / steps.ravel()[order], 0, 1)
    return float(loss[:, 0].sum() - (parts * saved.ravel()[order]).sum())


def highs_relaxation(table: OptionTable, limit: float) -> float:
    """The same by SciPy's HiGHS."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_matrix, identity, kron, vstack

    loss, bits = _threes(table)
    more, saved = bits[:, 1:] - bits[:, :1], loss[:, 1:] - loss[:, :1]
    unit, n = float(loss[:, 0].mean()), len(loss)
    rows = vstack([kron(identity(n), np.ones((1, 2))), csr_matrix(more.ravel()[None] / 1e3)])
    ends = np.concatenate((np.ones(n), [(limit - bits[:, 0].sum()) / 1e3]))
    found = linprog(saved.ravel() / unit, A_ub=rows.tocsr(), b_ub=ends, method="highs-ipm")
    if found.status != 0:
        raise ValueError(f"HiGHS must find an optimum: {found.message}")
    return float(found.fun * unit + loss[:, 0].sum())
