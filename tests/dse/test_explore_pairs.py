"""`macwright dse --pairs`: what neighbouring layers lose together, against brute force."""

import itertools
import json

import numpy as np
import pytest
from helpers.tiny import best_of, read_rows, reported_front

from macwright.dse.cli import main as cli
from macwright.dse.data.recipe import load_recipe
from macwright.dse.sensitivity.pair_terms import neighbours
from macwright.dse.sensitivity.pairs import measure_pairs
from macwright.dse.workload import load_workload

FORMATS = ["--weights", "int4,e2m1fn", "--activations", "int4,int8", "--no-verify"]

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(scope="module")
def run_dir(work, model):
    arguments = ["--pairs", "1", "-o", str(work / "run")]
    assert cli.main(["dse", str(model), *FORMATS, *arguments]) == 0
    return work / "run"


def test_front_counts_what_pairs_lose_together(run_dir):
    options = {
        layer: [row for row in read_rows(run_dir / "options.csv") if row["layer"] == layer]
        for layer in ("conv", "linear")
    }
    extra = {
        (row["option_a"], row["option_b"]): float(row["loss"])
        for row in read_rows(run_dir / "pairs.csv")
    }
    assert len(extra) == 16
    assert any(extra.values())
    totals = sorted(
        (
            float(a["area_time"]) + float(b["area_time"]),
            float(a["loss"]) + float(b["loss"]) + extra[a["option"], b["option"]],
        )
        for a, b in itertools.product(options["conv"], options["linear"])
    )
    assert all(loss >= 0 for _, loss in totals)
    front, found = best_of(totals), reported_front(run_dir)
    # Points are solved at limits evenly spaced in cost: not all, but only the best.
    assert len(found) >= len(front) - 2
    places = [int(np.abs(np.array(front)[:, 0] - cost).argmin()) for cost, _ in found]
    np.testing.assert_allclose(found, [front[place] for place in places], rtol=1e-6)
    assert {0, len(front) - 1} <= set(places)
    assert {row["status"] for row in read_rows(run_dir / "front.csv")} == {"optimal"}
    (uniform,) = read_rows(run_dir / "uniform.csv")
    alone = sum(
        float(row["loss"])
        for row in (*options["conv"], *options["linear"])
        if row["option"] in ("int4/int4", "int4/uint4")
    )
    together = alone + extra["int4/int4", "int4/uint4"]
    assert float(uniform["predicted_loss"]) == pytest.approx(together)
    info = json.loads((run_dir / "run.json").read_text())
    assert info["pairs"] == ["conv, linear"]


def test_terms_are_the_measured_interactions(run_dir, model):
    dataset = load_recipe(model)
    workload = load_workload(model, dataset)
    assert neighbours(workload) == [("conv", "linear")]
    factors = json.loads((run_dir / "run.json").read_text())["loss_factors"]
    tensors = {"weight": "int4", "activation": "int4"}
    questions = [
        (("conv", one, tensors[one]), ("linear", two, tensors[two]))
        for one, two in itertools.product(tensors, tensors)
    ]
    table = measure_pairs(workload, dataset, questions)
    wanted = sum(
        row["interaction"] * (factors[row["tensor"]] * factors[row["tensor_2"]]) ** 0.5
        for row in table.to_dict("records")
    )
    (found,) = (
        float(row["loss"])
        for row in read_rows(run_dir / "pairs.csv")
        if (row["option_a"], row["option_b"]) == ("int4/int4", "int4/uint4")
    )
    assert found == pytest.approx(wanted)


def test_a_run_without_pairs_leaves_no_table_of_an_earlier_one(run_dir, model, work, capsys):
    out = work / "again"
    for more in (["--pairs", "1"], []):
        assert cli.main(["dse", str(model), *FORMATS, *more, "-o", str(out)]) == 0
        said = capsys.readouterr().out
        assert ("pairwise terms: 1 neighbouring layers" in said) == bool(more)
        assert (out / "pairs.csv").exists() == bool(more)
        if more:
            assert (out / "pairs.csv").read_bytes() == (run_dir / "pairs.csv").read_bytes()
    assert (out / "front.csv").read_bytes() != (run_dir / "front.csv").read_bytes()


REFUSALS = {
    "metric": (["--metric", "kl"], "without another metric"),
    "architecture": (["--architecture", "dataflow"], "without an architecture"),
    "refine": (["--refine", "1"], "without refinements"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_pairs_that_are_refused(case, model, work, capsys):
    arguments, named = REFUSALS[case]
    out = work / "refused"
    assert cli.main(["dse", str(model), "--pairs", "1", *arguments, "-o", str(out)]) == 1
    error = capsys.readouterr().err
    assert named in error
    assert error.count("\n") == 1
    assert not out.exists()
