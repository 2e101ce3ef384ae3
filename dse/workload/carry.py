"""Which operators keep a tensor on the grid of a format, and what they do to codes."""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from macwright.dse.workload.fixed_tensor import FixedTensor
from macwright.dse.workload.lowering import Lowering, one_of_same
from macwright.dse.workload.qdq import attribute, code_format
from macwright.hw.formats import IntFormat

__all__ = ["carry", "on_codes"]

#: Results are elements of the first operand, or zeros where it has zeros.
_MOVES = {
    "DepthToSpace", "Dropout", "Expand", "Flatten", "Gather", "GatherElements", "GatherND",
    "GlobalMaxPool", "Identity", "MaxPool", "ReduceMax", "ReduceMin", "Relu", "Reshape", "Slice",
    "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze",
}  # fmt: skip
#: Results are elements of the operands from this one on, up to the other.
_JOINS = {"Concat": (0, None), "Max": (0, None), "Min": (0, None), "Where": (1, 3)}
#: Operands that hold values, other than the first, where an operator has others that hold sizes.
_VALUES = {"Pad": (2,), "Clip": (1, 2), "Where": (1, 2)}
_ORDER = {
    "ArgMax",
    "ArgMin",
    "Equal",
    "Greater",
    "GreaterOrEqual",
    "Less",
    "LessOrEqual",
    "Shape",
    "Size",
}


def carry(low: Lowering, node: onnx.NodeProto) -> None:
    """Give the results of a node the format of its operands, if they are on that grid."""
    formats = low.constants.formats
    if node.output[0] in formats:
        return
    tensor = _carried(low, node)
    if tensor is not None:
        count = 1 if node.op_type in ("MaxPool", "Dropout") else len(node.output)
        formats.update({name: tensor for name in node.output[:count]})


def on_codes(low: Lowering, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """The node for codes that are held in floating point, and what it needs after it.

    Raises
    ------
    ValueError
        If it computes with codes, which in their own type would wrap around.
    """
    op = node.op_type
    if op == "Cast":
        return [_cast(low, node)]
    grid, zero = low.centred.get(node.input[0], ("", None))
    if op in _MOVES and op != "Relu" and zero is not None and not zero.ndim:
        return _moved(low, node, grid, zero)
    known = op in _MOVES or op in _JOINS or op in _VALUES or op in _ORDER or op == "Resize"
    if not known:
        raise low.refusal(
            node,
            f"must not compute with codes, as {op} between QuantizeLinear and DequantizeLinear "
            "does; dequantise them before",
        )
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    places = range(len(node.input)) if op in _JOINS and op != "Where" else (0, *_VALUES.get(op, ()))
    for i in places:
        if i < len(node.input) and node.input[i] and not (op == "Where" and i == 0):
            copy.input[i] = low.as_float(node.input[i])
    if op not in _ORDER:
        low.codes.update(node.output[:1] if op == "MaxPool" else node.output)
    mode = attribute(node, "mode", b"nearest")
    if op == "Resize" and mode == b"cubic":
        raise low.refusal(
            node, "must not interpolate codes cubically, which no runtime does; dequantise before"
        )
    return _truncated(copy) if op == "Resize" and mode == b"linear" else [copy]


def _truncated(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """A node that interpolates codes, which onnxruntime then makes whole towards 0."""
    result = node.output[0]
    real, whole = f"{result}::real", f"{result}::whole"
    node.output[0] = real
    return [
        node,
        helper.make_node("Cast", [real], [whole], name=whole, to=onnx.TensorProto.INT32),
        helper.make_node("Cast", [whole], [result], name=result, to=onnx.TensorProto.FLOAT),
    ]


def _moved(low: Lowering, node: onnx.NodeProto, grid: str, zero: NDArray) -> list[onnx.NodeProto]:
    """A node that moves codes, on these less their zero point, whose sign then stays known."""
    copy, shifts = onnx.NodeProto(), []
    copy.CopyFrom(node)
    copy.input[0] = grid
    for i, name in enumerate(node.output[:1] if node.op_type == "MaxPool" else node.output):
        copy.output[i] = f"{name}::centred"
        low.centred[name] = copy.output[i], zero
        low.codes.add(name)
        shifts.append(
            helper.make_node("Add", [copy.output[i], low.number(zero)], [name], name=name)
        )
    low.constants.formats.update(dict.fromkeys(node.output, low.constants.formats[node.input[0]]))
    return [copy, *shifts]


def _cast(low: Lowering, node: onnx.NodeProto) -> onnx.NodeProto:
    """A Cast of whole numbers, which changes none of them."""
    kind = np.dtype(helper.tensor_dtype_to_np_dtype(int(attribute(node, "to", 1))))  # type: ignore[call-overload]
    target, source = code_format(kind), low.constants.formats.get(node.input[0])
    if isinstance(target, IntFormat):
        fits = source is None and target.width >= 32
        if source is not None:
            fits = target.min <= source.format.min and source.format.max <= target.max
        if not fits:
            raise low.refusal(node, f"must cast codes to a type that holds them all, not to {kind}")
        low.codes.add(node.output[0])
    elif kind.kind != "f":
        raise low.refusal(node, f"must cast codes to integers or float, not to {kind}")
    return helper.make_node("Identity", [node.input[0]], list(node.output), name=node.name)


def _carried(low: Lowering, node: onnx.NodeProto) -> FixedTensor | None:
    formats, op = low.constants.formats, node.op_type
    first = formats.get(node.input[0]) if node.input else None
    if op in _MOVES or (op == "Cast" and attribute(node, "to", 1) in (1, 10, 11, 16)):
        return first
    if op in ("Resize", "Upsample"):
        return first if attribute(node, "mode", b"nearest") == b"nearest" else None
    if op in _JOINS:
        start, stop = _JOINS[op]
        return _common([formats.get(name) for name in node.input[start:stop]])
    if op == "Clip":
        return _clipped(low, node)
    if op == "Pad":
        return first if _pads_on_grid(low, node) else None
    if op in ("Mul", "Div") and len(node.input) == 2:
        return _scaled(low, node)
    return None


def _common(tensors: list[FixedTensor | None]) -> FixedTensor | None:
    """The format that all have, in one scale."""
    first = tensors[0]
    for item in tensors:
        if item is None or first is None or item.format != first.format:
            return None
        if not np.array_equal(item.scale, first.scale) or not np.array_equal(item.zero, first.zero):
            return None
    return first


def _clipped(low: Lowering, node: onnx.NodeProto) -> FixedTensor | None:
    """Format of what Clip leaves: a narrower one where the bounds are codes."""
    values, tensor = low.constants.values, low.constants.formats.get(node.input[0])
    if tensor is None and node.input[0] in values:
        fmt = code_format(values[node.input[0]].dtype)
        tensor = fmt and FixedTensor(format=fmt, scale=np.ones((), np.float32))
    if tensor is None or tensor.scale.ndim or not isinstance(tensor.format, IntFormat):
        return None
    ends = []
    for index, default in ((1, tensor.format.min), (2, tensor.format.max)):
        name = node.input[index] if len(node.input) > index else ""
        if name and name not in values:
            return None
        bound = float(values[name].reshape(())) if name else np.inf
        level = bound / float(tensor.scale) + tensor.zero if name else float(default)
        ends.append(float(np.clip(level, tensor.format.min, tensor.format.max)))
    low_end, high_end = ends
    if not (abs(low_end - round(low_end)) < 1e-3 and abs(high_end - round(high_end)) < 1e-3):
        return None
    fmt = _narrowest(round(low_end), round(high_end))
    if fmt.width >= tensor.format.width:
        return tensor
    return FixedTensor(format=fmt, scale=tensor.scale, zero=tensor.zero)


def _narrowest(low: int, high: int) -> IntFormat:
    """Narrowest integers that hold a range."""
    if low >= 0:
        return IntFormat(max(high.bit_length(), 1), signed=False)
    width = max((-low - 1).bit_length(), high.bit_length()) + 1
    return IntFormat(width, symmetric=low == -high and width > 1)


def _pads_on_grid(low: Lowering, node: onnx.NodeProto) -> bool:
    """Whether what Pad puts around a tensor is on its grid."""
    mode = attribute(node, "mode", b"constant")
    name = node.input[2] if len(node.input) > 2 else ""
    tensor = low.constants.formats.get(node.input[0])
    if mode != b"constant" or tensor is None:
        return tensor is not None
    if name and name not in low.constants.values:
        return name in low.codes  # the zero point of codes
    value = float(low.constants.values[name].reshape(())) if name else 0.0
    if np.ndim(tensor.scale) or np.ndim(tensor.zero):
        return value == 0
    level = value / float(tensor.scale) + float(tensor.zero)
    return abs(level - round(level)) < 1e-3 and tensor.format.min <= level <= tensor.format.max


def _scaled(low: Lowering, node: onnx.NodeProto) -> FixedTensor | None:
    """Format of an activation that is multiplied or divided by a positive constant."""
    formats, values = low.constants.formats, low.constants.values
    index = 0 if node.input[0] in formats else 1
    other, tensor = node.input[1 - index], formats.get(node.input[index])
    if tensor is None or other not in values or (node.op_type == "Div" and index == 1):
        return None
    factor = one_of_same(values[other].astype(np.float32))
    if factor.ndim or not factor > 0:
        return None
    scale = tensor.scale * factor if node.op_type == "Mul" else tensor.scale / factor
    return FixedTensor(format=tensor.format, scale=np.asarray(scale, np.float32), zero=tensor.zero)
