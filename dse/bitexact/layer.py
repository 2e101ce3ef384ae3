"""One layer as its unit computes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macwright.dse.quantizer.activation import Operand
from macwright.dse.quantizer.im2col import output_shape, patches, to_matrix
from macwright.dse.quantizer.plan import LayerPlan
from macwright.hw.formats import FloatFormat, IntFormat
from macwright.hw.pe import RequantSpec
from macwright.sim.golden.layer_numpy import acc_values, layer_sums
from macwright.sim.golden.requant_numpy import requant_results

__all__ = ["LayerCodes", "layer_codes", "layer_outputs"]

_Codes = NDArray[np.int64]
#: Bits of a requantised output, and of the multiplier of a scale.
OUTPUT_BITS, SCALE_BITS = 16, 16
#: Bits that a requantiser's product may have in its vectorised twin.
PRODUCT_BITS = 62


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerCodes:
    """Operands of a layer as code words, as streams of its unit.

    Attributes
    ----------
    act : ndarray of int64, shape (groups, m, k)
        Activations; all samples lie along `m`, or along `groups` if both operands are computed.
    weight : ndarray of int64, shape (groups, k, n)
        Weights, or the second operand.
    """

    act: _Codes
    weight: _Codes


def layer_codes(plan: LayerPlan, inputs: Sequence[NDArray[np.float32]]) -> LayerCodes:
    """Encode what a layer reads.

    Parameters
    ----------
    plan : LayerPlan
        The quantised layer.
    inputs : sequence of ndarray
        Activations, one tensor or two.

    Raises
    ------
    ValueError
        If a scale is not one number for each tensor of activations and each output channel.
    """
    layer = plan.layer
    for operand in (plan.act, plan.second):
        if operand is not None and not operand.by_value:
            raise ValueError(
                f"Activations of layer {layer.name} must have one fixed scale to be computed bit "
                f"by bit, not {'scales for each sample' if operand.dynamic else operand.format}"
            )
    levels = _levels(plan.act, inputs[0])
    if plan.second is not None:
        left = levels.reshape(-1, layer.m, layer.k) if levels.ndim > 2 else levels[None]
        right = _levels(plan.second, inputs[1])
        right = right.reshape(-1, layer.k, layer.n)
        return LayerCodes(act=plan.act.format.encode(left), weight=plan.second.format.encode(right))
    assert plan.weight is not None
    assert plan.weight_scale is not None
    if plan.weight_scale.ndim > 1:
        raise ValueError(
            f"Weights of layer {layer.name} must have one scale for each output channel to be "
            "computed bit by bit, not one for each group"
        )
    # A level of zero pads, whatever its code.
    shifted = levels - np.float32(plan.act.zero)
    fake = np.broadcast_to(np.float32(0), output_shape(layer, shifted.shape, plan.weight.shape))
    columns, _ = patches(layer, shifted, fake, plan.weight.shape, 1 << 62)
    matrix = to_matrix(layer, plan.weight) / plan.weight_scale[:, None]
    weights = matrix.reshape(layer.groups, layer.n, layer.k).transpose(0, 2, 1)
    return LayerCodes(
        act=plan.act.format.encode(columns.astype(np.float64) + plan.act.zero),
        weight=plan.weight_format.encode(weights),
    )


def layer_outputs(
    plan: LayerPlan, spec: Any, inputs: Sequence[NDArray[np.float32]], unit: float | None = None
) -> NDArray[np.float32]:
    """Outputs of a layer.

    Sums are the accumulators of the unit, with its width and its order of rounding. A dyadic
    requantiser then adds the bias, as a number of the accumulator's units, multiplies by the scale
    of the channel (an integer of 16 bits and a shift) and rounds to 16 bits; sums in floating point
    are scaled in float32 instead.

    Parameters
    ----------
    plan : LayerPlan
        The quantised layer.
    spec : UnitSpec
        Its unit.
    inputs : sequence of ndarray
        Activations, one tensor or two.
    unit : float, optional
        Value of one unit of the results; such that the largest just fits, if absent.

    Raises
    ------
    ValueError
        As of `layer_codes`, or if the unit's accumulator is too wide.
    """
    layer = plan.layer
    codes = layer_codes(plan, inputs)
    accumulators = np.stack(
        [layer_sums(spec, a, w) for a, w in zip(codes.act, codes.weight, strict=True)]
    )
    rows = layer.n if plan.second is not None else layer.groups * layer.n
    if plan.second is not None:
        scale = np.full(rows, plan.act.scale * plan.second.scale, np.float64)
        bias = np.zeros(rows)
    else:
        assert plan.weight_scale is not None
        assert plan.bias is not None
        scale = plan.act.scale * plan.weight_scale.astype(np.float64)
        weights = plan.weight_format.decode(codes.weight).sum(axis=1).reshape(-1)
        bias = plan.bias.astype(np.float64) - plan.act.zero * weights * scale
    sums = accumulators if plan.second is not None else _rows_last(accumulators)
    if isinstance(spec.acc, FloatFormat):
        numbers = acc_values(spec, sums).astype(np.float32)
        result = numbers * scale.astype(np.float32) + bias.astype(np.float32)
    else:
        result = _requantised(spec, sums, scale, bias, unit)
    return _as_tensor(plan, result, inputs)


def _requantised(
    spec: Any, sums: _Codes, scale: NDArray, bias: NDArray, unit: float | None
) -> NDArray[np.float32]:
    """Results of a dyadic requantiser, channels last."""
    width = spec.acc.width
    half = 1 << (width - 1)
    numbers = np.where(sums >= half, sums - 2 * half, sums)
    exponent = getattr(spec, "acc_exponent", 0)
    of_sum = scale * 2.0**exponent
    bias_codes = np.rint(bias / of_sum)
    if unit is None:
        top = float(np.abs((numbers + bias_codes) * of_sum).max())
        unit = top / (2 ** (OUTPUT_BITS - 1) - 1) or 1.0
    bits = min(SCALE_BITS, PRODUCT_BITS - width)
    if bits < 8:
        raise ValueError(f"Accumulator must have at most {PRODUCT_BITS - 8} bits, not {width}")
    factor = of_sum / unit
    shift = np.clip(bits - 1 - np.floor(np.log2(factor)), 0, 63).astype(np.int64)
    code = np.rint(factor * np.exp2(shift)).astype(np.int64)
    # Rounded up to the next power of two, it is that with a smaller shift.
    code, shift = np.where(code >> bits, code >> 1, code), np.where(code >> bits, shift - 1, shift)
    requant = RequantSpec(
        act=IntFormat(width),
        weight=IntFormat(bits, signed=False),
        acc=IntFormat(OUTPUT_BITS),
        shift_bits=6,
    )
    limits = np.clip(bias_codes, -half, half - 1).astype(np.int64)
    results = requant_results(requant, numbers, code, bias=limits, shift=shift)
    return (results * unit).astype(np.float32)


def _levels(operand: Operand, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Values of the codes, in units of the format, offset included."""
    scaled = operand.divided(values) * (1 / np.float32(operand.scale))
    if operand.zero:
        scaled = scaled + np.float32(operand.zero)
    return operand.format.quantize(scaled).astype(np.float32, copy=False)


def _rows_last(sums: _Codes) -> _Codes:
    """From (groups, m, n) to (m, groups * n)."""
    return sums.transpose(1, 0, 2).reshape(sums.shape[1], -1)


def _as_tensor(
    plan: LayerPlan, result: NDArray[np.float32], inputs: Sequence[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Outputs in the layout of the network."""
    act = inputs[0]
    if not plan.layer.operator.spatial:
        return result.reshape(*act.shape[:-1], -1)
    assert plan.weight is not None
    shape = output_shape(plan.layer, act.shape, plan.weight.shape)
    return np.ascontiguousarray(np.moveaxis(result.reshape(len(act), *shape[2:], shape[1]), -1, 1))
