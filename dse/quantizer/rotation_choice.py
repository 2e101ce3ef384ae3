"""Which layers a Hadamard transform pays for, by samples that their weights were not made from."""

import numpy as np
from numpy.typing import NDArray

from macwright.dse.quantizer.activation import fit_operand
from macwright.dse.quantizer.gptq import gptq
from macwright.dse.quantizer.grid import weight_grid
from macwright.dse.quantizer.held_out import DAMPINGS
from macwright.dse.quantizer.layer_weights import LayerWeights
from macwright.dse.quantizer.moments import held_out, token_weights
from macwright.dse.quantizer.options import QuantOptions
from macwright.dse.quantizer.rotation import GAIN, rotated, widths
from macwright.hw.formats import Format

__all__ = ["ROWS", "nearest_error", "rotation_of"]

_Array = NDArray[np.float32]
#: Rows of the input that the width is found on.
ROWS = 2048


def rotation_of(
    weights: LayerWeights,
    act: _Array,
    wanted: _Array,
    formats: tuple[Format, Format],
    options: QuantOptions,
) -> int:
    """Width of the transform that saves a share of :data:`GAIN` of the held-out error; 1 for none.

    The width is the best one with nearest rounding, on some rows; it and none are then compared on
    all samples held out, with weights rounded to nearest and, if asked for, by GPTQ for the others.

    Parameters
    ----------
    weights : LayerWeights
        Weights as they are without a transform.
    act : ndarray of float32, shape (..., k)
        What the layer reads, channels divided out.
    wanted : ndarray of float32, shape (..., n)
        Outputs that it should have.
    formats : tuple of Format
        Of the weights and of the activations.
    options : QuantOptions
        Techniques.
    """
    tried = widths(weights.layer)
    if not tried:
        return 1
    rows = act.reshape(-1, act.shape[-1])
    held = np.flatnonzero(held_out(len(rows)))
    if not len(held):
        return 1
    held = held[:: -(-len(held) // ROWS)]
    some = rows[held], wanted.reshape(len(rows), -1)[held]
    errors = {width: nearest_error(weights, *some, formats, options, width) for width in tried}
    best = min(errors, key=errors.__getitem__)
    most = (1 - GAIN) * nearest_error(weights, *some, formats, options, 1)
    if errors[best] > most:
        return 1
    plain, turned = (
        _held_error(weights, act, wanted, formats, options, width) for width in (1, best)
    )
    return best if turned <= (1 - GAIN) * plain else 1


def nearest_error(
    weights: LayerWeights,
    act: _Array,
    wanted: _Array,
    formats: tuple[Format, Format],
    options: QuantOptions,
    width: int,
) -> float:
    """Mean squared error of the outputs on some rows, with all rounded to nearest."""
    act, weights = _turned(act, weights, width)
    operand = fit_operand(act, weights.layer, formats[1], options, act.ndim)
    matrix = weight_grid(weights.layer, weights.matrix, formats[0], options).round(weights.matrix)
    goal = wanted - (weights.bias if weights.layer.operator.takes_bias else 0)
    wrong = operand.round(act) @ matrix.T - goal
    if options.bias_correction:
        wrong -= wrong.mean(axis=0)
    return float(token_weights(goal[None]) @ np.einsum("ij,ij->i", wrong, wrong))


def _held_error(
    weights: LayerWeights,
    act: _Array,
    wanted: _Array,
    formats: tuple[Format, Format],
    options: QuantOptions,
    width: int,
) -> float:
    """Mean squared error of the outputs on the samples held out."""
    act, weights = _turned(act, weights, width)
    operand = fit_operand(act, weights.layer, formats[1], options, act.ndim)
    moments = weights.moments(act, wanted, options, operand)
    grid = weight_grid(weights.layer, weights.matrix, formats[0], options).of_groups(1)
    goal = weights.matrix[None]
    least = moments.held.error(grid.round(goal))
    if options.rounding == "gptq":
        fitted = gptq(goal, moments.fitted.square, grid, damping=DAMPINGS[1])
        least = min(least, moments.held.error(fitted))
    return least


def _turned(act: _Array, weights: LayerWeights, width: int) -> tuple[_Array, LayerWeights]:
    return (act, weights) if width == 1 else (rotated(act, width), weights.rotated(width))
