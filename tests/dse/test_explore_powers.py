"""Weights that are powers of two, from the network to the units; formats that no unit takes."""

import csv

import pytest
from helpers.tiny import write_tiny_model

from macwright.costmodel.tables.default_units import mac_spec
from macwright.dse.cli import main as cli
from macwright.dse.run.allocation import read_allocation
from macwright.hw.errors import NotSupported
from macwright.hw.pe import ShiftAddMacSpec


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


@pytest.mark.parametrize(
    ("weight", "act"), [("mxfp4", "int8"), ("int4", "pot4"), ("nvfp4", "int4")]
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
    assert "for which there are exact units, not weights" in capsys.readouterr().err
    assert not out.exists()
    with pytest.raises(NotSupported, match=f"not weights {weight} with activations {act}"):
        mac_spec(act=act, weight=weight)
