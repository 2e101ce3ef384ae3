"""Operators that cannot be quantised here, and what would help."""

from pathlib import Path

import onnx

__all__ = ["check_support"]

_EXPORT = "export the model in evaluation mode with plain operators"
_UNSUPPORTED = {
    "DeformConv": "replace it by Conv",
    "LSTM": "use a network without recurrent layers",
    "GRU": "use a network without recurrent layers",
    "RNN": "use a network without recurrent layers",
    "Einsum": "write it as MatMul and Transpose",
    "If": "export the model with constant conditions",
    "Loop": "unroll it when exporting",
    "Scan": "unroll it when exporting",
    "ConvInteger": _EXPORT,
    "MatMulInteger": _EXPORT,
    "QLinearConv": "use the QDQ form (QuantizeLinear and DequantizeLinear around Conv)",
    "QLinearMatMul": "use the QDQ form (QuantizeLinear and DequantizeLinear around MatMul)",
    "Attention": "write it as MatMul and Softmax",
}


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
            raise ValueError(
                f"Node {name} of {path.name} must be a standard ONNX operator, "
                f"not {node.domain}.{node.op_type}; {_EXPORT}"
            )
        if node.op_type in _UNSUPPORTED:
            raise ValueError(
                f"Node {name} of {path.name} must be an operator that macwright can quantise, "
                f"not {node.op_type}; {_UNSUPPORTED[node.op_type]}"
            )
    outputs = model.graph.output
    if len(outputs) != 1:
        raise ValueError(
            f"{path.name} must have one output, not {len(outputs)}; "
            "onnx.utils.extract_model cuts out the part that is wanted"
        )
