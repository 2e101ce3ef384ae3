"""`macwright dse` of a network whose file prescribes formats."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers.tiny import read_rows, write_tiny_model
from onnx import helper, numpy_helper

from macwright.dse.accuracy.evaluate import evaluate
from macwright.dse.cli import main as cli
from macwright.dse.data.recipe import load_recipe
from macwright.dse.sensitivity.measure import LossMeasure, measure_sensitivity
from macwright.dse.workload import load_workload
from macwright.dse.workload.free import freed
from macwright.dse.workload.session import session

FORMATS = ["--weights", "int4,int8", "--activations", "int4,int8", "--no-verify"]

pytestmark = pytest.mark.usefixtures("own_cache")


def quantised(folder: Path, *layers: str) -> Path:
    """The tiny model with QONNX quantisers of 5-bit weights and 6-bit activations of layers."""
    path = write_tiny_model(folder)
    model = onnx.load(path)
    graph = model.graph
    values = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    nodes = []
    for node in graph.node:
        if node.name in layers:
            for place, (tensor, bits, signed) in enumerate(
                ((node.input[0], 6, node.name == "conv"), (node.input[1], 5, True))
            ):
                name = f"{node.name}_{place}"
                top = np.abs(values[tensor]).max() if tensor in values else 12.0
                of = {"scale": top / 2 ** (bits - 1), "zero": 0.0, "bits": bits}
                for what, value in of.items():
                    constant = np.array(value, np.float32)
                    graph.initializer.append(numpy_helper.from_array(constant, f"{name}_{what}"))
                inputs = [tensor, *(f"{name}_{what}" for what in of)]
                quant = helper.make_node(
                    "Quant", inputs, [name], name=f"quant_{name}", signed=int(signed), narrow=0,
                    rounding_mode="ROUND", domain="qonnx.custom_op.general",
                )  # fmt: skip
                nodes.append(quant)
                node.input[place] = name
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    model.opset_import.append(helper.make_opsetid("qonnx.custom_op.general", 1))
    onnx.save(model, path)
    return path


def test_prescribed_layers_keep_their_formats_and_others_are_free(tmp_path, capsys):
    model = quantised(tmp_path, "linear")
    assert cli.main(["dse", str(model), *FORMATS, "-o", str(tmp_path / "run")]) == 0
    said = capsys.readouterr().out
    assert "fixed by the model: formats of 1 of 2 layers" in said
    assert "\nCosts are those of a machine with an engine for each layer" in said
    options = read_rows(tmp_path / "run" / "options.csv")
    assert [row["option"] for row in options if row["layer"] == "linear"] == ["int5/uint6"]
    assert len({row["option"] for row in options if row["layer"] == "conv"}) == 4
    info = json.loads((tmp_path / "run" / "run.json").read_text())
    assert info["fixed_formats"] == {"linear": {"weight": "int5", "activation": "uint6"}}
    assert "prescribes formats of 1 layers" in (tmp_path / "run" / "report.html").read_text()
    uniforms = [row["name"] for row in read_rows(tmp_path / "run" / "uniform.csv")]
    assert sorted(uniforms) == ["int4", "int8"]
    # What is measured is the network in just these formats.
    dataset = load_recipe(model)
    workload = load_workload(model, dataset)
    row = next(row for row in read_rows(tmp_path / "run" / "uniform.csv") if row["name"] == "int4")
    allocation = {"conv": ("int4", "int4"), "linear": ("int5", "uint6")}
    measured = evaluate(workload, dataset, allocation).metric
    assert float(row["measured_accuracy"]) == pytest.approx(measured)


def test_network_that_prescribes_all_formats_has_one_point(tmp_path):
    model = quantised(tmp_path, "conv", "linear")
    assert cli.main(["dse", str(model), *FORMATS, "-o", str(tmp_path / "run")]) == 0
    (point,) = read_rows(tmp_path / "run" / "front.csv")
    assert point["status"] == "optimal"
    assert point["measured_accuracy"]
    allocation = json.loads((tmp_path / "run" / point["allocation"]).read_text())
    assert allocation["layers"]["conv"]["weight"] == "int5"
    assert allocation["layers"]["conv"]["activation"] == "int6"
    assert not (tmp_path / "run" / "uniform.csv").exists()


def test_prescribed_tensors_lose_nothing(tmp_path):
    model = quantised(tmp_path, "linear")
    dataset = load_recipe(model)
    workload = load_workload(model, dataset)
    table = measure_sensitivity(
        workload, dataset, ["int4"], ["int4"], measure=LossMeasure(images=16)
    )
    mine = table[table.layer == "linear"].set_index("tensor")
    assert mine.format.to_dict() == {"weight": "int5", "activation": "uint6"}
    # What the file computes is rounded to these formats already; other tensors change it.
    assert mine.loss.to_numpy() == pytest.approx(0, abs=1e-9)
    assert (table[table.layer == "conv"].loss > 1e-4).all()


def test_freed_layers_are_searched(tmp_path, capsys):
    model = quantised(tmp_path, "conv", "linear")
    run = [str(model), *FORMATS, "-o", str(tmp_path / "run")]
    assert cli.main(["dse", "--free", "linear", *run]) == 0
    assert "fixed by the model: formats of 1 of 2 layers" in capsys.readouterr().out
    options = read_rows(tmp_path / "run" / "options.csv")
    assert len({row["option"] for row in options if row["layer"] == "linear"}) == 4
    assert [row["option"] for row in options if row["layer"] == "conv"] == ["int5/int6"]
    assert cli.main(["dse", "--free", "nothing", *run]) == 1
    assert "must be layers whose formats the model prescribes (conv, linear), not 'nothing'" in (
        capsys.readouterr().err
    )


def test_results_of_freed_networks_are_not_taken_for_those_of_others(tmp_path, monkeypatch):
    model = quantised(tmp_path, "conv", "linear")
    dataset = load_recipe(model)
    workload = load_workload(model, dataset)
    free = freed(workload, ["all"])
    allocation = {"conv": ("int5", "int6"), "linear": ("int5", "uint6")}
    alone = [evaluate(one, dataset, allocation) for one in (workload, free)]
    assert alone[0].logit_mse != alone[1].logit_mse
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "new"))
    assert [evaluate(one, dataset, allocation) for one in (free, workload)] == alone[::-1]


@pytest.mark.parametrize("names", [["linear"], ["conv"], ["all"]])
def test_freed_activations_saturate_and_are_not_rounded(tmp_path, names):
    model = quantised(tmp_path, "conv", "linear")
    dataset = load_recipe(model)
    workload = load_workload(model, dataset)
    x = dataset.first(dataset.x_calib, 8)["x"]
    weights = {layer.name: workload.tensor(layer.weight) for layer in workload.layers}
    bias = {
        layer.name: workload.tensor(workload.node(layer).input[2])
        for layer in workload.layers
        if len(workload.node(layer).input) > 2
    }
    free = freed(workload, names)
    assert set(free.fixed) == ({"conv", "linear"} - set(names) if "all" not in names else set())

    def grid(values, layer, low, high):
        fixed = workload.fixed[layer][1]
        assert fixed is not None
        codes = np.clip(values / fixed.scale, low, high)
        return (codes if layer in names or "all" in names else np.rint(codes)) * fixed.scale

    padded = np.pad(grid(x, "conv", -32, 31)[:, 0], ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    hidden = np.einsum("nyxij,oij->noyx", windows, weights["conv"][:, 0])
    hidden = np.maximum(hidden + np.reshape(bias.get("conv", 0), (1, -1, 1, 1)), 0).reshape(8, -1)
    theirs = grid(hidden, "linear", 0, 63) @ weights["linear"] + bias.get("linear", 0)
    ours = session(free.model, optimise=False).run(None, {"x": x})[0]
    np.testing.assert_allclose(np.asarray(ours), theirs, rtol=1e-4, atol=1e-4)
