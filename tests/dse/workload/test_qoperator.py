"""Operators of codes, of ONNX and of onnxruntime, against onnxruntime as they stand."""

import numpy as np
import onnx
import pytest
from helpers import networks
from helpers.ort_modes import MODES, quantised_by_onnxruntime
from helpers.prescribed import (
    checked,
    difference,
    network,
    run_prescribed,
    run_with_onnxruntime,
)
from onnx import TensorProto, helper

rng = np.random.default_rng(5)
X = (rng.standard_normal((12, 3, 6, 6)) * 2).astype(np.float32)
V = {
    "xs": np.float32(0.0513712),
    "xz": np.uint8(100),
    "w": rng.integers(-127, 128, (4, 3, 3, 3)).astype(np.int8),
    "ws": np.array([0.0101, 0.0397, 0.0903, 0.0021], np.float32),
    "wz": np.zeros(4, np.int8),
    "b": rng.integers(-2000, 2000, 4).astype(np.int32),
    "ys": np.float32(0.0972931),
    "yz": np.uint8(37),
    "m": rng.integers(-127, 128, (6, 4)).astype(np.int8),
    "mz": np.int8(-100),
}
QX = [("QuantizeLinear", ["x", "xs", "xz"], "q", {})]
DY = [("DequantizeLinear", ["p", "ys", "yz"], "y", {})]


def contrib(nodes, values=V):
    """The model's nodes, those of onnxruntime in its domain."""
    proto = network(nodes, values, opset=17)
    for node in proto.graph.node:
        if node.op_type.startswith(("QLinear", "QGemm")) and node.op_type not in (
            "QLinearConv",
            "QLinearMatMul",
        ):
            node.domain = "com.microsoft"
    return proto


@pytest.mark.parametrize("attributes", [{}, {"pads": [1, 1, 1, 1]}, {"auto_pad": "SAME_UPPER"}])
@pytest.mark.parametrize("bias", [True, False])
def test_qlinear_conv(tmp_path, attributes, bias):
    inputs = ["q", "xs", "xz", "w", "ws", "wz", "ys", "yz", *(["b"] if bias else [])]
    nodes = [*QX, ("QLinearConv", inputs, "p", {"strides": [2, 2], **attributes}), *DY]
    checked(tmp_path, X, network(nodes, V, opset=17), formats=[("int8", "uint8")])


@pytest.mark.parametrize("columns", [False, True])
def test_qlinear_matmul(tmp_path, columns):
    scale, zero = ("ws", "wz") if columns else ("xs", "mz")
    inputs = ["q", "xs", "xz", "m", scale, zero, "ys", "yz"]
    proto = network([*QX, ("QLinearMatMul", inputs, "p", {}), *DY], V, opset=17)
    checked(tmp_path, X, proto, formats=[("int8" if columns else "int9", "uint8")])


@pytest.mark.parametrize("both", [False, True])
def test_qlinear_matmul_of_two_activations(tmp_path, both):
    turn = [("Transpose", ["q"], "t", {"perm": [0, 1, 3, 2]})]
    inputs = ["q", "xs", "xz", "t" if both else "q", "xs", "xz", "ys", "yz"]
    nodes = [*QX, *turn, ("QLinearMatMul", inputs, "p", {}), *DY]
    checked(tmp_path, X, network(nodes, V, opset=17), formats=[("uint8", "uint8")])


@pytest.mark.parametrize("zero", ["fixed", "found"])
@pytest.mark.parametrize("op", ["MatMulInteger", "ConvInteger"])
def test_integer_products(tmp_path, op, zero):
    weight = ["m", "mz"] if op == "MatMulInteger" else ["w", "mz"]
    codes = QX if zero == "fixed" else [("DynamicQuantizeLinear", ["x"], ["q", "ds", "dz"], {})]
    inputs = ["q", weight[0], "xz" if zero == "fixed" else "dz", weight[1]]
    rest = {"pads": [1, 1, 1, 1]} if op == "ConvInteger" else {}
    nodes = [*codes, (op, inputs, "i", rest), ("Cast", ["i"], "f", {"to": 1})]
    nodes.append(("Mul", ["f", "xs" if zero == "fixed" else "ds"], "y", {}))
    proto = network(nodes, V, opset=17)
    checked(tmp_path, X, proto, formats=[("int9", "uint8")], bound=2e-6)


@pytest.mark.parametrize("op", ["MatMulInteger", "ConvInteger"])
def test_codes_and_their_zero_point_may_be_inputs(tmp_path, op):
    inputs = ["x", "m" if op == "MatMulInteger" else "w", "z"]
    rest = {"pads": [1, 0, 1, 2]} if op == "ConvInteger" else {}
    nodes = [(op, inputs, "i", rest), ("Cast", ["i"], "y", {"to": 1})]
    proto = network(nodes, V, opset=17, kind=TensorProto.UINT8)
    proto.graph.input.append(helper.make_tensor_value_info("z", TensorProto.UINT8, ["N"]))
    codes = (X[:1] * 20 + 100).clip(0, 255).astype(np.uint8)
    checked(
        tmp_path, {"x": codes, "z": np.array([7], np.uint8)}, proto, formats=[("int8", "uint8")]
    )


@pytest.mark.parametrize("scaled", [True, False])
def test_qgemm(tmp_path, scaled):
    inputs = ["q", "xs", "xz", "m", "ws", "wz", "b", *(["ys", "yz"] if scaled else [])]
    nodes = [
        *QX,
        ("QGemm", inputs, "p" if scaled else "y", {"alpha": 1.5}),
        *(DY if scaled else []),
    ]
    proto = contrib(nodes)
    for value, size in ((proto.graph.input[0], 6), (proto.graph.output[0], 4)):
        value.CopyFrom(helper.make_tensor_value_info(value.name, 1, ["N", size]))
    checked(tmp_path, X[:, 0, 0], proto, formats=[("int8", "uint8")])


CONV = [
    ("DequantizeLinear", ["w", "ws", "wz"], "v", {"axis": 0}),
    ("DequantizeLinear", ["p", "ys", "yz"], "d", {}),
    ("Conv", ["d", "v"], "y", {"pads": [2, 2, 2, 2]}),
]
OTHERS = {
    "QLinearAdd": (["q", "xs", "xz", "q", "xs", "xz", "ys", "yz"], {}),
    "QLinearMul": (["q", "xs", "xz", "q", "xs", "xz", "ys", "yz"], {}),
    "QLinearSigmoid": (["q", "xs", "xz", "ys", "yz"], {}),
    "QLinearLeakyRelu": (["q", "xs", "xz", "ys", "yz"], {"alpha": 0.2}),
    "QLinearSoftmax": (["q", "xs", "xz", "ys", "yz"], {"axis": -1, "opset": 13}),
    "QLinearAveragePool": (["q", "xs", "xz", "ys", "yz"], {"kernel_shape": [2, 2]}),
    "QLinearGlobalAveragePool": (["q", "xs", "xz", "ys", "yz"], {"channels_last": 0}),
    "QLinearConcat": (["ys", "yz", "q", "xs", "xz", "q", "xs", "xz"], {"axis": 2}),
}


@pytest.mark.parametrize("op", OTHERS)
@pytest.mark.parametrize("halves", [False, True])
def test_other_operators_of_codes(tmp_path, op, halves):
    inputs, attributes = OTHERS[op]
    # Powers of two put many results half-way between codes, whatever the order of a sum.
    powers = {"xs": np.float32(1 / 16), "ys": np.float32(1 / 8)} if halves else {}
    proto = contrib([*QX, (op, inputs, "p", attributes), *CONV], {**V, **powers})
    checked(tmp_path, X, proto, formats=[("int8", "uint8")])


@pytest.mark.parametrize("mode", [name for name in MODES if "entropy" not in name])
def test_modes_of_the_quantiser(tmp_path, mode):
    x = rng.standard_normal((12, 1, 8, 8)).astype(np.float32)
    proto = networks.cnn()
    # A matrix product behind the convolutions, for modes that touch nothing else.
    proto.graph.node[-1].CopyFrom(helper.make_node("MatMul", ["f", "w4t"], ["logits"], name="m"))
    weight = next(item for item in proto.graph.initializer if item.name == "w4")
    turned = onnx.numpy_helper.to_array(weight).T.copy()
    proto.graph.initializer.append(onnx.numpy_helper.from_array(turned, "w4t"))
    onnx.save(proto, tmp_path / "float.onnx")
    quantised_by_onnxruntime(tmp_path / "float.onnx", tmp_path / "net.onnx", mode, {"x": x})
    theirs = run_with_onnxruntime(onnx.load(tmp_path / "net.onnx"), x)
    workload, given, ours = run_prescribed(tmp_path / "net.onnx", x)
    # One code of 16 bits here and there, from the order of a sum.
    assert difference(ours, theirs) < 1e-4
    if "weights of" not in mode:
        assert len(given) == (3 if mode == "qdq only conv" else 4)
    else:
        weight, act = workload.fixed["m" if "m" in workload.fixed else next(iter(workload.fixed))]
        assert act is None
        assert weight is not None
        assert weight.format.width >= MODES[mode]["bits"]
