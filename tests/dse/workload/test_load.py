"""Import of ONNX models as workloads."""

import re

import numpy as np
import onnx
import onnxruntime
import pytest
from helpers import networks
from helpers.paths import SHARED

from macwright.dse.data.recipe import load_recipe
from macwright.dse.workload import load_workload

MODELS = SHARED / "data" / "models"


def saved(folder, proto):
    path = folder / "net.onnx"
    onnx.save(proto, path)
    return path


def run(proto, x):
    running = onnxruntime.InferenceSession(proto.SerializeToString())
    return np.asarray(running.run(None, {"x": x})[0])


def one(op, shape, weight, *, out, x=("N", 4, 9, 9), **attributes):
    """Model with one MAC operator, its weights of the given shape."""
    value = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    return networks.model(
        [(op, ["x", weight], "logits", attributes)], {weight: value}, shape=x, out=out
    )


def test_layers_of_a_small_network(tmp_path):
    workload = load_workload(saved(tmp_path, networks.cnn()))
    sizes = [(item.op, item.m, item.k, item.n, item.groups) for item in workload.layers]
    assert sizes == [
        ("Conv", 64, 9, 8, 1),
        ("Conv", 16, 9, 1, 8),
        ("Conv", 16, 8, 8, 1),
        ("Gemm", 1, 8, 3, 1),
    ]
    assert [item.macs for item in workload.layers] == [4608, 1152, 1024, 24]
    assert [item.weights for item in workload.layers] == [72, 72, 64, 24]
    assert [item.activations for item in workload.layers] == [64, 512, 128, 8]
    assert [item.outputs for item in workload.layers] == [512, 128, 128, 3]
    assert [item.act_signed for item in workload.layers] == [True, False, False, False]


def test_graph_follows_tensors(tmp_path):
    graph = load_workload(saved(tmp_path, networks.cnn())).graph
    assert graph.nodes["n_s"]["op"] == "Add"
    assert sorted(graph.predecessors("n_s")) == ["n_c3", "n_r2"]
    assert graph.edges["n_r2", "n_s"]["tensor"] == "r2"


@pytest.mark.parametrize(
    ("attributes", "shape", "size", "expected"),
    [
        ({"strides": [2, 2]}, (6, 4, 3, 3), 4, (16, 36, 6, 1)),
        ({"dilations": [2, 2]}, (6, 4, 3, 3), 5, (25, 36, 6, 1)),
        ({"pads": [1, 2, 0, 1]}, (6, 4, 3, 3), None, (80, 36, 6, 1)),
        ({"group": 2, "auto_pad": "SAME_UPPER"}, (6, 2, 3, 3), 9, (81, 18, 3, 2)),
    ],
)
def test_convolution_sizes(tmp_path, attributes, shape, size, expected):
    out = ("N", 6, size, size) if size else ("N", 6, 8, 10)
    layer = load_workload(saved(tmp_path, one("Conv", shape, "w", out=out, **attributes))).layers[0]
    assert (layer.m, layer.k, layer.n, layer.groups) == expected


def test_matrix_product_over_positions_and_in_one_dimension(tmp_path):
    layer = load_workload(
        saved(tmp_path, one("MatMul", (5, 7), "w", x=("N", 11, 5), out=("N", 11, 7)))
    ).layers[0]
    assert (layer.op, layer.m, layer.k, layer.n, layer.weights) == ("MatMul", 11, 5, 7, 35)
    layer = load_workload(
        saved(tmp_path, one("Conv", (6, 4, 3), "w", x=("N", 4, 9), out=("N", 6, 7)))
    ).layers[0]
    assert (layer.m, layer.k, layer.n) == (7, 12, 6)


def test_product_of_two_activations(tmp_path):
    proto = networks.model(
        [
            ("Transpose", ["x"], "t", {"perm": [0, 1, 3, 2]}),
            ("MatMul", ["x", "t"], "a", {}),
            ("Softmax", ["a"], "p", {}),
            ("MatMul", ["p", "x"], "logits", {}),
        ],
        {},
        shape=("N", 2, 5, 3),
        out=("N", 2, 5, 3),
    )
    first, second = load_workload(saved(tmp_path, proto)).layers
    assert (first.m, first.k, first.n, first.groups, first.weights) == (5, 3, 5, 2, 0)
    assert (second.m, second.k, second.n, second.groups) == (5, 5, 3, 2)
    assert first.dynamic
    assert first.act_signed
    assert not second.act_signed
    assert second.weight_signed


def test_batch_normalisation_is_folded_and_nothing_else_changes(tmp_path):
    rng = np.random.default_rng(3)
    weights = {
        "w": rng.standard_normal((6, 4, 3, 3)),
        "scale": rng.uniform(0.5, 2, 6),
        "shift": rng.standard_normal(6),
        "mean": rng.standard_normal(6),
        "var": rng.uniform(0.5, 2, 6),
        "fc": rng.standard_normal((6, 5)),
        "fb": rng.standard_normal(5),
    }
    proto = networks.model(
        [
            ("Conv", ["x", "w"], "c", {}),
            ("BatchNormalization", ["c", "scale", "shift", "mean", "var"], "b", {"epsilon": 0.01}),
            ("Identity", ["b"], "i", {}),
            ("Relu", ["i"], "r", {}),
            ("GlobalAveragePool", ["r"], "p", {}),
            ("Flatten", ["p"], "f", {}),
            ("Gemm", ["f", "fc", "fb"], "g", {"alpha": 0.5, "beta": 2.0}),
            ("BatchNormalization", ["g", "s5", "fb", "fb", "v5"], "logits", {}),
        ],
        {key: value.astype(np.float32) for key, value in weights.items()}
        | {"s5": np.full(5, 2, np.float32), "v5": np.full(5, 3, np.float32)},
        shape=("N", 4, 9, 9),
        out=("N", 5),
    )
    workload = load_workload(saved(tmp_path, proto))
    assert [node.op_type for node in workload.model.graph.node] == [
        "Conv", "Relu", "GlobalAveragePool", "Flatten", "Gemm",
    ]  # fmt: skip
    x = rng.standard_normal((3, 4, 9, 9)).astype(np.float32)
    np.testing.assert_allclose(run(workload.model, x), run(proto, x), rtol=1e-4, atol=1e-4)


def test_shared_weights_become_one_for_each_layer(tmp_path):
    proto = networks.model(
        [("MatMul", ["x", "w"], "a", {}), ("MatMul", ["a", "w"], "logits", {})],
        {"w": np.eye(4, dtype=np.float32)},
        shape=("N", 4),
        out=("N", 4),
    )
    workload = load_workload(saved(tmp_path, proto))
    first, second = workload.layers
    assert first.weight != second.weight
    (note,) = workload.notes
    assert note.startswith("weights 'w' are shared by 2 layers in the file; here each layer has")


def test_constant_nodes_are_weights(tmp_path):
    proto = one("MatMul", (4, 3), "w", x=("N", 4), out=("N", 3))
    tensor = proto.graph.initializer[0]
    node = onnx.helper.make_node("Constant", [], ["w"], value=tensor)
    del proto.graph.initializer[:]
    proto.graph.node.insert(0, node)
    assert load_workload(saved(tmp_path, proto)).layers[0].weights == 12


def test_signs_are_proved_through_clip_pool_add_and_data(tmp_path):
    w = np.ones((1, 1, 1, 1), np.float32)
    proto = networks.model(
        [
            ("Conv", ["x", "w0"], "c0", {}),
            ("Clip", ["c0", "low", "high"], "k", {}),
            ("MaxPool", ["k"], "m", {"kernel_shape": [2, 2], "strides": [2, 2]}),
            ("Conv", ["m", "w1"], "c1", {}),
            ("Add", ["c1", "m"], "s", {}),
            ("Conv", ["s", "w2"], "logits", {}),
        ],
        {
            "w0": w, "w1": w + 1, "w2": w + 2,
            "low": np.float32(0), "high": np.float32(6),
        },
        out=("N", 1, 4, 4),
    )  # fmt: skip
    layers = load_workload(saved(tmp_path, proto)).layers
    assert [layer.act_signed for layer in layers] == [True, False, True]
    x = np.abs(np.random.default_rng(0).standard_normal((4, 1, 8, 8))).astype(np.float32)
    np.savez(tmp_path / "d.npz", x_calib=x, x_eval=x, y_eval=np.zeros(4, int))
    dataset = load_recipe(tmp_path / "net.onnx", data_path=tmp_path / "d.npz")
    assert not load_workload(tmp_path / "net.onnx", dataset).layers[0].act_signed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda g: setattr(g.node[0], "op_type", "DeformConv"),
            "Node n_logits of net.onnx must be an operator that macwright can quantise, "
            "not DeformConv; replace it by Conv",
        ),
        (
            lambda g: g.input[0].type.tensor_type.shape.dim[2].Clear(),
            "Input 'x' of net.onnx must have fixed dimensions but for the batch, not [0, 4, 0, 9]; "
            "give data (a recipe or --data), or export it with a fixed size",
        ),
        (
            lambda g: g.input[0].type.tensor_type.shape.dim[1].__setattr__("dim_value", 5),
            "net.onnx must run in onnxruntime, not fail with: ",
        ),
        (
            lambda g: g.node[0].input.__setitem__(1, "absent"),
            "must be a valid ONNX model, not one where ",
        ),
        (
            lambda g: g.output.append(g.input[0]),
            "net.onnx must have one output, not 2; name the one that counts with --output, "
            "out of 'logits', 'x'",
        ),
    ],
)
def test_what_is_refused(tmp_path, change, message):
    proto = one("Conv", (6, 4, 3, 3), "w", out=("N", 6, 7, 7))
    change(proto.graph)
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        load_workload(saved(tmp_path, proto))
    assert "\n" not in str(caught.value)


def test_old_opsets_are_converted(tmp_path):
    proto = one("Conv", (6, 4, 3, 3), "w", out=("N", 6, 7, 7))
    proto.opset_import[0].version = 11
    workload = load_workload(saved(tmp_path, proto))
    assert workload.model.opset_import[0].version == 13
    assert [layer.weights for layer in workload.layers] == [6 * 4 * 3 * 3]
    del proto.opset_import[:]
    proto.opset_import.append(onnx.helper.make_opsetid("", 6))
    proto.graph.node.append(onnx.helper.make_node("Scan", ["x"], ["never"]))
    with pytest.raises(
        ValueError, match=r"must be of ONNX opset 13 or later, or one that .* 6 with"
    ):
        load_workload(saved(tmp_path, proto))


def test_foreign_operators_are_refused(tmp_path):
    proto = one("Relu", (1,), "w", out=("N", 4, 9, 9))
    proto.graph.node[0].domain = "com.microsoft"
    proto.opset_import.append(onnx.helper.make_opsetid("com.microsoft", 1))
    with pytest.raises(ValueError, match=r"standard ONNX operator, not com\.microsoft\.Relu"):
        load_workload(saved(tmp_path, proto))


def test_models_without_weights_are_refused(tmp_path):
    proto = networks.model([("Relu", ["x"], "logits", {})], {}, out=("N", 1, 8, 8))
    with pytest.raises(ValueError, match=r"must have a layer that multiplies by weights .*Relu"):
        load_workload(saved(tmp_path, proto))


@pytest.mark.parametrize("content", [b"", b"no model", b"\x08\x08" * 50])
def test_files_that_are_no_models_are_refused(tmp_path, content):
    (tmp_path / "net.onnx").write_bytes(content)
    with pytest.raises(ValueError, match=r"net\.onnx must be (an|a valid) ONNX model"):
        load_workload(tmp_path / "net.onnx")


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="Model must be an ONNX file"):
        load_workload(tmp_path / "absent.onnx")
    path = tmp_path / "net.onnx"
    onnx.save(networks.cnn(), path, save_as_external_data=True, location="w.bin", size_threshold=0)
    assert len(load_workload(path).layers) == 4
    (tmp_path / "w.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"keeps its weights in 'w\.bin', which must be"):
        load_workload(path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "layers", "weights", "macs"),
    [
        ("digits_cnn", 7, 25_696, 0.256e6),
        ("fashion_cnn", 9, 56_720, 4.39e6),
        ("dscnn_kws", 10, 22_016, 2.66e6),
        ("resnet8_cifar10", 10, 77_360, 12.5e6),
        ("resnet20_cifar10", 20, 268_336, 40.6e6),
        ("resnet56_cifar10", 56, 848_944, 125.5e6),
        ("efficientnet_lite0", 50, 4_608_992, 385e6),
        ("chargpt_shakespeare", 25, 598_144, 89.1e6),
        ("mobilenetv1_025_vww", 28, 208_112, 7.49e6),
        ("autoencoder_toycar", 10, 264_192, 0.264e6),
    ],
)
def test_published_networks(name, layers, weights, macs):
    path = MODELS / f"{name}.onnx"
    if not path.is_file():
        pytest.skip("needs ../shared/data")
    workload = load_workload(path)
    assert len(workload.layers) == layers
    assert sum(layer.weights for layer in workload.layers) == weights
    assert sum(layer.macs for layer in workload.layers) == pytest.approx(macs, rel=0.005)


@pytest.mark.parametrize(("batch", "fixed"), [("N", False), (4, True)])
def test_batch_that_the_model_prescribes(tmp_path, batch, fixed):
    proto = networks.cnn()
    dimension = proto.graph.input[0].type.tensor_type.shape.dim[0]
    dimension.Clear()
    if fixed:
        dimension.dim_value = batch
    else:
        dimension.dim_param = batch
    workload = load_workload(saved(tmp_path, proto))
    assert workload.fixed_batch is fixed
    assert workload.batch == (4 if fixed else 1)
