"""A unit with several modes on the cell library of a user: energy of each mode, and its bench."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from helpers.paths import SMALL_LIBERTY
from helpers.tiny import write_tiny_model

from macwright.dse.cli import main as cli

UNIT = "composable_mac_sum_together_int4_2_int16"
MACS = {"conv": 16 * 9 * 6, "linear": 96 * 4}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    work = tmp_path_factory.mktemp("modes")
    arguments = ["dse", str(write_tiny_model(work)), "--weights", "int2", "--activations", "int2"]
    arguments += [
        "--liberty",
        str(shutil.copy(SMALL_LIBERTY, work / "cells.lib")),
        "--layer-energy",
        *("--node-nm", "45"),
    ]
    arguments += ["--architecture", "temporal", "--types", "1", "--clock-mhz", "1"]
    arguments += ["--objective", "latency_ms"]
    arguments += ["--switched", "composable_mac act=int4 weight=int4 acc=int16"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MACWRIGHT_CACHE", str(work / "cache"))
        assert cli.main([*arguments, "-o", str(work / "run")]) == 0
    return work / "run"


def test_energy_of_a_layer_is_that_of_its_mode(run_dir):
    energy = {row["unit"]: float(row["energy_fj_per_mac"]) for row in rows(run_dir / "costs.csv")}
    assert energy[f"{UNIT}@2x2"] < 0.8 * energy[UNIT]
    # Signed activations of two bits have a mode; unsigned ones need that of four.
    modes = {"conv": "2x2", "linear": "4x4"}
    names = {"conv": f"{UNIT}@2x2", "linear": UNIT}
    (row,) = rows(run_dir / "front.csv")
    layers = json.loads((run_dir / row["allocation"]).read_text())["layers"]
    assert {name: one["mode"] for name, one in layers.items()} == modes
    assert {one["unit"] for one in layers.values()} == {UNIT}
    total = sum(MACS[name] * energy[unit] for name, unit in names.items())
    # Besides the products, the buffers and the memory outside.
    assert float(row["energy_uj"]) > total * 1e-9
    own = {name: one["energy_fj_per_mac"] for name, one in layers.items()}
    assert float(row["layer_energy_uj"]) == pytest.approx(
        sum(MACS[name] * each for name, each in own.items()) * 1e-9
    )
    # Not those of the table, which are of Gaussian operands; and the mode is the layer's.
    assert all(own[name] != pytest.approx(energy[unit], rel=1e-3) for name, unit in names.items())
    assert max(own.values()) < 0.5 * energy[UNIT]


def test_the_unit_is_verified_once(run_dir):
    found = json.loads((run_dir / "run.json").read_text())
    assert found["verification"]["hashed"] == 1
    assert found["verification"]["simulated"] == 1 or "must" in found["verification"]["note"]
    assert found["settings"]["architecture"]["switched"] == [
        "composable_mac act=int4 weight=int4 acc=int16"
    ]


def test_a_library_costs_the_same_under_any_name(tmp_path, monkeypatch, capsys):
    """Buffers and the energy of memories count by the node, which a name of one's own must say."""
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "cache"))
    arguments = ["dse", str(write_tiny_model(tmp_path)), "--weights", "int2"]
    arguments += ["--activations", "int2", "--liberty", str(SMALL_LIBERTY), "--no-verify"]
    arguments += ["--architecture", "temporal", "--switched", "none", "--clock-mhz", "1"]
    arguments += ["--measure", "0", "--images", "4"]
    fronts = {}
    for name, more in {"nangate45": [], "mylib": ["--node-nm", "45"]}.items():
        out = tmp_path / name
        assert cli.main([*arguments, "--technology", name, *more, "-o", str(out)]) == 0
        fronts[name] = rows(out / "front.csv")
    assert fronts["nangate45"] == fronts["mylib"] != []
    # Two buffers of 16 KiB at least, and 0.1 mm2 is not that of the array.
    assert all(float(row["area"]) > 5e4 for row in fronts["mylib"])
    capsys.readouterr()
    refused = [*arguments, "--technology", "mylib", "-o", str(tmp_path / "refused")]
    assert cli.main(refused) == 1
    assert "Node of library mylib must be given with --node-nm" in capsys.readouterr().err
    assert not (tmp_path / "refused").exists()
