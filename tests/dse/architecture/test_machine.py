"""Cycles of machines in the search, and networks that have none."""

import json

import numpy as np
import onnx
import pandas as pd
import pytest
from helpers.tiny import write_tiny_model

from macwright.dse.architecture.machine import machine_cycles, machine_network
from macwright.dse.cli.main import main
from macwright.dse.data.recipe import load_recipe
from macwright.dse.workload import load_workload
from macwright.hw.accelerator.temporal.compile import compile_network
from macwright.hw.errors import RefusedInput


@pytest.mark.parametrize("stages", [0, 2])
def test_layers_and_all_else_are_the_whole_frame(tmp_path, stages):
    model = write_tiny_model(tmp_path)
    dataset = load_recipe(model)
    workload = load_workload(model, dataset)
    network = machine_network(workload, dataset)
    cycles = machine_cycles(network, workload.layers, rows=3, columns=2)
    program = compile_network(network, rows=3, columns=2)
    parts = [cycles.of_layer(layer.name, stages) for layer in workload.layers]
    assert parts == [one.cycles(3, stages) for one in program.passes]
    assert sum(parts) + cycles.of_rest(stages) == program.frame_cycles(stages)


def test_a_network_without_a_machine_is_searched_and_the_reason_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "cache"))
    text = (
        '<ir_version: 8, opset_import: ["": 17]> g (float[N,3] x) => (float[N,2] y) '
        "<float[3,4] v = {1, -2, 3, 0.5, -1, 2, 1, 1, 0.2, -0.3, 2, 1}, "
        "float[4,2] w = {1, -2, 3, 0.5, -1, 2, 1, 1}> "
        "{ a = MatMul(x, v) b = Tanh(a) y = MatMul(b, w) }"
    )
    model = tmp_path / "net.onnx"
    onnx.save(onnx.parser.parse_model(text), model)
    x = np.linspace(-1, 1, 48, dtype=np.float32).reshape(16, 3)
    np.savez(tmp_path / "net.npz", x_calib=x, x_eval=x, y_eval=np.arange(16) % 2)
    dataset = load_recipe(model, None, tmp_path / "net.npz")
    with pytest.raises(RefusedInput, match="must look up the input to be part of a temporal"):
        machine_network(load_workload(model, dataset), dataset)
    command = ["dse", str(model), "--data", str(tmp_path / "net.npz"), "--no-verify"]
    command += ["--architecture", "temporal", "--weights", "int8", "--activations", "int8"]
    assert main([*command, "--points", "1", "-o", str(tmp_path / "run")]) == 0
    said = "cycles of arrays are those of a formula, as no machine can be built: Node "
    assert said in capsys.readouterr().err
    notes = json.loads((tmp_path / "run" / "run.json").read_text())["notes"]
    assert any(note.startswith(said) for note in notes)


def test_signed_and_unsigned_activations_are_one_unit_type(tmp_path, monkeypatch):
    """A machine keeps codes as levels above the least one; a front must not count two types."""
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "cache"))
    model, run, chip = write_tiny_model(tmp_path), tmp_path / "run", tmp_path / "chip"
    command = ["dse", str(model), "--no-verify", "--architecture", "temporal", "--types", "1"]
    command += ["--technology", "ecp5", "--weights", "int8", "--activations", "int8"]
    command += ["--switched", "none", "--measure", "0", "--points", "1", "--jobs", "1"]
    assert main([*command, "-o", str(run)]) == 0
    front = pd.read_csv(run / "front.csv")
    allocation = json.loads((run / "allocations" / "0.json").read_text())
    layers = allocation["layers"].values()
    assert {layer["activation"] for layer in layers} == {"int8", "uint8"}
    assert len({layer["unit"] for layer in layers}) == 1
    assert list(front["unit_types"].unique()) == [1]
    words = ["build", str(run / "allocations" / "0.json"), "--model", str(model)]
    assert main([*words, "-o", str(chip)]) == 0
    built = json.loads((chip / "build.json").read_text())["machine"]
    cycles = front["latency_ms"].iloc[0] * front["clock_mhz"].iloc[0] * 1e3
    assert built["interval"] == pytest.approx(cycles)
