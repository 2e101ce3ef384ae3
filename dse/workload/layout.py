"""Recurrent layers with samples on the first axis, as those with steps there."""

import onnx
from onnx import helper

from macwright.dse.workload.nodes import attribute

__all__ = ["with_steps_first"]

_RECURRENT = ("GRU", "LSTM", "RNN")
#: Operands that samples lie along the first axis of: x, and the first states.
_OPERANDS = (0, 5, 6)


def with_steps_first(model: onnx.ModelProto) -> onnx.ModelProto:
    """Model whose LSTM, GRU and RNN have layout 0, with transposes around those of layout 1.

    Returns
    -------
    onnx.ModelProto
        The one given if there is none of layout 1, which onnxruntime does not run.
    """
    if not any(_turned(node) for node in model.graph.node):
        return model
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    nodes: list[onnx.NodeProto] = []
    for node in copy.graph.node:
        if not _turned(node):
            nodes.append(node)
            continue
        others = [item for item in node.attribute if item.name != "layout"]
        del node.attribute[:]
        node.attribute.extend(others)
        for i in _OPERANDS:
            if i < len(node.input) and node.input[i]:
                turned = f"{node.output[0] or node.output[1]}::in{i}"
                nodes.append(
                    helper.make_node("Transpose", [node.input[i]], [turned], perm=[1, 0, 2])
                )
                node.input[i] = turned
        results = []
        for i, name in enumerate(node.output):
            if name:
                node.output[i] = f"{name}::steps"
                perm = [2, 0, 1, 3] if i == 0 else [1, 0, 2]
                results.append(helper.make_node("Transpose", [node.output[i]], [name], perm=perm))
        nodes += [node, *results]
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del copy.graph.node[:]
    copy.graph.node.extend(nodes)
    return copy


def _turned(node: onnx.NodeProto) -> bool:
    return node.op_type in _RECURRENT and attribute(node, "layout", 0) == 1
