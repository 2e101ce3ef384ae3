"""Operators that onnxruntime's optimiser makes of several, written as those again.

Definitions: `ContribOperators.md` of onnxruntime, domain com.microsoft.
"""

import math
from typing import Any

import numpy as np
import onnx
from onnx import helper

from macwright.dse.workload.lowering import Lowering
from macwright.dse.workload.nodes import attribute

__all__ = ["OPERATORS"]

#: Attributes of activation functions, in the order in which their parameters are given.
_PARAMETERS = {
    "": (),
    "Relu": (),
    "Sigmoid": (),
    "Tanh": (),
    "LeakyRelu": ("alpha",),
    "HardSigmoid": ("alpha", "beta"),
    "Clip": ("min", "max"),
}


def fused_conv(low: Lowering, node: onnx.NodeProto) -> None:
    """FusedConv: ``activation(conv(x, w) + b + z)``."""
    x, weight, bias, other = [*node.input, "", ""][:4]
    operands = [x, weight, *([bias] if bias else [])]
    total = low.add("Conv", operands, **_without(node, "activation", "activation_params"))
    if other:
        total = low.add("Add", [total, other])
    _activated(low, node, total, list(attribute(node, "activation_params", ())))


def fused_gemm(low: Lowering, node: onnx.NodeProto) -> None:
    """FusedGemm: ``activation(alpha a b + beta c)``."""
    names = ("activation", "activation_alpha", "activation_beta", "activation_gamma")
    total = low.add("Gemm", list(node.input), **_without(node, *names))
    given = [attribute(node, name) for name in names[1:3]]
    _activated(low, node, total, [value for value in given if value is not None])


def fused_matmul(low: Lowering, node: onnx.NodeProto) -> None:
    """FusedMatMul: ``alpha a b``, each turned or not."""
    if attribute(node, "transBatchA", 0) or attribute(node, "transBatchB", 0):
        raise low.refusal(node, "must not transpose the batch; save the model unoptimised")
    operands = []
    for name, turned in zip(node.input, ("transA", "transB"), strict=True):
        rank = low.rank(node, name) if attribute(node, turned, 0) else 0
        perm = [*range(rank - 2), rank - 1, rank - 2]
        operands.append(low.add("Transpose", [name], perm=perm) if rank > 1 else name)
    alpha = np.float32(attribute(node, "alpha", 1.0))
    product = low.add("MatMul", operands, "" if alpha != 1 else node.output[0])
    if alpha != 1:
        low.add("Mul", [product, low.number(alpha)], node.output[0])


def gelu(low: Lowering, node: onnx.NodeProto) -> None:
    """Gelu and BiasGelu: ``x (1 + erf(x / sqrt(2))) / 2`` of ``x`` plus a bias."""
    x = _biased(low, node)
    inner = low.add("Erf", [low.add("Mul", [x, low.number(math.sqrt(0.5))])])
    _half_of_one_more(low, node, x, inner)


def fast_gelu(low: Lowering, node: onnx.NodeProto) -> None:
    """FastGelu: ``x (1 + tanh(0.797885 x + 0.035677 x^3)) / 2`` of ``x`` plus a bias."""
    x = _biased(low, node)
    square = low.add("Mul", [x, x])
    factor = low.add("Mul", [square, low.number(0.035677408136300125)])
    factor = low.add("Add", [factor, low.number(0.7978845608028654)])
    _half_of_one_more(low, node, x, low.add("Tanh", [low.add("Mul", [x, factor])]))


def quick_gelu(low: Lowering, node: onnx.NodeProto) -> None:
    """QuickGelu: ``x sigmoid(alpha x)``."""
    x = node.input[0]
    scaled = low.add("Mul", [x, low.number(float(attribute(node, "alpha", 1.702)))])
    low.add("Mul", [x, low.add("Sigmoid", [scaled])], node.output[0])


def skip_layer_norm(low: Lowering, node: onnx.NodeProto) -> None:
    """SkipLayerNormalization: of ``x + skip + bias``, which is the fourth result."""
    x, skip, gain, shift, bias = [*node.input, "", ""][:5]
    if any(node.output[1:3]):
        raise low.refusal(node, "must not give means and deviations; save the model unoptimised")
    given = node.output[3] if len(node.output) > 3 else ""
    total = low.add("Add", [x, skip], "" if bias else given)
    if bias:
        total = low.add("Add", [total, bias], given)
    centred = low.add("Sub", [total, _mean(low, total)])
    variance = _mean(low, low.add("Mul", [centred, centred]))
    epsilon = low.number(float(attribute(node, "epsilon", 1e-12)))
    deviation = low.add("Sqrt", [low.add("Add", [variance, epsilon])])
    result = low.add("Div", [centred, deviation])
    result = low.add("Mul", [result, gain], "" if shift else node.output[0])
    if shift:
        low.add("Add", [result, shift], node.output[0])


#: What rewrites each operator.
OPERATORS = {
    "BiasGelu": gelu,
    "FastGelu": fast_gelu,
    "FusedConv": fused_conv,
    "FusedGemm": fused_gemm,
    "FusedMatMul": fused_matmul,
    "Gelu": gelu,
    "QuickGelu": quick_gelu,
    "SkipLayerNormalization": skip_layer_norm,
}


def _activated(low: Lowering, node: onnx.NodeProto, tensor: str, given: list[float]) -> None:
    """Name a tensor as the node's result, after its activation function."""
    op = attribute(node, "activation", "")
    if op not in _PARAMETERS:
        raise low.refusal(
            node,
            f"must have an activation of {', '.join(filter(None, _PARAMETERS))}, not {op}; save "
            "the model unoptimised",
        )
    if op == "Clip":
        low.add("Clip", [tensor, *(low.number(value) for value in given[:2])], node.output[0])
    else:
        named = dict(zip(_PARAMETERS[op], map(float, given), strict=False))
        low.add(op or "Identity", [tensor], node.output[0], **named)


def _biased(low: Lowering, node: onnx.NodeProto) -> str:
    x, bias = [*node.input, ""][:2]
    return low.add("Add", [x, bias]) if bias else x


def _half_of_one_more(low: Lowering, node: onnx.NodeProto, x: str, inner: str) -> None:
    half = low.add("Mul", [x, low.number(0.5)])
    low.add("Mul", [half, low.add("Add", [inner, low.number(1)])], node.output[0])


def _mean(low: Lowering, tensor: str) -> str:
    """Mean along the last axis, which is an operand from opset 18 on."""
    if low.opset < 18:
        return low.add("ReduceMean", [tensor], axes=[-1], keepdims=1)
    return low.add("ReduceMean", [tensor, low.number([-1], np.int64)], keepdims=1)


def _without(node: onnx.NodeProto, *names: str) -> dict[str, Any]:
    """Attributes of a node but for some."""
    return {
        item.name: helper.get_attribute_value(item)
        for item in node.attribute
        if item.name not in names
    }
