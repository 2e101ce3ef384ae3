"""Reading ONNX nodes."""

from typing import Any

import onnx
from onnx import helper

__all__ = ["attribute", "attributes"]


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
