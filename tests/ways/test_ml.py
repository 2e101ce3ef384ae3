"""An ML engineer's way: a torch model, searched, exported as QONNX, gives what was evaluated."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers.prescribed import difference, run_with_onnxruntime

pytestmark = pytest.mark.slow


def macwright(*words: object, folder: Path) -> str:
    """What a command prints, in a process of its own."""
    command = [sys.executable, "-m", "macwright", *map(str, words)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def write_torch_model(torch, folder: Path) -> None:
    """A small convolutional network, trained for a moment on blobs, as ONNX with data beside it."""
    nn = torch.nn
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 600)
    x = rng.normal(0, 0.6, (600, 1, 12, 12)).astype(np.float32)
    for image, label in zip(x, labels, strict=True):
        row, column = divmod(int(label), 2)
        image[0, 6 * row : 6 * row + 6, 6 * column : 6 * column + 6] += 0.5
    network = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
        nn.Linear(64, 4),
    )  # fmt: skip
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    inputs, targets = torch.from_numpy(x[:400]), torch.from_numpy(labels[:400])
    for _ in range(60):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(inputs), targets).backward()
        optimiser.step()
    network.eval()
    dynamic = {"x": {0: "n"}, "y": {0: "n"}}
    torch.onnx.export(
        network, (inputs[:1],), folder / "blobs.onnx", input_names=["x"], output_names=["y"],
        dynamic_axes=dynamic, opset_version=17, dynamo=False,
    )  # fmt: skip
    np.savez(folder / "blobs.npz", a=x[:400], b=x[400:], y=labels[400:])
    (folder / "blobs.toml").write_text(
        'task = "classification"\ndata = "blobs.npz"\ncalibration = "a"\nevaluation = "b"\n'
        'labels = "y"\n'
    )


# torch's exporter of TorchScript says that it will go.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_torch_model_comes_back_as_qonnx_with_the_outputs_of_our_evaluation(tmp_path):
    torch = pytest.importorskip("torch", reason="torch is absent")
    wrapper = pytest.importorskip("qonnx.core.modelwrapper", reason="qonnx is absent")
    executor = pytest.importorskip("qonnx.core.onnx_exec")
    infer = pytest.importorskip("qonnx.transformation.infer_shapes")
    write_torch_model(torch, tmp_path)
    macwright(
        *("dse", "blobs.onnx", "--weights", "int3,int4,int8", "--activations", "int4,int8"),
        *("--points", "6", "-o", "run"),
        folder=tmp_path,
    )
    with (tmp_path / "run" / "front.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["status"] for row in rows} == {"optimal"}
    info = json.loads((tmp_path / "run" / "run.json").read_text())
    measured = [row for row in rows if row["measured_accuracy"]]
    # It has learned its task, and the most accurate point keeps that.
    assert info["fp32_accuracy"] > 90
    best = max(measured, key=lambda row: float(row["measured_accuracy"]))
    assert float(best["measured_accuracy"]) > info["fp32_accuracy"] - 5
    data = np.load(tmp_path / "blobs.npz")
    x, labels = data["b"], data["y"]
    for row in measured:
        words = ["export", "run", "--point", row["point"], "--model", "blobs.onnx", "--to"]
        # What is evaluated, which onnxruntime runs, and its QONNX, which the qonnx package runs.
        (evaluated,) = macwright(*words, "onnx", folder=tmp_path).split()
        (exported,) = macwright(*words, "qonnx", folder=tmp_path).split()
        ours = run_with_onnxruntime(onnx.load(tmp_path / evaluated), x)
        model = onnx.load(tmp_path / exported)
        assert {"Quant"} <= {node.op_type for node in model.graph.node}
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.shape.dim[0].dim_value = len(x)
        model = wrapper.ModelWrapper(model).transform(infer.InferShapes())
        theirs = executor.execute_onnx(model, {"x": x})["y"]
        # Sums in another order put few activations on the other side of an edge between codes.
        apart = np.abs(ours - theirs).max(axis=1)
        assert np.median(apart) < 1e-6 * np.abs(ours).max()
        assert difference(theirs, ours) < 0.1
        accuracy = 100 * float((theirs.argmax(axis=1) == labels).mean())
        assert accuracy == pytest.approx(float(row["measured_accuracy"]), abs=101 / len(x))
