"""Small networks and data for tests of the explorer; run with `runpy.run_path`."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper


def model(nodes, weights, *, shape=("N", 1, 8, 8), out=("N", 3), name="logits", opset=17, dtype=1):
    """ONNX model of nodes ``(op, inputs, output, attributes)`` from ``x``; weights by name."""
    graph = helper.make_graph(
        [
            helper.make_node(op, inputs, [output], name=f"n_{output}", **attributes)
            for op, inputs, output, attributes in nodes
        ],
        "small",
        [helper.make_tensor_value_info("x", dtype, list(shape))],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(out))],
        [numpy_helper.from_array(np.asarray(value), key) for key, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def run(proto, **feeds):
    """First result of a model in onnxruntime."""
    running = onnxruntime.InferenceSession(proto.SerializeToString())
    return np.asarray(running.run(None, feeds)[0])


def cnn(seed=0):
    """Plain, depthwise and pointwise convolution, residual add, Gemm: 3 classes of 8x8 images."""
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]) or 1)).astype(np.float32)

    weights = {
        "w1": normal(8, 1, 3, 3) * 1.5,
        "b1": normal(8) * 0.1,
        "w2": normal(8, 1, 3, 3) * 1.5,
        "b2": normal(8) * 0.1,
        "w3": normal(8, 8, 1, 1) * 1.5,
        "w4": normal(3, 8) * 3,
        "b4": normal(3) * 0.1,
    }
    nodes = [
        ("Conv", ["x", "w1", "b1"], "c1", {"pads": [1, 1, 1, 1]}),
        ("Relu", ["c1"], "r1", {}),
        ("Conv", ["r1", "w2", "b2"], "c2", {"pads": [1, 1, 1, 1], "strides": [2, 2], "group": 8}),
        ("Relu", ["c2"], "r2", {}),
        ("Conv", ["r2", "w3"], "c3", {}),
        ("Add", ["c3", "r2"], "s", {}),
        ("Relu", ["s"], "r3", {}),
        ("GlobalAveragePool", ["r3"], "p", {}),
        ("Flatten", ["p"], "f", {}),
        ("Gemm", ["f", "w4", "b4"], "logits", {"transB": 1}),
    ]
    return model(nodes, weights)


def products(rng, channel, *, hidden=64):
    """Two products with weights like 1 / `channel`, by which inputs are loud, and 3 outputs."""
    weights = {
        "w1": (rng.standard_normal((len(channel), hidden)) / channel[:, None] / 10),
        "w2": rng.standard_normal((hidden, 3)) / 4,
    }
    nodes = [
        ("MatMul", ["x", "w1"], "h", {}),
        ("Tanh", ["h"], "t", {}),
        ("MatMul", ["t", "w2"], "logits", {}),
    ]
    weights = {name: array.astype(np.float32) for name, array in weights.items()}
    return model(nodes, weights, shape=("N", len(channel)), out=("N", 3))


def write(folder, proto, *, calib=48, evaluation=96, seed=1, **arrays):
    """Save a model and data ``x_calib, x_eval, y_eval``; return both paths."""
    import onnxruntime

    rng = np.random.default_rng(seed)
    path = folder / "net.onnx"
    onnx.save(proto, path)
    data = {
        "x_calib": rng.standard_normal((calib, 1, 8, 8)).astype(np.float32),
        "x_eval": rng.standard_normal((evaluation, 1, 8, 8)).astype(np.float32),
    }
    running = onnxruntime.InferenceSession(proto.SerializeToString())
    logits = np.asarray(running.run(None, {"x": data["x_eval"]})[0])
    data["y_eval"] = logits.argmax(axis=1)
    data.update(arrays)
    kept: dict[str, Any] = {key: value for key, value in data.items() if value is not None}
    np.savez(folder / "net.npz", **kept)
    return path, folder / "net.npz"
