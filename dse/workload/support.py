"""Operators that cannot be quantised here, and what would help."""

from pathlib import Path

import onnx

from macwright.dse.workload.operators import OPERATORS
from macwright.hw.errors import RefusedInput

__all__ = ["check_support"]

_EXPORT = "export the model in evaluation mode with plain operators"


def check_support(model: onnx.ModelProto, path: Path) -> None:
    """Refuse operators that hide multiply-accumulates, or that are not standard ONNX.

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
                f"not {node.domain}.{node.op_type}; {_EXPORT}"
            )
        operator = OPERATORS.get(node.op_type)
        if operator is not None and operator.remedy:
            raise RefusedInput(
                f"Node {name} of {path.name} must be an operator that macwright can quantise, "
                f"not {node.op_type}; {operator.remedy}"
            )
