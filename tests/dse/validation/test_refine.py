"""Losses corrected by measured allocations, and data held out."""

import json

import numpy as np
import pandas as pd
import pytest
from helpers.tiny import write_tiny_model

from macwright.dse.cli import main as cli
from macwright.dse.data.recipe import load_recipe
from macwright.dse.explore import explore
from macwright.dse.settings import Settings
from macwright.dse.validation.refine import corrected, fit_correction, split_held_out

LAYERS = [f"l{i}" for i in range(6)]
TRUE = dict(zip(LAYERS, (0.7, 1.6, 1.0, 1.9, 0.8, 1.3), strict=True))


def options() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    rows = [
        {"layer": layer, "option": f"o{i}", "loss": float(loss)}
        for layer in LAYERS
        for i, loss in enumerate(np.exp(rng.normal(0, 1, 4)))
    ]
    return pd.DataFrame(rows)


def points(table: pd.DataFrame, count: int, noise: float, *, seed: int = 2):
    rng = np.random.default_rng(seed)
    loss = {(r["layer"], r["option"]): r["loss"] for r in table.to_dict("records")}
    found = []
    for _ in range(count):
        pairs = {layer: f"o{rng.integers(4)}" for layer in LAYERS}
        true = sum(TRUE[layer] * loss[layer, option] for layer, option in pairs.items())
        found.append((pairs, true * float(np.exp(rng.normal(0, noise)))))
    return found


def test_factors_of_layers_are_found():
    table = options()
    fit = fit_correction(table, points(table, 40, 1e-4))
    assert fit.applied
    for layer, factor in TRUE.items():
        assert fit.factors[layer] / fit.factors["l2"] == pytest.approx(factor, rel=0.15)
    assert fit.after < 0.3 * fit.before
    assert fit.points == 40
    better = corrected(table, fit)
    first = table["layer"] == "l3"
    ratio = np.asarray(better["loss"]) / np.asarray(table["loss"])
    assert ratio[np.asarray(first)] == pytest.approx(fit.factors["l3"])


def test_points_that_say_little_change_nothing():
    table = options()
    for seed in range(10):
        fit = fit_correction(table, points(table, 8, 2.0, seed=seed))
        assert fit.after > 0.8 * fit.before
        assert not fit.applied
        assert set(fit.factors.values()) == {1.0}
    with pytest.raises(ValueError, match="three measured points or more, not 2"):
        fit_correction(table, points(table, 2, 0.1))


def test_held_out_data_is_apart(tmp_path):
    dataset = load_recipe(write_tiny_model(tmp_path))
    rest, last = split_held_out(dataset, 0.25)
    assert (len(rest.y_eval), len(last.y_eval)) == (36, 12)
    name = next(iter(dataset.x_eval))
    both = {x.tobytes() for x in rest.x_eval[name]}, {x.tobytes() for x in last.x_eval[name]}
    assert not both[0] & both[1]
    assert both[0] | both[1] == {x.tobytes() for x in dataset.x_eval[name]}
    assert rest.sha256 != last.sha256
    with pytest.raises(ValueError, match="Share held out must be above 0 and at most"):
        split_held_out(dataset, 0.6)


def test_evaluation_samples_do_not_refine(tmp_path, monkeypatch):
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "cache"))
    model = write_tiny_model(tmp_path)
    settings = Settings(
        weights=("int2", "int3", "int4"), activations=("int2", "int4", "int8"), refine=1,
        verify=False, measured=0, jobs=1,
    )  # fmt: skip
    (found,) = explore(model, settings).corrections
    data = dict(np.load(tmp_path / "tiny.npz"))
    data["x_eval"], data["y_eval"] = -2 * data["x_eval"][:20], data["y_eval"][:20]
    np.savez(tmp_path / "tiny.npz", **data)
    (again,) = explore(model, settings).corrections
    assert again == found
    data["x_calib"] = 0.7 * data["x_calib"]
    np.savez(tmp_path / "tiny.npz", **data)
    (other,) = explore(model, settings).corrections
    assert other.before != found.before


def test_command_refines_and_holds_out(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "cache"))
    model, out = write_tiny_model(tmp_path), tmp_path / "run"
    formats = ["--weights", "int2,int4", "--activations", "int2,int4,int8", "--no-verify"]
    run = ["dse", str(model), *formats, "--refine", "1", "--held-out", "0.25", "-o", str(out)]
    assert cli.main(run) == 0
    said = capsys.readouterr().out
    assert "held out: 12 samples" in said
    info = json.loads((out / "run.json").read_text())
    assert info["evaluation_samples"] == 36
    assert info["held_out"]["samples"] == 12
    assert info["held_out"]["knee"]["standard_error"] >= 0
    (correction,) = info["corrections"]
    assert set(correction["factors"]) == {"conv", "linear"}
    # The losses of the front are the corrected ones.
    sensitivity = pd.read_csv(out / "sensitivity.csv")
    table = pd.read_csv(out / "options.csv")
    row = table[table["layer"] == "conv"].iloc[0]
    single = sensitivity[sensitivity["layer"] == "conv"].set_index(["tensor", "format"])["loss"]
    before = sum(
        info["loss_factors"][kind] * single[kind, row[kind]] for kind in ("weight", "activation")
    )
    assert row["loss"] == pytest.approx(before * correction["factors"]["conv"])
    assert cli.main(["dse", str(model), "--held-out", "0.7", "-o", str(tmp_path / "no")]) == 1
    assert "Share held out must be from 0 to 0.5, not 0.7" in capsys.readouterr().err
