"""Weights of a layer, with what rounding them needs."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from macwright.dse.quantizer.activation import Operand
from macwright.dse.quantizer.adaround import adaround
from macwright.dse.quantizer.gptq import best_scale, descend, gptq
from macwright.dse.quantizer.grid import Grid, weight_grid
from macwright.dse.quantizer.held_out import gated_gptq
from macwright.dse.quantizer.im2col import patches
from macwright.dse.quantizer.moments import Moments, lost_means, token_weights
from macwright.dse.quantizer.options import QuantOptions
from macwright.dse.quantizer.rotation import rotated
from macwright.dse.workload.layer import Layer
from macwright.hw.formats import BlockFormat, Format

__all__ = ["LayerWeights"]

_Array = NDArray[np.float32]
#: Elements of the sampled inputs of a layer.
LARGEST_COLUMNS = 1 << 24


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

    def rotated(self, width: int) -> "LayerWeights":
        """The same for inputs that :func:`~macwright.dse.quantizer.rotation.rotated` gives."""
        return replace(self, matrix=rotated(self.matrix, width) / np.float32(width))

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
        grid = flat.of_groups(layer.groups)
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
