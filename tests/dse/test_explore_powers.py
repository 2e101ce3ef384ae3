"""Powers of two and formats of blocks, from the network to the units; what no unit takes."""

import csv

import pytest
from helpers.tiny import write_tiny_model

from macwright.costmodel.tables.default_units import mac_spec
from macwright.dse.cli import main as cli
from macwright.dse.run.allocation import read_allocation
from macwright.hw.errors import NotSupported
from macwright.hw.pe import DotSpec, ShiftAddMacSpec


def test_weights_of_powers_of_two_run_on_shift_add_units(tmp_path, monkeypatch):
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "cache"))
    arguments = ["--weights", "pot4", "--activations", "int8", "--images", "8", "--no-verify"]
    model, out = write_tiny_model(tmp_path), tmp_path / "run"
    assert cli.main(["dse", str(model), *arguments, "-o", str(out)]) == 0
    with (out / "front.csv").open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert float(row["measured_accuracy"]) > 50
    allocation = read_allocation(out / row["allocation"])
    areas = {}
    with (out / "costs.csv").open(newline="") as stream:
        areas = {line["unit"]: float(line["area"]) for line in csv.DictReader(stream)}
    total = 0.0
    for name, choice in allocation.layers.items():
        spec = allocation.units[choice.unit]
        assert isinstance(spec, ShiftAddMacSpec)
        assert (str(spec.weight), spec.scale, str(spec.act)) == ("pot4", None, choice.activation)
        total += {"conv": 16 * 9 * 6, "linear": 96 * 4}[name] * areas[choice.unit] / 1e6
    assert float(row["area_time"]) == pytest.approx(total)


def test_formats_of_blocks_run_on_dot_units(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "cache"))
    arguments = ["--weights", "mxfp4", "--activations", "mxfp4,mxint8", "--images", "8"]
    model, out = write_tiny_model(tmp_path), tmp_path / "run"
    assert cli.main(["dse", str(model), *arguments, "--no-verify", "-o", str(out)]) == 0
    with (out / "costs.csv").open(newline="") as stream:
        areas = {line["unit"]: float(line["area"]) for line in csv.DictReader(stream)}
    with (out / "front.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    used = set()
    for row in rows:
        allocation = read_allocation(out / row["allocation"])
        # Nine products of one channel take two runs of eight lanes, 96 channels twelve.
        runs = {"conv": 16 * 6 * 2, "linear": 4 * 12}
        units = {name: choice.unit for name, choice in allocation.layers.items()}
        specs = [allocation.units[unit] for unit in units.values()]
        assert all(isinstance(spec, DotSpec) and spec.lanes == 8 for spec in specs)
        total = sum(runs[name] * areas[unit] for name, unit in units.items()) / 1e6
        assert float(row["area_time"]) == pytest.approx(total)
        used |= set(units.values())
    assert "dot8_mxfp4_mxfp4_fp32" in used
    arguments = ["dse", str(model), "--weights", "mxfp4", "--activations", "mxfp4"]
    assert cli.main([*arguments, "--architecture", "temporal", "-o", str(tmp_path / "no")]) == 1
    assert "must have no blocks with --architecture" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("weight", "act"), [("pot4", "mxfp4"), ("int4", "pot4"), ("apot4", "nvfp4")]
)
def test_formats_that_no_unit_takes_are_refused_before_anything_is_measured(
    weight, act, tmp_path, monkeypatch, capsys
):
    def measure(*arguments, **more):
        raise AssertionError("nothing must be measured")

    monkeypatch.setattr("macwright.dse.explore.find_losses", measure)
    monkeypatch.setattr("macwright.dse.explore.evaluate", measure)
    model = write_tiny_model(tmp_path)
    out = tmp_path / "run"
    arguments = ["dse", str(model), "--weights", f"int8,{weight}", "--activations", f"int8,{act}"]
    assert cli.main([*arguments, "-o", str(out)]) == 1
    assert "for which there are units, not weights" in capsys.readouterr().err
    assert not out.exists()
    with pytest.raises(NotSupported, match=f"not weights {weight} with activations {act}"):
        mac_spec(act=act, weight=weight)
