"""Sparse constants, written out."""

import math
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from macwright.hw.errors import RefusedInput

__all__ = ["with_dense_constants"]

#: Most elements of a constant that is written out.
LARGEST = 1 << 28


def with_dense_constants(model: onnx.ModelProto, path: Path) -> None:
    """Turn sparse initializers, and the sparse values of Constant nodes, into usual tensors.

    Raises
    ------
    ValueError
        If one is too large, or its indices are not of its shape.
    """
    graph = model.graph
    for sparse in graph.sparse_initializer:
        graph.initializer.append(_dense(sparse, sparse.values.name, path))
    del graph.sparse_initializer[:]
    for node in graph.node:
        for item in node.attribute:
            if item.name == "sparse_value":
                dense = _dense(item.sparse_tensor, node.output[0], path)
                item.CopyFrom(onnx.helper.make_attribute("value", dense))


def _dense(sparse: onnx.SparseTensorProto, name: str, path: Path) -> onnx.TensorProto:
    shape, size = tuple(sparse.dims), math.prod(sparse.dims)
    what = f"Sparse constant {name!r} of {path.name} must have"
    if not 0 <= size <= LARGEST or min(shape, default=0) < 0:
        raise RefusedInput(f"{what} at most {LARGEST} elements, not the shape {shape}")
    try:
        values, places = (numpy_helper.to_array(x) for x in (sparse.values, sparse.indices))
        flat = np.ravel_multi_index(tuple(places.T), shape) if places.ndim == 2 else places
        if flat.shape != values.shape or (flat.size and flat.min() < 0):
            raise ValueError
        dense = np.zeros(size, values.dtype)
        dense[flat] = values
    except (ValueError, TypeError, IndexError) as error:
        raise RefusedInput(
            f"{what} a value for each of its indices, which are within its shape {shape}"
        ) from error
    return numpy_helper.from_array(dense.reshape(shape), name)
