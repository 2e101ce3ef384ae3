"""Operators that hold matrix products: they compute the same, and their products are counted."""

import math

import numpy as np
import onnx
import onnxruntime
import pytest
from helpers import networks

from macwright.dse.workload import load_workload

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def run(proto, x):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    running = onnxruntime.InferenceSession(proto.SerializeToString(), options)
    return np.asarray(running.run(None, {"x": x})[0])


def check(folder, nodes, weights, shape, *, rank, opset=17):
    """Workload of a network that computes what onnxruntime computes of the original."""
    proto = networks.model(
        nodes, weights, shape=shape, out=[None] * rank, name="y", opset=opset
    )  # fmt: skip
    onnx.save(proto, folder / "net.onnx")
    workload = load_workload(folder / "net.onnx")
    x = normal(*[3 if size == "N" else size for size in shape])
    np.testing.assert_allclose(run(workload.model, x), run(proto, x), rtol=1e-4, atol=1e-5)
    return workload


@pytest.mark.parametrize("opset", [17, 18])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("op", ["LSTM", "GRU", "GRU reset", "RNN"])
def test_recurrent_layers(tmp_path, op, direction, opset):
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[op.split()[0]]
    sides, size, hidden, steps = 1 + (direction == "bidirectional"), 5, 6, 4
    attributes = {"hidden_size": hidden, "direction": direction}
    if op == "GRU reset":
        attributes["linear_before_reset"] = 1
    weights = {
        "w": normal(sides, gates * hidden, size),
        "r": normal(sides, gates * hidden, hidden),
        "b": normal(sides, 2 * gates * hidden),
        "all": np.array([steps, -1, sides * hidden]),
    }
    nodes = [
        ("Transpose", ["x"], "t", {"perm": [1, 0, 2]}),
        (op.split()[0], ["t", "w", "r", "b"], "h", attributes),
        ("Transpose", ["h"], "u", {"perm": [0, 2, 1, 3]}),
        ("Reshape", ["u", "all"], "v", {}),
        ("Transpose", ["v"], "y", {"perm": [1, 0, 2]}),
    ]
    workload = check(tmp_path, nodes, weights, ("N", steps, size), rank=3, opset=opset)
    assert not workload.fixed_batch
    layers = workload.layers
    assert not any(layer.dynamic for layer in layers)
    assert sum(x.macs for x in layers) == steps * sides * gates * hidden * (size + hidden)
    # The copies of R for each step are one tensor in memory.
    assert sum(x.weights for x in layers) == sides * gates * hidden * (size + hidden)
    assert f"steps of recurrent layers ({steps} at most) are layers" in workload.notes[0]


@pytest.mark.parametrize("op", ["LSTM", "GRU"])
def test_states_of_recurrent_layers(tmp_path, op):
    gates = {"LSTM": 4, "GRU": 3}[op]
    inputs = ["t", "w", "r", "", "", "h0"] + (["c0"] if op == "LSTM" else [])
    weights = {
        "w": normal(1, gates * 6, 5), "r": normal(1, gates * 6, 6), "h0": normal(1, 1, 6),
        "c0": normal(1, 1, 6), "o": np.array([0]),
    }  # fmt: skip
    proto = networks.model(
        [("Transpose", ["x"], "t", {"perm": [1, 0, 2]}), (op, inputs, "h", {"hidden_size": 6}),
         ("Squeeze", ["last", "o"], "y", {})],
        weights, shape=(1, 4, 5), out=(1, 6), name="y",
    )  # fmt: skip
    proto.graph.node[1].output.append("last")
    onnx.save(proto, tmp_path / "net.onnx")
    workload = load_workload(tmp_path / "net.onnx")
    x = normal(1, 4, 5)
    np.testing.assert_allclose(run(workload.model, x), run(proto, x), rtol=1e-4, atol=1e-5)
    # The first state is a constant, so that its product is; the weights are there all the same.
    assert sum(layer.weights for layer in workload.layers) == gates * 6 * (5 + 6)


@pytest.mark.parametrize("op", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("result", [0, 1])
def test_recurrent_layers_with_samples_first(tmp_path, op, result):
    """Layout 1, which onnxruntime does not run, is layout 0 with all turned."""
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[op]
    weights = {"w": normal(2, gates * 6, 5), "r": normal(2, gates * 6, 6), "h0": normal(1, 2, 6)}
    names = [["y"], ["", "y"]][result]
    attributes = {"hidden_size": 6, "direction": "bidirectional"}
    protos = []
    for layout in (1, 0):
        inputs = ["x" if layout else "t", "w", "r", "", "", "h0" if layout else "h1"]
        nodes = [(op, inputs, "y", attributes | ({"layout": 1} if layout else {}))]
        if not layout:
            turns = [("x", "t"), ("h0", "h1")]
            nodes = [("Transpose", [a], b, {"perm": [1, 0, 2]}) for a, b in turns] + nodes
        proto = networks.model(
            nodes, weights, shape=(1, 4, 5), out=[None] * (4 - result), name="y"
        )  # fmt: skip
        del proto.graph.node[-1].output[:]
        proto.graph.node[-1].output.extend(names)
        protos.append(proto)
    onnx.save(protos[0], tmp_path / "net.onnx")
    workload = load_workload(tmp_path / "net.onnx")
    x = normal(1, 4, 5)
    theirs = run(protos[1], x).transpose([1, 0, 2] if result else [2, 0, 1, 3])
    np.testing.assert_allclose(run(workload.model, x), theirs, rtol=1e-4, atol=1e-5)
    assert sum(layer.weights for layer in workload.layers) == 2 * gates * 6 * (5 + 6)


@pytest.mark.parametrize(
    ("equation", "weight", "macs"),
    [
        ("bij,jk->bik", (4, 5), 6 * 4 * 5),
        ("bij,kj->bik", (5, 4), 6 * 4 * 5),
        ("bij,jhd->bhid", (4, 2, 3), 6 * 4 * 6),
        ("bij,ijk->bk", (6, 4, 5), 6 * 4 * 5),
        ("bij,ijk->bik", (6, 4, 5), 6 * 4 * 5),
        ("...j,jk->...k", (4, 5), 6 * 4 * 5),
        ("jk,bij->bki", (4, 5), 6 * 4 * 5),
        ("bij,jk", (4, 5), 6 * 4 * 5),
        ("bij,bkj->bik", None, 6 * 4 * 6),
        ("bij,bkj->kbi", None, 6 * 4 * 6),
        ("bij,bik->bjk", None, 6 * 4 * 4),
        ("bij,jk->ibk", (4, 5), 6 * 4 * 5),
        ("bij,ijk->ikb", (6, 4, 5), 6 * 4 * 5),
    ],
)
def test_einsum(tmp_path, equation, weight, macs):
    names = ["x", "x" if weight is None else "w"]
    if equation.startswith("jk"):
        names.reverse()
    weights = {} if weight is None else {"w": normal(*weight)}
    out = equation.replace(" ", "").partition("->")[2]
    rank = len(out.replace("...", "ab")) or 3
    workload = check(
        tmp_path, [("Einsum", names, "y", {"equation": equation})], weights, ("N", 6, 4), rank=rank
    )
    assert sum(layer.macs for layer in workload.layers) == macs
    assert sum(layer.weights for layer in workload.layers) == (math.prod(weight) if weight else 0)
    assert all(layer.dynamic is (weight is None) for layer in workload.layers)
    assert not workload.fixed_batch


@pytest.mark.parametrize("equation", ["bii,ij->bj", "bij,jk,kl->bil", "bij,kl->bik"])
def test_other_sums_are_refused(tmp_path, equation):
    count = equation.count(",")
    weights = {name: normal(4, 4) for name in "wv"[:count]}
    proto = networks.model(
        [("Einsum", ["x", *weights], "y", {"equation": equation})],
        weights, shape=("N", 4, 4), out=[None] * len(equation.partition("->")[2]), name="y",
    )  # fmt: skip
    onnx.save(proto, tmp_path / "net.onnx")
    with pytest.raises(ValueError, match="n_y must be an Einsum that is a product of two matrices"):
        load_workload(tmp_path / "net.onnx")


@pytest.mark.parametrize(
    ("weight", "macs"),
    [((1, 1, 4, 5), 120), ((1, 4, 5), 120), ((2, 4, 5), 120), ((1, 2, 4, 5), 120), ((4,), 24)],
)
def test_products_by_stacks_of_weights(tmp_path, weight, macs):
    rank = 4 - (len(weight) == 1)
    workload = check(
        tmp_path, [("MatMul", ["x", "w"], "y", {})], {"w": normal(*weight)}, ("N", 2, 3, 4),
        rank=rank,
    )  # fmt: skip
    assert sum(layer.macs for layer in workload.layers) == macs
    assert sum(layer.weights for layer in workload.layers) == math.prod(weight)


@pytest.mark.parametrize(
    ("weight", "macs"),
    [
        ((2, 3, 4, 5), 240),
        ((2, 1, 4, 5), 240),
        ((3, 4, 5), 240),
        ((1, 2, 3, 4, 5), 240),
        ((2, 2, 3, 4, 5), 480),
    ],
)
@pytest.mark.parametrize("first", [False, True])
def test_products_by_stacks_along_several_axes(tmp_path, weight, macs, first):
    """The last stack has an axis that the input lacks, whose samples all use both halves."""
    rank = 6 if weight[0] == weight[1] else 5
    values = {"w": normal(*weight), "axes": np.array([1])}
    nodes = [("Unsqueeze", ["x", "axes"], "u", {})] if rank == 6 else [("Identity", ["x"], "u", {})]
    if first:
        values["w"] = np.ascontiguousarray(values["w"].swapaxes(-1, -2))
        perm = [*range(rank - 2), rank - 1, rank - 2]
        nodes += [("Transpose", ["u"], "t", {"perm": perm}), ("MatMul", ["w", "t"], "y", {})]
    else:
        nodes.append(("MatMul", ["u", "w"], "y", {}))
    workload = check(tmp_path, nodes, values, ("N", 2, 3, 2, 4), rank=rank)
    assert sum(layer.macs for layer in workload.layers) == macs
    assert sum(layer.weights for layer in workload.layers) == math.prod(weight)


@pytest.mark.parametrize("bias", [None, (), (1,), (5,), (1, 5), (3, 1), (3, 5)])
@pytest.mark.parametrize("attributes", [{}, {"alpha": 0.5, "beta": 3.0}, {"transB": 1}])
def test_gemm(tmp_path, bias, attributes):
    shape = (5, 4) if "transB" in attributes else (4, 5)
    weights = {"w": normal(*shape)} | ({} if bias is None else {"b": normal(*bias)})
    batch = 3 if bias and bias[0] == 3 else "N"
    workload = check(
        tmp_path, [("Gemm", ["x", *weights], "y", attributes)], weights, (batch, 4), rank=2
    )
    (layer,) = workload.layers
    # Rows that have biases of their own are one sample.
    assert layer.macs == (60 if batch == 3 else 20)


def test_gemm_of_two_activations_and_transposed(tmp_path):
    nodes = [
        ("Gemm", ["x", "w"], "a", {"transA": 1}),
        ("Gemm", ["x", "a", "b"], "y", {"alpha": 0.5}),
    ]
    weights = {"w": normal(3, 5), "b": normal(5)}
    first, second = check(tmp_path, nodes, weights, (3, 4), rank=2).layers
    assert (first.weights, second.dynamic) == (15, True)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"strides": [2]},
        {"strides": [3], "pads": [1, 2]},
        {"strides": [2], "output_padding": [1], "dilations": [2]},
        {"strides": [2], "auto_pad": "SAME_UPPER"},
        {"strides": [2], "auto_pad": "SAME_LOWER"},
        {"strides": [1], "pads": [2, 2]},
        {"strides": [2], "output_shape": [9]},
    ],
)
@pytest.mark.parametrize("groups", [1, 2])
def test_transposed_convolution(tmp_path, rank, attributes, groups):
    from macwright.dse.quantizer.im2col import from_matrix, output_shape, patches, to_matrix

    sizes = {"group": groups}
    for key, value in attributes.items():
        spread = isinstance(value, list)
        sizes[key] = [x for x in value for _ in range(rank)] if spread else value
    weights = {"k": normal(4, 3, *[3] * rank), "b": normal(3 * groups)}
    shape = ("N", 4, *[5] * rank)
    nodes = [("ConvTranspose", ["x", "k", "b"], "y", sizes)]
    workload = check(tmp_path, nodes, weights, shape, rank=2 + rank)
    (layer,) = workload.layers
    assert layer.macs == 5**rank * 4 * 3**rank * 3
    assert layer.weights == 4 * 3 * 3**rank
    x = normal(2, *shape[1:])
    out = run(workload.model, x)
    kernel = workload.tensor(layer.weight)
    assert output_shape(layer, x.shape, kernel.shape) == out.shape
    matrix = to_matrix(layer, kernel)
    np.testing.assert_array_equal(from_matrix(layer, matrix, kernel.shape), kernel)
    columns, outputs = patches(layer, x, out, kernel.shape, 50)
    products = columns @ matrix.reshape(layer.groups, layer.n, layer.k).transpose(0, 2, 1)
    bias = workload.tensor(workload.node(layer).input[2]).reshape(layer.groups, 1, layer.n)
    np.testing.assert_allclose(products + bias, outputs, rtol=1e-4, atol=1e-4)
    if rank == 2:
        scale = RNG.uniform(0.5, 2, 3 * groups).astype(np.float32)
        nodes = [
            ("ConvTranspose", ["x", "k", "b"], "c", sizes),
            ("BatchNormalization", ["c", "g", "b", "b", "g"], "y", {}),
        ]
        workload = check(tmp_path, nodes, weights | {"g": scale}, shape, rank=4)
        assert [node.op_type for node in workload.model.graph.node] == ["ConvTranspose"]


def test_a_stack_of_weights_for_one_matrix(tmp_path):
    workload = check(
        tmp_path, [("MatMul", ["x", "w"], "y", {})], {"w": normal(2, 4, 5)}, ("N", 1, 3, 4), rank=4
    )
    assert sum(layer.macs for layer in workload.layers) == 2 * 3 * 4 * 5
