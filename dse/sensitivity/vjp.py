"""Vector-Jacobian products of operators: from gradients of a node's output to those of its inputs.

Gradients have one axis more than their tensors, the first: one entry for each probe.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from macwright.dse.workload.nodes import attribute
from macwright.dse.workload.session import session

__all__ = ["RULES", "Call", "differentiable"]

_Array = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Call:
    """A node, with the values that it read and gave.

    Parameters
    ----------
    node : NodeProto
        The node.
    inputs : sequence of ndarray or None
        Values of its inputs, None for those left out.
    output : ndarray
        Its first output.
    wanted : set of int
        Inputs whose gradients are wanted.
    """

    node: onnx.NodeProto
    inputs: Sequence[np.ndarray | None]
    output: np.ndarray
    wanted: frozenset[int]

    def value(self, index: int) -> np.ndarray:
        """An input that must be there."""
        tensor = self.inputs[index]
        assert tensor is not None
        return tensor

    @property
    def axis(self) -> int:
        """Attribute ``axis``, negative."""
        axis = int(attribute(self.node, "axis", -1))
        return axis - self.output.ndim if axis >= 0 else axis


_Rule = Callable[[Call, _Array], list[_Array | None]]


def _of_shape(grad: np.ndarray, shape: Sequence[int]) -> _Array:
    """Gradient of a tensor that was broadcast."""
    more = grad.ndim - 1 - len(shape)
    grad = grad.sum(axis=tuple(range(1, 1 + more))) if more else grad
    axes = tuple(i + 1 for i, size in enumerate(shape) if size == 1 and grad.shape[i + 1] != 1)
    grad = grad.sum(axis=axes, keepdims=True) if axes else grad
    return grad.astype(np.float32, copy=False)


def _reshaped(call: Call, grad: _Array) -> list[_Array | None]:
    return [grad.reshape(len(grad), *call.value(0).shape)]


def _by_value(slope: Callable[[Call], np.ndarray]) -> _Rule:
    """Rule of a function of each value."""
    return lambda call, grad: [grad * slope(call)]


def _clip(call: Call) -> np.ndarray:
    x, inside = call.value(0), np.ones(call.output.shape, bool)
    if len(call.inputs) > 1 and call.inputs[1] is not None:
        inside &= x > call.inputs[1]
    if len(call.inputs) > 2 and call.inputs[2] is not None:
        inside &= x < call.inputs[2]
    return inside


def _sum(sign: int) -> _Rule:
    def rule(call: Call, grad: _Array) -> list[_Array | None]:
        return [
            factor * _of_shape(grad, call.value(i).shape) if i in call.wanted else None
            for i, factor in ((0, 1), (1, sign))
        ]

    return rule


def _product(call: Call, grad: _Array) -> list[_Array | None]:
    a, b = call.value(0), call.value(1)
    return [
        _of_shape(grad * b, a.shape) if 0 in call.wanted else None,
        _of_shape(grad * a, b.shape) if 1 in call.wanted else None,
    ]


def _quotient(call: Call, grad: _Array) -> list[_Array | None]:
    a, b = call.value(0), call.value(1)
    return [
        _of_shape(grad / b, a.shape) if 0 in call.wanted else None,
        _of_shape(-grad * call.output / b, b.shape) if 1 in call.wanted else None,
    ]


def _matmul(call: Call, grad: _Array) -> list[_Array | None]:
    a, b = call.value(0), call.value(1)
    return [
        _of_shape(grad @ np.swapaxes(b, -1, -2), a.shape) if 0 in call.wanted else None,
        _of_shape(np.swapaxes(a, -1, -2) @ grad, b.shape) if 1 in call.wanted else None,
    ]


def _gemm(call: Call, grad: _Array) -> list[_Array | None]:
    weights = call.value(1)
    if not attribute(call.node, "transB", 0):
        weights = weights.T
    return [np.float32(attribute(call.node, "alpha", 1.0)) * (grad @ weights)]


def _conv(call: Call, grad: _Array) -> list[_Array | None]:
    x, weights = call.value(0), call.value(1)
    return [_transposed(call, grad, weights, int(attribute(call.node, "group", 1)), x.shape)]


def _average(call: Call, grad: _Array) -> list[_Array | None]:
    x, kernel = call.value(0), list(attribute(call.node, "kernel_shape"))
    weights = np.full((x.shape[1], 1, *kernel), 1 / math.prod(kernel), np.float32)
    return [_transposed(call, grad, weights, x.shape[1], x.shape)]


def _transposed(
    call: Call, grad: _Array, weights: _Array, groups: int, shape: tuple[int, ...]
) -> _Array:
    """Gradient of the input of a convolution: the transposed one of that of the output."""
    rank = len(shape) - 2
    strides = list(attribute(call.node, "strides", [1] * rank))
    dilations = list(attribute(call.node, "dilations", [1] * rank))
    pads = list(attribute(call.node, "pads", [0] * (2 * rank)))
    more = [
        shape[2 + i]
        - (
            (grad.shape[3 + i] - 1) * strides[i]
            + (weights.shape[2 + i] - 1) * dilations[i]
            + 1
            - pads[i]
            - pads[rank + i]
        )
        for i in range(rank)
    ]
    node = helper.make_node(
        "ConvTranspose", ["g", "w"], ["x"], strides=strides, dilations=dilations, pads=pads,
        output_padding=more, group=groups,
    )  # fmt: skip
    graph = helper.make_graph(
        [node],
        "transposed",
        [helper.make_tensor_value_info(name, 1, None) for name in ("g", "w")],
        [helper.make_tensor_value_info("x", 1, None)],
    )
    opset = helper.make_opsetid("", 17)
    running = session(helper.make_model(graph, opset_imports=[opset], ir_version=8))
    flat = np.ascontiguousarray(grad.reshape(-1, *grad.shape[2:]))
    (gradient,) = running.run(None, {"g": flat, "w": np.ascontiguousarray(weights)})
    return np.asarray(gradient).reshape(len(grad), *shape)


def _max_pool(call: Call, grad: _Array) -> list[_Array | None]:
    """To the first largest value of each window."""
    x, kernel = call.value(0), list(attribute(call.node, "kernel_shape"))
    rank = len(kernel)
    strides = list(attribute(call.node, "strides", [1] * rank))
    pads = list(attribute(call.node, "pads", [0] * (2 * rank)))
    size = call.output.shape[2:]
    reach = [
        max((n - 1) * s + k, d + p)
        for n, s, k, d, p in zip(size, strides, kernel, x.shape[2:], pads, strict=False)
    ]
    after = [r - d - p for r, d, p in zip(reach, x.shape[2:], pads, strict=False)]
    edges = [(0, 0), (0, 0), *zip(pads, after, strict=False)]
    padded = np.pad(x, edges, constant_values=-np.inf)
    result = np.zeros((len(grad), *padded.shape), np.float32)
    free = np.ones(call.output.shape, bool)
    for offset in np.ndindex(*kernel):
        places = tuple(
            slice(o, o + (n - 1) * s + 1, s) for o, n, s in zip(offset, size, strides, strict=True)
        )
        here = free & (padded[(slice(None), slice(None), *places)] == call.output)
        free &= ~here
        result[(slice(None), slice(None), slice(None), *places)] += grad * here
    inside = tuple(slice(p, p + d) for p, d in zip(pads, x.shape[2:], strict=False))
    return [result[(slice(None), slice(None), slice(None), *inside)]]


def _global_average(call: Call, grad: _Array) -> list[_Array | None]:
    x = call.value(0)
    share = grad / np.float32(math.prod(x.shape[2:]))
    return [np.broadcast_to(share, (len(grad), *x.shape))]


def _transpose(call: Call, grad: _Array) -> list[_Array | None]:
    rank = call.output.ndim
    order = list(attribute(call.node, "perm", range(rank)[::-1]))
    return [grad.transpose(0, *(int(i) + 1 for i in np.argsort(order)))]


def _concat(call: Call, grad: _Array) -> list[_Array | None]:
    sizes = [call.value(i).shape[call.axis] for i in range(len(call.inputs))]
    return list(np.split(grad, np.cumsum(sizes)[:-1], axis=call.axis))


def _slice(call: Call, grad: _Array) -> list[_Array | None]:
    x = call.value(0)
    index: list[slice] = [slice(None)] * (x.ndim + 1)
    starts, ends = call.value(1), call.value(2)
    given = [*call.inputs[3:], None, None]
    axes = range(len(starts)) if given[0] is None else given[0]
    steps = [1] * len(starts) if given[1] is None else given[1]
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        index[int(axis) % x.ndim + 1] = slice(int(start), int(end), int(step))
    result = np.zeros((len(grad), *x.shape), np.float32)
    result[tuple(index)] = grad
    return [result]


def _pad(call: Call, grad: _Array) -> list[_Array | None]:
    x, pads = call.value(0), call.value(1)
    inside = (slice(int(p), int(p) + size) for p, size in zip(pads, x.shape, strict=False))
    return [grad[(slice(None), *inside)]]


def _softmax(call: Call, grad: _Array) -> list[_Array | None]:
    y = call.output
    return [y * (grad - (grad * y).sum(axis=call.axis, keepdims=True))]


def _layer_norm(call: Call, grad: _Array) -> list[_Array | None]:
    x, scale = call.value(0), call.value(1)
    axes = tuple(range(call.axis, 0))
    mean = x.mean(axis=axes, keepdims=True)
    epsilon = np.float32(attribute(call.node, "epsilon", 1e-5))
    root = np.sqrt(x.var(axis=axes, keepdims=True) + epsilon)
    normal, slope = (x - mean) / root, grad * scale
    along = (slope * normal).mean(axis=axes, keepdims=True)
    return [(slope - slope.mean(axis=axes, keepdims=True) - normal * along) / root]


#: By operator; each gives the gradients of the first inputs.
RULES: Mapping[str, _Rule] = {
    **dict.fromkeys(
        ("Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"), _reshaped
    ),
    "Relu": _by_value(lambda call: call.output > 0),
    "LeakyRelu": _by_value(
        lambda call: np.where(
            call.value(0) > 0, 1, np.float32(attribute(call.node, "alpha", 0.01))
        ).astype(np.float32)
    ),
    "Clip": _by_value(_clip),
    "Sigmoid": _by_value(lambda call: call.output * (1 - call.output)),
    "Tanh": _by_value(lambda call: 1 - call.output**2),
    "Erf": _by_value(
        lambda call: np.float32(2 / math.sqrt(math.pi)) * np.exp(-(call.value(0) ** 2))
    ),
    "Add": _sum(1),
    "Sub": _sum(-1),
    "Mul": _product,
    "Div": _quotient,
    "MatMul": _matmul,
    "Gemm": _gemm,
    "Conv": _conv,
    "AveragePool": _average,
    "MaxPool": _max_pool,
    "GlobalAveragePool": _global_average,
    "Transpose": _transpose,
    "Concat": _concat,
    "Slice": _slice,
    "Pad": _pad,
    "Softmax": _softmax,
    "LayerNormalization": _layer_norm,
}


def differentiable(node: onnx.NodeProto) -> bool:
    """Whether a node has a rule that holds for its attributes."""
    kind = node.op_type
    if kind not in RULES or node.domain not in ("", "ai.onnx"):
        return False
    if attribute(node, "auto_pad", "NOTSET") not in ("", "NOTSET"):
        return False
    if kind == "Gemm":
        return not attribute(node, "transA", 0)
    if kind == "Pad":
        return attribute(node, "mode", "constant") == "constant" and len(node.input) < 4
    if kind in ("MaxPool", "AveragePool"):
        plain = not attribute(node, "ceil_mode", 0)
        plain &= all(step == 1 for step in attribute(node, "dilations", []))
        padded = any(attribute(node, "pads", []))
        counted = kind == "MaxPool" or attribute(node, "count_include_pad", 0)
        return bool(plain and (counted or not padded))
    return True
