"""Quantisation of one layer, from what it reads and what it should give."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from macwright.dse.quantizer.activation import Operand, fit_operand
from macwright.dse.quantizer.adaround import adaround
from macwright.dse.quantizer.gptq import best_scale, descend, gptq
from macwright.dse.quantizer.grid import Grid, weight_grid
from macwright.dse.quantizer.held_out import gated_gptq
from macwright.dse.quantizer.im2col import from_matrix, layer_bias, patches, to_matrix
from macwright.dse.quantizer.moments import Moments, lost_means, token_weights
from macwright.dse.quantizer.options import QuantOptions
from macwright.dse.quantizer.plan import LayerPlan
from macwright.dse.workload.layer import Layer, Workload
from macwright.hw.formats import BlockFormat, Format

__all__ = ["LayerWeights", "plan_layer", "prescribed_grid", "prescribed_operand", "smoothing"]

_Array = NDArray[np.float32]
#: Elements of the sampled inputs of a layer.
LARGEST_COLUMNS = 1 << 24


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
    operand = prescribed or fit_operand(
        act, layer, act_format, options, act.ndim, channels=channels
    )
    weights = LayerWeights(layer, matrix, layer_bias(workload, layer), tensor.shape)
    if given:
        grid, rounded, bias = given, given.round(matrix), weights.bias
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


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """Weights of a layer, with what rounding them needs.

    Parameters
    ----------
    layer : Layer
        Whose they are.
    matrix : ndarray, shape (n_rows, k)
        They themselves.
    bias : ndarray, shape (n_rows,)
        Of the layer.
    shape : tuple of int
        Of the tensor of weights.
    """

    layer: Layer
    matrix: _Array
    bias: _Array
    shape: tuple[int, ...]

    def round(
        self, fmt: Format, moments: Moments | None, options: QuantOptions
    ) -> tuple[Grid, _Array, _Array]:
        """Grid, rounded weights as a matrix, and biases.

        Without moments weights are rounded to nearest, and biases stay.
        """
        layer = self.layer
        flat = weight_grid(layer, self.matrix, fmt, options)
        if moments is None:
            return flat, flat.round(self.matrix), self.bias
        by_output = options.weight_scale == "output" and not isinstance(fmt, BlockFormat)
        shape = (layer.groups, layer.n, layer.k)
        weights = self.matrix.reshape(shape)
        grid = Grid(format=flat.format, scale=flat.scale.reshape(*shape[:2], -1))
        gated = options.rounding == "gptq" and moments.scarce and not by_output
        if options.rounding != "nearest" and not gated:
            weights = moments.retargeted(weights)
        if gated:
            result = gated_gptq(weights, moments, grid)
        elif by_output:
            grid, result = best_scale(
                weights,
                moments.square,
                grid,
                rounding="nearest" if options.rounding == "nearest" else "gptq",
                power_of_two=options.power_of_two,
            )
        elif options.rounding == "gptq":
            result = gptq(weights, moments.square, grid, steps=moments.steps)
        else:
            result = grid.round(weights)
        if options.rounding == "gptq" and not gated:
            result = descend(result, weights, moments.square, grid)
        elif options.rounding == "adaround":
            result = adaround(weights, moments.square, grid)
        bias = self.bias
        if options.bias_correction:
            lost = lost_means(result, moments)
            bias = lost.reshape(-1) + (bias if layer.operator.takes_bias else 0)
        flat = Grid(format=grid.format, scale=grid.scale.reshape(len(self.matrix), -1))
        return flat, result.reshape(self.matrix.shape), bias

    def moments(
        self,
        act: _Array,
        wanted: _Array,
        options: QuantOptions,
        operand: Operand | None = None,
    ) -> Moments:
        """Moments of what the layer reads, rounded by an operand if there is one."""
        layer = self.layer
        limit = min(max(64 * layer.k, 4096), LARGEST_COLUMNS // (layer.groups * layer.k))
        if operand and not operand.by_value:
            act = operand.round(act)
        columns, outputs = patches(layer, act, wanted, self.shape, limit)
        if operand and operand.by_value:
            columns = operand.round(np.ascontiguousarray(columns))
        if layer.operator.takes_bias:
            outputs = outputs - self.bias.reshape(layer.groups, 1, layer.n)
        if not layer.operator.takes_bias:
            # Means over tokens say less about other texts than those over images about others:
            # they are kept small by the weights, before biases make up for them.
            return Moments(columns, outputs, centred=False, weights=token_weights(outputs))
        return Moments(columns, outputs, centred=options.bias_correction)
