"""Which tensors are never negative."""

import numpy as np
import onnx
from onnx import numpy_helper

from macwright.dse.workload.samples import Samples

__all__ = ["non_negative"]

#: Results are never negative, whatever the operands.
_ALWAYS = {"Relu", "Sigmoid", "HardSigmoid", "Softmax", "Exp", "Abs", "Sqrt", "Softplus"}
#: Results are never negative if the operands with these indices are not; all if None.
_KEEPS = {
    "MaxPool": (0,),
    "AveragePool": (0,),
    "GlobalAveragePool": (0,),
    "GlobalMaxPool": (0,),
    "ReduceMean": (0,),
    "ReduceSum": (0,),
    "ReduceMax": (0,),
    "Flatten": (0,),
    "Reshape": (0,),
    "Transpose": (0,),
    "Squeeze": (0,),
    "Unsqueeze": (0,),
    "Expand": (0,),
    "Slice": (0,),
    "Gather": (0,),
    "Split": (0,),
    "Identity": (0,),
    "Resize": (0,),
    "Add": None,
    "Mul": None,
    "Div": None,
    "Concat": None,
    "Sum": None,
    "Max": None,
    "Min": None,
    "HardSwish": (0,),
    "Round": (0,),
    "Ceil": (0,),
    "Floor": (0,),
}


def non_negative(model: onnx.ModelProto, dataset: Samples | None) -> set[str]:
    """Tensors that are proved to be at least zero.

    The proof goes node by node; inputs of the model count as non-negative if no calibration
    sample is below zero.

    Returns
    -------
    set of str
        Names of tensors.
    """
    constants = {item.name: item for item in model.graph.initializer}
    positive = {
        name for name, item in constants.items() if (numpy_helper.to_array(item) >= 0).all()
    }
    if dataset is not None:
        positive |= {
            name for name, values in dataset.x_calib.items() if values.size and values.min() >= 0
        }
    for node in model.graph.node:
        kind = node.op_type
        inputs = [name for name in node.input if name]
        if kind in _KEEPS:
            keep = _KEEPS[kind]
            known = all(
                name in positive for i, name in enumerate(inputs) if keep is None or i in keep
            )
        elif kind == "Clip":
            low = node.input[1] if len(node.input) > 1 else ""
            floor = numpy_helper.to_array(constants[low]) if low in constants else -np.inf
            known = inputs[0] in positive or float(np.max(floor)) >= 0
        elif kind == "Pad":
            fill = node.input[2] if len(node.input) > 2 else ""
            known = inputs[0] in positive and (not fill or fill in positive)
        else:
            known = kind in _ALWAYS
        if known:
            positive.update(node.output)
    return positive
