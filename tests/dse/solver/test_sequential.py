"""The choice of hardware after the formats, against all formats on all hardware."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from macwright.dse.search.joint import joint_points
from macwright.dse.search.joint_problem import JointProblem
from macwright.dse.solver import ArrayShape, Budget, OptionTable
from macwright.dse.solver.joint.sequential import (
    FormatFront,
    sequential_dataflow,
    sequential_temporal,
)

N_LAYERS, FORMATS, UNITS = 3, ("f0", "f1", "f2"), ("u0", "u1", "u2")
SEEDS = range(6)


def chip(seed: int) -> tuple[OptionTable, list[ArrayShape]]:
    """Layers of three formats, each on two or three units; totals of formats are all different."""
    rng = np.random.default_rng(seed)
    shared = {
        name: rng.integers(1, 10**6, (N_LAYERS, len(FORMATS))).astype(float)
        for name in ("loss", "bops")
    }
    # Formats that lose less have more bit operations, or the front has one point.
    shared["bops"].sort(axis=1)
    shared["loss"] = -np.sort(-shared["loss"], axis=1)
    places = [
        (layer, fmt, unit)
        for layer, fmt, unit in product(range(N_LAYERS), range(len(FORMATS)), UNITS)
        if unit != UNITS[(layer + fmt + seed) % 4 % 3] or rng.random() < 0.3
    ]
    ends = np.searchsorted([layer for layer, _, _ in places], range(N_LAYERS + 1))
    table = OptionTable(
        [f"l{i}" for i in range(N_LAYERS)],
        ends,
        [f"{FORMATS[fmt]} on {unit}" for _, fmt, unit in places],
        {name: np.array([of[layer, fmt] for layer, fmt, _ in places])
         for name, of in shared.items()},
        {"unit": [unit for *_, unit in places],
         "formats": [FORMATS[fmt] for _, fmt, _ in places],
         "mode": ["-"] * len(places)},
    )  # fmt: skip
    arrays = [
        ArrayShape(
            name=f"a{index}",
            area={unit: float(rng.integers(1, 30)) for unit in UNITS},
            fixed_area=float(rng.integers(0, 9)),
            columns={"latency_ms": rng.integers(1, 40, len(places)).astype(float)},
        )
        for index in range(2)
    ]
    return table, arrays


def choices(table: OptionTable, arrays: list[ArrayShape]) -> Iterator[dict[str, Any]]:
    """Every allocation on every array."""
    layers = [range(a, b) for a, b in zip(table.start[:-1], table.start[1:], strict=True)]
    for array, rows in product(arrays, product(*layers)):
        units = {table.labels["unit"][row] for row in rows}
        columns = {**table.values, **array.columns}
        totals = {name: float(sum(column[row] for row in rows)) for name, column in columns.items()}
        totals["area"] = array.fixed_area + sum(array.area[unit] for unit in units)
        formats = tuple(table.labels["formats"][row] for row in rows)
        yield {**totals, "formats": formats, "units": units}


def front_of(every: list[dict[str, Any]], names: tuple[str, str]) -> list[dict[str, Any]]:
    """Those of which no other is as good in both totals."""
    found: list[dict[str, Any]] = []
    for one in sorted(every, key=lambda each: (each[names[0]], each[names[1]])):
        if not found or one[names[1]] < found[-1][names[1]]:
            found.append(one)
    return found


def formats_of(every: list[dict[str, Any]], most: int = N_LAYERS) -> set[tuple[str, ...]]:
    """Formats on the front of loss against bit operations, of at most so many different ones."""
    few = [one for one in every if len(set(one["formats"])) <= most]
    return {one["formats"] for one in front_of(few, ("bops", "loss"))}


def limits(every: list[dict[str, Any]], objective: str, rng: np.random.Generator) -> list[Budget]:
    """Of the other totals, so that some choices are out."""
    names = [name for name in ("loss", "area", "latency_ms") if name != objective]
    quantiles = {name: np.quantile([one[name] for one in every], rng.uniform(0.3, 0.9))
                 for name in names}  # fmt: skip
    return [Budget(name, max=float(value)) for name, value in quantiles.items()]


def within(one: dict[str, Any], budgets: list[Budget]) -> bool:
    return all(one[budget.column] <= (budget.max or 0) for budget in budgets)


def built(every: list[dict[str, Any]], types: int, budgets: list[Budget]) -> list[dict[str, Any]]:
    return [one for one in every if len(one["units"]) <= types and within(one, budgets)]


@pytest.mark.parametrize("objective", ["loss", "area", "latency_ms"])
@pytest.mark.parametrize("types", [1, 2, 3])
def test_array_for_the_formats_is_the_best_of_all(objective: str, types: int) -> None:
    none = 0
    for seed in SEEDS:
        table, arrays = chip(seed)
        every = list(choices(table, arrays))
        budgets = limits(every, objective, np.random.default_rng([seed, types]))
        wanted = formats_of(every)
        assert len(wanted) > 3
        ok = [one[objective] for one in built(every, types, budgets) if one["formats"] in wanted]
        found = sequential_temporal(
            table,
            arrays,
            objective,
            budgets,
            types=types,
            formats=FormatFront(label="formats", points=1000),
        )
        none += found is None
        assert (found is None) == (not ok)
        if found is not None:
            assert found.solution.objective == min(ok)
    assert none < len(SEEDS)


@pytest.mark.parametrize("objective", ["loss", "luts", "cycles"])
def test_engines_for_the_formats_are_the_best_of_all(objective: str) -> None:
    for seed in SEEDS:
        table, (array, _) = chip(seed)
        rng = np.random.default_rng([seed, 7])
        n = len(table.options)
        engines = {name: rng.integers(1, 30, n).astype(float) for name in ("luts", "cycles")}
        table = replace(table, values={**table.values, **engines})
        every = []
        for one, rows in zip(choices(table, [array]), product(*_layers(table)), strict=True):
            every.append({**one, "cycles": max(float(engines["cycles"][row]) for row in rows)})
        names = [name for name in ("loss", *engines) if name != objective]
        budgets = [
            Budget(name, max=float(np.quantile([one[name] for one in every], 0.5)))
            for name in names
        ]
        wanted = formats_of(every)
        ok = [one[objective] for one in every if one["formats"] in wanted and within(one, budgets)]
        found = sequential_dataflow(
            table, objective, budgets, formats=FormatFront(label="formats", points=1000)
        )
        assert (None if found is None else found.objective) == min(ok, default=None)


def _layers(table: OptionTable) -> list[range]:
    return [range(a, b) for a, b in zip(table.start[:-1], table.start[1:], strict=True)]


@pytest.mark.parametrize("types", [1, 2])
@pytest.mark.parametrize("cost", ["area", "latency_ms"])
def test_sequential_points_of_a_run_are_the_best_of_all(cost: str, types: int) -> None:
    """Those of `macwright dse`: also of the front of no more formats than unit types."""
    compared = 0
    for seed in SEEDS:
        table, arrays = chip(seed)
        every = list(choices(table, arrays))
        budgets = [
            b for b in limits(every, cost, np.random.default_rng(seed)) if b.column != "loss"
        ]
        wanted = formats_of(every) | formats_of(every, types)
        ok = [one for one in built(every, types, budgets) if one["formats"] in wanted]
        problem = JointProblem(table=table, arrays=arrays, types=types)
        if not built(every, types, budgets):
            continue
        found = joint_points(problem, cost, budgets, points=2, format_points=1000)
        expected = [(one[cost], one["loss"]) for one in front_of(ok, (cost, "loss"))]
        assert [(p.totals[cost], p.totals["loss"]) for p in found.sequential] == expected
        compared += len(expected) > 1
    assert compared > 1
