"""QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear as float operators."""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from macwright.dse.workload.lowering import Lowering
from macwright.hw.formats import FloatFormat, IntFormat, parse_format

__all__ = ["attribute", "code_format", "dequantize", "dynamic_quantize", "quantize", "zero_point"]


def attribute(node: onnx.NodeProto, name: str, default: object) -> object:
    """Value of a node's attribute, or the default."""
    for item in node.attribute:
        if item.name == name:
            return helper.get_attribute_value(item)
    return default


def code_format(dtype: np.dtype | type) -> IntFormat | FloatFormat | None:
    """Format of the codes of an element type; None for one that holds no codes."""
    name = np.dtype(dtype).name
    if name.startswith(("int", "uint")):
        return IntFormat(int(name.lstrip("uint")), signed=name.startswith("int"))
    if name.startswith(("float8_e4", "float8_e5", "float4_")):
        fmt = parse_format(name)
        assert isinstance(fmt, FloatFormat)
        return fmt
    return None


def zero_point(low: Lowering, node: onnx.NodeProto, index: int) -> NDArray:
    """Zero point of a node in its own element type; uint8 if it has none."""
    return low.constant(node, index, np.zeros((), np.uint8))


def quantize(low: Lowering, node: onnx.NodeProto) -> None:
    """QuantizeLinear: ``saturate(round(x / scale) + zero)``, rounded half to even."""
    source, result = node.input[0], node.output[0]
    zero = zero_point(low, node, 2)
    kind = int(attribute(node, "output_dtype", 0))  # type: ignore[call-overload]
    if kind and (len(node.input) < 3 or not node.input[2]):
        zero = np.zeros((), helper.tensor_dtype_to_np_dtype(kind))
    fmt = code_format(zero.dtype)
    if fmt is None:
        raise low.refusal(node, f"must quantise to integers or minifloats, not {zero.dtype}")
    scale = _placed(low, node, low.scale(node, 1), source)
    offset = _placed(low, node, zero.astype(np.float32), source)
    scaled = low.divide(source, _positive(low, node, scale))
    if isinstance(fmt, FloatFormat):
        if not attribute(node, "saturate", 1):
            raise low.refusal(
                node, f"must saturate where it quantises to {fmt}, not turn large values to NaN"
            )
        grid = low.to_float_grid(scaled, fmt, result=result)
    else:
        grid = low.to_grid(scaled, fmt.min - offset, fmt.max - offset, result=result)
    low.shift(grid, offset, result=result)
    low.centred[result] = grid, offset
    low.prescribe_codes(result, fmt)


def dequantize(low: Lowering, node: onnx.NodeProto) -> None:
    """DequantizeLinear: ``(x - zero) * scale``."""
    source, result = node.input[0], node.output[0]
    fmt = _source_format(low, node)
    scale = _placed(low, node, low.scale(node, 1), source)
    zero = low.constant(node, 2, np.zeros((), np.float32)).astype(np.float32)
    zero = _placed(low, node, zero, source)
    grid, centre = low.centred.get(source, ("", np.zeros(())))
    if not grid or not np.array_equal(centre, zero):
        grid = low.shift(low.as_float(source), zero, "Sub")
    low.add("Mul", [grid, low.number(scale)], result)
    if fmt.width <= 16:
        low.prescribe(node, result, fmt, scale, zero)


def dynamic_quantize(low: Lowering, node: onnx.NodeProto) -> None:
    """DynamicQuantizeLinear: uint8 codes of a range that is found anew in each run."""
    source, (result, scale, zero) = node.input[0], node.output
    ends = []
    for op, bound in (("ReduceMin", "Min"), ("ReduceMax", "Max")):
        end = low.add(op, [source], keepdims=0)
        ends.append(low.add(bound, [end, low.number(0)]))
    step = low.add("Div", [low.add("Sub", [ends[1], ends[0]]), low.number(255)])
    # A tensor of zeros has no range, and any scale will do.
    empty = low.add("Equal", [step, low.number(0)])
    low.add("Where", [empty, low.number(1), step], scale)
    level = low.add("Div", [low.add("Neg", [ends[0]]), scale])
    low.add("Round", [low.clip(level, 0, 255)], zero)
    whole = low.add("Round", [low.add("Div", [source, scale])])
    low.clip(low.add("Add", [whole, zero]), 0, 255, result)
    low.codes.add(zero)
    low.prescribe_codes(result, IntFormat(8, signed=False))


def _source_format(low: Lowering, node: onnx.NodeProto) -> IntFormat | FloatFormat:
    """Format of the codes that a node reads."""
    source = node.input[0]
    if source in low.constants.formats:
        fmt = low.constants.formats[source].format
        assert isinstance(fmt, IntFormat | FloatFormat)
        return fmt
    if source in low.constants.values:
        fmt = code_format(low.constants.values[source].dtype)
    elif len(node.input) > 2 and node.input[2]:
        fmt = code_format(zero_point(low, node, 2).dtype)
    else:
        fmt = code_format(low.element_type(node, source))
    if fmt is None:
        raise low.refusal(node, f"must dequantise integers or minifloats, not those of {source!r}")
    return fmt


def _positive(low: Lowering, node: onnx.NodeProto, scale: NDArray) -> NDArray:
    if not (scale > 0).all():
        raise low.refusal(
            node, f"must have scales above 0, not {scale.min():g}; quantise the model anew"
        )
    return scale


def _placed(low: Lowering, node: onnx.NodeProto, values: NDArray, tensor: str) -> NDArray:
    """Scales or zero points in a shape that broadcasts against a tensor."""
    block = int(attribute(node, "block_size", 0))  # type: ignore[call-overload]
    if values.ndim == 0 or (values.size == 1 and not block):
        return values.reshape(())
    axis = int(attribute(node, "axis", 1))  # type: ignore[call-overload]
    if block:
        if tensor not in low.constants.values:
            raise low.refusal(
                node,
                f"must have one scale for all activations, not blocks of {block} with scales of "
                "their own",
            )
        size = low.constants.values[tensor].shape[axis]
        return np.repeat(values, block, axis=axis).take(range(size), axis=axis)
    rank = low.rank(node, tensor) if axis >= 0 else -axis
    if axis >= rank:
        raise low.refusal(node, f"must have an axis below {rank}, not {axis}")
    return values.reshape([-1 if i == axis % rank else 1 for i in range(rank)])
