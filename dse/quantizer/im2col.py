"""A layer's weights and inputs as matrices."""

import numpy as np
from numpy.typing import NDArray

from macwright.dse.workload.layer import Layer, Workload

__all__ = ["from_matrix", "layer_bias", "output_shape", "patches", "to_matrix"]

_Array = NDArray[np.float32]


def to_matrix(layer: Layer, weight: _Array) -> _Array:
    """Weights with a row for each output channel, shape (groups * n, k)."""
    if layer.op == "Conv" or layer.attributes.get("transB"):
        return np.ascontiguousarray(weight.reshape(layer.groups * layer.n, layer.k))
    return np.ascontiguousarray(weight.T)


def from_matrix(layer: Layer, matrix: _Array, shape: tuple[int, ...]) -> _Array:
    """Weights in the model's own layout; the inverse of `to_matrix`."""
    if layer.op == "Conv" or layer.attributes.get("transB"):
        return np.ascontiguousarray(matrix.reshape(shape))
    return np.ascontiguousarray(matrix.T)


def layer_bias(workload: Workload, layer: Layer) -> _Array:
    """Biases of a layer, zeros if it has none, shape (groups * n,)."""
    inputs = workload.node(layer).input
    if layer.op != "MatMul" and len(inputs) > 2 and inputs[2]:
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
    if layer.op != "Conv":
        columns, results = act.reshape(-1, layer.k), out.reshape(-1, layer.n)
        chosen = _spread(len(columns), limit)
        return columns[chosen][None], results[chosen][None]
    kernel = weight_shape[2:]
    rank = len(kernel)
    strides = layer.attributes.get("strides") or [1] * rank
    dilations = layer.attributes.get("dilations") or [1] * rank
    pads = _pads(layer, act.shape[2:], kernel, strides, dilations)
    padded = np.pad(act, [(0, 0), (0, 0), *pads])
    chosen = _spread(len(out) * int(np.prod(out.shape[2:])), limit)
    sample, *position = np.unravel_index(chosen, (len(out), *out.shape[2:]))
    offsets = np.indices(kernel).reshape(rank, -1)
    index = [
        position[i][:, None] * strides[i] + offsets[i][None] * dilations[i] for i in range(rank)
    ]
    # Advanced indices around the channel axis put it last: (columns, kernel positions, channels).
    taken = padded[(sample[:, None], slice(None), *index)]
    grouped = taken.reshape(len(chosen), -1, layer.groups, weight_shape[1])
    columns = grouped.transpose(2, 0, 3, 1).reshape(layer.groups, len(chosen), layer.k)
    results = out[(sample, slice(None), *position)].reshape(len(chosen), layer.groups, layer.n)
    return columns, results.transpose(1, 0, 2)


def output_shape(
    layer: Layer, act_shape: tuple[int, ...], weight_shape: tuple[int, ...]
) -> tuple[int, ...]:
    """Shape of the outputs of a layer with weights, from those of its operands."""
    if layer.op != "Conv":
        return (*act_shape[:-1], layer.n)
    kernel = weight_shape[2:]
    rank = len(kernel)
    strides = layer.attributes.get("strides") or [1] * rank
    dilations = layer.attributes.get("dilations") or [1] * rank
    pads = _pads(layer, act_shape[2:], kernel, strides, dilations)
    spatial = [
        (act_shape[2 + i] + sum(pads[i]) - (kernel[i] - 1) * dilations[i] - 1) // strides[i] + 1
        for i in range(rank)
    ]
    return (act_shape[0], layer.groups * layer.n, *spatial)


def _spread(total: int, limit: int) -> NDArray[np.int64]:
    if total <= limit:
        return np.arange(total)
    # An odd irrational stride, so that columns do not line up with rows of the image.
    return np.unique((np.arange(limit) * (total / limit)).astype(np.int64))


def _pads(
    layer: Layer,
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    strides: list[int],
    dilations: list[int],
) -> list[tuple[int, int]]:
    rank = len(kernel)
    mode = layer.attributes.get("auto_pad", "NOTSET")
    if mode in ("NOTSET", ""):
        pads = layer.attributes.get("pads") or [0] * (2 * rank)
        return [(pads[i], pads[rank + i]) for i in range(rank)]
    if mode == "VALID":
        return [(0, 0)] * rank
    pairs = []
    for i in range(rank):
        reach = (kernel[i] - 1) * dilations[i] + 1
        total = max((-(-size[i] // strides[i]) - 1) * strides[i] + reach - size[i], 0)
        small = total // 2
        pairs.append((small, total - small) if mode == "SAME_UPPER" else (total - small, small))
    return pairs
