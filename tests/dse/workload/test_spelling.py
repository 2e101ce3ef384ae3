"""The same network in other words: names, shapes left out, sparse constants, odd branches."""

import numpy as np
import onnx
import pytest
from helpers.fine import data_of, run_finely
from helpers.prescribed import checked, difference, network, run_with_onnxruntime
from onnx import TensorProto, helper, numpy_helper

from macwright.dse.sensitivity.bias import correct_later_biases
from macwright.dse.workload import load_workload
from macwright.dse.workload.session import session

RNG = np.random.default_rng(12)
X = RNG.standard_normal((6, 3, 6, 6)).astype(np.float32)
W = RNG.standard_normal((4, 3, 3, 3)).astype(np.float32)
CONV = ("Conv", ["x", "w"], "y", {})


def same(folder, proto, x=X):
    """Both run it, ours with layers in 16 bits."""
    onnx.save(proto, folder / "net.onnx")
    workload, outputs = run_finely(folder / "net.onnx", x)
    assert difference(outputs, run_with_onnxruntime(proto, x)) < 1e-3
    return workload


def test_names_that_new_tensors_would_get(tmp_path):
    second = RNG.standard_normal((4, 4, 1, 1)).astype(np.float32)
    nodes = [
        ("Conv", ["x", "c::weights"], "c::sum", {"name": "c"}),
        ("Relu", ["c::sum"], "c::act::0", {}),
        ("Conv", ["c::act::0", "Conv_2::weights"], "y", {}),
    ]
    same(tmp_path, network(nodes, {"c::weights": W, "Conv_2::weights": second}, opset=17))


def test_names_of_quantisers_constants(tmp_path):
    nodes = [
        ("QuantizeLinear", ["x", "s", "z"], "q", {}),
        ("DequantizeLinear", ["q", "s", "z"], "d", {}),
        ("Mul", ["d", "q::0"], "e", {}),
        ("Mul", ["e", "q::c0"], "f", {}),
        ("Conv", ["f", "w"], "y", {}),
    ]
    values = {"s": np.float32(0.1), "z": np.uint8(99), "w": W}
    same(tmp_path, network(nodes, values | {"q::0": np.float32(2), "q::c0": np.float32(3)}))


def test_shared_weights_called_weights(tmp_path):
    square = RNG.standard_normal((3, 3, 3, 3)).astype(np.float32)
    nodes = [
        ("Conv", ["x", "weights"], "a", {"name": "c"}),
        ("Conv", ["a", "weights"], "y", {"name": "d"}),
    ]
    same(tmp_path, network(nodes, {"weights": square}, opset=17))


@pytest.mark.parametrize("name", [" ", "\u200b", " c "])
def test_names_of_blanks(tmp_path, name):
    nodes = [("Conv", ["x", "w"], "y", {"name": name})]
    (layer,) = same(tmp_path, network(nodes, {"w": W}, opset=17)).layers
    assert layer.name == ("c" if "c" in name else "Conv_0")


@pytest.mark.parametrize("coordinates", [False, True])
@pytest.mark.parametrize("where", ["initializer", "Constant"])
def test_sparse_weights(tmp_path, where, coordinates):
    dense = np.zeros((8, 4), np.float32)
    places = np.array([[0, 1], [2, 3], [5, 0], [7, 2]])
    dense[tuple(places.T)] = [1, -2, 3, 4]
    flat = np.asarray(np.ravel_multi_index(tuple(places.T), dense.shape))
    sparse = helper.make_sparse_tensor(
        numpy_helper.from_array(np.array([1, -2, 3, 4], np.float32), "w"),
        numpy_helper.from_array(places if coordinates else flat, "i"),
        dense.shape,
    )
    proto = network([("MatMul", ["x", "w"], "y", {})], {}, shape=("N", 8), opset=17)
    if where == "Constant":
        proto.graph.node.insert(0, helper.make_node("Constant", [], ["w"], sparse_value=sparse))
    else:
        proto.graph.sparse_initializer.append(sparse)
    onnx.save(proto, tmp_path / "net.onnx")
    x = RNG.standard_normal((6, 8)).astype(np.float32)
    workload, outputs = run_finely(tmp_path / "net.onnx", x)
    assert difference(outputs, x @ dense) < 1e-3
    assert workload.layers[0].weights == 32


@pytest.mark.parametrize(
    ("dims", "message"),
    [((1 << 20, 1 << 20), "at most 268435456 elements"), ((2, 2), "within its shape")],
)
def test_sparse_weights_that_are_refused(tmp_path, dims, message):
    values = numpy_helper.from_array(np.ones(1, np.float32), "w")
    places = numpy_helper.from_array(np.array([7]), "i")
    proto = network([("MatMul", ["x", "w"], "y", {})], {}, shape=("N", 8), opset=17)
    proto.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, dims))
    onnx.save(proto, tmp_path / "net.onnx")
    with pytest.raises(ValueError, match=message):
        load_workload(tmp_path / "net.onnx")


def test_an_output_without_a_shape(tmp_path):
    proto = network([CONV], {"w": W}, opset=17)
    proto.graph.output[0].type.tensor_type.ClearField("shape")
    workload = same(tmp_path, proto)
    assert len(workload.model.graph.output[0].type.tensor_type.shape.dim) == 4


@pytest.mark.parametrize("op", ["Relu", "ArgMax"])
def test_an_output_without_a_type(tmp_path, op):
    rest = {"axis": 1} if op == "ArgMax" else {}
    proto = network([("Conv", ["x", "w"], "c", {}), (op, ["c"], "y", rest)], {"w": W}, opset=17)
    proto.graph.output[0].ClearField("type")
    workload = same(tmp_path, proto)
    kind = workload.model.graph.output[0].type.tensor_type.elem_type
    assert kind == (TensorProto.FLOAT if op == "Relu" else TensorProto.INT64)


def test_an_input_without_a_shape(tmp_path):
    proto = network([CONV], {"w": W}, opset=17)
    proto.graph.input[0].type.tensor_type.ClearField("shape")
    same(tmp_path, proto)
    with pytest.raises(ValueError, match=r"Input 'x' must have a shape, or data that show it"):
        load_workload(tmp_path / "net.onnx")


def test_branches_that_are_constants_of_float16(tmp_path):
    branches = {
        f"{name}_branch": helper.make_graph(
            [], name, [], [helper.make_tensor_value_info(name, TensorProto.FLOAT16, W.shape)],
            [numpy_helper.from_array(values.astype(np.float16), name)],
        )
        for name, values in (("then", W), ("else", -W))
    }  # fmt: skip
    nodes = [
        ("If", ["yes"], "k", branches),
        ("Cast", ["k"], "w", {"to": TensorProto.FLOAT}),
        CONV,
    ]
    same(tmp_path, network(nodes, {"yes": np.array(True)}, opset=17))


def test_statistics_mean_training(tmp_path):
    values = {"w": W, **{name: np.ones(4, np.float32) for name in "gbmv"}}
    results = ["y", "mean", "var", "saved_mean", "saved_var"]
    nodes = [("Conv", ["x", "w"], "c", {}), ("BatchNormalization", ["c", *"gbmv"], results, {})]
    onnx.save(network(nodes, values, opset=9), tmp_path / "net.onnx")
    with pytest.raises(ValueError, match="does not train"):
        load_workload(tmp_path / "net.onnx")


def test_one_sample_of_data_shows_that_runs_mix_samples(tmp_path):
    nodes = [
        ("ReduceMean", ["x"], "m", {"axes": [0], "keepdims": 1}),
        ("Sub", ["x", "m"], "c", {}),
        ("Conv", ["c", "w"], "y", {}),
    ]
    onnx.save(network(nodes, {"w": W}, opset=17), tmp_path / "net.onnx")
    assert load_workload(tmp_path / "net.onnx", data_of({"x": X[:1]})).fixed_batch


@pytest.mark.parametrize("kind", [np.uint8, np.int8])
@pytest.mark.parametrize("places", ["half_pixel", "align_corners", "asymmetric"])
def test_codes_that_are_interpolated(tmp_path, kind, places):
    values = {
        "s": np.float32(0.05),
        "z": kind(20),
        "scales": np.array([1, 1, 1.5, 2], np.float32),
        "w": RNG.integers(-127, 128, W.shape).astype(np.int8),
    }
    how = {"mode": "linear", "coordinate_transformation_mode": places}
    nodes = [
        ("QuantizeLinear", ["x", "s", "z"], "q", {}),
        ("Resize", ["q", "", "scales"], "r", how),
        ("DequantizeLinear", ["r", "s", "z"], "d", {}),
        ("DequantizeLinear", ["w", "s"], "v", {}),
        ("Conv", ["d", "v"], "y", {}),
    ]
    checked(tmp_path, X, network(nodes, values, opset=17), formats=[("int8", np.dtype(kind).name)])
    how["mode"] = "cubic"
    onnx.save(network(nodes, values, opset=17), tmp_path / "net.onnx")
    with pytest.raises(ValueError, match="must not interpolate codes cubically"):
        load_workload(tmp_path / "net.onnx")


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize(
    ("op", "opset", "scales"),
    [
        ("Upsample", 9, (2, 2)), ("Upsample", 9, (1.5, 3)), ("Upsample", 9, (2.7, 1)),
        ("Resize", 10, (2, 2)), ("Resize", 10, (2.7, 1)), ("Resize", 10, (0.75, 0.6)),
    ],
)  # fmt: skip
def test_resizes_of_old_opsets(tmp_path, op, opset, scales, mode):
    values = {"s": np.array([1, 1, *scales], np.float32), "w": W[..., :2, :2].copy()}
    nodes = [(op, ["x", "s"], "u", {"mode": mode}), ("Conv", ["u", "w"], "y", {})]
    same(tmp_path, network(nodes, values, opset=opset))


@pytest.mark.parametrize("opset", [7, 11, 12])
@pytest.mark.parametrize("axis", [1, 2])
def test_hardmax_of_old_opsets(tmp_path, opset, axis):
    v = RNG.standard_normal((2, 3, 1, 1)).astype(np.float32)
    nodes = [("Hardmax", ["x"], "h", {"axis": axis}), ("Conv", ["h", "v"], "y", {})]
    same(tmp_path, network(nodes, {"v": v}, opset=opset))


@pytest.mark.parametrize(
    ("opset", "node", "values", "message"),
    [
        (10, ("Resize", ["x", "s"], "u", {"mode": "nearest"}),
         {"s": np.array([1, 1, 2, 0.5], np.float32)}, "Node u .* must have constant scales, all"),
        (6, ("PRelu", ["x", "s"], "u", {}), {"s": np.ones(3, np.float32)},
         "Node u .* must be a PRelu of opset 7"),
    ],
)  # fmt: skip
def test_what_old_opsets_meant_otherwise(tmp_path, opset, node, values, message):
    proto = network([node, ("Conv", ["u", "w"], "y", {})], {**values, "w": W}, opset=opset)
    onnx.save(proto, tmp_path / "net.onnx")
    with pytest.raises(ValueError, match=message):
        load_workload(tmp_path / "net.onnx")


def test_nodes_with_the_names_of_their_results(tmp_path):
    """As MXNet writes them; corrections of means stand behind such nodes."""
    square = RNG.standard_normal((3, 3, 3, 3)).astype(np.float32) / 5
    nodes = [
        ("Conv", ["x", "w"], "c", {"name": "c", "pads": [1, 1, 1, 1]}),
        ("Add", ["x", "c"], "s", {"name": "s"}),
        ("Conv", ["s", "w"], "y", {"name": "y"}),
    ]
    workload = same(tmp_path, network(nodes, {"w": square}, opset=17))
    corrected = correct_later_biases(workload, {"x": X})
    outputs = session(corrected.model, optimise=False).run(None, {"x": X})[0]
    assert (
        difference(np.asarray(outputs), run_with_onnxruntime(network(nodes, {"w": square}), X))
        < 1e-5
    )
