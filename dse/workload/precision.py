"""Networks in other floating-point types, brought to float32."""

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

__all__ = ["computed_dtype", "in_float32"]

_OTHER = {
    TensorProto.FLOAT16: "float16",
    TensorProto.BFLOAT16: "bfloat16",
    TensorProto.DOUBLE: "float64",
}
#: Attributes that hold a type, by operator; of others no type is computed in.
_TYPES = ("to", "dtype", "stash_type", "softmax_precision", "qk_matmul_precision")


def computed_dtype(kind: int) -> np.dtype:
    """NumPy type in which a tensor of an ONNX type is computed."""
    return np.dtype(np.float32 if kind in _OTHER else onnx.helper.tensor_dtype_to_np_dtype(kind))


def in_float32(model: onnx.ModelProto) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Model whose float16, bfloat16 and float64 tensors are float32 instead.

    Returns
    -------
    model : onnx.ModelProto
        The one given if it has no such tensors.
    notes : tuple of str
        A sentence that says so.
    """
    graphs = list(_graphs(model.graph))
    kinds = {item.data_type for graph in graphs for item in graph.initializer}
    kinds |= {
        value.type.tensor_type.elem_type
        for graph in graphs
        for value in [*graph.input, *graph.output]
    }
    kinds |= {
        item.t.data_type for graph in graphs for node in graph.node for item in node.attribute
    }
    kinds |= {
        item.i
        for graph in graphs
        for node in graph.node
        for item in node.attribute
        if item.name in _TYPES
    }
    present = [name for kind, name in _OTHER.items() if kind in kinds]
    if not present:
        return model, ()
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for graph in _graphs(copy.graph):
        del graph.value_info[:]
        for item in graph.initializer:
            _cast(item)
        for value in [*graph.input, *graph.output]:
            if value.type.tensor_type.elem_type in _OTHER:
                value.type.tensor_type.elem_type = TensorProto.FLOAT
        for node in graph.node:
            for item in node.attribute:
                _cast(item.t)
                if item.name in _TYPES and item.i in _OTHER:
                    item.i = TensorProto.FLOAT
    return copy, (f"The network's {' and '.join(present)} tensors are computed in float32",)


def _cast(item: onnx.TensorProto) -> None:
    if item.data_type in _OTHER:
        values = numpy_helper.to_array(item)
        if item.data_type == TensorProto.DOUBLE:  # what is finite stays so, as masks need it
            most = np.finfo(np.float32).max
            values = np.where(np.isfinite(values), np.clip(values, -most, most), values)
        values = np.asarray(values, np.float32)
        item.CopyFrom(numpy_helper.from_array(values, item.name))


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph and those in its nodes."""
    yield graph
    for node in graph.node:
        for item in node.attribute:
            for inner in (*item.graphs, *([item.g] if item.HasField("g") else [])):
                yield from _graphs(inner)
