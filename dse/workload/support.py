"""Operators that cannot be quantised here, and what would help."""

from pathlib import Path

import onnx

from macwright.dse.workload.constants import Constants
from macwright.dse.workload.nodes import attribute
from macwright.dse.workload.operators import OPERATORS
from macwright.hw.errors import RefusedInput

__all__ = ["check_support"]

_EXPORT = "export the model in evaluation mode with plain operators"
#: What would help instead, by domain.
_REMEDIES = {
    "com.microsoft": "take the model as it was before onnxruntime optimised it",
    "com.microsoft.nchwc": "take the model as it was before onnxruntime optimised it",
}


def check_support(model: onnx.ModelProto, constants: Constants, path: Path) -> None:
    """Refuse operators that hide multiply-accumulates, differ from run to run, or are not standard.

    Raises
    ------
    ValueError
        Names the first such node, the reason, and what would help.
    """
    for index, node in enumerate(model.graph.node):
        name = node.name or f"number {index}"
        if node.domain not in ("", "ai.onnx"):
            raise RefusedInput(
                f"Node {name} of {path.name} must be a standard ONNX operator, "
                f"not {node.domain}.{node.op_type}; {_REMEDIES.get(node.domain, _EXPORT)}"
            )
        operator = OPERATORS.get(node.op_type)
        if operator is not None and operator.remedy:
            raise RefusedInput(
                f"Node {name} of {path.name} must be an operator that macwright can quantise, "
                f"not {node.op_type}; {operator.remedy}"
            )
        if _trains(node, constants):
            raise RefusedInput(
                f"Node {name} of {path.name} must be a {node.op_type} that does not train; "
                "export the model in evaluation mode"
            )


def _trains(node: onnx.NodeProto, constants: Constants) -> bool:
    """Whether a node does what it does in training, or may."""
    if node.op_type == "BatchNormalization":  # results of statistics are those of training
        return bool(attribute(node, "training_mode", 0)) or any(node.output[1:])
    if node.op_type != "Dropout" or len(node.input) < 3 or not node.input[2]:
        return False
    mode = constants.values.get(node.input[2])
    return mode is None or bool(mode)
