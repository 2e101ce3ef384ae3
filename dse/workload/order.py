"""Nodes of a graph in an order in which they can be computed, which files need not have."""

from collections.abc import Sequence
from pathlib import Path

import onnx

from macwright.dse.workload.nodes import captured
from macwright.hw.errors import RefusedInput

__all__ = ["put_in_order"]


def put_in_order(model: onnx.ModelProto, path: Path) -> None:
    """Sort the nodes of a model, of graphs within them and of functions; sorted ones stay.

    Runtimes sort by themselves, so that tools write files in any order.

    Raises
    ------
    RefusedInput
        If nodes wait for each other.
    """
    _sort(model.graph, path)
    for function in model.functions:
        _sort(function, path)


def _sort(graph: onnx.GraphProto | onnx.FunctionProto, path: Path) -> None:
    for node in graph.node:
        for item in node.attribute:
            for inner in (*item.graphs, item.g):
                _sort(inner, path)
    order = _order([{*node.input, *captured(node)} for node in graph.node], graph, path)
    if order != sorted(order):
        copies = [onnx.NodeProto.FromString(graph.node[i].SerializeToString()) for i in order]
        del graph.node[:]
        graph.node.extend(copies)


def _order(
    needed: Sequence[set[str]], graph: onnx.GraphProto | onnx.FunctionProto, path: Path
) -> list[int]:
    """Numbers of nodes, each after those that give what it needs, else as they stand."""
    source = {name: i for i, node in enumerate(graph.node) for name in node.output if name}
    order: list[int] = []
    state = [0] * len(needed)  # 1 while what a node needs is looked for, 2 afterwards
    for first in range(len(needed)):
        stack = [first]
        while stack:
            i = stack[-1]
            if state[i] == 0:
                state[i] = 1
                before = sorted(
                    {source[name] for name in needed[i] if name in source}, reverse=True
                )
                for j in before:
                    if state[j] == 1:
                        node = graph.node[i]
                        raise RefusedInput(
                            f"Node {node.name or node.output[0]} of {path.name} must not wait for "
                            "a result of its own; export the model without circles"
                        )
                stack += [j for j in before if state[j] == 0]
                continue
            stack.pop()
            if state[i] == 1:
                state[i] = 2
                order.append(i)
    return order
