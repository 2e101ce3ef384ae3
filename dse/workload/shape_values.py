"""Tensors that no data decide, but shapes do: constants, unless they grow with the batch."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from macwright.dse.workload.feeds import Feeds
from macwright.dse.workload.nodes import SIZES, captured, decided_by_data, needed_for
from macwright.dse.workload.operators import OPERATORS
from macwright.dse.workload.samples import Samples
from macwright.dse.workload.session import run_error, session
from macwright.hw.errors import RefusedInput

__all__ = ["with_shape_values"]

#: Domains of operators that onnxruntime has.
_RUN = ("", "ai.onnx", "com.microsoft")
#: Ends of the names of new constants, and of what a run of one sample makes of them.
_VALUE, _ALONE = "::value", "::alone"
_Values = Mapping[str, NDArray]


def with_shape_values(
    model: onnx.ModelProto, path: Path, dataset: Samples | None
) -> onnx.ModelProto:
    """Model in which what Shape and Size say of sizes other than the batch is constant.

    It is seen by running two samples, each alone and both at once. Where weights are repeated for
    each sample of a run (Expand to the shape of the input, as torch.bmm needs it), MatMul gets them
    once and broadcasts, if the other operand has the samples along that axis.

    Returns
    -------
    onnx.ModelProto
        The one given if there is no such tensor, or it does not run.
    """
    graph = model.graph
    steady = {item.name for item in graph.initializer}
    inputs = [value for value in graph.input if value.name not in steady]
    by_data = decided_by_data(graph, {value.name for value in inputs})
    driven = _driven(graph, by_data)
    if not driven:
        return model
    products = [x for x in graph.node if x.op_type == "MatMul" and driven & {*x.input}]
    wanted = driven | {name for node in products for name in node.input}
    runs = _runs(model, inputs, wanted - steady, path, dataset)
    if not runs:
        return model
    nodes: list[onnx.NodeProto] = []
    values: dict[str, NDArray] = {}
    renamed: dict[str, str] = {}
    for node in graph.node:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        for i, name in enumerate(copy.input):
            copy.input[i] = renamed.get(name, name)
        if node.op_type == "MatMul":
            nodes += _once(copy, nodes, driven, runs, values)
        nodes.append(copy)
        if node.op_type not in SIZES and steady.issuperset(filter(None, copy.input)):
            steady.update(copy.output)
            continue
        for name in driven.intersection(node.output):
            if all(np.array_equal(run[name], runs[0][name]) for run in runs):
                renamed[name] = name + _VALUE
                values[name + _VALUE] = runs[0][name]
                steady.add(name + _VALUE)
    tensors = [numpy_helper.from_array(np.asarray(x), name) for name, x in values.items()]
    result = helper.make_graph(
        nodes, graph.name, inputs, graph.output, [*graph.initializer, *tensors]
    )
    return helper.make_model(result, opset_imports=model.opset_import, ir_version=model.ir_version)


def _driven(graph: onnx.GraphProto, by_data: set[str]) -> set[str]:
    """Tensors that shapes decide, and no data and no chance."""
    names: set[str] = set()
    chance: set[str] = set()
    for node in graph.node:
        operator = OPERATORS.get(node.op_type)
        read = {*node.input, *captured(node)}
        if read & chance or (operator is not None and operator.random):
            chance.update(node.output)
        elif node.op_type in SIZES or (read & names and not read & by_data):
            names.update(name for name in node.output if name)
    return names


def _runs(
    model: onnx.ModelProto,
    inputs: Sequence[onnx.ValueInfoProto],
    wanted: set[str],
    path: Path,
    dataset: Samples | None,
) -> list[_Values]:
    """Tensors for two samples, each alone, and for both at once if that runs; none if none does."""
    nodes = needed_for(model.graph, wanted)
    if any(node.domain not in _RUN for node in nodes):
        return []
    names = [name for node in nodes for name in node.output if name in wanted]
    plain = helper.make_model(
        helper.make_graph(nodes, "g", inputs, [], model.graph.initializer),
        opset_imports=model.opset_import,
        ir_version=model.ir_version,
    )
    feeds = Feeds(plain, path, dataset)
    samples = [feeds.sample(0)]
    if not feeds.batch:
        samples += [feeds.sample(1), feeds.both()]
    runs: list[_Values] = []
    try:
        running = session(plain, outputs=names, optimise=False)
        for sample in samples:
            results = running.run(names, sample)
            if not all(isinstance(item, np.ndarray | np.generic) for item in results):
                return []
            runs.append({**sample, **dict(zip(names, map(np.asarray, results), strict=True))})
    except (RefusedInput, *run_error()):
        return runs if len(runs) == 2 else []
    return runs


def _once(
    node: onnx.NodeProto,
    before: Sequence[onnx.NodeProto],
    driven: set[str],
    runs: Sequence[_Values],
    values: dict[str, NDArray],
) -> list[onnx.NodeProto]:
    """Let a product read weights once that a run repeats for each sample; nodes that this needs."""
    for i, name in enumerate(node.input):
        other = node.input[1 - i]
        if name in driven and len(runs) == 3 and _repeated(name, other, runs):
            graph = helper.make_graph(before, "g", [], [])
            present = {x for item in before for x in item.output}
            parts = []
            for part in needed_for(graph, {name}):
                if present.issuperset(x + _ALONE for x in part.output if x):
                    continue
                if part.op_type in SIZES:
                    values |= {x + _ALONE: runs[0][x] for x in part.output}
                    continue
                for tensors in (part.input, part.output):
                    for j, x in enumerate(tensors):
                        tensors[j] = x + _ALONE if x in driven else x
                part.name = f"{part.name}{_ALONE}" if part.name else ""
                parts.append(part)
            node.input[i] = name + _ALONE
            return parts
    return []


def _repeated(name: str, other: str, runs: Sequence[_Values]) -> bool:
    """Whether a tensor is there once for each sample, along the axis of the other's samples."""
    alone, both = runs[0][name], runs[2][name]
    if alone.ndim != both.ndim or other not in runs[0]:
        return False
    grown = [i - alone.ndim for i in range(alone.ndim) if alone.shape[i] != both.shape[i]]
    if len(grown) != 1 or alone.shape[grown[0]] != 1 or grown[0] > -3:
        return False
    (axis,) = grown
    first, second = runs[0][other].shape, runs[2][other].shape
    return (
        len(first) >= -axis
        and (first[axis], second[axis]) == (1, 2)
        and np.array_equal(both, np.repeat(alone, 2, axis))
    )
