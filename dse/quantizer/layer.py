"""Quantisation of one layer, from what it reads and what it should give."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from macwright.dse.quantizer.activation import Operand, fit_operand
from macwright.dse.quantizer.grid import Grid
from macwright.dse.quantizer.im2col import from_matrix, layer_bias, to_matrix
from macwright.dse.quantizer.layer_weights import LayerWeights
from macwright.dse.quantizer.options import QuantOptions
from macwright.dse.quantizer.plan import LayerPlan
from macwright.dse.quantizer.rotation import rotated
from macwright.dse.quantizer.rotation_choice import rotation_of
from macwright.dse.workload.layer import Layer, Workload
from macwright.hw.formats import Format

__all__ = ["plan_layer", "prescribed_grid", "prescribed_operand", "smoothing"]

_Array = NDArray[np.float32]


def plan_layer(
    workload: Workload,
    layer: Layer,
    formats: tuple[Format, Format],
    inputs: Sequence[_Array],
    wanted: _Array,
    options: QuantOptions,
) -> LayerPlan:
    """Quantise a layer.

    Parameters
    ----------
    workload : Workload
        The float network.
    layer : Layer
        One of its layers.
    formats : tuple of Format
        Of the weights (or the second operand) and of the activations.
    inputs : sequence of ndarray
        Activations that the layer reads, one tensor or two.
    wanted : ndarray
        Outputs that it should have.
    options : QuantOptions
        Techniques.
    """
    weight_format, act_format = formats
    act = inputs[0]
    prescribed = prescribed_operand(workload, layer, act_format, act.ndim)
    if layer.dynamic:
        first = prescribed or fit_operand(act, layer, act_format, options, act.ndim)
        second = prescribed_operand(
            workload, layer, weight_format, inputs[1].ndim, second=True
        ) or fit_operand(inputs[1], layer, weight_format, options, inputs[1].ndim, second=True)
        return LayerPlan(layer=layer, act=first, second=second, weight_format=weight_format)
    tensor = workload.tensor(layer.weight).astype(np.float32)
    matrix = to_matrix(layer, tensor)
    channels, given = None, prescribed_grid(workload, layer, weight_format, len(matrix))
    if options.smooth and not prescribed and not given:
        channels = smoothing(layer, act, matrix)
        act = act / channels.reshape(-1, *[1] * (-1 - layer.operator.sum_axis(act.ndim)))
        matrix = matrix * _by_column(layer, channels)
    weights = LayerWeights(layer, matrix, layer_bias(workload, layer), tensor.shape)
    rotation = options.rotations.get(layer.name, 1)
    if options.rotate and not prescribed and not given:
        rotation = rotation_of(weights, act, wanted, formats, options)
    if rotation > 1:
        act, weights = rotated(act, rotation), weights.rotated(rotation)
    operand = prescribed or fit_operand(
        act, layer, act_format, options, act.ndim, channels=channels, rotation=rotation
    )
    if given:
        grid, rounded, bias = given, given.round(weights.matrix), weights.bias
    else:
        moments = None
        if options.bias_correction or options.by_outputs:
            moments = weights.moments(act, wanted, options, operand)
        grid, rounded, bias = weights.round(weight_format, moments, options)
    weight = from_matrix(layer, rounded, tensor.shape)
    return LayerPlan.of_weights(layer, operand, weight, bias, grid=grid, fmt=weight_format)


def prescribed_grid(workload: Workload, layer: Layer, fmt: Format, rows: int) -> Grid | None:
    """Grid of weights whose scales the model prescribes in a format."""
    of_weight, _ = workload.fixed.get(layer.name, (None, None))
    tensor = of_weight and of_weight.of(fmt)
    if tensor is None:
        return None
    scale = tensor.scale
    if scale.ndim:
        scale = to_matrix(layer, np.broadcast_to(scale, workload.shapes[layer.weight]))
        if (scale == scale[:, :1]).all():
            scale = scale[:, :1]
    return Grid(
        format=fmt, scale=np.broadcast_to(scale, (rows, scale.shape[-1] if scale.ndim else 1))
    )


def prescribed_operand(
    workload: Workload, layer: Layer, fmt: Format, rank: int, *, second: bool = False
) -> Operand | None:
    """Operand whose range the model prescribes in a format; the first, or the second."""
    of_weight, of_act = workload.fixed.get(layer.name, (None, None))
    prescribed = of_weight if second else of_act
    tensor = prescribed and prescribed.of(fmt)
    if tensor is None:
        return None
    axis = -2 if second else layer.operator.sum_axis(rank)
    return Operand(
        format=tensor.format, scale=float(tensor.scale), zero=float(tensor.zero), axis=axis
    )


def smoothing(layer: Layer, act: _Array, matrix: _Array) -> _Array:
    """Factors that the channels of a layer's input are divided by, shape (n_channels,).

    Xiao, Lin, Seznec, Wu, Demouth, Han: SmoothQuant (ICML 2023), with strength 0.5: the square
    root of the channel's largest activation over its largest weight.
    """
    axis = act.ndim + layer.operator.sum_axis(act.ndim)
    of_act = np.abs(act).max(axis=tuple(i for i in range(act.ndim) if i != axis))
    kernel = layer.k * layer.groups // len(of_act)
    rows = np.abs(matrix).reshape(layer.groups, layer.n, -1, kernel)
    of_weight = rows.max(axis=(1, 3)).reshape(-1)
    used = (of_act > 0) & (of_weight > 0)
    factor = np.sqrt(np.where(used, of_act, 1) / np.where(used, of_weight, 1))
    # What is common to all channels is the scale's business.
    common = np.exp(np.log(factor[used]).mean()) if used.any() else 1.0
    return np.where(used, factor / common, 1).astype(np.float32)


def _by_column(layer: Layer, channels: _Array) -> _Array:
    """The factor of each element of `to_matrix`, shape (n_rows, k)."""
    kernel = layer.k * layer.groups // len(channels)
    columns = np.repeat(channels.reshape(layer.groups, -1), kernel, axis=1)
    return np.repeat(columns, layer.n, axis=0)
