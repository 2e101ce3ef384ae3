"""Operators that multiply codes as float operators: QLinearConv, MatMulInteger and their kin.

Products are those of codes less their zero points, which float32 holds as exactly as the integers
of the original up to 2**24; scales follow them, as in onnxruntime.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from macwright.dse.workload.lowering import Lowering
from macwright.dse.workload.qdq import code_format, zero_point
from macwright.hw.formats import IntFormat

__all__ = ["OPERATORS", "centred", "from_real", "integer_product", "requantise", "to_real"]


def qlinear_conv(low: Lowering, node: onnx.NodeProto) -> None:
    """QLinearConv: ``saturate(round((conv(x - xz, w - wz) + b) * xs * ws / ys) + yz)``."""
    act = centred(low, node, 0, 2)
    weight = centred(low, node, 3, 5, axis=0)
    operands = [act, weight]
    if len(node.input) > 8 and node.input[8]:
        operands.append(low.number(low.constant(node, 8)))
    total = low.add("Conv", operands, **_attributes(node))
    scales = low.scale(node, 1) * low.scale(node, 4) / low.scale(node, 6)
    trailing = low.rank(node, node.input[3]) - 2
    requantise(low, node, total, _trailing(scales, trailing), zero_point(low, node, 7))


def qlinear_matmul(low: Lowering, node: onnx.NodeProto) -> None:
    """QLinearMatMul: the same for matrices; scales of rows of a, and of columns of b."""
    operands = [centred(low, node, 0, 2, axis=-2), centred(low, node, 3, 5, axis=-1)]
    total = low.add("MatMul", operands)
    rows = low.scale(node, 1)
    rows = rows[:, None] if rows.ndim == 1 else rows
    scales = rows * low.scale(node, 4) / low.scale(node, 6)
    requantise(low, node, total, scales, zero_point(low, node, 7))


def matmul_integer(low: Lowering, node: onnx.NodeProto) -> None:
    """MatMulInteger: the product of two matrices of codes less their zero points."""
    integer_product(low, node, "MatMul", (0, 2), (1, 3), node.output[0])


def conv_integer(low: Lowering, node: onnx.NodeProto) -> None:
    """ConvInteger; what pads stands for 0."""
    integer_product(low, node, "Conv", (0, 2), (1, 3), node.output[0], **_attributes(node))


def integer_product(
    low: Lowering,
    node: onnx.NodeProto,
    op: str,
    act: tuple[int, int],
    weight: tuple[int, int],
    result: str,
    **attributes: Any,
) -> None:
    """Product of two tensors of codes, each given by the numbers of its operand and zero point."""
    constants = low.constants.values
    right = centred(low, node, *weight, axis=0 if op == "Conv" else -1)
    zero = node.input[act[1]] if len(node.input) > act[1] else ""
    if not zero or zero in constants:
        left = centred(low, node, *act, axis=-2)
        low.add(op, [left, right], result, **attributes)
    elif right in constants and _explicit(attributes):
        # The codes go in as they are, and what their zero point adds to each sum is taken away.
        left, axes = low.as_float(node.input[act[0]]), (-2,)
        if op == "Conv":
            left, axes = _padded(low, left, zero, attributes), None
        product = low.add(op, [left, right], **attributes)
        values = constants[right]
        sums = (
            values.sum(axis=axes, keepdims=True)
            if axes
            else values.reshape(len(values), -1).sum(1).reshape(-1, *[1] * (values.ndim - 2))
        )
        lost = low.add("Mul", [low.as_float(zero), low.number(sums)])
        low.add("Sub", [product, lost], result)
    else:
        left = low.add("Sub", [low.as_float(node.input[act[0]]), low.as_float(zero)])
        low.prescribe(node, left, IntFormat(9), np.ones((), np.float32), 0)
        low.add(op, [left, right], result, **attributes)
    low.codes.add(result)


def centred(
    low: Lowering, node: onnx.NodeProto, index: int, zero_index: int, axis: int | None = None
) -> str:
    """Codes of an operand less their zero point, with their format.

    Parameters
    ----------
    low : Lowering
        Where they are put.
    node : NodeProto
        The node.
    index, zero_index : int
        Operands that hold the codes and the zero point.
    axis : int, optional
        Axis that a zero point of one axis goes along.
    """
    source, unit = node.input[index], np.ones((), np.float32)
    name = node.input[zero_index] if len(node.input) > zero_index else ""
    if name and name not in low.constants.values:
        result = low.add("Sub", [low.as_float(source), low.as_float(name)])
        low.prescribe(node, result, IntFormat(9), unit, 0)
        return result
    fmt = _format(low, node, index, zero_index)
    zero = low.constant(node, zero_index, 0).astype(np.float32)
    zero = zero.reshape(()) if zero.size == 1 else zero
    if zero.ndim == 1 and axis is not None:
        rank = low.rank(node, source)
        zero = zero.reshape([-1 if i == axis % rank else 1 for i in range(rank)])
    grid, centre = low.centred.get(source, ("", np.zeros(())))
    if not grid or not np.array_equal(centre, zero):
        values = low.constants.values.get(source)
        grid = low.as_float(source) if values is None else low.number(values)
        grid = low.shift(grid, zero, "Sub")
    low.prescribe(node, grid, fmt, unit, zero)
    return grid


def requantise(
    low: Lowering, node: onnx.NodeProto, total: str, scales: NDArray, zero: NDArray
) -> None:
    """Multiply sums by scales, and round them to the codes of the node's result."""
    if not (scales > 0).all():
        raise low.refusal(node, "must have scales above 0; quantise the model anew")
    _codes(low, node, low.add("Mul", [total, low.number(scales)]), zero)


def to_real(low: Lowering, node: onnx.NodeProto, index: int) -> str:
    """Value of an operand that is given as codes, scale and zero point, one after another."""
    grid = centred(low, node, index, index + 2)
    return low.add("Mul", [grid, low.number(low.scale(node, index + 1))])


def from_real(
    low: Lowering, node: onnx.NodeProto, tensor: str, index: int, *, before: bool = False
) -> None:
    """Round a tensor to the node's result, with scale and zero point from operand `index` on.

    Some operators add the zero point `before` they round, which tells what becomes of halves.
    """
    scale = low.scale(node, index)
    if not (scale > 0).all():
        raise low.refusal(node, f"must have scales above 0, not {scale.min():g}")
    _codes(low, node, low.divide(tensor, scale), zero_point(low, node, index + 1), before)


def _codes(
    low: Lowering, node: onnx.NodeProto, tensor: str, zero: NDArray, before: bool = False
) -> None:
    fmt, result = code_format(zero.dtype), node.output[0]
    if not isinstance(fmt, IntFormat) or zero.size != 1:
        raise low.refusal(node, f"must have one zero point of integers, not {zero.dtype}")
    offset = zero.astype(np.float32).reshape(())
    if before:
        grid = low.to_grid(low.shift(tensor, offset), fmt.min, fmt.max, result=result)
        low.add("Identity", [grid], result)
    else:
        grid = low.to_grid(tensor, fmt.min - offset, fmt.max - offset, result=result)
        low.shift(grid, offset, result=result)
        low.centred[result] = grid, offset
    low.prescribe_codes(result, fmt)


def _format(low: Lowering, node: onnx.NodeProto, index: int, zero_index: int) -> IntFormat:
    source = node.input[index]
    if source in low.constants.formats:
        fmt = low.constants.formats[source].format
    elif source in low.constants.values:
        fmt = code_format(low.constants.values[source].dtype)
    elif len(node.input) > zero_index and node.input[zero_index]:
        fmt = code_format(low.constant(node, zero_index).dtype)
    else:
        fmt = code_format(low.element_type(node, source))
    if not isinstance(fmt, IntFormat):
        raise low.refusal(node, f"must multiply integers, not {fmt or source!r}")
    return fmt


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {item.name: helper.get_attribute_value(item) for item in node.attribute}


def _trailing(scales: NDArray, axes: int) -> NDArray:
    """Scales of channels before some axes."""
    return scales.reshape(-1, *[1] * axes) if scales.ndim else scales


def _explicit(attributes: dict[str, Any]) -> bool:
    return attributes.get("auto_pad", b"NOTSET") in (b"NOTSET", b"VALID", b"")


def _padded(low: Lowering, tensor: str, zero: str, attributes: dict[str, Any]) -> str:
    """Codes with their zero point around them, and no padding left in the attributes."""
    pads: Sequence[int] = attributes.pop("pads", ())
    if not any(pads):
        return tensor
    half = len(pads) // 2
    full = np.array([0, 0, *pads[:half], 0, 0, *pads[half:]], np.int64)
    result = low.add("Pad", [tensor, low.number(full, np.int64), low.as_float(zero)])
    low.constants.formats[result] = low.constants.formats[tensor]
    return result


#: What rewrites each operator of ONNX's own domain.
OPERATORS = {
    "QLinearConv": qlinear_conv,
    "QLinearMatMul": qlinear_matmul,
    "MatMulInteger": matmul_integer,
    "ConvInteger": conv_integer,
}
