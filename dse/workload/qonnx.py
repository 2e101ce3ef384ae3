"""Quantisers of QONNX as float operators: IntQuant, BipolarQuant, FloatQuant and Trunc.

Definitions: Pappalardo, Umuroglu, Blott, Mitrevski, Hawks, Tran, Loncar, Summers, Borras, Muhizi,
Trahms, Hsu, Hauck, Duarte: QONNX (2022), and the operators' descriptions of the qonnx package.
"""

import numpy as np
import onnx
from numpy.typing import NDArray

from macwright.dse.workload.lowering import ROUNDED, Lowering, one_of_same
from macwright.dse.workload.qdq import attribute
from macwright.hw.formats import BinaryFormat, FloatFormat, IntFormat

__all__ = ["DOMAINS", "OPERATORS", "int_quant"]

#: Domains of QONNX's operators: of Brevitas, QKeras and qonnx itself, FINN, and qonnx's rules.
DOMAINS = (
    "qonnx.custom_op.general",
    "qonnx.custom_op",
    "finn.custom_op.general",
    "finn",
    "onnx.brevitas",
)
_MODES = ("ROUND", "HALF_EVEN", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN")
#: What Brevitas calls the mode DOWN.
_SAME = {"ROUND_TO_ZERO": "DOWN"}


def int_quant(low: Lowering, node: onnx.NodeProto) -> None:
    """IntQuant, which was called Quant before qonnx 1.0."""
    source, result = node.input[0], node.output[0]
    scale, mode = _scale(low, node), _mode(low, node, "ROUND")
    zero = one_of_same(low.constant(node, 2).astype(np.float32))
    bits = one_of_same(low.constant(node, 3).astype(np.float32))
    signed, narrow = bool(attribute(node, "signed", 1)), bool(attribute(node, "narrow", 0))
    if not (bits >= (0 if not signed else 1)).all() or not (bits <= 64).all():
        raise low.refusal(node, f"must have 1 to 64 bits, not {bits.min():g} to {bits.max():g}")
    scaled = low.shift(low.divide(source, scale), zero)
    if signed and not bits.ndim and bits == 1:
        fmt, whole = BinaryFormat(), low.to_binary(scaled, result=result)
    else:
        least, most = _bounds(bits, signed=signed, narrow=narrow)
        whole = low.to_grid(scaled, least, most, mode, result=result)
        # Widths may be fractions, or one for each channel: the format holds them all.
        width = max(int(np.ceil(bits.max())), 1)
        fmt = IntFormat(width, signed=signed, symmetric=signed and narrow and width > 1)
    low.add("Mul", [low.shift(whole, zero, "Sub"), low.number(scale)], result)
    low.prescribe(node, result, fmt, scale, zero)


def bipolar_quant(low: Lowering, node: onnx.NodeProto) -> None:
    """BipolarQuant: plus or minus the scale, by the sign."""
    scale = _scale(low, node)
    grid = low.to_binary(node.input[0], result=node.output[0])
    low.add("Mul", [grid, low.number(scale)], node.output[0])
    low.prescribe(node, node.output[0], BinaryFormat(), scale, 0)


def float_quant(low: Lowering, node: onnx.NodeProto) -> None:
    """FloatQuant: a minifloat with subnormals whose largest value is given."""
    scale, result = _scale(low, node), node.output[0]
    exp_bits, man_bits, bias, top = (
        float(one_of_same(low.constant(node, i)).reshape(-1)[0]) for i in range(2, 6)
    )
    fmt = _minifloat(exp_bits, man_bits, bias, top)
    mode = _mode(low, node, "ROUND")
    if fmt is None or mode not in ("ROUND", "HALF_EVEN") or not attribute(node, "saturation", 1):
        raise low.refusal(
            node,
            "must saturate and round to nearest, to a minifloat of at most 16 bits whose largest "
            f"value is one of its own, not e{exp_bits:g}m{man_bits:g} of bias {bias:g} up to "
            f"{top:g} with rounding mode {mode}",
        )
    grid = low.to_float_grid(low.divide(node.input[0], scale), fmt, result=result)
    low.add("Mul", [grid, low.number(scale)], result)
    low.prescribe(node, result, fmt, scale, 0)


def trunc(low: Lowering, node: onnx.NodeProto) -> None:
    """Trunc, of both versions: codes divided by a power of two, and rounded again."""
    source, result = node.input[0], node.output[0]
    scale, mode = _scale(low, node), _mode(low, node, "FLOOR")
    zero = low.constant(node, 2).astype(np.float32)
    if np.any(zero):
        raise low.refusal(node, f"must have the zero point 0, not {zero.max():g}")
    width = low.constant(node, len(node.input) - 1).astype(np.float32)
    if width.size != 1 or not float(width.reshape(-1)[0]).is_integer():
        raise low.refusal(node, "must have one whole number of bits in its result")
    bits = float(width.reshape(-1)[0])
    codes = low.add("Round", [low.divide(source, scale)])
    if len(node.input) == 6:
        step = low.scale(node, 4)
        factor = np.exp2(np.round(np.log2(step / scale))).astype(np.float32)
        signed, narrow = bool(attribute(node, "signed", 1)), bool(attribute(node, "narrow", 0))
        least, most = _bounds(np.asarray(bits, np.float32), signed=signed, narrow=narrow)
        whole = low.to_grid(low.divide(codes, factor), least, most, mode, result=result)
    else:
        # Here the result is in units of the scale of what is read, and saturates nowhere.
        factor = np.exp2(low.constant(node, 3).astype(np.float32) - bits).astype(np.float32)
        step, signed, narrow = scale, not low.is_unsigned(source), False
        whole = low.to_whole(low.divide(codes, one_of_same(factor)), mode, result + ROUNDED)
        # The largest codes may be rounded up, beyond those of that many bits.
        bits += mode not in ("FLOOR", "DOWN") and bool((factor > 1).any())
    low.add("Mul", [whole, low.number(step)], result)
    fmt = IntFormat(int(bits), signed=signed, symmetric=signed and narrow)
    low.prescribe(node, result, fmt, one_of_same(np.asarray(step, np.float32)), 0)


#: What rewrites each operator.
OPERATORS = {
    "Quant": int_quant,
    "IntQuant": int_quant,
    "BipolarQuant": bipolar_quant,
    "FloatQuant": float_quant,
    "Trunc": trunc,
}


def _scale(low: Lowering, node: onnx.NodeProto) -> NDArray[np.float32]:
    scale = low.scale(node, 1)
    if not (scale > 0).all():
        raise low.refusal(
            node, f"must have scales above 0, not {scale.min():g}; quantise the model anew"
        )
    return scale


def _mode(low: Lowering, node: onnx.NodeProto, default: str) -> str:
    mode = attribute(node, "rounding_mode", default)
    mode = (mode.decode() if isinstance(mode, bytes) else str(mode)).upper()
    mode = _SAME.get(mode, mode)
    if mode not in _MODES:
        raise low.refusal(node, f"must have a rounding mode of {', '.join(_MODES)}, not {mode}")
    return mode


def _bounds(bits: NDArray, *, signed: bool, narrow: bool) -> tuple[NDArray, NDArray]:
    """Smallest and largest code; not whole where widths are not."""
    if not signed:
        return np.zeros_like(bits), np.exp2(bits) - 1 - narrow
    half = np.exp2(bits - 1)
    return narrow - half, half - 1


def _minifloat(exp_bits: float, man_bits: float, bias: float, top: float) -> FloatFormat | None:
    """Format with these fields up to `top`, or to what they allow if that is less."""
    if not all(float(x).is_integer() for x in (exp_bits, man_bits, bias)):
        return None
    for specials in ("none", "ieee", "fn", "fnuz"):
        try:
            fmt = FloatFormat(int(exp_bits), int(man_bits), int(bias), specials)
        except ValueError:
            continue
        if fmt.max == top or (specials == "none" and fmt.max < top):
            return fmt
    return None
