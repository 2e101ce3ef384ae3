"""Nodes that lack operands, results or attributes: refused in a sentence that names them."""

import numpy as np
import onnx
import pytest
from helpers.prescribed import network

from macwright.dse.workload import load_workload

W = np.ones((4, 3, 3, 3), np.float32)
#: Operator, domain, operands, and what is said of the node.
LACKING = [
    (
        "DequantizeLinear",
        "",
        ["x"],
        "must have each operand that DequantizeLinear of opset 17 needs, not 1",
    ),
    (
        "QLinearConv",
        "",
        ["x", "s", "s", "w"],
        "must have each operand that QLinearConv of opset 17 needs",
    ),
    (
        "DynamicQuantizeLinear",
        "",
        ["x"],
        "must have each result that DynamicQuantizeLinear of opset 17",
    ),
    ("Tile", "", ["s"], "must have each operand that Tile of opset 17 needs, not 1 of 2"),
    ("Range", "", ["s", "s"], "must have each operand that Range of opset 17 needs, not 2 of 3"),
    (
        "BatchNormalization",
        "",
        ["x", "s"],
        "must have each operand that BatchNormalization of opset 17",
    ),
    ("MatMul", "", ["", "w"], "must have each operand that MatMul of opset 17 needs, not 1 of 2"),
    ("Identity", "", [], "must have each operand that Identity of opset 17 needs, not 0 of 1"),
    ("Cast", "", ["x"], "must have the attribute 'to', which Cast of opset 17 needs"),
    ("Constant", "", [], "must have the attribute 'value', which Constant of opset 17 needs"),
    ("QGemm", "com.microsoft", ["x", "s"], "must multiply integers, not 'x'"),
    ("QLinearAdd", "com.microsoft", [], "must have as many operands as QLinearAdd needs"),
    (
        "MatMulNBits",
        "com.microsoft",
        ["x", "s", "s"],
        "must have as many operands as .* of shapes that fit each other",
    ),
    (
        "FusedMatMul",
        "com.microsoft",
        ["x", "w", "s"],
        "must have as many operands as FusedMatMul needs",
    ),
    (
        "BipolarQuant",
        "qonnx.custom_op.general",
        [],
        "must have constant scales, zero points and widths, not a missing one",
    ),
]


@pytest.mark.parametrize(
    ("op", "domain", "operands", "message"), LACKING, ids=lambda x: str(x)[:20]
)
def test_they_are_refused(tmp_path, op, domain, operands, message):
    nodes = [
        (op, operands, "h", {"domain": domain, "name": "odd"}),
        ("Conv", ["x", "w"], "c", {}),
        ("Add", ["c", "h"], "y", {}),
    ]
    proto = network(nodes, {"w": W, "s": np.float32(0.5)}, opset=17)
    onnx.save(proto, tmp_path / "net.onnx")
    with pytest.raises(ValueError, match=f"Node odd of net.onnx {message}") as caught:
        load_workload(tmp_path / "net.onnx")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("opset", [7, 9, 10, 11])
def test_gemm_without_biases_before_they_were_optional(tmp_path, opset):
    """Exporters left them out before opset 11 allowed it, and onnxruntime runs such files."""
    proto = network([("Gemm", ["x", "w"], "y", {})], {"w": W[0, 0]}, opset=opset, shape=("N", 3))
    onnx.save(proto, tmp_path / "net.onnx")
    (layer,) = load_workload(tmp_path / "net.onnx").layers
    assert layer.macs == 9


@pytest.mark.parametrize(
    "equation", ["......ii,...jj->...ij", "ij..,jk->ik", "ij,jk->ik->k", "i1,1k->ik", "ij;jk"]
)
@pytest.mark.parametrize("inside", [False, True])
def test_equations_that_are_none(tmp_path, equation, inside):
    """Shape inference of ONNX runs for ever on the first."""
    node = ("Einsum", ["x", "w"], "y", {"equation": equation, "name": "odd"})
    proto = network([node], {"w": W[0, 0]}, opset=17, shape=(3, 3))
    if inside:
        body = onnx.helper.make_function(
            "own", "F", ["x", "w"], ["y"], proto.graph.node, [onnx.helper.make_opsetid("", 17)]
        )
        proto = network([("F", ["x", "w"], "y", {"domain": "own"})], {"w": W[0, 0]}, shape=(3, 3))
        proto.functions.append(body)
        proto.opset_import.append(onnx.helper.make_opsetid("own", 1))
    onnx.save(proto, tmp_path / "net.onnx")
    with pytest.raises(
        ValueError, match=r"Node odd of net\.onnx must have an equation of letters,"
    ):
        load_workload(tmp_path / "net.onnx")
