"""Parts of a model."""

from collections.abc import Iterable, Sequence

import onnx
from onnx import helper

from macwright.dse.workload.layer import Workload

__all__ = ["cut", "cut_nodes"]


def cut(
    workload: Workload,
    known: Iterable[str],
    wanted: Sequence[str],
    *,
    graph: onnx.GraphProto | None = None,
) -> onnx.ModelProto:
    """Model that computes some tensors from others.

    Parameters
    ----------
    workload : Workload
        Model, and types and shapes of its tensors.
    known : iterable of str
        Tensors that are given.
    wanted : sequence of str
        Tensors that are computed.
    graph : onnx.GraphProto, optional
        Another graph with the workload's tensors; the workload's own if absent.

    Returns
    -------
    onnx.ModelProto
        Its inputs are those of `known`, and of the model's inputs, that matter.
    """
    graph = graph or workload.model.graph
    given = set(known)
    nodes = cut_nodes(graph, given, wanted)
    used = {name for node in nodes for name in node.input} | set(wanted)
    constants = [item for item in graph.initializer if item.name in used - given]
    free = {value.name for value in graph.input} | given
    subgraph = helper.make_graph(
        nodes,
        "part",
        [_value(workload, name) for name in sorted(used & free)],
        [onnx.ValueInfoProto(name=name) for name in wanted],
        constants,
    )
    return helper.make_model(
        subgraph,
        opset_imports=workload.model.opset_import,
        ir_version=workload.model.ir_version,
    )


def cut_nodes(
    graph: onnx.GraphProto, known: Iterable[str], wanted: Sequence[str]
) -> list[onnx.NodeProto]:
    """Nodes between tensors that are known and tensors that are wanted, in order."""
    given = set(known)
    needed = set(wanted) - given
    nodes = []
    for node in reversed(graph.node):
        if needed & set(node.output):
            nodes.append(node)
            needed |= {name for name in node.input if name not in given}
    return nodes[::-1]


def _value(workload: Workload, name: str) -> onnx.ValueInfoProto:
    shape: list[int | str] | None = list(workload.shapes[name])
    if name not in workload.dtypes:  # a constant that is given for once
        return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
    axis = workload.batch_axes.get(name)
    if not workload.fixed_batch:
        if axis is not None:
            shape[axis] = f"{name}::{axis}"
        elif workload.dtypes[name].kind == "f":
            shape = None  # samples may be folded into any axis
    kind = helper.np_dtype_to_tensor_dtype(workload.dtypes[name])
    return helper.make_tensor_value_info(name, kind, shape)
