"""The main job, from a model to the files of a run, and its refusals."""

import errno
import itertools
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from helpers.tiny import best_of, read_rows, reported_front, write_tiny_model

from macwright.dse.cli import main as cli
from macwright.hw import files

FORMATS = ["--weights", "int4,e2m1fn", "--activations", "int4,int8"]

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(scope="module")
def run_dir(work, model):
    assert cli.main(["dse", str(model), *FORMATS, "-o", str(work / "run")]) == 0
    return work / "run"


def test_front_is_that_of_brute_force(run_dir):
    options: dict[str, list[tuple[float, float]]] = {}
    for row in read_rows(run_dir / "options.csv"):
        options.setdefault(row["layer"], []).append((float(row["area_time"]), float(row["loss"])))
    totals = sorted(
        tuple(map(sum, zip(*choice, strict=True)))
        for choice in itertools.product(*options.values())
    )
    front, found = best_of(totals), reported_front(run_dir)
    np.testing.assert_allclose(found, front, rtol=1e-9)


def test_every_point_is_proved_and_its_allocation_adds_up(run_dir):
    options = {(row["layer"], row["option"]): row for row in read_rows(run_dir / "options.csv")}
    for row in read_rows(run_dir / "front.csv"):
        assert row["status"] == "optimal"
        assert 0 <= float(row["gap"]) < 1e-6
        allocation = json.loads((run_dir / row["allocation"]).read_text())
        chosen = [
            options[layer, f"{entry['weight']}/{entry['activation']}"]
            for layer, entry in allocation["layers"].items()
        ]
        for column in ("area_time", "bops", "weight_bytes"):
            total = sum(float(option[column]) for option in chosen)
            assert float(row[column]) == pytest.approx(total)
    info = json.loads((run_dir / "run.json").read_text())
    assert info["confirmed_by_cp_sat"] == len(read_rows(run_dir / "front.csv"))


def check_whole(run: Path, cost: str) -> list[dict[str, str]]:
    """Whether every point of the whole front is what its allocation adds up to; its rows."""
    options: dict[str, list[dict[str, str]]] = {}
    for row in read_rows(run / "options.csv"):
        options.setdefault(row["layer"], []).append(row)
    layers = [row["layer"] for row in read_rows(run / "layers.csv")]
    reported = {row["point"]: row for row in read_rows(run / "front.csv")}
    whole = read_rows(run / "whole_front.csv")
    assert len(whole) == json.loads((run / "run.json").read_text())["front_size"]
    for row in whole:
        places = map(int, row["allocation"].split())
        chosen = [options[name][at] for name, at in zip(layers, places, strict=True)]
        loss = sum(float(option["loss"]) for option in chosen)
        assert float(row["predicted_loss"]) == pytest.approx(loss)
        assert float(row[cost]) == pytest.approx(sum(float(option[cost]) for option in chosen))
        assert row["status"] == "optimal"
        other = reported.pop(row["point"], None)
        assert (other is None) == (row["point"] == "")
        if other:
            same = ("predicted_loss", "gap", cost)
            assert [other[name] for name in same] == [row[name] for name in same]
            layers_of = json.loads((run / other["allocation"]).read_text())["layers"]
            for option in chosen:
                entry = layers_of[option["layer"]]
                assert option["option"] == f"{entry['weight']}/{entry['activation']}"
    assert not reported
    for one, other in itertools.pairwise(whole):
        assert float(one[cost]) < float(other[cost])
        assert float(one["predicted_loss"]) > float(other["predicted_loss"])
    return whole


def test_whole_front_is_there_however_few_points_are_reported(run_dir, model, work):
    few = work / "few"
    more = ["--weights", "int2,int3,int4,int8", "--activations", "int2,int3,int4,int8"]
    arguments = ["dse", str(model), *more, "--points", "2", "--measure", "0", "--no-verify"]
    assert cli.main([*arguments, "-o", str(few)]) == 0
    whole = check_whole(few, "area_time")
    assert len(whole) > len(read_rows(few / "front.csv"))
    assert {row["point"] for row in whole} > {"", "0", "1"}
    text = (few / "report.html").read_text()
    assert f"all {len(whole)} of the front: whole_front.csv" in text
    (few / "report.html").unlink()
    assert cli.main(["report", str(few)]) == 0
    assert (few / "report.html").read_text() == text
    check_whole(run_dir, "area_time")
    # An earlier run's file does not stay where there is no whole front.
    arguments += ["--objective", "area_time", "--objective", "bops"]
    assert cli.main([*arguments, "-o", str(few)]) == 0
    assert not (few / "whole_front.csv").exists()
    assert "whole_front.csv" not in (few / "report.html").read_text()


def test_costs_come_from_the_verilog_of_the_units(run_dir):
    from macwright.costmodel.tables.default_units import mac_spec
    from macwright.hw.verilog import verilog_sha256

    terms = 4096
    spec = mac_spec(act="uint4", weight="e2m1fn", terms=terms, technology="gates")
    row = next(row for row in read_rows(run_dir / "costs.csv") if row["unit"] == spec.name)
    assert row["verilog_sha256"] == verilog_sha256(spec)
    option = next(
        row
        for row in read_rows(run_dir / "options.csv")
        if (row["layer"], row["option"]) == ("linear", "e2m1fn/uint4")
    )
    # One sample: 96 inputs x 4 outputs, one product a cycle.
    assert float(option["area_time"]) == pytest.approx(96 * 4 * float(row["area"]) / 1e6)
    assert float(option["bops"]) == 96 * 4 * 4 * 4
    assert float(option["weight_bytes"]) == 96 * 4 * 4 / 8


def test_measured_points_include_the_cost_of_every_uniform_format(run_dir):
    front = read_rows(run_dir / "front.csv")
    for uniform in read_rows(run_dir / "uniform.csv"):
        assert uniform["measured_accuracy"]
        beside = [r for r in front if float(r["area_time"]) <= float(uniform["area_time"])]
        assert beside[-1]["measured_accuracy"]
        assert float(beside[-1]["predicted_loss"]) <= float(uniform["predicted_loss"]) + 1e-12


def test_predicted_accuracy_falls_with_the_loss_and_is_given_within_what_was_measured(run_dir):
    front = read_rows(run_dir / "front.csv")
    info = json.loads((run_dir / "run.json").read_text())
    fit, top = info["prediction"], info["fp32_accuracy"]
    assert fit["points"] == sum(bool(row["measured_accuracy"]) for row in front)
    assert fit["error"] >= 0
    for row in front:
        loss = float(row["predicted_loss"])
        expected = top - fit["scale"] * loss ** fit["exponent"]
        assert float(row["predicted_accuracy"]) == pytest.approx(expected)
    known = max(float(row["predicted_loss"]) for row in front)
    for row in read_rows(run_dir / "uniform.csv"):
        assert bool(row["predicted_accuracy"]) == (float(row["predicted_loss"]) <= known)


def test_same_command_same_bytes_but_run_json(run_dir, model, work, capsys):
    again = work / "again"
    assert cli.main(["dse", str(model), *FORMATS, "-o", str(again), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert len(summary["points"]) == len(read_rows(run_dir / "front.csv"))
    names = {str(p.relative_to(run_dir)) for p in run_dir.rglob("*") if p.is_file()}
    assert "whole_front.csv" in names
    assert names == {str(p.relative_to(again)) for p in again.rglob("*") if p.is_file()}
    for name in names - {"run.json"}:
        assert (run_dir / name).read_bytes() == (again / name).read_bytes(), name


def test_a_run_of_a_run_is_the_same_run(run_dir, model, work):
    """Twice: the second takes what the first was given by a file."""
    given, last = {"model": str(model), "weights": FORMATS[1], "activations": FORMATS[3]}, run_dir
    for name in ("once", "twice"):
        config = ["--config", str(last / "run.json"), "-o", str(work / name)]
        assert cli.main(["dse", *config]) == 0
        last = work / name
        assert json.loads((last / "run.json").read_text())["options"] == given
        assert (last / "front.csv").read_bytes() == (run_dir / "front.csv").read_bytes()


def _with(work: Path, **arrays: np.ndarray) -> list[str]:
    with np.load(work / "tiny.npz") as old:
        data = {**old, **arrays}
    np.savez(work / "bad.npz", **data)
    return ["--data", str(work / "bad.npz")]


REFUSALS = {
    "unknown format": (lambda work: ["--weights", "int4,int99"], "not 99"),
    "impossible budget": (lambda work: [*FORMATS, "--budget", "bops<=1"], "bops"),
    "unknown column": (lambda work: [*FORMATS, "--objective", "sweat"], "sweat"),
    "bad budget": (lambda work: [*FORMATS, "--budget", "bops=1"], "bops=1"),
    "no points": (lambda work: ["--points", "0"], "points"),
    "NaN in data": (lambda work: _with(work, x_calib=np.full((8, 1, 4, 4), np.nan, "f4")), "NaN"),
    "labels out of range": (lambda work: _with(work, y_eval=np.full(48, 4)), "4"),
    "labels of another number": (lambda work: _with(work, y_eval=np.zeros(47, int)), "47"),
    "no such recipe": (lambda work: ["--recipe", str(work / "no.toml")], "no.toml"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusal_is_one_line_and_leaves_nothing(case, work, model, capsys):
    arguments, named = REFUSALS[case]
    out = work / "refused"
    assert cli.main(["dse", str(model), *arguments(work), "-o", str(out)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("macwright: error: ")
    assert error.count("\n") == 1
    assert named in error
    assert not out.exists()
    assert not list(work.glob(".*")), "a temporary file was left"


def test_malformed_model_is_refused(work, capsys):
    bad = work / "bad.onnx"
    bad.write_bytes(b"\x08\x07garbage" * 10)
    (work / "bad.toml").write_text((work / "tiny.toml").read_text())
    assert cli.main(["dse", str(bad), "-o", str(work / "refused")]) == 1
    error = capsys.readouterr().err
    assert "bad.onnx" in error
    assert error.count("\n") == 1


def test_full_disk_leaves_nothing_half_written(run_dir, model, work, monkeypatch, capsys):
    written = []

    def write(path: Path, data: str | bytes) -> None:
        if path.name == ".macwright-probe":
            return files.write_atomic(path, data)
        if len(written) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        written.append(path)
        return files.write_atomic(path, data)

    monkeypatch.setattr("macwright.dse.run.folder.write_atomic", write)
    out = work / "full"
    assert cli.main(["dse", str(model), *FORMATS, "-o", str(out)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("macwright: error: ")
    assert "No space left on device" in error
    assert error.count("\n") == 1
    assert len(written) == 3
    assert not out.exists()
    assert not list(work.glob(".*")), "a temporary file was left"


@pytest.mark.parametrize("technology", ["ecp5", "ice40"])
def test_a_clock_that_no_unit_of_an_fpga_meets_is_refused_with_what_formats_reach(
    technology, tmp_path, capsys
):
    command = ["dse", str(write_tiny_model(tmp_path)), "--technology", technology]
    command += ["--weights", "int4,int8", "--activations", "int8", "--clock-mhz", "2000"]
    assert cli.main([*command, "-o", str(tmp_path / "run")]) == 1
    said = capsys.readouterr().err
    assert "Clock must be one that units for every layer meet, not 2000 MHz" in said
    assert re.search(r"int8/int8[^:]*: [12][0-9]{2} MHz at most", said)
    assert not (tmp_path / "run").exists()
