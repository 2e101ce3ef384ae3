"""Operators that hold matrix products, written as the operators that layers are."""

from collections.abc import Callable, Mapping

import onnx
from onnx import helper

from macwright.dse.workload.constants import Constants
from macwright.dse.workload.probe import Probe
from macwright.dse.workload.products import einsum, gemm, matmul
from macwright.dse.workload.recurrent import recurrent
from macwright.dse.workload.rewriter import Rewriter

__all__ = ["decomposed"]

_Rewrite = Callable[[Rewriter, onnx.NodeProto, Mapping[str, tuple[int, ...]]], bool]
#: By operator; a new one needs a function here.
_REWRITES: dict[str, _Rewrite] = {
    "Einsum": einsum,
    "GRU": recurrent,
    "Gemm": gemm,
    "LSTM": recurrent,
    "MatMul": matmul,
    "RNN": recurrent,
}


def decomposed(model: onnx.ModelProto, constants: Constants, seen: Probe) -> onnx.ModelProto | None:
    """Rewrite Einsum, recurrent layers, and products of odd shapes.

    Parameters
    ----------
    model : onnx.ModelProto
        From `normalise`.
    constants : Constants
        Its constants; new ones are added.
    seen : Probe
        Shapes of its tensors, and where samples lie in them.

    Returns
    -------
    onnx.ModelProto or None
        Without initializers; None if there is nothing to rewrite.

    Raises
    ------
    ValueError
        If such an operator is of a form that is no matrix product.
    """
    nodes: list[onnx.NodeProto] = []
    changed = False
    for node in model.graph.node:
        rewrite = _REWRITES.get(node.op_type)
        new = Rewriter(node, constants, seen.axes)
        if rewrite is not None and rewrite(new, node, seen.shapes):
            nodes += new.nodes
            changed = True
        else:
            nodes.append(node)
    if not changed:
        return None
    graph = helper.make_graph(
        nodes, model.graph.name, list(model.graph.input), list(model.graph.output)
    )
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
