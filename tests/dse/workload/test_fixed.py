"""Quantised models: QDQ, and Quant nodes of QONNX."""

import numpy as np
import onnx
import onnxruntime
import pytest
from helpers import networks
from helpers.prescribed import skip_where_products_saturate
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

from macwright.dse.data.recipe import load_recipe
from macwright.dse.quantizer import QuantOptions, fixed_allocation, quantise
from macwright.dse.quantizer.plan import quantised_model
from macwright.dse.workload import load_workload


def run(proto, x):
    running = onnxruntime.InferenceSession(proto.SerializeToString())
    return np.asarray(running.run(None, {"x": x})[0])


@pytest.fixture(scope="module")
def qdq(tmp_path_factory):
    """Network that onnxruntime's own quantiser made, with data."""

    class Reader(CalibrationDataReader):
        def __init__(self, x):
            self.items = iter([{"x": part} for part in np.split(x, 6)])

        def get_next(self):  # pyright: ignore[reportIncompatibleMethodOverride]
            return next(self.items, None)

    folder = tmp_path_factory.mktemp("qdq")
    path, data = networks.write(folder, networks.cnn())
    x = np.load(data)["x_calib"]
    quantize_static(
        path, folder / "quantised.onnx", Reader(x), quant_format=QuantFormat.QDQ, per_channel=True
    )
    (folder / "quantised.npz").write_bytes(data.read_bytes())
    return folder / "quantised.onnx", folder / "quantised.npz"


def test_qdq_models_compute_what_onnxruntime_computes(qdq):
    skip_where_products_saturate()
    path, data = qdq
    dataset = load_recipe(path, data_path=data)
    workload = load_workload(path, dataset)
    assert len(workload.layers) == 4
    assert set(workload.fixed) == {layer.name for layer in workload.layers}
    kinds = {node.op_type for node in workload.model.graph.node}
    assert not kinds & {"QuantizeLinear", "DequantizeLinear"}
    allocation = fixed_allocation(workload)
    assert {weight for weight, _ in allocation.values()} == {"int8"}
    assert {act for _, act in allocation.values()} <= {"int8", "uint8"}
    network, plans = quantise(workload, dataset, allocation, options=QuantOptions())
    x = dataset.x_eval["x"]
    ours, theirs = run(quantised_model(network, plans), x), run(onnx.load(path), x)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    first = workload.layers[1]
    of_weight, _ = workload.fixed[first.name]
    plan = plans[1]
    assert of_weight is not None
    assert plan.weight_scale is not None
    assert plan.weight is not None
    np.testing.assert_allclose(plan.weight_scale, of_weight.scale.reshape(-1), rtol=1e-6)
    np.testing.assert_allclose(plan.weight, workload.tensor(first.weight), rtol=1e-5, atol=1e-7)


def qonnx(**attributes):
    """Gemm whose weights have 4 bits and whose input has 3, unsigned, as QONNX writes it."""
    rng = np.random.default_rng(0)
    quant = {"domain": "qonnx.custom_op.general"} | attributes
    nodes = [
        helper.make_node("Quant", ["w", "sw", "zero", "four"], ["qw"], name="quant_w",
            signed=1, narrow=1, rounding_mode="ROUND", domain=quant["domain"]),
        helper.make_node("Relu", ["x"], ["r"], name="relu"),
        helper.make_node("Quant", ["r", "sa", "zero", "three"], ["q"], name="quant_a",
            signed=0, narrow=0, rounding_mode=attributes.get("mode", "ROUND"),
            domain=quant["domain"]),
        helper.make_node("Flatten", ["q"], ["f"], name="flat"),
        helper.make_node("Gemm", ["f", "qw"], ["y"], name="gemm"),
    ]  # fmt: skip
    weights = {
        "w": rng.standard_normal((6, 3)).astype(np.float32),
        "sw": np.array([0.1, 0.2, 0.3], np.float32),
        "sa": np.array(0.5, np.float32),
        "zero": np.zeros(attributes.get("zeros", ()), np.float32),
        "three": np.array(attributes.get("bits", 3), np.float32),
        "four": np.array(4, np.float32),
    }
    if "zero_point" in attributes:
        weights["zero"] = np.array(attributes["zero_point"], np.float32)
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("qonnx.custom_op.general", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8), weights


def test_quant_nodes_are_fixed_formats(tmp_path):
    proto, weights = qonnx()
    onnx.save(proto, tmp_path / "net.onnx")
    x = np.random.default_rng(1).standard_normal((20, 2, 3)).astype(np.float32) * 2
    np.savez(tmp_path / "net.npz", x_calib=x, x_eval=x, y_eval=np.zeros(20, int))
    dataset = load_recipe(tmp_path / "net.onnx", data_path=tmp_path / "net.npz")
    workload = load_workload(tmp_path / "net.onnx", dataset)
    assert fixed_allocation(workload) == {"gemm": ("int4sym", "uint3")}
    network, plans = quantise(workload, dataset, fixed_allocation(workload))
    codes_w = np.clip(np.rint(weights["w"] / weights["sw"]), -7, 7)
    codes_a = np.clip(np.rint(np.maximum(x, 0).reshape(20, 6) / 0.5), 0, 7)
    wanted = codes_a @ codes_w * 0.5 * weights["sw"]
    np.testing.assert_allclose(run(quantised_model(network, plans), x), wanted, rtol=1e-5)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        (
            {"mode": "STOCHASTIC"},
            r"Node quant_a of net\.onnx must have a rounding mode of ROUND, .*",
        ),
        ({"bits": 65}, r"Node quant_a of net\.onnx must have 1 to 64 bits, not 65 to 65"),
        (
            {"bits": 20},
            r"Activations of layer gemm of net\.onnx must have at most 16 bits, not uint20",
        ),
        ({"zero_point": [0, 1]}, r"Tensor 'qw' of net\.onnx must have scales, zero points and .*"),
        ({"zero_point": 0.5}, r"Node quant_w of net\.onnx must have whole zero points, .*"),
    ],
)
def test_quantisers_that_are_refused(tmp_path, attributes, message):
    onnx.save(qonnx(**attributes)[0], tmp_path / "net.onnx")
    with pytest.raises(ValueError, match=message) as caught:
        load_workload(tmp_path / "net.onnx")
    assert "\n" not in str(caught.value)


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    proto = networks.cnn()
    item = proto.graph.initializer[0]
    values = numpy_helper.to_array(item).copy()
    values.flat[0] = np.nan
    item.CopyFrom(numpy_helper.from_array(values, item.name))
    onnx.save(proto, tmp_path / "net.onnx")
    with pytest.raises(ValueError, match=r"Weights 'w1' of net\.onnx must be numbers, not NaN"):
        load_workload(tmp_path / "net.onnx")
