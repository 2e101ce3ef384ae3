"""Operands of one layer as its unit reads them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from macwright.dse.quantizer.activation import Operand
from macwright.dse.quantizer.im2col import output_shape, patches, to_matrix
from macwright.dse.quantizer.plan import LayerPlan
from macwright.hw.errors import RefusedInput

__all__ = ["LayerCodes", "layer_codes"]

_Codes = NDArray[np.int64]


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
            raise RefusedInput(
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
        raise RefusedInput(
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


def _levels(operand: Operand, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Values of the codes, in units of the format, offset included."""
    scaled = operand.prepared(values) * (1 / np.float32(operand.scale))
    if operand.zero:
        scaled = scaled + np.float32(operand.zero)
    return operand.format.quantize(scaled).astype(np.float32, copy=False)
