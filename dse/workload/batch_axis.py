"""Batch axes of a model's inputs that are spelt oddly, or absent."""

import numpy as np
import onnx
from onnx import numpy_helper

from macwright.dse.workload.nodes import rename_tensors
from macwright.dse.workload.samples import Samples
from macwright.hw.errors import RefusedInput

__all__ = ["with_batch_axis"]


def with_batch_axis(model: onnx.ModelProto, dataset: Samples | None) -> None:
    """Give inputs whose data have one axis more than the model a first axis, of size 1.

    Sizes of 0 and less, with which some exporters mean any, become open, and inputs of no shape
    take the number of axes of their data.

    Raises
    ------
    ValueError
        If an input has neither a shape nor data.
    """
    for value in [*model.graph.input, *model.graph.output]:
        for dim in value.type.tensor_type.shape.dim:
            if dim.HasField("dim_value") and dim.dim_value <= 0:
                dim.Clear()
    for value in model.graph.input:
        data = None if dataset is None else dataset.x_calib.get(value.name)
        dims = value.type.tensor_type.shape.dim
        if value.type.HasField("tensor_type") and not value.type.tensor_type.HasField("shape"):
            if data is None:
                raise RefusedInput(
                    f"Input {value.name!r} must have a shape, or data that show it; give data (a "
                    "recipe or --data), or export the model with shapes of its inputs"
                )
            dims.extend(onnx.TensorShapeProto.Dimension() for _ in range(data.ndim))
        if data is None or data.ndim != len(dims) + 1:
            continue
        sizes = [1, *(dim.dim_value or dim.dim_param or None for dim in dims)]
        kind = value.type.tensor_type.elem_type
        name, inner, first = value.name, f"{value.name}::sample", f"{value.name}::first"
        value.CopyFrom(onnx.helper.make_tensor_value_info(name, kind, sizes))
        for node in model.graph.node:
            rename_tensors(node, {name: inner})
        # Gather is spelt alike in all opsets.
        only = onnx.helper.make_node("Gather", [name, first], [inner], name=inner)
        model.graph.node.insert(0, only)
        model.graph.initializer.append(numpy_helper.from_array(np.array(0), first))
