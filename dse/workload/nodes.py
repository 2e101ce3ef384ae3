"""Reading ONNX nodes."""

from typing import Any

import onnx
from onnx import helper

__all__ = [
    "SIZES",
    "attribute",
    "attributes",
    "captured",
    "decided_by_data",
    "needed_for",
    "rename_tensors",
]

#: Operators that read sizes of a tensor, and no values.
SIZES = ("Shape", "Size")


def attribute(node: onnx.NodeProto, name: str, default: Any = None) -> Any:
    """Value of a node's attribute, text as str, or the default."""
    for item in node.attribute:
        if item.name == name:
            return _plain(item)
    return default


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """All attributes of a node by name, text as str."""
    return {item.name: _plain(item) for item in node.attribute}


def _plain(item: onnx.AttributeProto) -> Any:
    value = helper.get_attribute_value(item)
    return value.decode() if isinstance(value, bytes) else value


def rename_tensors(node: onnx.NodeProto, names: dict[str, str]) -> None:
    """Rename tensors of a node, and those that graphs in it read."""
    for tensors in (node.input, node.output):
        for i, name in enumerate(tensors):
            tensors[i] = names.get(name, name)
    for item in node.attribute:
        for graph in (*item.graphs, item.g):
            inside = {x for inner in graph.node for x in inner.output}
            outer = {key: value for key, value in names.items() if key not in inside}
            for inner in graph.node:
                rename_tensors(inner, outer)
            for value in graph.output:
                value.name = outer.get(value.name, value.name)


def captured(node: onnx.NodeProto) -> set[str]:
    """Tensors that graphs within a node read from outside."""
    names: set[str] = set()
    for item in node.attribute:
        for graph in (*item.graphs, item.g):
            read = {value.name for value in graph.output}
            inside = {value.name for value in (*graph.input, *graph.initializer)}
            for inner in graph.node:
                read |= {*inner.input, *captured(inner)}
                inside.update(inner.output)
            names |= read - inside
    return names


def decided_by_data(graph: onnx.GraphProto, inputs: set[str]) -> set[str]:
    """Tensors whose values depend on those of the inputs, not on their shapes alone."""
    names = set(inputs)
    for node in graph.node:
        if node.op_type not in SIZES and names & {*node.input, *captured(node)}:
            names.update(node.output)
    return names


def needed_for(graph: onnx.GraphProto, names: set[str]) -> list[onnx.NodeProto]:
    """Copies of the nodes that give some tensors, in order."""
    used, rest = set(names), []
    for node in reversed(graph.node):
        if used.intersection(node.output):
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            rest.append(copy)
            used.update(node.input)
            used.update(captured(node))
    return rest[::-1]
