"""A model brought into one form: constants as initializers, batch normalisation folded."""

from collections import Counter

import numpy as np
import onnx
from onnx import helper

from macwright.dse.csv_file import trimmed
from macwright.dse.workload.constants import Constants
from macwright.dse.workload.mac_operators import MAC_OPERATORS
from macwright.dse.workload.nodes import attribute

__all__ = ["normalise"]


def normalise(model: onnx.ModelProto, constants: Constants) -> onnx.ModelProto:
    """Return a model that computes the same with fewer kinds of nodes.

    Identity and inference-mode Dropout go; batch normalisation is folded into the convolution or
    Gemm before it, if the model does not prescribe a format of the weights; Gemm has neither
    ``alpha`` nor ``beta``; nodes have unique names; each layer has weights of its own.

    Parameters
    ----------
    model : onnx.ModelProto
        Model without initializers; its nodes are changed.
    constants : Constants
        Values of its constants; changed, too.
    """
    nodes: list[onnx.NodeProto] = []
    renamed: dict[str, str] = {}
    results = {value.name for value in model.graph.output}
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = renamed.get(name, name)
        if node.op_type in ("Identity", "Dropout") and node.output[0] not in results:
            renamed[node.output[0]] = node.input[0]
        else:
            nodes.append(node)
    _name(nodes)
    _own_weights(nodes, constants)
    nodes = _fold_batch_norm(nodes, constants, results)
    for node in nodes:
        if node.op_type == "Gemm":
            _plain_gemm(node, constants)
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        model.graph.name or "network",
        list(model.graph.input),
        list(model.graph.output),
        constants.initializers(used),
    )
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


def _name(nodes: list[onnx.NodeProto]) -> None:
    taken: set[str] = set()
    for index, node in enumerate(nodes):
        base = trimmed(node.name) or f"{node.op_type}_{index}"
        name, extra = base, 1
        while name in taken:
            name, extra = f"{base}_{extra}", extra + 1
        taken.add(name)
        node.name = name


def _own_weights(nodes: list[onnx.NodeProto], constants: Constants) -> None:
    uses = Counter(name for node in nodes for name in node.input)
    for node in nodes:
        if node.op_type not in MAC_OPERATORS:
            continue
        for i in range(1, len(node.input)):
            name = node.input[i]
            if name in constants.values and uses[name] > 1:
                node.input[i] = f"{node.name}::own::{name}"
                constants.copy(name, node.input[i])
                if i == 1:
                    constants.shared[name] = constants.shared.get(name, 0) + 1


def _fold_batch_norm(
    nodes: list[onnx.NodeProto], constants: Constants, results: set[str]
) -> list[onnx.NodeProto]:
    values = constants.values
    producer = {node.output[0]: node for node in nodes}
    uses = Counter(name for node in nodes for name in node.input)
    rest = []
    for node in nodes:
        before = producer.get(node.input[0]) if node.op_type == "BatchNormalization" else None
        if (
            before is None
            or before.op_type not in MAC_OPERATORS
            or not MAC_OPERATORS[before.op_type].takes_bias
            or before.input[1] not in values
            or before.input[1] in constants.formats
            or any(name not in values for name in [*before.input[2:], *node.input[1:]])
            or uses[before.output[0]] > 1
            or before.output[0] in results
        ):
            rest.append(node)
            continue
        if before.op_type == "Gemm":
            _plain_gemm(before, constants)
        gain, shift, mean, variance = (values[name].astype(np.float64) for name in node.input[1:5])
        gain = gain / np.sqrt(variance + float(attribute(node, "epsilon", 1e-5)))
        weight = values[before.input[1]]
        bias = values[before.input[2]] if len(before.input) > 2 else np.zeros(len(gain))
        factor = MAC_OPERATORS[before.op_type].along_outputs(before, gain, weight.shape)
        name = f"{before.name}::bias"
        values[before.input[1]] = (weight * factor).astype(weight.dtype)
        values[name] = ((bias - mean) * gain + shift).astype(weight.dtype)
        del before.input[2:]
        before.input.append(name)
        before.output[0] = node.output[0]
        producer[node.output[0]] = before
    return rest


def _plain_gemm(node: onnx.NodeProto, constants: Constants) -> None:
    """Move ``alpha`` and ``beta`` into the constants, where they are constants."""
    for name, index in (("alpha", 1), ("beta", 2)):
        factor = float(attribute(node, name, 1.0))
        if factor != 1 and len(node.input) > index and node.input[index] in constants.values:
            constants.multiply(node.input[index], factor)
            others = [item for item in node.attribute if item.name != name]
            del node.attribute[:]
            node.attribute.extend(others)
