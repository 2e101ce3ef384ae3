"""If nodes whose condition no data decide: the branch that is taken, in their place."""

from pathlib import Path

import numpy as np
import onnx
from onnx import helper

from macwright.dse.workload.feeds import Feeds
from macwright.dse.workload.nodes import decided_by_data, rename_tensors
from macwright.dse.workload.samples import Samples
from macwright.dse.workload.session import run_error, session
from macwright.hw.errors import RefusedInput

__all__ = ["without_branches"]


def without_branches(
    model: onnx.ModelProto, path: Path, dataset: Samples | None
) -> onnx.ModelProto:
    """Model without If, where the conditions depend on constants and on shapes alone.

    Exporters write such nodes for a squeeze of an axis that might not be 1. The condition is seen
    by running a sample, and two at once if the batch is open.

    Raises
    ------
    ValueError
        If data decide on a condition, or the number of samples does.
    """
    while any(node.op_type == "If" for node in model.graph.node):
        model = _taken(model, path, dataset)
    return model


def _taken(model: onnx.ModelProto, path: Path, dataset: Samples | None) -> onnx.ModelProto:
    graph = model.graph
    constants = {item.name for item in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    choices = [node for node in graph.node if node.op_type == "If"]
    by_data = decided_by_data(graph, {value.name for value in inputs})
    for node in choices:
        if node.input[0] in by_data:
            raise RefusedInput(
                f"Node {node.name or node.output[0]} of {path.name} must be an If with a constant "
                f"condition, not {node.input[0]!r}, which data decide; export the branch that "
                "is wanted"
            )
    values = _conditions(model, inputs, [node.input[0] for node in choices], path, dataset)
    nodes: list[onnx.NodeProto] = []
    initializers = list(graph.initializer)
    for node in graph.node:
        if node.op_type != "If":
            nodes.append(node)
            continue
        name = "then_branch" if values[node.input[0]] else "else_branch"
        branch = next(item.g for item in node.attribute if item.name == name)
        nodes += _inlined(node, branch, initializers)
    result = helper.make_graph(nodes, graph.name, inputs, list(graph.output), initializers)
    return helper.make_model(result, opset_imports=model.opset_import, ir_version=model.ir_version)


def _conditions(
    model: onnx.ModelProto,
    inputs: list[onnx.ValueInfoProto],
    names: list[str],
    path: Path,
    dataset: Samples | None,
) -> dict[str, bool]:
    """What the conditions are."""
    # Initializers that are listed as inputs are no data.
    plain = helper.make_model(
        helper.make_graph(
            model.graph.node, "g", inputs, model.graph.output, model.graph.initializer
        ),
        opset_imports=model.opset_import,
        ir_version=model.ir_version,
    )
    feeds = Feeds(plain, path, dataset)
    names = list(dict.fromkeys(names))
    fixed = {
        item.name: onnx.numpy_helper.to_array(item)
        for item in model.graph.initializer
        if item.name in names
    }
    computed = [name for name in names if name not in fixed]
    running = session(plain, outputs=computed, optimise=False) if computed else None
    runs = []
    for sample in [feeds.sample(0)] + ([] if feeds.batch else [feeds.both()]):
        try:
            results = running.run(computed, sample) if running else []
        except run_error() as error:
            if runs:
                break
            reason = " ".join(str(error).split())[:300]
            raise RefusedInput(
                f"{path.name} must run in onnxruntime, not fail with: {reason}"
            ) from error
        runs.append(fixed | dict(zip(computed, results, strict=True)))
    if any(bool(np.all(runs[0][name])) != bool(np.all(runs[-1][name])) for name in names):
        raise RefusedInput(
            f"{path.name} must compute the same for every number of samples, not have an If that "
            "depends on it; export it with a fixed batch"
        )
    return {name: bool(np.all(runs[0][name])) for name in names}


def _inlined(
    node: onnx.NodeProto, branch: onnx.GraphProto, initializers: list[onnx.TensorProto]
) -> list[onnx.NodeProto]:
    """Nodes of a branch, with names of their own."""
    prefix = f"{node.name or node.output[0]}::"
    own = {name for inner in branch.node for name in inner.output}
    own |= {item.name for item in branch.initializer}
    renamed = {name: prefix + name for name in own if name}
    for item in branch.initializer:
        tensor = onnx.TensorProto()
        tensor.CopyFrom(item)
        tensor.name = renamed[item.name]
        initializers.append(tensor)
    nodes = []
    for inner in branch.node:
        copy = onnx.NodeProto()
        copy.CopyFrom(inner)
        copy.name = prefix + (inner.name or inner.output[0])
        rename_tensors(copy, renamed)
        nodes.append(copy)
    for value, result in zip(branch.output, node.output, strict=True):
        source = renamed.get(value.name, value.name)
        nodes.append(helper.make_node("Identity", [source], [result], name=f"{prefix}{result}"))
    return nodes
