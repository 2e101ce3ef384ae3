"""Constants behind other operators: they are weights, and keep their shapes and formats."""

import numpy as np
import onnx
import onnxruntime
import pytest
from helpers import networks
from onnx import TensorProto, helper, numpy_helper

from macwright.dse.workload import load_workload

RNG = np.random.default_rng(0)
W = RNG.standard_normal((16, 8)).astype(np.float32)


def run(proto, x):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    running = onnxruntime.InferenceSession(proto.SerializeToString(), options)
    return np.asarray(running.run(None, {"x": x})[0])


def load(folder, proto):
    onnx.save(proto, folder / "net.onnx")
    return load_workload(folder / "net.onnx")


#: Ways to write the same 16 by 8 weights: nodes that make ``w``, and their constants.
WAYS = {
    "transposed": ([("Transpose", ["a"], "w", {})], {"a": W.T}),
    "reshaped": ([("Reshape", ["a", "s"], "w", {})], {"a": W.ravel(), "s": np.array([16, -1])}),
    "cast": ([("Cast", ["a"], "w", {"to": 1})], {"a": W.astype(np.float64)}),
    "scaled": ([("Mul", ["a", "s"], "w", {})], {"a": W / 2, "s": np.float32(2)}),
    "divided": ([("Div", ["a", "s"], "w", {})], {"a": W * 2, "s": np.full(8, 2, np.float32)}),
    "unsqueezed": (
        [("Unsqueeze", ["a", "o"], "b", {}), ("Squeeze", ["b", "o"], "w", {})],
        {"a": W, "o": np.array([0])},
    ),
    "computed_shape": (
        [
            ("Shape", ["a"], "s", {}),
            ("Gather", ["s", "one"], "last", {}),
            ("Unsqueeze", ["last", "o"], "l", {}),
            ("Concat", ["l", "rest"], "to", {"axis": 0}),
            ("Reshape", ["a", "to"], "b", {}),
            ("Transpose", ["b"], "w", {}),
        ],
        {"a": W.T.copy().T.reshape(16, 8).T.copy(), "one": np.array(0), "o": np.array([0]),
         "rest": np.array([-1])},
    ),
    "low_rank": (
        [("MatMul", ["a", "b"], "w", {})],
        {"a": W[:, :4].copy(), "b": W[:4].copy()},
    ),
    "sliced": (
        [("Slice", ["a", "from", "to", "axis"], "w", {})],
        {"a": np.pad(W, ((2, 1), (0, 0))), "from": np.array([2]), "to": np.array([18]),
         "axis": np.array([0])},
    ),
    "filled": ([("ConstantOfShape", ["s"], "w", {})], {"s": np.array([16, 8])}),
    "float_attribute": ([
        ("Constant", [], "a", {"value_floats": [float(x) for x in W.ravel()]}),
        ("Reshape", ["a", "s"], "w", {}),
    ], {"s": np.array([16, 8])}),
    "joined": (
        [("Concat", ["a", "b"], "w", {"axis": 1})],
        {"a": W[:, :3].copy(), "b": W[:, 3:].copy()},
    ),
}  # fmt: skip


@pytest.mark.parametrize("op", ["MatMul", "Gemm", "MatMul first"])
@pytest.mark.parametrize("way", WAYS)
def test_weights_are_constants_however_they_are_written(tmp_path, way, op):
    nodes, weights = WAYS[way]
    first = op == "MatMul first"
    if first:
        nodes = [*nodes, ("Transpose", ["w"], "wt", {}), ("MatMul", ["wt", "x"], "logits", {})]
    else:
        nodes = [*nodes, (op, ["x", "w"], "logits", {})]
    shape, out = (("N", 16, 3), ("N", 8, 3)) if first else (("N", 16), ("N", 8))
    proto = networks.model(nodes, weights, shape=shape, out=out)
    workload = load(tmp_path, proto)
    (layer,) = workload.layers
    assert not layer.dynamic
    assert layer.weights == 128
    assert layer.macs == 128 * (3 if first else 1)
    x = RNG.standard_normal((2, *shape[1:])).astype(np.float32)
    np.testing.assert_allclose(run(workload.model, x), run(proto, x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "nodes",
    [
        [("Reshape", ["w", "s"], "k", {})],
        [("Transpose", ["v"], "k", {"perm": [3, 2, 0, 1]})],
        [("Unsqueeze", ["u", "axes"], "k", {})],
    ],
)
def test_weights_of_convolutions_are_constants(tmp_path, nodes):
    weights = {
        "w": W.ravel(),
        "s": np.array([8, 4, 2, 2]),
        "v": W.reshape(2, 2, 4, 8),
        "u": W.reshape(8, 4, 4),
        "axes": np.array([3]),
    }
    proto = networks.model(
        [*nodes, ("Conv", ["x", "k"], "c", {}), ("GlobalAveragePool", ["c"], "logits", {})],
        weights,
        shape=("N", 4, 6, 6),
        out=("N", 8, 1, 1),
    )
    workload = load(tmp_path, proto)
    assert workload.layers[0].weights == 128
    x = RNG.standard_normal((2, 4, 6, 6)).astype(np.float32)
    np.testing.assert_allclose(run(workload.model, x), run(proto, x), rtol=1e-5, atol=1e-6)


def test_a_scalar_stays_a_scalar(tmp_path):
    weights = {"w": W[:, :3].copy(), "i": np.array(0), "f": np.float32(2)}
    proto = networks.model(
        [
            ("Gather", ["x", "i"], "g", {"axis": 1}),
            ("Mul", ["g", "f"], "m", {}),
            ("MatMul", ["m", "w"], "logits", {}),
        ],
        weights,
        shape=("N", 5, 16),
    )
    workload = load(tmp_path, proto)
    assert len(workload.shapes["logits"]) == 2
    assert workload.tensor("i").shape == workload.tensor("f").shape == ()


def test_random_weights_are_refused(tmp_path):
    proto = networks.model(
        [
            ("RandomNormalLike", ["w"], "r", {}),
            ("MatMul", ["x", "r"], "logits", {}),
        ],
        {"w": W[:, :3].copy()},
        shape=("N", 16),
    )
    with pytest.raises(ValueError, match="RandomNormalLike; export the model without random"):
        load(tmp_path, proto)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(
    ("after", "shape"),
    [
        ([], (16, 8)),
        ([("Transpose", ["d"], "w", {})], (8, 16)),
        ([("Unsqueeze", ["d", "o"], "u", {}), ("Squeeze", ["u", "o"], "w", {})], (16, 8)),
        ([("Mul", ["d", "two"], "w", {})], (16, 8)),
        ([("Transpose", ["d"], "t", {}), ("Div", ["t", "eight"], "w", {})], (8, 16)),
        ([("Reshape", ["d", "s"], "w", {})], (4, 4, 8)),
        ([("Slice", ["d", "from", "to", "o"], "w", {})], (16, 8)),
    ],
)
def test_scales_go_with_the_weights(tmp_path, axis, after, shape):
    codes = RNG.integers(-127, 128, shape).astype(np.int8)
    scale = RNG.uniform(0.01, 0.1, shape[axis]).astype(np.float32)
    if "Slice" in [op for op, *_ in after]:
        codes = np.concatenate([codes, codes[:2]])
        scale = RNG.uniform(0.01, 0.1, codes.shape[axis]).astype(np.float32)
    constants = {
        "c": codes, "sc": scale, "o": np.array([0]), "two": np.float32(2), "s": np.array([16, 8]),
        "eight": RNG.uniform(1, 2, 8).astype(np.float32), "from": np.array([0]),
        "to": np.array([16]),
    }  # fmt: skip
    nodes = [
        helper.make_node("DequantizeLinear", ["c", "sc"], ["d" if after else "w"], axis=axis),
        *(helper.make_node(op, ins, [out], **more) for op, ins, out, more in after),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 8])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )  # fmt: skip
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    workload = load(tmp_path, proto)
    (layer,) = workload.layers
    prescribed, _ = workload.fixed[layer.name]
    assert prescribed is not None
    weights = workload.tensor(layer.weight)
    assert weights.shape == (16, 8)
    # The weights are whole multiples of their scales, and in the range of the format.
    levels = weights / prescribed.scale
    np.testing.assert_allclose(levels, np.rint(levels), atol=1e-3)
    assert np.unique(np.rint(levels)).size > 60
    assert np.abs(levels).max() <= 128.5
    x = RNG.standard_normal((2, 16)).astype(np.float32)
    np.testing.assert_allclose(run(workload.model, x), run(proto, x), rtol=1e-4, atol=1e-4)


def test_quantised_weights_times_a_negative_number_are_refused(tmp_path):
    proto = networks.model(
        [
            ("DequantizeLinear", ["c", "s"], "d", {}),
            ("Mul", ["d", "m"], "w", {}),
            ("MatMul", ["x", "w"], "logits", {}),
        ],
        {"c": np.ones((4, 3), np.int8), "s": np.float32(0.5), "m": np.float32(-1)},
        shape=("N", 4),
    )
    with pytest.raises(ValueError, match="n_w must multiply quantised weights by positive"):
        load(tmp_path, proto)
