"""Which tensors are never negative."""

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from macwright.dse.workload.operators import OPERATORS
from macwright.dse.workload.samples import Samples

__all__ = ["non_negative"]

_NO_NUMBERS = {
    TensorProto.STRING, TensorProto.BOOL, TensorProto.COMPLEX64, TensorProto.COMPLEX128,
}  # fmt: skip

#: Elements of a constant that may be exponents; larger ones are weights.
MOST_EXPONENTS = 4096


def non_negative(model: onnx.ModelProto, dataset: Samples | None) -> set[str]:
    """Tensors that are proved to be at least zero.

    The proof goes node by node; inputs of the model count as non-negative if no calibration
    sample is below zero.

    Returns
    -------
    set of str
        Names of tensors.
    """
    constants = {
        item.name: numpy_helper.to_array(item)
        for item in model.graph.initializer
        if item.data_type not in _NO_NUMBERS
    }
    positive = {name for name, values in constants.items() if (values >= 0).all()}
    even = {
        name
        for name, values in constants.items()
        if values.size <= MOST_EXPONENTS and np.isfinite(values).all() and (values % 2 == 0).all()
    }
    if dataset is not None:
        positive |= {
            name for name, values in dataset.x_calib.items() if values.size and values.min() >= 0
        }
    for node in model.graph.node:
        operator = OPERATORS.get(node.op_type) if node.domain in ("", "ai.onnx") else None
        if operator is None or operator.sign is None:
            continue
        if operator.sign(
            node, [name in positive for name in node.input], [name in even for name in node.input]
        ):
            positive.update(node.output)
    return positive
