"""Taking back formats that a model prescribes, so that the search chooses them."""

from collections.abc import Sequence
from dataclasses import replace

import networkx as nx
import onnx

from macwright.dse.workload.layer import Workload
from macwright.dse.workload.lowering import ROUNDED, UNROUNDED
from macwright.dse.workload.nodes import needed_for
from macwright.hw.errors import RefusedInput

__all__ = ["ALL", "freed"]

#: In place of names of layers.
ALL = "all"


def freed(workload: Workload, layers: Sequence[str]) -> Workload:
    """The workload with formats of some layers free.

    Their activations are no longer rounded, wherever else they are read; they still saturate, as
    some exporters leave ReLU to that. Weights keep the values that they were rounded to, which
    the rest of the network was trained with.

    Parameters
    ----------
    workload : Workload
        A network that may prescribe formats.
    layers : sequence of str
        Names of layers, or :data:`ALL` for all, with what is rounded between them.

    Raises
    ------
    ValueError
        If a name is none of a layer with prescribed formats.
    """
    if not layers:
        return workload
    chosen = set(workload.fixed) if ALL in layers else set(layers)
    for name in sorted(chosen - set(workload.fixed)):
        known = ", ".join(workload.fixed) or "none"
        raise RefusedInput(
            f"Freed layers must be layers whose formats the model prescribes ({known}), "
            f"not {name!r}"
        )
    model = onnx.ModelProto()
    model.CopyFrom(workload.model)
    produced = {name for node in model.graph.node for name in node.output}
    rounded = {name for name in produced if name.endswith(ROUNDED)}
    if ALL not in layers:
        rounded &= {_grid(workload, name) for name in _operands(workload, chosen)}
    around = {name: name.removesuffix(ROUNDED) + UNROUNDED for name in rounded}
    around = {name: before for name, before in around.items() if before in produced}
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = around.get(name, name)
    nodes = needed_for(model.graph, {value.name for value in model.graph.output})
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return replace(
        workload,
        model=model,
        fixed={name: pair for name, pair in workload.fixed.items() if name not in chosen},
        graph=_graph(workload.graph, nodes),
    )


def _operands(workload: Workload, chosen: set[str]) -> list[str]:
    """Computed operands of the layers whose formats are prescribed."""
    layers = [
        (layer, *workload.fixed[layer.name]) for layer in workload.layers if layer.name in chosen
    ]
    first = [layer.act for layer, _, act in layers if act is not None]
    return first + [x.weight for x, weight, _ in layers if x.dynamic and weight is not None]


def _grid(workload: Workload, tensor: str) -> str:
    """The rounded tensor that a tensor on a grid comes from; the tensor itself if there is none."""
    source = {name: node for node in workload.model.graph.node for name in node.output}
    current = tensor
    while not current.endswith(ROUNDED):
        node = source.get(current)
        if node is None:
            return tensor
        current = node.input[1 if node.op_type == "Where" else 0]
    return current


def _graph(old: nx.DiGraph, nodes: list[onnx.NodeProto]) -> nx.DiGraph:
    graph = nx.DiGraph()
    source: dict[str, str] = {}
    for node in nodes:
        graph.add_node(node.name, **old.nodes[node.name])
        for tensor in node.input:
            if tensor in source:
                graph.add_edge(source[tensor], node.name, tensor=tensor)
        source.update(dict.fromkeys(node.output, node.name))
    return graph
