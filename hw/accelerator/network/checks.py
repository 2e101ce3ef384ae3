"""What must hold for a node and the edges around it."""

from collections.abc import Mapping

import numpy as np

from macwright.hw.accelerator.network.edge import Edge, levels_of
from macwright.hw.accelerator.network.mac_nodes import Add, AveragePool, Conv, Gemm, MaxPool
from macwright.hw.accelerator.network.node import Node, Requant
from macwright.hw.accelerator.network.wiring_nodes import (
    Concat,
    Pad,
    Reshape,
    Slice,
    Table,
    Transpose,
)
from macwright.hw.errors import RefusedInput
from macwright.hw.formats import FloatFormat

__all__ = ["check_node"]

#: Largest multiplier and shift of a requantiser, and most bits of a bias below a unit of the sums.
LARGEST_MULTIPLIER, LARGEST_SHIFT, MOST_FRACTION = (1 << 16) - 1, 63, 16


def check_node(node: Node, edges: Mapping[str, Edge]) -> None:
    """Refuse a node that does not fit its edges.

    Raises
    ------
    ValueError
        One sentence that names the node and what must be changed.
    """
    inputs = [edges[name] for name in node.inputs]
    results = [edges[name] for name in node.produced]
    if not results:
        raise RefusedInput(f"Node {node.name} must produce an edge, not none")
    shape = node.result_shape(*(edge.shape for edge in inputs))
    for edge in results:
        if shape is not None and edge.shape != tuple(shape):
            raise RefusedInput(
                f"Edge {edge.name} must have the shape {tuple(shape)} that node {node.name} gives, "
                f"not {edge.shape}"
            )
    if isinstance(node, (Conv, Gemm)):
        _check_weights(node, inputs[0])
    if isinstance(node, (Add, AveragePool)):
        _check_scales(node, inputs)
    if isinstance(node, (Conv, Gemm, Add, AveragePool)):
        most = MOST_FRACTION if isinstance(node, (Conv, Gemm)) else 0
        if not 0 <= node.fraction <= most:
            raise RefusedInput(
                f"Fraction of node {node.name} must be from 0 to {most} bits, not {node.fraction}"
            )
        for output, edge in zip(node.outputs, results, strict=True):
            _check_requant(node, output, edge)
    elif isinstance(node, Table):
        _check_tables(node, inputs[0], results)
    elif isinstance(node, (MaxPool, Concat, Pad, Slice, Reshape, Transpose)):
        _check_wiring(node, inputs, results[0])
    else:
        raise RefusedInput(f"Node {node.name} must be of a known kind, not {type(node).__name__}")


def _check_weights(node: Conv | Gemm, source: Edge) -> None:
    levels_of(node.weight_format, node.weights)
    if node.bias.shape != node.weights.shape[:1]:
        raise RefusedInput(
            f"Node {node.name} must have {len(node.weights)} biases, not {node.bias.size}"
        )
    if isinstance(node, Conv) and not source.has_zero and any(map(any, node.pads)):
        raise RefusedInput(
            f"Node {node.name} must have no padding with {source.format} activations, which have "
            f"no zero, not {node.pads}; take ternary or another format"
        )


def _check_scales(node: Add | AveragePool, inputs: list[Edge]) -> None:
    for edge in inputs:
        if edge.zero:
            raise RefusedInput(f"Node {node.name} must read edges of zero 0, not {edge.zero}")
        if edge.scale != inputs[0].scale:
            raise RefusedInput(
                f"Node {node.name} must read edges in one scale, not {inputs[0].scale} "
                f"and {edge.scale}"
            )


def _check_requant(node: Node, output: Requant, edge: Edge) -> None:
    channels = edge.shape[0]
    if output.multiplier.shape not in ((channels,), (1,)):
        raise RefusedInput(
            f"Requantiser {edge.name} of node {node.name} must have {channels} multipliers or one, "
            f"not {output.multiplier.size}"
        )
    largest, least = output.multiplier.max(), output.multiplier.min()
    if least < 0 or largest > LARGEST_MULTIPLIER:
        raise RefusedInput(
            f"Multipliers of {edge.name} must be from 0 to {LARGEST_MULTIPLIER}, not from {least} "
            f"to {largest}"
        )
    if not 0 <= output.shift <= LARGEST_SHIFT:
        raise RefusedInput(
            f"Shift of {edge.name} must be from 0 to {LARGEST_SHIFT}, not {output.shift}"
        )
    ends = edge.levels(edge.codes([output.low, output.high])).tolist()
    if not (
        edge.low <= output.low <= output.high <= edge.high and ends == [output.low, output.high]
    ):
        raise RefusedInput(
            f"Bounds of {edge.name} must be ordered levels from {edge.low} to {edge.high}, not "
            f"{output.low} and {output.high}"
        )


def _check_tables(node: Table, source: Edge, results: list[Edge]) -> None:
    if isinstance(source.format, FloatFormat):
        raise RefusedInput(f"Node {node.name} must look integers up, not {source.format}")
    for output, edge in zip(node.outputs, results, strict=True):
        shape = (1, source.shape[0]), 1 << source.format.width
        if output.codes.ndim != 2 or (
            output.codes.shape[0] not in shape[0] or output.codes.shape[1] != shape[1]
        ):
            raise RefusedInput(
                f"Table {edge.name} of node {node.name} must be 1 or {shape[0][1]} rows of "
                f"{shape[1]} codes, not of shape {output.codes.shape}"
            )
        edge.levels(output.codes)


def _check_wiring(node: Node, inputs: list[Edge], result: Edge) -> None:
    for edge in inputs:
        if (edge.format, edge.scale, edge.zero) != (result.format, result.scale, result.zero):
            raise RefusedInput(
                f"Node {node.name} ({node.kind}) must give codes as it reads them, not {edge.name} "
                f"and {result.name} of other format, scale or zero"
            )
    if isinstance(node, Reshape) and inputs[0].size != result.size:
        raise RefusedInput(
            f"Node {node.name} must keep its {inputs[0].size} codes, not make {result.size}"
        )
    if isinstance(node, Pad) and not np.isin(
        node.level, (result.levels(result.codes([node.level])))
    ):
        raise RefusedInput(f"Node {node.name} must pad with a level of {result.format}")
