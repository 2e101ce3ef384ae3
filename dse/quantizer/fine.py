"""Formats so fine that weights are rounded to nearest, as fast as that can be done."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from macwright.dse.quantizer.activation import fit_operand
from macwright.dse.quantizer.grid import Grid, weight_grid
from macwright.dse.quantizer.im2col import from_matrix, layer_bias, patches, to_matrix
from macwright.dse.quantizer.observers import HistogramObserver
from macwright.dse.quantizer.options import QuantOptions
from macwright.dse.quantizer.plan import LayerPlan
from macwright.dse.workload.layer import Layer, Workload
from macwright.hw.formats import FloatFormat, Format, IntFormat

__all__ = ["fine_grid", "fine_plan", "is_fine"]

_Array = NDArray[np.float32]
#: Bits of the integers that are fine, and mantissa bits of minifloats whose steps are as small.
FEWEST_BITS, FEWEST_MAN_BITS = 7, 6
#: Mean squared error of a layer's outputs, relative to their variance, from which on nearest
#: rounding will not do.
WORST = 2e-3
#: Columns of the layer's input, of so many samples, that this is found on; values that the range
#: is found on.
COLUMNS, SOME, SAMPLES = 512, 64, 1 << 16


def is_fine(fmt: Format) -> bool:
    """Whether a format has steps of a hundredth of its range, or of its values, at most.

    Examples
    --------
    >>> from macwright.hw.formats import parse_format
    >>> [is_fine(parse_format(name)) for name in ("int7", "int6", "e4m3fin", "bf16")]
    [True, False, False, True]
    """
    if isinstance(fmt, IntFormat):
        return fmt.width >= FEWEST_BITS
    return isinstance(fmt, FloatFormat) and fmt.man_bits >= FEWEST_MAN_BITS


def fine_grid(layer: Layer, matrix: _Array, fmt: Format, options: QuantOptions) -> Grid:
    """Grid whose largest level is the largest weight of each channel, or group of it."""
    return weight_grid(layer, matrix, fmt, replace(options, weight_scale="max"))


def fine_plan(
    workload: Workload,
    layer: Layer,
    formats: tuple[Format, Format],
    acts: Sequence[_Array],
    wanted: _Array,
    options: QuantOptions,
) -> LayerPlan | None:
    """Quantise a layer of fine formats to nearest, if that is good enough.

    Parameters
    ----------
    workload, layer, formats, options
        As of :func:`macwright.dse.quantizer.layer.plan_layer`.
    acts : sequence of ndarray
        What it reads in the float network, one tensor or two.
    wanted : ndarray
        What it gives there.

    Returns
    -------
    LayerPlan or None
        None where outputs are off by more than a share of :data:`WORST` of their variance; neither
        weights nor ranges are chosen by them.
    """
    weight_format, act_format = formats
    operands = [
        fit_operand(
            HistogramObserver(values, samples=SAMPLES), layer, fmt, options, values.ndim,
            second=place == 1,
        )
        for place, (values, fmt) in enumerate(zip(acts, (act_format, weight_format), strict=False))
    ]  # fmt: skip
    act, operand = acts[0], operands[0]
    if layer.dynamic:
        return LayerPlan(layer=layer, act=operand, second=operands[1], weight_format=weight_format)
    tensor = workload.tensor(layer.weight).astype(np.float32)
    matrix, bias = to_matrix(layer, tensor), layer_bias(workload, layer)
    grid = fine_grid(layer, matrix, weight_format, options)
    rounded = grid.round(matrix)
    few = slice(None, None, max(len(act) // SOME, 1))
    columns, outputs = patches(layer, act[few], wanted[few], tensor.shape, COLUMNS)
    shape = (layer.groups, layer.n, layer.k)
    given = operand.round(np.ascontiguousarray(columns)) @ rounded.reshape(shape).transpose(0, 2, 1)
    if layer.operator.takes_bias:
        given += bias.reshape(layer.groups, 1, layer.n)
    given -= outputs
    if not np.square(given).sum() <= WORST * outputs.var(axis=1).sum() * outputs.shape[1]:
        return None
    if options.bias_correction:
        bias = (bias if layer.operator.takes_bias else 0) - given.mean(axis=1).reshape(-1)
    weight = from_matrix(layer, rounded, tensor.shape)
    return LayerPlan.of_weights(layer, operand, weight, bias, grid=grid, fmt=weight_format)
