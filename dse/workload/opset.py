"""Models of old opsets brought to one that all the rest is written for."""

import re
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper, version_converter

from macwright.dse.workload.nodes import attribute
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
    if version < 7:
        _check_slopes(model, path)
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
    _spell_out(plain, version, path)
    names = {item.name for item in plain.graph.initializer}
    plain.graph.initializer.extend(x for x in model.graph.initializer if x.name not in names)
    plain.opset_import.extend(foreign)
    return plain


def _spell_out(model: onnx.ModelProto, version: int, path: Path) -> None:
    """Say in attributes and nodes what defaults of old opsets meant, which the converter forgets.

    Until opset 10, places were divided by the scale (`asymmetric`), and the nearest was the one
    below, or above where a tensor shrinks, as in onnxruntime; until opset 12, Hardmax took all
    axes from its own on as one.
    """
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        if node.op_type == "Resize" and version < 11:
            _place(node, model, path)
        if node.op_type == "Hardmax":
            nodes += _flat(node)
        else:
            nodes.append(node)
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(copies)


def _check_slopes(model: onnx.ModelProto, path: Path) -> None:
    """Refuse slopes that lie along channels, which later opsets put along the last axis."""
    values = _constants(model)
    for node in model.graph.node:
        slope = values.get(node.input[1]) if node.op_type == "PRelu" else None
        if node.op_type == "PRelu" and (slope is None or slope.size > 1):
            raise RefusedInput(
                f"Node {node.name or node.output[0]} of {path.name} must be a PRelu of opset 7 or "
                "later, where its slopes have a shape that broadcasts; export it with opset 7"
            )


def _place(node: onnx.NodeProto, model: onnx.ModelProto, path: Path) -> None:
    """Give a Resize the places of opset 10."""
    places = {"coordinate_transformation_mode": "asymmetric"}
    if attribute(node, "mode", "nearest") == "nearest":
        scales = _constants(model).get(node.input[-1])
        if scales is None or (scales.min() < 1 < scales.max()):
            raise RefusedInput(
                f"Node {node.name or node.output[0]} of {path.name} must have constant scales, all "
                "at least 1 or none above 1, as it takes the nearest by the rules of opset 10; "
                "export it with opset 11 or later"
            )
        places["nearest_mode"] = "ceil" if scales.min() < 1 else "floor"
    others = [item for item in node.attribute if item.name not in places]
    del node.attribute[:]
    node.attribute.extend([*others, *(helper.make_attribute(*item) for item in places.items())])


def _constants(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Values of initializers and Constant nodes."""
    tensors = {item.name: item for item in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            tensors[node.output[0]] = node.attribute[0].t
    return {name: numpy_helper.to_array(item) for name, item in tensors.items()}


def _flat(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Hardmax of the axes from its own on."""
    source, result = node.input[0], node.output[0]
    shape, rows, best = (f"{result}::{part}" for part in ("shape", "rows", "best"))
    return [
        helper.make_node("Shape", [source], [shape]),
        helper.make_node("Flatten", [source], [rows], axis=attribute(node, "axis", 1)),
        helper.make_node("Hardmax", [rows], [best], axis=-1),
        helper.make_node("Reshape", [best, shape], [result], name=node.name),
    ]
