"""Names of tensors that would clash with those of tensors made here."""

import re

import onnx

from macwright.dse.workload.nodes import rename_tensors

__all__ = ["with_plain_names"]

#: What separates the name that a new tensor is made of from the rest.
_MARK = "::"
#: Names that nodes without one get.
_UNNAMED = re.compile(r"[A-Za-z]+_\d+")


def with_plain_names(model: onnx.ModelProto) -> None:
    """Rename tensors inside a network whose names are another's, or a node's, ``::`` and more.

    New tensors are named so; a file that macwright exported has such names already.
    """
    graph = model.graph
    outside = {value.name for value in (*graph.input, *graph.output)}
    tensors = {name for node in graph.node for name in (*node.input, *node.output)}
    taken = tensors | outside | {node.name for node in graph.node}
    renamed = {}
    for name in sorted(tensors - outside):
        if any(x in taken or _UNNAMED.fullmatch(x) for x in _beginnings(name)):
            plain = name.replace(_MARK, ".")
            while plain in taken:
                plain += "_"
            taken.add(plain)
            renamed[name] = plain
    if not renamed:
        return
    for node in graph.node:
        rename_tensors(node, renamed)
    for item in (*graph.initializer, *graph.value_info):
        item.name = renamed.get(item.name, item.name)


def _beginnings(name: str) -> list[str]:
    parts = name.split(_MARK)
    return [_MARK.join(parts[:i]) for i in range(1, len(parts))]
