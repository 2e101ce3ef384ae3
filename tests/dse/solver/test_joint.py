"""Formats and hardware chosen together, against brute force over everything."""

from dataclasses import replace
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from macwright.dse.solver import Budget, Count, OptionTable
from macwright.dse.solver.joint.dataflow import choose_dataflow
from macwright.dse.solver.joint.problem import ArrayShape
from macwright.dse.solver.joint.sequential import (
    FormatFront,
    sequential_dataflow,
    sequential_temporal,
)
from macwright.dse.solver.joint.temporal import choose_temporal
from macwright.dse.solver.model.problem import group
from macwright.dse.solver.reduce.dominance import keep_non_dominated

UNITS = ("u0", "u1", "u2", "u3")
OPTIONS = ("int2/u0", "int4/u0", "int4/u1", "int8/u1", "int8/u2", "e4m3/u3")


@st.composite
def chips(draw: st.DrawFn) -> tuple[OptionTable, list[ArrayShape]]:
    """Up to three layers with up to five options of four unit types, on up to three arrays."""
    whole = st.integers(0, 20).map(float)
    sizes = draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
    names = [draw(st.permutations(OPTIONS))[:size] for size in sizes]
    n = sum(sizes)

    def column() -> list[float]:
        return draw(st.lists(whole, min_size=n, max_size=n))

    table = OptionTable(
        [f"l{i}" for i in range(len(sizes))],
        np.concatenate(([0], np.cumsum(sizes))),
        [name for of_layer in names for name in of_layer],
        {"loss": np.array(column()), "bytes": np.array(column())},
        {"unit": [name.split("/")[1] for of_layer in names for name in of_layer]},
    )
    arrays = []
    for index in range(draw(st.integers(1, 3))):
        built = draw(st.lists(st.sampled_from(UNITS), min_size=1, unique=True))
        arrays.append(
            ArrayShape(
                name=f"a{index}",
                area={name: draw(whole) for name in built},
                fixed_area=draw(whole),
                columns={"latency": np.array(column()), "energy": np.array(column())},
            )
        )
    return table, arrays


def every_chip(table: OptionTable, arrays: list[ArrayShape], types: int) -> list[dict[str, Any]]:
    """Totals of all allocations on all arrays with all sets of types; nothing is pruned."""
    layers = [range(a, b) for a, b in zip(table.start[:-1], table.start[1:], strict=True)]
    units = table.labels["unit"]
    found = []
    for array in arrays:
        columns = {**table.values, **array.columns}
        for size in range(1, types + 1):
            for built in combinations(sorted(array.area), size):
                area = array.fixed_area + sum(array.area[u] for u in built)
                for rows in product(*layers):
                    if {units[row] for row in rows} <= set(built):
                        totals = {c: sum(float(v[r]) for r in rows) for c, v in columns.items()}
                        options = tuple(table.options[row] for row in rows)
                        found.append(
                            {**totals, "area": area, "array": array.name, "options": options}
                        )
    return found


@settings(max_examples=40, deadline=None)
@given(chips(), st.integers(1, 3), st.data())
def test_temporal_is_the_best_of_all_chips(
    chip: tuple[OptionTable, list[ArrayShape]], types: int, data: st.DataObject
) -> None:
    check_temporal(chip, types, data)


@pytest.mark.slow
@settings(max_examples=2000, deadline=None)
@given(chips(), st.integers(1, 3), st.data())
def test_temporal_is_the_best_of_thousands(
    chip: tuple[OptionTable, list[ArrayShape]], types: int, data: st.DataObject
) -> None:
    check_temporal(chip, types, data)


def check_temporal(
    chip: tuple[OptionTable, list[ArrayShape]], types: int, data: st.DataObject
) -> None:
    table, arrays = chip
    columns = ["loss", "bytes", "latency", "energy", "area"]
    objective = data.draw(st.sampled_from(columns))
    limited = data.draw(st.lists(st.sampled_from(columns), max_size=3, unique=True))
    budgets: list[Budget | Count] = [
        Budget(c, max=data.draw(st.integers(0, 70).map(float))) for c in limited if c != objective
    ]
    least = data.draw(st.sampled_from([None, None, 5.0, 20.0]))
    if least is not None:
        budgets.append(Budget("bytes", min=least))
    most = data.draw(st.sampled_from([None, None, 1]))
    if most is not None and any("int4" in option for option in table.options):
        budgets.append(Count("int4*", max=most))

    def fits(found: dict[str, Any]) -> bool:
        for budget in budgets:
            if isinstance(budget, Count):
                value = sum("int4" in option for option in found["options"])
            else:
                value = found[budget.column]
            if budget.max is not None and value > budget.max:
                return False
            if budget.min is not None and value < budget.min:
                return False
        return True

    ok = [found for found in every_chip(table, arrays, types) if fits(found)]
    if not ok:
        with pytest.raises(ValueError, match=r"cheapest relaxation|not only one"):
            choose_temporal(table, arrays, objective, budgets, types=types)
        return
    best = choose_temporal(table, arrays, objective, budgets, types=types)
    solution = best.solution
    assert solution.status == "optimal"
    assert solution.objective == min(found[objective] for found in ok) == solution.bound
    assert len(best.units) <= types
    options = tuple(solution.allocation[layer] for layer in table.layers)
    same = [f for f in ok if f["array"] == best.array and f["options"] == options]
    # The totals are those of the chip with just the types used.
    cheapest = min(same, key=lambda found: found["area"])
    assert {c: solution.totals[c] for c in columns} == {c: cheapest[c] for c in columns}
    then = sequential_temporal(
        table, arrays, objective, budgets, types=types, formats=FormatFront(proxy="bytes")
    )
    if then is not None:
        assert then.solution.objective >= solution.objective
        assert {c: then.solution.totals[c] for c in columns} in [
            {c: found[c] for c in columns} for found in ok
        ]


@st.composite
def engines(draw: st.DrawFn) -> OptionTable:
    """Up to four layers with up to six options: formats in foldings."""
    sizes = draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    n = sum(sizes)
    columns = {
        name: np.array(
            draw(st.lists(st.integers(0, 12).map(float), min_size=n, max_size=n)), np.float64
        )
        for name in ("loss", "luts", "bops", "cycles")
    }
    names = [f"f{i // 2}/{i % 2}" for size in sizes for i in range(size)]
    return OptionTable(
        [f"l{i}" for i in range(len(sizes))],
        np.concatenate(([0], np.cumsum(sizes))),
        names,
        columns,
        {"formats": [name[:2] for name in names]},
    )


def check_dataflow(table: OptionTable, data: st.DataObject) -> None:
    columns = ["loss", "luts", "bops", "cycles"]
    objective = data.draw(st.sampled_from(columns))
    limited = data.draw(st.lists(st.sampled_from(columns), max_size=3, unique=True))
    limits = [
        Budget(c, max=float(data.draw(st.integers(0, 12 if c == "cycles" else 40))))
        for c in limited
    ]
    least = data.draw(st.sampled_from([None, None, 3.0, 15.0]))
    if least is not None:
        limits.append(Budget("luts", min=least))
    few = Count("*/1", max=data.draw(st.sampled_from([0, 1, 2, 9])))
    # Of all layers the first has the folding 0, so that some option matches whatever is drawn.
    many = Count("*/0", min=data.draw(st.sampled_from([0, 1, 3])))
    counts = [many, few] if any(option.endswith("/1") for option in table.options) else [many]
    budgets: list[Budget | Count] = [*limits, *counts]
    layers = [range(a, b) for a, b in zip(table.start[:-1], table.start[1:], strict=True)]
    ok = []
    for rows in product(*layers):
        totals = {c: sum(float(table.values[c][row]) for row in rows) for c in columns}
        totals["cycles"] = max(float(table.values["cycles"][row]) for row in rows)
        if all(
            (b.max is None or totals[b.column] <= b.max)
            and (b.min is None or totals[b.column] >= b.min)
            for b in limits
        ) and all(
            (c.min or 0)
            <= sum(table.options[row].endswith(c.pattern[1:]) for row in rows)
            <= (9 if c.max is None else c.max)
            for c in counts
        ):
            ok.append((totals, tuple(table.options[row] for row in rows)))
    if not ok:
        with pytest.raises(ValueError, match=r"must be (at|relaxed)"):
            choose_dataflow(table, objective, budgets)
        return
    best = choose_dataflow(table, objective, budgets)
    assert best.status == "optimal"
    assert best.objective == min(totals[objective] for totals, _ in ok) == best.bound
    assert (best.totals, tuple(best.allocation[layer] for layer in table.layers)) in ok
    then = sequential_dataflow(table, objective, budgets, formats=FormatFront(label="formats"))
    if then is not None:
        assert then.objective >= best.objective
        assert then.totals in [totals for totals, _ in ok]


@settings(max_examples=60, deadline=None)
@given(engines(), st.data())
def test_dataflow_is_the_best_of_all_engines(table: OptionTable, data: st.DataObject) -> None:
    check_dataflow(table, data)


@pytest.mark.slow
@settings(max_examples=3000, deadline=None)
@given(engines(), st.data())
def test_dataflow_is_the_best_of_thousands(table: OptionTable, data: st.DataObject) -> None:
    check_dataflow(table, data)


@pytest.mark.parametrize("n_columns", [2, 3, 5])
def test_many_options_of_one_layer_lose_only_what_is_dominated(n_columns: int) -> None:
    rng = np.random.default_rng(n_columns)
    values = rng.integers(0, 30 if n_columns > 2 else 200, (n_columns, 600))
    names = [f"c{i}" for i in range(n_columns)]
    table = OptionTable.from_arrays(
        ["a"],
        [[str(i) for i in range(600)]],
        **{n: [v.tolist()] for n, v in zip(names, values, strict=True)},
    )
    groups = group(
        table, objective="c0", budgets=[Budget(name, max=float("inf")) for name in names[1:]]
    )
    rows = values.T.tolist()
    expected = [
        not any(
            all(x <= y for x, y in zip(other, row, strict=True)) and (other != row or j < i)
            for j, other in enumerate(rows)
        )
        for i, row in enumerate(rows)
    ]
    assert keep_non_dominated(groups).tolist() == expected


def two_arrays(**changes: Any) -> list[ArrayShape]:
    latency = np.array([4.0, 2.0])
    first = ArrayShape(name="1x1", area={"u": 1, "v": 2}, columns={"latency": latency})
    return [first, replace(first, **{"name": "2x2", **changes})]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"types": 0}, "Number of types must be at least 1, not 0"),
        ({"arrays": []}, "Arrays must be one or more, not none"),
        ({"arrays": two_arrays(name="1x1")}, "Names of the arrays must be all different"),
        ({"area": "loss"}, "Shared area must not be a column of the options, not 'loss'"),
        ({"objective": "watts"}, "Column must be one of loss, not 'watts'"),
        (
            {"arrays": two_arrays(columns={"latency": np.ones(3)}), "objective": "latency"},
            "Column 'latency' of array '2x2' must have 2 values, one for each option, not shape",
        ),
        (
            {
                "arrays": two_arrays(columns={"latency": np.array([1, -1.0])}),
                "objective": "latency",
            },
            "'latency' of option 'q' of layer 'a' on array '2x2' must be finite and at least 0",
        ),
        ({"budgets": [Budget("area", min=1)]}, "Limit of 'area' must be a max, not a min"),
        (
            {"budgets": [Budget("area", max=0.5)]},
            r"'area' must be at least 1, not 0.5: .*cheapest relaxation \(100 % off\)",
        ),
        (
            {"budgets": [Budget("area", max=0.5), Budget("latency", max=1)]},
            "Limits must be relaxed together, not only one: no array with at most 2 unit types",
        ),
    ],
)
def test_refusals(arguments: dict[str, Any], message: str) -> None:
    table = OptionTable(
        ["a"], np.array([0, 2]), ["p", "q"], {"loss": np.array([1.0, 2.0])}, {"unit": ["u", "v"]}
    )
    given = {"arrays": two_arrays(), "objective": "loss", "types": 2, **arguments}
    with pytest.raises(ValueError, match=message):
        choose_temporal(table, **given)


def test_refusals_of_arrays_and_engines() -> None:
    with pytest.raises(ValueError, match="Array '1x1' must have one unit type or more, not none"):
        ArrayShape(name="1x1", area={})
    with pytest.raises(ValueError, match="Area of 'u' in array '1x1' must be at least 0 and"):
        ArrayShape(name="1x1", area={"u": float("nan")})
    table = OptionTable.from_arrays(
        ["a", "b"], [["p", "q"]] * 2, loss=[[1, 2]] * 2, cycles=[[9, 3]] * 2, luts=[[1, 2]] * 2
    )
    with pytest.raises(ValueError, match="'cycles' must be at least 3 with the other limits"):
        choose_dataflow(table, "loss", [Budget("cycles", max=2)])
    with pytest.raises(ValueError, match=r"'cycles' .* 9 .*; or, at that rate: 'luts'"):
        choose_dataflow(table, "loss", [Budget("cycles", max=3), Budget("luts", max=3)])
    with pytest.raises(ValueError, match="Limit of 'cycles' must be a max, not a min"):
        choose_dataflow(table, "loss", [Budget("cycles", min=3)])
