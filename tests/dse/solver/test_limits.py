"""Unit types, pairwise terms and OR-Tools' linear solvers against brute force."""

import json
from collections.abc import Callable
from itertools import product
from math import fsum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.paths import SHARED

from macwright.dse.cli.main import main
from macwright.dse.solver import Budget, Effort, OptionTable, Rules, solve
from macwright.dse.solver.exact.pairs import optimise_pairs
from macwright.dse.solver.front3 import front_of_three
from macwright.dse.solver.model.solution import Outcome

ALLOCATION = SHARED / "reference" / "allocation"
NAMES = ["u1", "u2", "u3", "u4", "u5"]


def random_table(seed: int, layers: int = 4, options: int = 5) -> OptionTable:
    rng = np.random.default_rng(seed)
    shape = (layers, options)
    draw: Callable[[], np.ndarray] = (
        (lambda: rng.integers(0, 9, shape).astype(float))
        if seed % 2
        else (lambda: rng.uniform(0, 10, shape))
    )
    columns = {name: draw().tolist() for name in ("loss", "bops", "area")}
    return OptionTable.from_arrays(
        [f"l{i}" for i in range(layers)], [NAMES[:options]] * layers, **columns
    )


def every(table: OptionTable) -> list[tuple[tuple[str, ...], dict[str, float]]]:
    per_layer = [range(a, b) for a, b in zip(table.start[:-1], table.start[1:], strict=True)]
    return [
        (
            tuple(table.options[row] for row in rows),
            {name: fsum(column[list(rows)]) for name, column in table.values.items()},
        )
        for rows in product(*per_layer)
    ]


@pytest.mark.parametrize("seed", range(40))
def test_at_most_k_unit_types(seed: int) -> None:
    table = random_table(seed)
    rng = np.random.default_rng(seed)
    most, area = 40 * rng.uniform(0.2, 0.7), 40 * rng.uniform(0.3, 0.9)
    budgets = [Budget("bops", max=most), Budget("area", max=area)]
    for types in (1, 2, 3):
        losses = [
            total["loss"]
            for options, total in every(table)
            if len(set(options)) <= types and total["bops"] <= most and total["area"] <= area
        ]
        if not losses:
            with pytest.raises(ValueError, match=r"must be at least|must be relaxed together"):
                solve(table, budgets=budgets, rules=Rules(types=("option", types)))
            continue
        for solver in ("auto", "cp-sat", "scip"):
            found = solve(
                table,
                budgets=budgets,
                rules=Rules(types=("option", types)),
                effort=Effort(solver=solver),
            )
            assert found.status == "optimal"
            assert found.objective == pytest.approx(min(losses), abs=1e-9)
            assert len(set(found.allocation.values())) <= types


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize(("most_coupled", "share"), [(1_000_000, 0.5), (20, 0.5), (20, 0.15)])
def test_pairwise_terms(
    seed: int, most_coupled: int, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("macwright.dse.solver.reduce.merge_pairs.MOST_OPTIONS", most_coupled)
    table = random_table(seed, layers=3, options=4)
    rng = np.random.default_rng(seed)
    terms = [
        (f"l{a}", NAMES[i], f"l{b}", NAMES[j], round(float(rng.normal(0, 4)), seed % 3 * 3))
        for a, b in ((0, 1), (2, 1), (0, 2))
        for i in range(4)
        for j in range(4)
        if rng.random() < share
    ]
    value = {((a, i), (b, j)): v for a, i, b, j, v in terms}
    most = 30 * rng.uniform(0.3, 0.8)
    for ties in ([], [("l0", "l2")]):
        losses = []
        for options, total in every(table):
            chosen = list(zip(table.layers, options, strict=True))
            extra = fsum(value.get((p, q), 0.0) for p in chosen for q in chosen)
            if total["bops"] <= most and (not ties or options[0] == options[2]):
                losses.append(total["loss"] + extra)
        budgets = [Budget("bops", max=most)]
        if not losses:
            with pytest.raises(ValueError, match="must be at least"):
                solve(table, budgets=budgets, rules=Rules(pairs=terms, ties=ties))
            continue
        for solver in ("auto", "cp-sat"):
            found = solve(
                table,
                budgets=budgets,
                rules=Rules(pairs=terms, ties=ties),
                effort=Effort(solver=solver),
            )
            assert found.status == "optimal"
            assert found.objective == pytest.approx(min(losses), abs=1e-8)
            assert found.bound <= min(losses) + 1e-9


@pytest.mark.parametrize(("n_terms", "shared"), [(8, False), (9, True)])
def test_few_pairs_are_left_to_cp_sat(
    n_terms: int, shared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two pairs of layers with 16 combinations each, of which a quarter is few."""
    monkeypatch.setattr("macwright.dse.solver.reduce.merge_pairs.MOST_OPTIONS", 20)
    asked = []

    def optimise(*given: Any, **options: Any) -> Outcome:
        asked.append(given)
        return optimise_pairs(*given, **options)

    monkeypatch.setattr("macwright.dse.solver.choose.optimise_pairs", optimise)
    table = random_table(1, layers=3, options=4)
    places = product(NAMES[:4], NAMES[:4], (0, 1))
    every_pair = [(f"l{a}", i, f"l{a + 1}", j, 1.0) for i, j, a in places]
    found = solve(table, budgets=[Budget("bops", max=30)], rules=Rules(pairs=every_pair[:n_terms]))
    assert found.status == "optimal"
    assert bool(asked) == shared


@pytest.mark.parametrize("solver", ["cp-sat", "scip", "highs", "cbc"])
@pytest.mark.parametrize("seed", range(4))
def test_solvers_agree(solver: str, seed: int, capfd: pytest.CaptureFixture[str]) -> None:
    table = random_table(seed, layers=12)
    budgets = [Budget("bops", max=50), Budget("area", min=40, max=60)]
    ours, theirs = (
        solve(table, budgets=budgets),
        solve(table, budgets=budgets, effort=Effort(solver=solver)),
    )
    assert theirs.objective == pytest.approx(ours.objective, abs=1e-6)
    assert theirs.status == ours.status == "optimal"
    assert theirs.solver != ours.solver
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("seed", range(4))
def test_front_of_three_is_proved_and_not_dominated(seed: int) -> None:
    table = random_table(seed)
    points = front_of_three(table, "loss", ["bops", "area"], points=16)
    totals = [total for _, total in every(table)]
    assert len(points) >= 2
    for point in points:
        assert point.status == "optimal"
        # Nothing of all allocations has less loss at no more of both costs.
        assert not any(
            total["loss"] < point.objective - 1e-9
            and all(total[c] <= point.totals[c] for c in ("bops", "area"))
            for total in totals
        )


def reference() -> dict[str, dict[str, object]]:
    path = ALLOCATION / "instances.json"
    return json.loads(path.read_text()) if path.exists() else {}


@pytest.mark.skipif(not ALLOCATION.exists(), reason="needs ../shared/reference/allocation")
@pytest.mark.parametrize("name", list(reference()))
def test_reference_instances(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    instance = reference()[name]
    arguments = ["solve", str(ALLOCATION / str(instance["file"])), "--json"]
    for budget in instance["budgets"]:  # pyright: ignore
        for key, sign in (("min", ">="), ("max", "<=")):
            if budget[key] is not None:
                arguments += ["--budget", f"{budget['column']}{sign}{budget[key]}"]
    for tie in instance["ties"]:  # pyright: ignore
        arguments += ["--tie", "=".join(tie)]
    assert main(arguments) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["status"] == "optimal"
    assert answer["objective"] == pytest.approx(instance["optimum"], rel=1e-12)
    assert answer["gap"] < 1e-12


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    csv = tmp_path / "options.csv"
    csv.write_text(
        "layer,option,loss,bops,unit\na,x,1,8,int8\na,y,5,2,int4\nb,x,0.5,8,int8\nb,y,3,1,int4\n"
    )
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("layer_a,option_a,layer_b,option_b,loss\na,x,b,y,9\n")
    run = ["solve", str(csv)]
    out = tmp_path / "new" / "answer.json"
    assert main([*run, "--budget", "bops<=10", "-o", str(out)]) == 0
    assert "optimal" in capsys.readouterr().out
    assert json.loads(out.read_text())["allocation"] == {"a": "x", "b": "y"}

    def answer(*arguments: str) -> dict[str, object]:
        assert main([*run, "--json", *arguments]) == 0
        return json.loads(capsys.readouterr().out)

    assert answer("--budget", "bops<=10", "--pairs", str(pairs))["objective"] == 5.5
    assert answer("--budget", "bops<=10", "--types", "unit<=1")["objective"] == 8
    assert answer("--count", "x<=1", "--count", "y>=1")["objective"] == 4
    assert answer("--allow", "a=y")["objective"] == 5.5
    assert answer("--objective", "bops", "--budget", "loss<=6")["objective"] == 9
    assert answer("--tie", "a=b", "--budget", "bops<=15")["objective"] == 8
    points = answer("--front", "bops")["points"]
    assert [p["totals"]["bops"] for p in points] == [3, 9, 16]  # pyright: ignore
    few = answer("--front", "bops", "--types", "unit<=1", "--time-limit", "60")
    assert [p["totals"]["bops"] for p in few["points"]] == [3, 16]  # pyright: ignore
    assert few["complete"]
    paired = answer("--front", "bops", "--pairs", str(pairs), "--solver", "cp-sat")["points"]
    assert [p["objective"] for p in paired][-1] == 1.5  # pyright: ignore
    assert main([*run, "--front", "bops", "--points", "2"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "bops,loss,status,gap",
        "3,8,optimal,0",
        "16,1.5,optimal,0",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--budget", "bops<=2"], "'bops' must be at least 3, not 2: no allocation is within"),
        (["--budget", "bops<2"], "Budget must be 'NAME<=NUMBER' or 'NAME>=NUMBER', not 'bops<2'"),
        (["--budget", "bops<=nan"], "Limit of the budget on 'bops' must be a number, not nan"),
        (["--budget", "watts<=2"], "Column must be one of loss, bops, not 'watts'"),
        (["--objective", "watts"], "Column must be one of loss, bops, not 'watts'"),
        (["--front", "loss"], "Cost must be another column than the objective, not 'loss'"),
        (["--points", "3"], "Points must be given with --front, not alone"),
        (["--front", "bops", "--points", "0"], "Points must be at least 1, not 0"),
        (["--tie", "a"], "Tie must be LAYER=LAYER, not 'a'"),
        (["--count", "x<=inf"], "Count must be of a whole number of layers, not 'x<=inf'"),
        (["--types", "unit>=1"], "Types must be 'COLUMN<=K' with a whole K of 1 or more"),
        (["--types", "maker<=1"], "Column of names must be one of option, unit, not 'maker'"),
        (["--types", "unit<=1"], "Number of types must be at least 2"),
        (["--allow", "a=z"], "Layer 'a' must have one of the allowed options z, not only others"),
        (["--time-limit", "0"], "Time limit must be above 0 seconds, not 0.0"),
    ],
)
def test_command_refuses(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    csv = tmp_path / "options.csv"
    csv.write_text("layer,option,loss,bops,unit\na,x,1,8,int8\na,y,5,2,int8\nb,y,3,1,int4\n")
    assert main(["solve", str(csv), *arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("macwright: error: ")
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,x,nan,1", "'loss' of option 'x' of layer 'a' must be a finite number, not 'nan'"),
        ("a,x,1,-2", "'bops' of option 'x' of layer 'a' must be at least 0, not -2.0"),
        ("a,x,1,2\na,x,3,4", "option 'x' of layer 'a' must be given once, not twice"),
        ("a,x,1,2\nb,,3,4", "Option of row 2 must be a name, not empty"),
        ("a,x,1,3e18\nb,x,1,3e18", "Total of 'bops' must be below 2**62 to be counted in 64 bits"),
        (
            "a,x,1e308,1\nb,x,1e308,1",
            "Total of 'loss' must be below 2**62 to be counted in 64 bits",
        ),
        ("", "Options must have one row or more, not none"),
    ],
)
def test_command_refuses_tables(
    rows: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    csv = tmp_path / "options.csv"
    csv.write_text(f"layer,option,loss,bops\n{rows}\n")
    for more in ([], ["--front", "bops"]):
        if more or "Total" not in message:
            assert main(["solve", str(csv), *more]) == 1
            error = capsys.readouterr().err
            assert message in error
            assert error.count("\n") == 1


def test_names_are_shown_on_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "o.csv").write_text('layer,option,loss,bops\n"a\nstatus     optimal",x,1,2\n')
    assert main(["solve", str(tmp_path / "o.csv")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == repr("a\nstatus     optimal") + "  x"


def test_layer_without_options_is_refused() -> None:
    with pytest.raises(ValueError, match="Layer 'b' must have one option or more, not none"):
        OptionTable.from_arrays(["a", "b"], [["x"], []], loss=[[1.0], []])
