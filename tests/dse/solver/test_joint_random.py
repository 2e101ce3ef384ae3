"""The joint choice on hundreds of random chips whose limits bind, against all allocations at once.

The chips of `test_dse_solver_joint` are small and of every kind; these are larger and all alike:
good options are costly, so that bounds, sets of types and lists of candidates have to be right.
"""

from itertools import product

import numpy as np
import pytest

from macwright.dse.solver import Budget, Infeasible, OptionTable
from macwright.dse.solver.joint.dataflow import choose_dataflow
from macwright.dse.solver.joint.problem import ArrayShape
from macwright.dse.solver.joint.temporal import choose_temporal

N_LAYERS, N_OPTIONS, N_TYPES, N_ARRAYS = 4, 6, 5, 4
ALL = np.array(list(product(range(N_OPTIONS), repeat=N_LAYERS)))
ROWS = ALL + N_OPTIONS * np.arange(N_LAYERS)


def table_of(columns: dict[str, np.ndarray], types: np.ndarray) -> OptionTable:
    return OptionTable(
        [f"l{i}" for i in range(N_LAYERS)],
        np.arange(0, N_LAYERS * N_OPTIONS + 1, N_OPTIONS),
        [f"o{i}" for i in range(N_OPTIONS)] * N_LAYERS,
        columns,
        {"unit": [f"u{i}" for i in types]},
    )


def costs_against(rng: np.random.Generator, loss: np.ndarray) -> np.ndarray:
    """Whole costs, lower where more is lost."""
    return np.rint(900 / (loss + 5) + rng.integers(0, 25, loss.size)).astype(float)


@pytest.mark.parametrize("objective", ["loss", "latency", "energy", "area"])
@pytest.mark.parametrize("types", [1, 2, 3])
def test_temporal_of_random_chips(objective: str, types: int) -> None:
    best_arrays = set()
    for seed in range(16):
        rng = np.random.default_rng([seed, types, len(objective)])
        # Few different losses: a bound that is one too high is wrong.
        loss = rng.integers(1, 8 if seed % 2 else 60, N_LAYERS * N_OPTIONS).astype(float)
        kinds = rng.integers(0, N_TYPES, loss.size)
        table = table_of({"loss": loss}, kinds)
        arrays, found = [], []
        for index in range(N_ARRAYS):
            of_type = rng.integers(1, 30, N_TYPES).astype(float)
            built = rng.random(N_TYPES) < 0.9
            built[0] = True
            fixed = float(rng.integers(0, 30))
            columns = {name: costs_against(rng, loss) for name in ("latency", "energy")}
            areas = {f"u{i}": float(of_type[i]) for i in np.flatnonzero(built)}
            arrays.append(
                ArrayShape(name=f"a{index}", area=areas, fixed_area=fixed, columns=columns)
            )
            used = (kinds[ROWS][:, :, None] == np.arange(N_TYPES)).any(axis=1)
            ok = (used.sum(axis=1) <= types) & ~(used & ~built).any(axis=1)
            totals = {n: c[ROWS].sum(axis=1) for n, c in {"loss": loss, **columns}.items()}
            totals["area"] = fixed + used @ of_type
            found.append({name: total[ok] for name, total in totals.items()})
        every = {name: np.concatenate([f[name] for f in found]) for name in found[0]}
        if not every["loss"].size:
            continue
        budgets, fits = [], np.ones(every["loss"].size, bool)
        for name in (n for n in every if n != objective):
            limit = float(np.quantile(every[name][fits], rng.uniform(0.15, 0.5), method="lower"))
            budgets.append(Budget(name, max=limit))
            fits &= every[name] <= limit
        best = choose_temporal(table, arrays, objective, budgets, types=types)
        assert best.solution.objective == every[objective][fits].min() == best.solution.bound
        assert best.solution.status == "optimal"
        assert all(best.solution.totals[b.column] <= (b.max or 0) for b in budgets)
        best_arrays.add(best.array)
    # The answer is not always on the first array that is looked at.
    assert len(best_arrays) > 2


@pytest.mark.parametrize("objective", ["loss", "luts", "cycles"])
def test_dataflow_of_random_engines(objective: str) -> None:
    for seed in range(40):
        rng = np.random.default_rng([seed, len(objective)])
        loss = rng.integers(1, 60, N_LAYERS * N_OPTIONS).astype(float)
        cycles = rng.integers(1, 40, loss.size).astype(float)
        luts = np.rint(costs_against(rng, loss) + 200 / cycles)
        columns = {"loss": loss, "luts": luts, "brams": costs_against(rng, loss)}
        totals = {name: column[ROWS].sum(axis=1) for name, column in columns.items()}
        totals["cycles"] = cycles[ROWS].max(axis=1)
        budgets, fits = [], np.ones(len(ROWS), bool)
        for name in (n for n in totals if n != objective):
            limit = float(np.quantile(totals[name][fits], rng.uniform(0.1, 0.4), method="lower"))
            budgets.append(Budget(name, max=limit))
            fits &= totals[name] <= limit
        table = table_of({**columns, "cycles": cycles}, np.zeros(loss.size, np.int64))
        best = choose_dataflow(table, objective, budgets)
        assert best.objective == totals[objective][fits].min() == best.bound
        assert all(best.totals[b.column] <= (b.max or 0) for b in budgets)
        none = Budget("luts", max=float(totals["luts"][fits].min()) - 1)
        with pytest.raises(Infeasible, match="must be"):
            choose_dataflow(table, "brams", [*(b for b in budgets if b.column != "luts"), none])
