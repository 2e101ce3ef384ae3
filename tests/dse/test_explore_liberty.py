"""`macwright dse` on the cell library of a user, with energies of the layers' own operands."""

import hashlib
import itertools
import json
import shutil

import numpy as np
import pytest
from helpers.paths import SMALL_LIBERTY
from helpers.tiny import read_rows

from macwright.costmodel.characterize.layer_energy import layer_energies
from macwright.costmodel.characterize.unit import unit_netlist
from macwright.costmodel.liberty.library import read_liberty
from macwright.costmodel.netlist.build import from_yosys_json
from macwright.costmodel.power.measure import measure_energy
from macwright.costmodel.stimulus.named import layer_streams
from macwright.costmodel.technology.liberty import liberty_technology
from macwright.dse.cli import main as cli
from macwright.dse.data.recipe import load_recipe
from macwright.dse.search.options import needed_units
from macwright.dse.workload import load_workload
from macwright.hw.formats import parse_format

FORMATS = ["--weights", "int2,int3", "--activations", "int2,int3", "--no-verify"]

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(scope="module")
def run_dir(work, model):
    library = shutil.copy(SMALL_LIBERTY, work / "cells.lib")
    arguments = ["--liberty", str(library), "--layer-energy", "-o", str(work / "run")]
    arguments += ["--clock-mhz", "1"]
    assert cli.main(["dse", str(model), *FORMATS, *arguments]) == 0
    return work / "run"


def test_units_are_mapped_to_the_library(run_dir):
    info = json.loads((run_dir / "run.json").read_text())
    assert info["technology"] == read_liberty([SMALL_LIBERTY]).name
    assert info["liberty"] == {"cells.lib": hashlib.sha256(SMALL_LIBERTY.read_bytes()).hexdigest()}
    costs = read_rows(run_dir / "costs.csv")
    assert {row["area_unit"] for row in costs} == {"um2"}
    energy = {row["unit"]: float(row["energy_fj_per_mac"]) for row in costs}
    option = read_rows(run_dir / "options.csv")[0]
    macs = 16 * 9 * 6
    assert float(option["energy_uj"]) == pytest.approx(macs * energy[option["unit"]] * 1e-9)


def test_points_have_the_energy_of_their_layers_own_operands(run_dir, model):
    front = read_rows(run_dir / "front.csv")
    macs = {"conv": 16 * 9 * 6, "linear": 96 * 4}
    for row in front:
        layers = json.loads((run_dir / row["allocation"]).read_text())["layers"]
        total = sum(macs[name] * one["energy_fj_per_mac"] for name, one in layers.items())
        assert float(row["layer_energy_uj"]) == pytest.approx(total * 1e-9)
        # Not the energies of the table, which are of Gaussian operands.
        assert float(row["layer_energy_uj"]) != pytest.approx(float(row["energy_uj"]), rel=1e-3)
    assert all(row["layer_energy_uj"] for row in read_rows(run_dir / "uniform.csv"))
    # The first layer reads the data: its codes are made here another way.
    layer = json.loads((run_dir / front[-1]["allocation"]).read_text())["layers"]["conv"]
    dataset = load_recipe(model)
    workload = load_workload(model, dataset)
    pair = layer["weight"], layer["activation"]
    technology = liberty_technology([SMALL_LIBERTY])
    name = technology.name
    spec = needed_units(workload.layers, *([text] for text in pair), technology=name)[pair]
    weight, act = parse_format(pair[0]), parse_format(pair[1])
    x = dataset.x_calib["x"][:32, 0]
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(x, ((0, 0), (1, 1), (1, 1))), (3, 3), axis=(1, 2)
    )
    columns = windows.reshape(-1, 9)
    matrix = workload.tensor(workload.layer("conv").weight).reshape(6, 9)
    scale = np.abs(matrix).max(axis=1, keepdims=True) / weight.max
    acts = act.encode(columns / (np.abs(x).max() / act.max))
    weights = weight.encode(matrix / scale).T
    mapped = from_yosys_json(unit_netlist(spec, technology)[1], read_liberty([SMALL_LIBERTY]))
    streams = layer_streams(acts, weights, act, weight)
    wanted = measure_energy(mapped, mapped.library, streams).energy_fj_per_cycle
    # Its scales are the largest values', not those of least squared error.
    assert layer["energy_fj_per_mac"] == pytest.approx(wanted, rel=0.25)


def test_energies_on_a_shared_array_are_those_of_the_unit_that_computes(work, model, monkeypatch):
    out, lifted = work / "array", []

    def checked(specs, layers, operands, technology, **options):
        for spec, layer in itertools.product(specs, layers):
            codes = operands(layer, spec)
            if codes is not None:
                # The values are those of the layer's formats, whatever the unit's; signed ones
                # stand above the least on units of unsigned ones.
                narrow = [parse_format(name) for name in layer.split()[1].split("/")]
                wide = spec.weight, spec.act
                for values, one, fmt in zip(codes[::-1], narrow, wide, strict=True):
                    least = one.min if one.signed and not fmt.signed else 0
                    lifted.append(least)
                    found = fmt.decode(values) + least
                    assert set(found.flat) <= set(one.levels())
                    assert found.min() < 0 or not one.signed
        return layer_energies(specs, layers, operands, technology, **options)

    monkeypatch.setattr("macwright.dse.validation.layer_energy.layer_energies", checked)
    arguments = ["--liberty", str(work / "cells.lib"), "--layer-energy", "-o", str(out)]
    arguments += ["--architecture", "temporal", "--types", "1", "--clock-mhz", "1"]
    arguments += ["--switched", "none", "--node-nm", "45"]
    assert cli.main(["dse", str(model), *FORMATS, *arguments]) == 0
    assert min(lifted) < 0
    for row in read_rows(out / "front.csv"):
        layers = json.loads((out / row["allocation"]).read_text())["layers"]
        assert len({one["unit"] for one in layers.values()}) == 1
        assert all(one["unit"].startswith("int_mac_uint") for one in layers.values())
        assert all(one["energy_fj_per_mac"] > 0 for one in layers.values())


REFUSALS = {
    "no library": (["--layer-energy"], "(--liberty), not with gates alone"),
    "shipped rows only": (["--layer-energy", "--technology", "nangate45"], "not with nangate45"),
    "no cells": (["--liberty", "cells.lib", "--technology", "ecp5"], "a cell library, not ecp5"),
    "node of no library": (["--node-nm", "45"], "--node-nm must come with --liberty"),
    "no such file": (["--liberty", "none.lib"], "none.lib"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_libraries_that_are_refused(case, model, run_dir, work, monkeypatch, capsys):
    monkeypatch.chdir(work)
    arguments, named = REFUSALS[case]
    assert cli.main(["dse", str(model), *FORMATS, *arguments, "-o", "refused"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("macwright: error: ")
    assert error.count("\n") == 1
    assert named in error
    assert not (work / "refused").exists()
