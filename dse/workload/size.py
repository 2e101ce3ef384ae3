"""Networks too large for memory, and numbers too large for float32, found before anything runs."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx

from macwright.costmodel.npz import memory_limit
from macwright.dse.workload.constants import Constants
from macwright.dse.workload.layer import Layer
from macwright.dse.workload.onnx_file import LARGEST_MESSAGE
from macwright.hw.errors import RefusedInput

__all__ = ["check_range", "check_size"]

#: Samples of a tensor, and tensors of that size, that are in memory at once while a network is
#: quantised.
SAMPLES, TENSORS = 16, 16
#: Largest number: squares of it, summed over a million terms, are far from the end of float32.
LARGEST_NUMBER = 1e15


def check_size(model: onnx.ModelProto, path: Path) -> None:
    """Refuse tensors that memory has no room for.

    Raises
    ------
    ValueError
        Names the tensor, its shape for one sample and the limit.
    """
    if sum(len(item.raw_data) for item in model.graph.initializer) >= LARGEST_MESSAGE:
        return  # shapes are inferred of one message only
    most = memory_limit() // (4 * SAMPLES * TENSORS)
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    for value in [*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output]:
        shape = [dim.dim_value or 1 for dim in value.type.tensor_type.shape.dim]
        if math.prod(shape) > most:
            raise RefusedInput(
                f"Tensor {value.name!r} of {path.name} must have at most {most} elements a sample "
                f"for {memory_limit()} bytes of memory, not the shape {tuple(shape)}; check the "
                "pads and sizes of the node that makes it, or raise MACWRIGHT_MEMORY"
            )


def check_range(
    layers: Sequence[Layer], constants: Constants, tops: Mapping[str, float], path: Path
) -> None:
    """Refuse numbers of layers so large that sums of their squares leave float32.

    Parameters
    ----------
    layers : sequence of Layer
        Layers whose operands and results count.
    constants : Constants
        Values of weights.
    tops : mapping of str to float
        Largest magnitude of each other tensor.
    path : Path
        File of the model, for the message.
    """
    for layer in layers:
        tensors = (("Weights", layer.weight), ("Inputs", layer.act), ("Outputs", layer.out))
        for what, name in tensors:
            values = constants.values.get(name)
            top = tops.get(name, 0.0) if values is None else float(np.abs(values).max(initial=0))
            if not top <= LARGEST_NUMBER:
                raise RefusedInput(
                    f"{what} of layer {layer.name} of {path.name} must be within "
                    f"+-{LARGEST_NUMBER:g}, not reach {top:g}"
                )
