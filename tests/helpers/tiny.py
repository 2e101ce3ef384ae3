"""A tiny network with data, made on the spot, for tests of the command line."""

import csv
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def write_tiny_model(folder: Path, *, samples: int = 48) -> Path:
    """Write a two-layer classifier, its data and its recipe; gives the path of the model."""
    rng = np.random.default_rng(1)
    conv = rng.normal(size=(6, 1, 3, 3)).astype(np.float32)
    linear = rng.normal(size=(6 * 16, 4)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "wc"], ["c"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], name="relu"),
        helper.make_node("Flatten", ["r"], ["f"], name="flatten"),
        helper.make_node("Gemm", ["f", "wl"], ["y"], name="linear"),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4])],
        [numpy_helper.from_array(conv, "wc"), numpy_helper.from_array(linear, "wl")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = folder / "tiny.onnx"
    onnx.save(model, path)
    x = rng.normal(size=(2 * samples, 1, 4, 4)).astype(np.float32)
    padded = np.pad(x[:, 0], ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    hidden = np.maximum(np.einsum("nyxij,oij->noyx", windows, conv[:, 0]), 0)
    y = (hidden.reshape(len(x), -1) @ linear).argmax(1)
    np.savez(folder / "tiny.npz", x_calib=x[:samples], x_eval=x[samples:], y_eval=y[samples:])
    (folder / "tiny.toml").write_text(
        'task = "classification"\ndata = "tiny.npz"\ncalibration = "x_calib"\n'
        'evaluation = "x_eval"\nlabels = "y_eval"\n'
    )
    return path


def read_rows(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file, by the names of its columns."""
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def best_of(totals):
    """Points of (cost, loss), sorted, that none of less or equal cost is as good as."""
    best, front = float("inf"), []
    for cost, loss in totals:
        if loss < best:
            best = loss
            front.append((cost, loss))
    return front


def reported_front(run_dir):
    """Cost and predicted loss of each point of a run."""
    rows = read_rows(run_dir / "front.csv")
    return [(float(row["area_time"]), float(row["predicted_loss"])) for row in rows]
