"""Models of old opsets brought to one that all the rest is written for."""

import re
from pathlib import Path

import onnx
from onnx import helper, version_converter

from macwright.hw.errors import RefusedInput

__all__ = ["LEAST", "upgraded"]

#: Opset that the float operators of this package need.
LEAST = 13


def upgraded(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    """The model in opset 13 or later.

    Operators of other domains stay as they are: ONNX's converter, which knows none of them, sees
    Identity in their places.

    Raises
    ------
    ValueError
        If the model says no opset, or one from which there is no way.
    """
    version = max((x.version for x in model.opset_import if x.domain in ("", "ai.onnx")), default=0)
    if not version:
        raise RefusedInput(f"{path} must say the opset of its ONNX operators, and names none")
    if version < 1:
        raise RefusedInput(f"{path} must say an opset of at least 1, not {version}")
    if version >= LEAST:
        return model
    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    others: dict[str, onnx.NodeProto] = {}
    for node in plain.graph.node:
        if node.domain not in ("", "ai.onnx") and node.output:
            others[node.output[0]] = onnx.NodeProto()
            others[node.output[0]].CopyFrom(node)
            node.CopyFrom(helper.make_node("Identity", node.input[:1], node.output[:1]))
    foreign = [x for x in model.opset_import if x.domain not in ("", "ai.onnx")]
    del plain.opset_import[:]
    plain.opset_import.append(helper.make_opsetid("", version))
    try:
        plain = version_converter.convert_version(plain, LEAST)
    except Exception as error:  # its errors share no class
        # The words of a check in its sources, and then what is wrong, if it says so.
        text = re.sub(r"^\S+\.(cc|h):\d+: .*?Assertion `.*` failed:? ?", "", str(error), flags=re.S)
        reason = " ".join(text.split())[:200] or "nodes that it does not take"
        raise RefusedInput(
            f"{path} must be of ONNX opset {LEAST} or later, or one that onnx.version_converter "
            f"brings there, not of opset {version} with: {reason}; export it with opset {LEAST}"
        ) from error
    for node in plain.graph.node:
        if node.output and node.output[0] in others:
            node.CopyFrom(others[node.output[0]])
    names = {item.name for item in plain.graph.initializer}
    plain.graph.initializer.extend(x for x in model.graph.initializer if x.name not in names)
    plain.opset_import.extend(foreign)
    return plain
