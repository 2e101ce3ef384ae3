"""A layer's weights and inputs as matrices."""

import numpy as np
from numpy.typing import NDArray

from macwright.dse.workload.layer import Layer, Workload

__all__ = ["from_matrix", "layer_bias", "output_shape", "patches", "to_matrix"]

_Array = NDArray[np.float32]


def to_matrix(layer: Layer, weight: _Array) -> _Array:
    """Weights with a row for each output channel, shape (groups * n, k)."""
    return layer.operator.to_matrix(layer, weight)


def from_matrix(layer: Layer, matrix: _Array, shape: tuple[int, ...]) -> _Array:
    """Weights in the model's own layout; the inverse of `to_matrix`."""
    return layer.operator.from_matrix(layer, matrix, shape)


def layer_bias(workload: Workload, layer: Layer) -> _Array:
    """Biases of a layer, zeros if it has none, shape (groups * n,)."""
    inputs = workload.node(layer).input
    if layer.operator.takes_bias and len(inputs) > 2 and inputs[2]:
        return np.broadcast_to(
            workload.tensor(inputs[2]).astype(np.float32).reshape(-1), layer.groups * layer.n
        )
    return np.zeros(layer.groups * layer.n, np.float32)


def patches(
    layer: Layer, act: _Array, out: _Array, weight_shape: tuple[int, ...], limit: int
) -> tuple[_Array, _Array]:
    """Input columns of some of a layer's outputs, and those outputs.

    Parameters
    ----------
    layer : Layer
        A layer with weights.
    act : ndarray, shape of the layer's input
        Activations of some samples.
    out : ndarray, shape of the layer's output
        What the columns are wanted for; other values of the same shape may be given.
    weight_shape : tuple of int
        Shape of the weights.
    limit : int
        Most columns that are taken; they are spread evenly over samples and positions.

    Returns
    -------
    columns : ndarray of float32, shape (groups, n_columns, k)
    outputs : ndarray of float32, shape (groups, n_columns, n)
    """
    return layer.operator.im2col(layer, act, out, weight_shape, limit)


def output_shape(
    layer: Layer, act_shape: tuple[int, ...], weight_shape: tuple[int, ...]
) -> tuple[int, ...]:
    """Shape of the outputs of a layer with weights, from those of its operands."""
    return layer.operator.output_shape(layer, act_shape, weight_shape)
