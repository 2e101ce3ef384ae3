"""What the solver's fronts are compared with: the ratio greedy and pymoo's NSGA-II."""

import time

import numpy as np

from macwright.dse.solver import OptionTable

__all__ = ["nsga2", "ratio_greedy", "volume"]


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
