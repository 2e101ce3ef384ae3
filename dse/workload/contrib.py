"""Quantised operators of onnxruntime's own domain, com.microsoft, as its quantiser writes them."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from macwright.dse.workload.lowering import Lowering
from macwright.dse.workload.qdq import attribute, dequantize, dynamic_quantize, quantize, zero_point
from macwright.dse.workload.qoperator import (
    centred,
    from_real,
    integer_product,
    requantise,
    to_real,
)
from macwright.hw.formats import IntFormat

__all__ = ["DOMAIN", "OPERATORS"]

DOMAIN = "com.microsoft"


def q_gemm(low: Lowering, node: onnx.NodeProto) -> None:
    """QGemm: ``(a - az) @ (b - bz) + c``, scaled; floating point without a result scale."""
    turned = bool(attribute(node, "transB", 0))
    operands = [centred(low, node, 0, 2), centred(low, node, 3, 5, axis=0 if turned else 1)]
    if len(node.input) > 6 and node.input[6]:
        operands.append(low.number(low.constant(node, 6)))
    turns: dict[str, Any] = {name: attribute(node, name, 0) for name in ("transA", "transB")}
    total = low.add("Gemm", operands, **turns)
    alpha = np.float32(attribute(node, "alpha", 1.0))  # type: ignore[arg-type]
    scales = alpha * low.scale(node, 1) * low.scale(node, 4)
    if len(node.input) > 7 and node.input[7]:
        requantise(low, node, total, scales / low.scale(node, 7), zero_point(low, node, 8))
    else:
        low.add("Mul", [total, low.number(scales)], node.output[0])


def matmul_integer_to_float(low: Lowering, node: onnx.NodeProto) -> None:
    """MatMulIntegerToFloat: MatMulInteger, scaled, and a bias."""
    name = f"{node.output[0]}::sum"
    integer_product(low, node, "MatMul", (0, 4), (1, 5), name)
    scale = low.add("Mul", [node.input[2], node.input[3]])
    _with_bias(low, node, low.add("Mul", [name, scale]), 6)


def dynamic_quantize_matmul(low: Lowering, node: onnx.NodeProto) -> None:
    """DynamicQuantizeMatMul: the same of activations that are quantised in each run."""
    result = node.output[0]
    codes = [f"{result}::{part}" for part in ("codes", "scale", "zero")]
    dynamic_quantize(low, helper.make_node("DynamicQuantizeLinear", node.input[:1], codes))
    zero = node.input[3] if len(node.input) > 3 else ""
    inputs = [codes[0], node.input[1], codes[2], zero]
    product = helper.make_node("MatMulInteger", inputs, [f"{result}::sum"], name=node.name)
    integer_product(low, product, "MatMul", (0, 2), (1, 3), product.output[0])
    scale = low.add("Mul", [codes[1], node.input[2]])
    _with_bias(low, node, low.add("Mul", [product.output[0], scale]), 4)


def matmul_n_bits(low: Lowering, node: onnx.NodeProto) -> None:
    """MatMulNBits: weights of few bits, packed into bytes, with a scale for each block."""
    k, n, bits, block = (
        int(attribute(node, name, default))  # type: ignore[call-overload]
        for name, default in (("K", 0), ("N", 0), ("bits", 4), ("block_size", 32))
    )
    if len(node.input) > 4 and node.input[4]:
        raise low.refusal(node, "must have its blocks in order, without the operand g_idx")
    blocks = -(-k // block)
    codes = _unpacked(low.constant(node, 1).reshape(n, blocks, -1), bits)[..., :block]
    scales = low.constant(node, 2).astype(np.float32).reshape(n, blocks)
    zero = np.full((n, blocks), 1 << (bits - 1), np.float32)
    if len(node.input) > 3 and node.input[3]:
        given = low.constant(node, 3)
        packed = given.dtype == np.uint8
        given = _unpacked(given.reshape(n, -1), bits)[:, :blocks] if packed else given
        zero = given.astype(np.float32).reshape(n, blocks)
    signed = (codes - zero[..., None]).reshape(n, -1)[:, :k]
    spread = np.repeat(scales, block, axis=1)[:, :k].T
    weight = low.number(signed.T * spread)
    low.prescribe(
        node,
        weight,
        IntFormat(bits, signed=False),
        np.ascontiguousarray(spread),
        np.ones((), np.float32),
    )
    _with_bias(low, node, low.add("MatMul", [node.input[0], weight]), 5)


def concat(low: Lowering, node: onnx.NodeProto) -> None:
    """QLinearConcat: operands in scales of their own."""
    reals = [to_real(low, node, index) for index in range(2, len(node.input), 3)]
    axis = int(attribute(node, "axis", 0))  # type: ignore[call-overload]
    from_real(low, node, low.add("Concat", reals, axis=axis), 0)


def where(low: Lowering, node: onnx.NodeProto) -> None:
    """QLinearWhere."""
    reals = [to_real(low, node, 1), to_real(low, node, 4)]
    from_real(low, node, low.add("Where", [node.input[0], *reals]), 7)


def softmax(low: Lowering, node: onnx.NodeProto) -> None:
    """QLinearSoftmax, by the rules of an opset of its own."""
    opset = int(attribute(node, "opset", 13))  # type: ignore[call-overload]
    axis = int(attribute(node, "axis", -1 if opset >= 13 else 1))  # type: ignore[call-overload]
    if opset < 13 and axis not in (-1, low.rank(node, node.input[0]) - 1):
        raise low.refusal(
            node, f"must take the softmax of opset 13 or of the last axis, not {axis}"
        )
    result = low.add("Softmax", [to_real(low, node, 0)], axis=axis)
    # It multiplies by a whole number, where others divide by the scale.
    requantise(low, node, result, np.floor(1 / low.scale(node, 3)), zero_point(low, node, 4))


def unary(op: str, *, before: bool = False) -> Any:
    """What rewrites an operator of one operand."""

    def rewrite(low: Lowering, node: onnx.NodeProto) -> None:
        if attribute(node, "channels_last", 0):
            raise low.refusal(node, "must have channels as the second axis, not the last")
        known = _known(node, "channels_last")
        from_real(low, node, low.add(op, [to_real(low, node, 0)], **known), 3, before=before)

    return rewrite


def binary(op: str, *, before: bool = False) -> Any:
    """What rewrites an operator of two operands."""

    def rewrite(low: Lowering, node: onnx.NodeProto) -> None:
        reals = [to_real(low, node, 0), to_real(low, node, 3)]
        from_real(low, node, low.add(op, reals), 6, before=before)

    return rewrite


#: What rewrites each operator.
OPERATORS = {
    "QuantizeLinear": quantize,
    "DequantizeLinear": dequantize,
    "QGemm": q_gemm,
    "MatMulIntegerToFloat": matmul_integer_to_float,
    "DynamicQuantizeMatMul": dynamic_quantize_matmul,
    "MatMulNBits": matmul_n_bits,
    "QLinearAdd": binary("Add", before=True),
    "QLinearMul": binary("Mul", before=True),
    "QLinearConcat": concat,
    "QLinearWhere": where,
    "QLinearSoftmax": softmax,
    "QLinearSigmoid": unary("Sigmoid"),
    "QLinearLeakyRelu": unary("LeakyRelu"),
    "QLinearAveragePool": unary("AveragePool", before=True),
    "QLinearGlobalAveragePool": unary("GlobalAveragePool"),
}


def _with_bias(low: Lowering, node: onnx.NodeProto, tensor: str, index: int) -> None:
    """Name a tensor as the node's result, after its bias is added."""
    bias = node.input[index] if len(node.input) > index else ""
    if bias:
        low.add("Add", [tensor, bias], node.output[0])
    else:
        low.add("Identity", [tensor], node.output[0])


def _unpacked(data: NDArray, bits: int) -> NDArray[np.float32]:
    """Codes in bytes along the last axis, the first in the lowest bits."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    codes = (data[..., None] >> shifts) & np.uint8((1 << bits) - 1)
    return codes.reshape(*data.shape[:-1], -1).astype(np.float32)


def _known(node: onnx.NodeProto, *others: str) -> dict[str, Any]:
    """Attributes of a node but for some."""
    return {
        item.name: helper.get_attribute_value(item)
        for item in node.attribute
        if item.name not in others
    }
