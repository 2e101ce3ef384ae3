"""MAC layers of a model and the sizes of their matrix products."""

import math

import onnx
from onnx import helper

from macwright.dse.workload.layer import Layer
from macwright.dse.workload.normalise import MAC_OPS, attribute

__all__ = ["find_layers"]


def find_layers(
    model: onnx.ModelProto,
    shapes: dict[str, tuple[int, ...]],
    batch: int,
    non_negative: set[str],
) -> list[Layer]:
    """Describe each Conv, Gemm and MatMul.

    Parameters
    ----------
    model : onnx.ModelProto
        From `normalise`.
    shapes : dict of tuple
        Shape of every tensor, for `batch` samples.
    batch : int
        Samples that `shapes` stand for.
    non_negative : set of str
        Tensors that are never negative.
    """
    constants = {item.name for item in model.graph.initializer}
    layers = []
    for node in model.graph.node:
        if node.op_type not in MAC_OPS:
            continue
        act, weight, out = node.input[0], node.input[1], node.output[0]
        dynamic = weight not in constants
        if node.op_type == "Gemm" and (attribute(node, "transA", 0) or (dynamic and batch > 1)):
            raise ValueError(
                f"Node {node.name} must be a Gemm of samples by weights, not one that transposes "
                "its first operand or multiplies two activations; use MatMul and Transpose"
            )
        if node.op_type == "Conv" and dynamic:
            raise ValueError(
                f"Node {node.name} must have constant weights, not {weight!r}, which is computed; "
                "export the model with constants folded"
            )
        sizes = {"Conv": _conv, "Gemm": _gemm, "MatMul": _matmul}[node.op_type]
        m, k, n, groups = sizes(node, shapes, batch, dynamic)
        layers.append(
            Layer(
                name=node.name,
                op=node.op_type,
                act=act,
                weight=weight,
                out=out,
                m=m,
                k=k,
                n=n,
                groups=groups,
                weights=0 if dynamic else math.prod(shapes[weight]),
                activations=math.prod(shapes[act]) // batch,
                outputs=math.prod(shapes[out]) // batch,
                act_signed=act not in non_negative,
                weight_signed=not dynamic or weight not in non_negative,
                dynamic=dynamic,
                attributes=_attributes(node, shapes[weight]),
            )
        )
    return layers


_Sizes = tuple[int, int, int, int]


def _conv(node: onnx.NodeProto, shapes: dict, batch: int, dynamic: bool) -> _Sizes:
    groups = int(attribute(node, "group", 1))  # type: ignore[call-overload]
    channels, *kernel = shapes[node.input[1]]
    positions = math.prod(shapes[node.output[0]][2:])
    return positions, math.prod(kernel), channels // groups, groups


def _gemm(node: onnx.NodeProto, shapes: dict, batch: int, dynamic: bool) -> _Sizes:
    rows, columns = shapes[node.input[1]]
    k, n = (columns, rows) if attribute(node, "transB", 0) else (rows, columns)
    return shapes[node.input[0]][0] // batch, k, n, 1


def _matmul(node: onnx.NodeProto, shapes: dict, batch: int, dynamic: bool) -> _Sizes:
    left, right = shapes[node.input[0]], shapes[node.input[1]]
    if (len(right) > 2 and not dynamic) or len(left) < 2 or len(right) < 2:
        raise ValueError(
            f"Node {node.name} must multiply by a matrix of weights, not by shape {right}; "
            "split the product when exporting"
        )
    if not dynamic:
        return math.prod(left[:-1]) // batch, left[-1], right[1], 1
    groups = math.prod(shapes[node.output[0]][:-2]) // batch
    return left[-2], left[-1], right[-1], groups


def _attributes(node: onnx.NodeProto, weight_shape: tuple[int, ...]) -> dict[str, object]:
    """Attributes by name, with the kernel's shape where the node leaves it to the weights."""
    found = {item.name: _plain(item) for item in node.attribute}
    if node.op_type == "Conv":
        found.setdefault("kernel_shape", list(weight_shape[2:]))
    return found


def _plain(item: onnx.AttributeProto) -> object:
    value = helper.get_attribute_value(item)
    return value.decode() if isinstance(value, bytes) else value
