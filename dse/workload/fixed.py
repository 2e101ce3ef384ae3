"""Formats that a quantised model prescribes: QDQ pairs, and Quant nodes of QONNX."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from macwright.dse.workload.constants import Constants
from macwright.dse.workload.fixed_tensor import FixedTensor
from macwright.hw.formats import BinaryFormat, IntFormat

__all__ = ["strip_quantisers"]

#: Domains of QONNX's operators.
DOMAINS = ("qonnx.custom_op.general", "finn.custom_op.general", "onnx.brevitas")
#: Operators whose results are values of their first operand.
_PASS = {"MaxPool", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Identity", "Slice"}


def strip_quantisers(model: onnx.ModelProto, path: Path) -> tuple[onnx.ModelProto, Constants]:
    """Take the quantisers out of a model, and compute what no input changes.

    Parameters
    ----------
    model : onnx.ModelProto
        Any model; it is not changed.
    path : Path
        Its file, for messages.

    Returns
    -------
    model : onnx.ModelProto
        Model of float operators only, without initializers. Constants have the values of their
        codes; other quantisers are replaced by Clip, as some exporters leave ReLU to them.
    constants : Constants
        Its constants, with the formats that the model prescribes for tensors, computed ones too.

    Raises
    ------
    ValueError
        If a quantiser has scales that are computed, rounds otherwise than to nearest, or has a
        zero point for each channel.
    """
    constants = Constants(model)
    values, formats = constants.values, constants.formats
    nodes: list[onnx.NodeProto] = []
    codes: dict[str, tuple[str, FixedTensor]] = {}
    for node in model.graph.node:
        source, result = node.input[0] if node.input else "", node.output[0]
        if node.op_type in ("Quant", "BipolarQuant") and node.domain in DOMAINS:
            tensor = _quant(node, values, path)
            if source in values:
                formats[result] = _placed(tensor, values[source], 0)
                values[result] = _rounded(values[source], formats[result])
            else:
                nodes.append(_clip(node, source, tensor, values))
                formats[result] = tensor
        elif node.op_type == "QuantizeLinear":
            codes[result] = source, _linear(node, values, path)
        elif node.op_type == "DequantizeLinear":
            if source in codes:
                source, tensor = codes[source]
            else:
                tensor = _linear(node, values, path)
            axis = int(_attribute(node, "axis", 1))  # type: ignore[call-overload]
            if node.input[0] in values:
                formats[result] = _placed(tensor, values[source], axis)
                values[result] = _decoded(values[source], formats[result])
            elif source in values:
                formats[result] = _placed(tensor, values[source], axis)
                values[result] = _rounded(values[source], formats[result])
            elif node.input[0] in codes:
                nodes.append(_clip(node, source, tensor, values))
                formats[result] = tensor
            else:
                raise ValueError(
                    f"Node {node.name or result} of {path.name} must dequantise a constant or what "
                    "QuantizeLinear gives; integers in between are not supported"
                )
        elif not constants.fold(node):
            if node.op_type in _PASS and source in formats:
                formats[result] = formats[source]
            nodes.append(node)
    # Not a copy of the whole: initializers, which may be large, are left behind.
    graph = helper.make_graph(
        nodes,
        model.graph.name,
        [item for item in model.graph.input if item.name not in values],
        list(model.graph.output),
    )
    plain = [item for item in model.opset_import if item.domain in ("", "ai.onnx")]
    return helper.make_model(graph, opset_imports=plain, ir_version=model.ir_version), constants


def _clip(
    node: onnx.NodeProto, source: str, tensor: FixedTensor, constants: dict[str, NDArray]
) -> onnx.NodeProto:
    """Node that saturates as a quantiser does."""
    result = node.output[0]
    names = [f"{result}::low", f"{result}::high"]
    scale = float(tensor.scale.max())
    for name, end in zip(names, (tensor.format.min, tensor.format.max), strict=True):
        constants[name] = np.array((end - tensor.zero) * scale, np.float32)
    return helper.make_node("Clip", [source, *names], [result], name=f"{result}::clip")


def _quant(node: onnx.NodeProto, constants: Mapping, path: Path) -> FixedTensor:
    """Format of a QONNX node."""
    values = [_constant(node, name, constants, path) for name in node.input[1:]]
    scale = values[0].astype(np.float32)
    scale = scale.reshape(-1) if scale.size > 1 else scale.reshape(())
    if node.op_type == "BipolarQuant":
        return FixedTensor(format=BinaryFormat(), scale=scale)
    mode = _attribute(node, "rounding_mode", b"ROUND")
    mode = mode.decode() if isinstance(mode, bytes) else str(mode)
    if mode.upper() not in ("ROUND", "HALF_EVEN"):
        raise ValueError(
            f"Node {node.name or node.output[0]} of {path.name} must round to nearest, not {mode}"
        )
    signed, narrow = bool(_attribute(node, "signed", 1)), bool(_attribute(node, "narrow", 0))
    width = float(values[2].reshape(-1)[0])
    if not width.is_integer():
        raise ValueError(
            f"Node {node.name or node.output[0]} of {path.name} must have a whole number of bits, "
            f"not {width:g}"
        )
    fmt = IntFormat(int(width), signed=signed, symmetric=signed and narrow)
    return FixedTensor(format=fmt, scale=scale, zero=_zero(node, values[1], path))


def _linear(node: onnx.NodeProto, constants: Mapping, path: Path) -> FixedTensor:
    """Format of QuantizeLinear or DequantizeLinear."""
    scale = _constant(node, node.input[1], constants, path).astype(np.float32)
    zero = np.zeros((), np.uint8)
    if len(node.input) > 2 and node.input[2]:
        zero = _constant(node, node.input[2], constants, path)
    elif node.op_type == "DequantizeLinear" and node.input[0] in constants:
        zero = np.zeros((), constants[node.input[0]].dtype)
    if zero.dtype.kind not in "iu":
        raise ValueError(
            f"Node {node.name or node.output[0]} of {path.name} must quantise to integers, "
            f"not {zero.dtype}"
        )
    fmt = IntFormat(8 * zero.dtype.itemsize, signed=zero.dtype.kind == "i")
    return FixedTensor(
        format=fmt,
        scale=scale.reshape(-1) if scale.size > 1 else scale.reshape(()),
        zero=_zero(node, zero, path),
    )


def _zero(node: onnx.NodeProto, zero: NDArray, path: Path) -> int:
    values = np.unique(zero)
    if len(values) != 1 or float(values[0]) != int(values[0]):
        raise ValueError(
            f"Node {node.name or node.output[0]} of {path.name} must have one whole zero point, "
            f"not {len(values)} from {values.min()} to {values.max()}"
        )
    return int(values[0])


def _constant(node: onnx.NodeProto, name: str, constants: Mapping, path: Path) -> NDArray:
    if name not in constants:
        raise ValueError(
            f"Node {node.name or node.output[0]} of {path.name} must have constant scales, zero "
            f"points and widths, not {name!r}, which is computed"
        )
    return np.asarray(constants[name])


def _placed(tensor: FixedTensor, values: NDArray, axis: int) -> FixedTensor:
    """Scale in a shape that broadcasts against values; of QONNX the first axis that fits."""
    scale = tensor.scale
    if scale.ndim == 0:
        return tensor
    if values.shape[axis % values.ndim] != scale.size:
        axis = values.shape.index(scale.size)
    shape = [1] * values.ndim
    shape[axis] = scale.size
    return replace(tensor, scale=scale.reshape(shape))


def _rounded(values: NDArray, tensor: FixedTensor) -> NDArray[np.float32]:
    codes = tensor.format.quantize(values / tensor.scale + np.float32(tensor.zero))
    return np.asarray((codes - tensor.zero) * tensor.scale, np.float32)


def _decoded(codes: NDArray, tensor: FixedTensor) -> NDArray[np.float32]:
    numbers = codes.astype(np.float64) - tensor.zero
    return np.asarray(numbers * tensor.scale, np.float32)


def _attribute(node: onnx.NodeProto, name: str, default: object) -> object:
    for item in node.attribute:
        if item.name == name:
            return helper.get_attribute_value(item)
    return default
