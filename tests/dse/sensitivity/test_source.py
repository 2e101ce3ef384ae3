"""Losses of `macwright dse` that the user brings, or that another metric measures."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.tiny import read_rows

from macwright.dse.cli import main as cli
from macwright.dse.data.recipe import load_recipe
from macwright.dse.quantizer import act_format
from macwright.dse.sensitivity import source
from macwright.dse.sensitivity.factors import calibration_change
from macwright.dse.sensitivity.measure import LossMeasure, measure_sensitivity
from macwright.dse.sensitivity.source import find_losses
from macwright.dse.settings import Settings
from macwright.dse.workload import load_workload

FORMATS = ["--weights", "int4,e2m1fn", "--activations", "int4,int8", "--no-verify"]

pytestmark = pytest.mark.usefixtures("own_cache")


def write_table(path: Path, **special: float) -> Path:
    """Losses by the number of bits, the same for both layers, but for the special ones."""
    lines = ["layer,tensor,format,loss"]
    for layer in ("conv", "linear"):
        for tensor, formats in (("weight", "int4 e2m1fn"), ("activation", "int4 int8")):
            for fmt in formats.split():
                loss = special.get(f"{layer}_{tensor}_{fmt}", 0.1 if fmt == "int8" else 1.0)
                lines.append(f"{layer},{tensor},{fmt},{loss}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_own_losses_take_the_place_of_the_measured_ones(model, work, capsys):
    table = write_table(work / "mine.csv", linear_weight_e2m1fn=0.25)
    out = work / "own"
    arguments = [str(model), *FORMATS, "--sensitivity", str(table), "-o", str(out)]
    assert cli.main(["dse", *arguments]) == 0
    assert "losses: as they are in mine.csv" in capsys.readouterr().out
    options = {(row["layer"], row["option"]): row for row in read_rows(out / "options.csv")}
    assert float(options["linear", "e2m1fn/uint4"]["loss"]) == pytest.approx(1.25)
    assert float(options["conv", "e2m1fn/int8"]["loss"]) == pytest.approx(1.1)
    info = json.loads((out / "run.json").read_text())
    digest = hashlib.sha256(table.read_bytes()).hexdigest()
    assert info["losses"] == {"file": "mine.csv", "sha256": digest}
    assert info["loss_factors"] == {}
    assert "Losses are those of the user's table mine.csv." in ((out / "report.html").read_text())
    # The last point is the least lossy one: the exception of the table is in it.
    last = json.loads((out / read_rows(out / "front.csv")[-1]["allocation"]).read_text())
    assert last["layers"]["linear"]["weight"] == "e2m1fn"


def test_losses_are_measured_by_the_metric_that_is_asked_for(model, work, capsys):
    out = work / "kl"
    arguments = [str(model), *FORMATS, "--metric", "kl", "--images", "16", "-o", str(out)]
    assert cli.main(["dse", *arguments]) == 0
    assert "losses: mean Kullback-Leibler divergence" in capsys.readouterr().out
    dataset = load_recipe(model)
    workload = load_workload(model, dataset)
    formats = ["int4", "e2m1fn"], ["int4", "int8"]
    wanted = measure_sensitivity(
        workload, dataset, *formats, measure=LossMeasure(metric="kl", images=16)
    )
    found = [float(row["loss"]) for row in read_rows(out / "sensitivity.csv")]
    np.testing.assert_allclose(found, wanted["loss"])
    info = json.loads((out / "run.json").read_text())
    assert info["losses"]["metric"] == "kl"
    assert info["losses"]["samples"] == 16
    # What the quantiser saves is measured with squared changes, whatever the metric.
    plain = work / "plain"
    assert cli.main(["dse", str(model), *FORMATS, "--images", "16", "-o", str(plain)]) == 0
    assert info["loss_factors"] == json.loads((plain / "run.json").read_text())["loss_factors"]
    assert "Losses are the mean Kullback" in (out / "report.html").read_text()
    assert "Losses are" not in (plain / "report.html").read_text()


REFUSALS = {
    "both": (["--sensitivity", "mine.csv", "--metric", "kl"], "--sensitivity or measured by"),
    "no such metric": (["--metric", "odd"], "Metric of sensitivities must be one of logit_mse, kl"),
    "not offered": (["--metric", "hessian"], "Metric hessian is not offered"),
    "no such file": (["--sensitivity", "none.csv"], "none.csv is not a file"),
    "no labels": (["--metric", "loss"], "must have labels of the calibration samples"),
    "not all formats": (["--sensitivity", "mine.csv", "--weights", "int3"], "loss of int3"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_losses_that_are_refused(case, model, work, monkeypatch, capsys):
    monkeypatch.chdir(work)
    write_table(work / "mine.csv")
    arguments, named = REFUSALS[case]
    assert cli.main(["dse", str(model), *FORMATS, *arguments, "-o", "refused"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("macwright: error: ")
    assert error.count("\n") == 1
    assert named in error
    assert not (work / "refused").exists()


def test_factors_are_measured_over_expected_loss(model):
    dataset = load_recipe(model)
    workload = load_workload(model, dataset)
    formats = ("int4", "int8")
    losses = find_losses(workload, dataset, Settings(weights=formats, activations=formats, jobs=1))
    table = losses.table
    coarse = {"weight": ("int4", "int12"), "activation": ("int12", "int4")}
    for kind, (weight, act) in coarse.items():
        formats = {x.name: (weight, act_format(x, act)) for x in workload.layers}
        place = 0 if kind == "weight" else 1
        alone = sum(
            float(loss)
            for layer, tensor, name, loss in table.itertuples(index=False)
            if tensor == kind and name == formats[layer][place]
        )
        change = calibration_change(workload, dataset, formats)
        assert losses.factors[kind] == pytest.approx(change / alone)


@pytest.mark.parametrize("kind", ["weights", "activations"])
def test_nothing_is_measured_to_weigh_what_is_the_same_in_all_allocations(model, monkeypatch, kind):
    dataset = load_recipe(model)
    workload = load_workload(model, dataset)
    settings = Settings(weights=("int4", "int6"), activations=("int4", "int6"), jobs=1)
    asked = []
    monkeypatch.setattr(source, "tensor_factors", lambda *_, **__: asked.append(1) or {})
    find_losses(workload, dataset, settings)
    assert asked == [1]
    one = find_losses(workload, dataset, replace(settings, **{kind: ("int6",)}))
    assert (asked, one.factors) == ([1], {"weight": 1.0, "activation": 1.0})
