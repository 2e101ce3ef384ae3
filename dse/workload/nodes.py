"""Reading ONNX nodes."""

from typing import Any

import onnx
from onnx import helper

__all__ = ["attribute", "attributes", "captured", "rename_tensors"]


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
