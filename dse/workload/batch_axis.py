"""Batch axes of a model's inputs that are spelt oddly, or absent."""

import numpy as np
import onnx

from macwright.dse.workload.constants import Constants
from macwright.dse.workload.samples import Samples

__all__ = ["with_batch_axis"]


def with_batch_axis(model: onnx.ModelProto, constants: Constants, dataset: Samples | None) -> None:
    """Give inputs whose data have one axis more than the model a first axis, of size 1.

    Sizes of 0 and less, with which some exporters mean any, become open.
    """
    for value in [*model.graph.input, *model.graph.output]:
        for dim in value.type.tensor_type.shape.dim:
            if dim.HasField("dim_value") and dim.dim_value <= 0:
                dim.Clear()
    for value in model.graph.input:
        data = None if dataset is None else dataset.x_calib.get(value.name)
        dims = value.type.tensor_type.shape.dim
        if data is None or data.ndim != len(dims) + 1:
            continue
        sizes = [1, *(dim.dim_value or dim.dim_param or None for dim in dims)]
        kind = value.type.tensor_type.elem_type
        name, inner, axis = value.name, f"{value.name}::sample", f"{value.name}::axis"
        value.CopyFrom(onnx.helper.make_tensor_value_info(name, kind, sizes))
        for node in model.graph.node:
            for i, tensor in enumerate(node.input):
                if tensor == name:
                    node.input[i] = inner
        squeeze = onnx.helper.make_node("Squeeze", [name, axis], [inner], name=inner)
        model.graph.node.insert(0, squeeze)
        constants.values[axis] = np.array([0])
