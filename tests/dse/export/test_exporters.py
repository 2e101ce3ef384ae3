"""The other kinds of files, the command, and what is refused."""

import json

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from helpers.tiny import read_rows

from macwright.dse.accuracy.evaluate import run_model
from macwright.dse.cli.main import main
from macwright.dse.export.exporters import EXPORTERS, export_point
from macwright.dse.export.source import open_run
from macwright.dse.quantizer.plan import quantised_model
from macwright.dse.workload import load_workload

PAIRS = [("int4", "int8"), ("ternary", "mxint8"), ("e2m1fn", "e4m3fn"), ("pot4", "int5")]


def outputs(run):
    """Outputs of our own evaluation."""
    point = run.quantised(3)
    model = quantised_model(point.network, point.plans)
    return run_model(run.workload, model, run.dataset.x_eval)


def numpy_network(layers, formats, x):
    """The tiny network from the document alone, by NumPy; activations are those of integers."""

    def rounded(values, operand):
        bits = int(operand["format"].lstrip("uint"))
        low = 0 if operand["format"].startswith("u") else -(2 ** (bits - 1))
        levels = np.rint(values / operand["scale"] + operand["zero"])
        levels = np.clip(levels, low, low + 2**bits - 1)
        return (levels - operand["zero"]) * operand["scale"]

    def weights(layer):
        table = np.array(formats[layer["weight_format"]]["values"], float)
        return table[np.array(layer["weight_codes"])] * np.array(layer["weight_scale"])

    conv, linear = layers["conv"], layers["linear"]
    padded = np.pad(rounded(x[:, 0], conv["activation"]), ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    hidden = np.einsum("nyxij,oij->noyx", windows, weights(conv)[:, 0])
    hidden = np.maximum(hidden + np.array(conv["bias"])[:, None, None], 0)
    hidden = rounded(hidden.reshape(len(x), -1), linear["activation"])
    return hidden @ weights(linear) + np.array(linear["bias"])


@pytest.mark.parametrize("pair", PAIRS, ids="/".join)
def test_onnx_gives_our_outputs_and_can_be_read_again(pair, write_run, tmp_path):
    run = write_run(pair)
    (path,) = export_point(run, 3, "onnx", tmp_path)
    onnx.checker.check_model(onnx.load(path), full_check=True)
    x = run.dataset.x_eval["x"]
    theirs = np.asarray(onnxruntime.InferenceSession(path).run(None, {"x": x})[0])
    assert np.allclose(theirs, outputs(run), rtol=1e-5, atol=1e-5)
    assert [layer.name for layer in load_workload(path).layers] == ["conv", "linear"]
    assert not any("::" in node.name for node in onnx.load(path).graph.node)


@pytest.mark.parametrize("pair", [("int4", "int8"), ("e2m1fn", "int5"), ("pot4", "int8")])
def test_json_is_all_that_the_network_needs(pair, write_run, tmp_path):
    run = write_run(pair)
    (path,) = export_point(run, 3, "json", tmp_path)
    document = json.loads(path.read_text())
    assert document["model_sha256"] == run.workload.sha256
    theirs = numpy_network(document["layers"], document["formats"], run.dataset.x_eval["x"])
    assert np.allclose(theirs, outputs(run), rtol=1e-4, atol=1e-4)


def test_csv_holds_what_json_holds(write_run, tmp_path):
    run = write_run(("e2m1fn", "int5"), ("int4", "int8"))
    *_, index = export_point(run, 3, "csv", tmp_path)
    (document,) = export_point(run, 3, "json", tmp_path)
    document = json.loads(document.read_text())
    rows = {row["layer"]: row for row in read_rows(index)}
    assert list(rows) == list(document["layers"])
    for name, layer in document["layers"].items():
        weights = pd.read_csv(tmp_path / rows[name]["weights"])
        codes = np.array(layer["weight_codes"])
        assert weights.filter(like="axis_").to_numpy().tolist() == [
            *map(list, np.ndindex(codes.shape))
        ]
        assert weights["code"].tolist() == codes.reshape(-1).tolist()
        values = np.array(document["formats"][layer["weight_format"]]["values"])[codes]
        assert weights["level"].tolist() == values.reshape(-1).tolist()
        scale = np.broadcast_to(layer["weight_scale"], codes.shape).reshape(-1)
        assert np.allclose(weights["scale"], scale, rtol=1e-6)
        assert pd.read_csv(tmp_path / rows[name]["biases"])["bias"].to_numpy() == pytest.approx(
            layer["bias"], rel=1e-6
        )
        assert float(rows[name]["activation_scale"]) == layer["activation"]["scale"]
        assert float(rows[name]["activation_zero"]) == layer["activation"]["zero"]


def test_json_of_codes_that_are_no_numbers(write_run, tmp_path):
    (path,) = export_point(write_run(("e5m2", "int8")), 3, "json", tmp_path)
    (table,) = json.loads(path.read_text())["formats"].values()
    assert table["width"] == 8
    assert [i for i, value in enumerate(table["values"]) if value is None] == [
        *range(0x7C, 0x80),
        *range(0xFC, 0x100),
    ]


@pytest.mark.parametrize("kind", EXPORTERS)
def test_command_writes_every_kind(kind, tiny, write_run, tmp_path, capsys):
    run = write_run(("int4", "int8"))
    argv = ["export", str(run.folder), "--point", "3", "--to", kind, "--model", str(tiny)]
    assert main([*argv, "-o", str(tmp_path / "out")]) == 0
    said = sorted(capsys.readouterr().out.split())
    assert said == [str(path) for path in sorted((tmp_path / "out").iterdir())]


@pytest.mark.parametrize(
    ("change", "argv", "message"),
    [
        ({}, ["--point", "4"], "must be one of 3, not 4"),
        ({}, ["--to", "coreml"], "Option --to must be one of qonnx, "),
        ({"model_sha256": "0" * 64}, [], "Model of "),
        ({"data_sha256": "0" * 64}, [], "Data of "),
        ({"settings": None}, [], "Field run.json.settings must be an object, not None"),
        ({"settings": {}}, [], "Field run.json.settings.free must be there, and is missing"),
        ({"settings": {"free": 3}}, [], "Field run.json.settings.free must be a list, not 3"),
        (
            {"settings": {"free": [], "held_out": "half"}},
            [],
            "Field run.json.settings.held_out must be a finite number, not 'half'",
        ),
        ({}, ["--model", "nowhere.onnx"], "nowhere.toml"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(
    change, argv, message, tiny, write_run, tmp_path, capsys
):
    folder = write_run(("int4", "int8")).folder
    info = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(info | change))
    given = ["export", str(folder), "--point", "3", "--to", "json", "--model", str(tiny), *argv]
    assert main([*given, "-o", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_model_of_a_run_must_be_named_unless_it_is_the_embedded_one(write_run):
    folder = write_run(("int4", "int8")).folder
    with pytest.raises(ValueError, match=r"^Option --model must say where tiny.onnx is"):
        open_run(folder)
    with pytest.raises(FileNotFoundError, match=r"run\.json"):
        open_run(folder / "allocations")
