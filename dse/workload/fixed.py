"""Formats that a quantised model prescribes: QDQ pairs, and Quant nodes of QONNX."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from macwright.hw.formats import BinaryFormat, IntFormat

__all__ = ["FixedTensor", "strip_quantisers"]

#: Domains of QONNX's operators.
DOMAINS = ("qonnx.custom_op.general", "finn.custom_op.general", "onnx.brevitas")
#: Operators whose results are values of their first operand.
_PASS = {"MaxPool", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Identity", "Slice"}
MAC_OPS = ("Conv", "Gemm", "MatMul")


@dataclass(frozen=True, kw_only=True, eq=False)
class FixedTensor:
    """Format of a tensor, with its scale.

    Parameters
    ----------
    format : IntFormat or BinaryFormat
        Format of the codes.
    scale : ndarray of float32, shape () or (n_channels,)
        Value of one unit.
    zero : int
        Code that stands for 0.
    """

    format: IntFormat | BinaryFormat
    scale: NDArray[np.float32]
    zero: int = 0

    def of(self, fmt: object) -> "FixedTensor | None":
        """The same values in a format of the same width; None if they do not fit it."""
        if fmt == self.format:
            return self
        if not isinstance(fmt, IntFormat) or not isinstance(self.format, IntFormat):
            return None
        if fmt.width != self.format.width or fmt.symmetric:
            return None
        shift = (self.format.signed - fmt.signed) << (fmt.width - 1)
        return FixedTensor(format=fmt, scale=self.scale, zero=self.zero + shift)


_Fixed = tuple[FixedTensor | None, FixedTensor | None]


def strip_quantisers(
    model: onnx.ModelProto, path: Path
) -> tuple[onnx.ModelProto, dict[str, _Fixed]]:
    """Take the quantisers out of a model.

    Parameters
    ----------
    model : onnx.ModelProto
        Any model; it is returned as it is if it has no quantisers.
    path : Path
        Its file, for messages.

    Returns
    -------
    model : onnx.ModelProto
        Model of float operators only. Constants have the values of their codes; other quantisers
        are replaced by Clip, as some exporters leave ReLU to them.
    fixed : dict
        Formats of weights and activations, None where they are free, by the output tensor of each
        Conv, Gemm and MatMul.

    Raises
    ------
    ValueError
        If a quantiser has scales that are computed, rounds otherwise than to nearest, or has a
        zero point for each channel.
    """
    kinds = {node.op_type for node in model.graph.node}
    if not kinds & {"QuantizeLinear", "DequantizeLinear", "Quant", "BipolarQuant"}:
        return model, {}
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    quantised: dict[str, FixedTensor] = {}
    fixed: dict[str, _Fixed] = {}
    kept: list[onnx.NodeProto] = []
    codes: dict[str, tuple[str, FixedTensor]] = {}
    for node in graph.node:
        source, result = node.input[0] if node.input else "", node.output[0]
        if node.op_type in ("Quant", "BipolarQuant") and node.domain in DOMAINS:
            tensor = _quant(node, constants, path)
            if source in constants:
                constants[result] = _rounded(constants[source], tensor, 0)
            else:
                kept.append(_clip(node, source, tensor, constants))
            quantised[result] = tensor
        elif node.op_type == "QuantizeLinear":
            codes[result] = source, _linear(node, constants, path)
        elif node.op_type == "DequantizeLinear":
            if source in codes:
                source, tensor = codes[source]
            else:
                tensor = _linear(node, constants, path)
            axis = int(_attribute(node, "axis", 1))  # type: ignore[call-overload]
            if node.input[0] in constants:
                constants[result] = _decoded(constants[node.input[0]], tensor, axis)
            elif source in constants:
                constants[result] = _rounded(constants[source], tensor, axis)
            elif node.input[0] in codes:
                kept.append(_clip(node, source, tensor, constants))
            else:
                raise ValueError(
                    f"Node {node.name or result} of {path.name} must dequantise a constant or what "
                    "QuantizeLinear gives; integers in between are not supported"
                )
            quantised[result] = tensor
        else:
            if node.op_type in _PASS and source in quantised:
                quantised[result] = quantised[source]
            if node.op_type in MAC_OPS:
                found = quantised.get(node.input[1]), quantised.get(source)
                if any(found):
                    fixed[result] = found
            kept.append(node)
    used = {name for node in kept for name in node.input}
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(kept)
    made = {name for node in kept for name in node.output}
    graph.initializer.extend(
        numpy_helper.from_array(np.ascontiguousarray(value), name)
        for name, value in constants.items()
        if name in used and name not in made
    )
    plain = [item for item in copy.opset_import if item.domain in ("", "ai.onnx")]
    del copy.opset_import[:]
    copy.opset_import.extend(plain)
    return copy, fixed


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


def _along(tensor: FixedTensor, values: NDArray, axis: int) -> NDArray[np.float32]:
    """Scale in a shape that broadcasts against values; of QONNX the first axis that fits."""
    scale = tensor.scale
    if scale.ndim == 0:
        return scale
    if values.shape[axis % values.ndim] != scale.size:
        axis = values.shape.index(scale.size)
    shape = [1] * values.ndim
    shape[axis] = scale.size
    return scale.reshape(shape)


def _rounded(values: NDArray, tensor: FixedTensor, axis: int) -> NDArray[np.float32]:
    scale = _along(tensor, values, axis)
    codes = tensor.format.quantize(values / scale + np.float32(tensor.zero))
    return ((codes - tensor.zero) * scale).astype(np.float32)


def _decoded(codes: NDArray, tensor: FixedTensor, axis: int) -> NDArray[np.float32]:
    numbers = codes.astype(np.float64) - tensor.zero
    return (numbers * _along(tensor, codes, axis)).astype(np.float32)


def _attribute(node: onnx.NodeProto, name: str, default: object) -> object:
    for item in node.attribute:
        if item.name == name:
            return helper.get_attribute_value(item)
    return default
