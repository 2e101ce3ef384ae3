"""A model brought into one form: constants as initializers, batch normalisation folded."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

__all__ = ["attribute", "normalise"]

#: Operators whose second operand holds the weights.
MAC_OPS = ("Conv", "Gemm", "MatMul")


def normalise(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    """Return a copy that computes the same with fewer kinds of nodes.

    Constants become initializers; Identity and inference-mode Dropout go; batch normalisation is
    folded into the convolution or Gemm before it; Gemm has neither ``alpha`` nor ``beta``; nodes
    have unique names; each layer has weights of its own.

    Raises
    ------
    ValueError
        If a layer's weights are its first operand.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    renamed: dict[str, str] = {}
    results = {value.name for value in graph.output}
    for node in graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = renamed.get(name, name)
        if node.op_type == "Constant":
            constants[node.output[0]] = _constant(node)
        elif node.op_type in ("Identity", "Dropout") and node.output[0] not in results:
            renamed[node.output[0]] = node.input[0]
        else:
            nodes.append(node)
    _name(nodes)
    _own_weights(nodes, constants, path)
    nodes = _fold_batch_norm(nodes, constants, results)
    for node in nodes:
        if node.op_type == "Gemm":
            _plain_gemm(node, constants)
    used = {name for node in nodes for name in node.input}
    inputs = [value for value in graph.input if value.name not in constants]
    del graph.node[:], graph.initializer[:], graph.input[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.input.extend(inputs)
    graph.initializer.extend(
        numpy_helper.from_array(np.ascontiguousarray(value), name)
        for name, value in constants.items()
        if name in used
    )
    return copy


def attribute(node: onnx.NodeProto, name: str, default: object = None) -> object:
    """Value of a node's attribute, or the default."""
    for item in node.attribute:
        if item.name == name:
            return helper.get_attribute_value(item)
    return default


def _constant(node: onnx.NodeProto) -> np.ndarray:
    item = node.attribute[0]
    value = helper.get_attribute_value(item)
    if item.name == "value":
        return numpy_helper.to_array(value)
    return np.asarray(value, np.float32 if item.name.startswith("value_float") else np.int64)


def _name(nodes: list[onnx.NodeProto]) -> None:
    taken: set[str] = set()
    for index, node in enumerate(nodes):
        base = node.name or f"{node.op_type}_{index}"
        name, extra = base, 1
        while name in taken:
            name, extra = f"{base}_{extra}", extra + 1
        taken.add(name)
        node.name = name


def _own_weights(nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], path: Path) -> None:
    uses = Counter(name for node in nodes for name in node.input)
    for node in nodes:
        if node.op_type not in MAC_OPS:
            continue
        if node.input[0] in constants:
            raise ValueError(
                f"Node {node.name} of {path.name} must have its weights as the second operand, "
                "not the first; transpose the product when exporting"
            )
        for i in range(1, len(node.input)):
            name = node.input[i]
            if name in constants and uses[name] > 1:
                node.input[i] = f"{node.name}::{name}"
                constants[node.input[i]] = constants[name]


def _fold_batch_norm(
    nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], results: set[str]
) -> list[onnx.NodeProto]:
    producer = {node.output[0]: node for node in nodes}
    uses = Counter(name for node in nodes for name in node.input)
    kept = []
    for node in nodes:
        before = producer.get(node.input[0]) if node.op_type == "BatchNormalization" else None
        if (
            before is None
            or before.op_type not in ("Conv", "Gemm")
            or before.input[1] not in constants
            or any(name not in constants for name in [*before.input[2:], *node.input[1:]])
            or uses[before.output[0]] > 1
            or before.output[0] in results
        ):
            kept.append(node)
            continue
        if before.op_type == "Gemm":
            _plain_gemm(before, constants)
        gain, shift, mean, variance = (
            constants[name].astype(np.float64) for name in node.input[1:5]
        )
        gain = gain / np.sqrt(variance + float(attribute(node, "epsilon", 1e-5)))  # type: ignore
        weight = constants[before.input[1]]
        bias = constants[before.input[2]] if len(before.input) > 2 else np.zeros(len(gain))
        along = 0 if before.op_type == "Conv" or attribute(before, "transB", 0) else 1
        shape = [1] * weight.ndim
        shape[along] = -1
        name = f"{before.name}::bias"
        constants[before.input[1]] = (weight * gain.reshape(shape)).astype(weight.dtype)
        constants[name] = ((bias - mean) * gain + shift).astype(weight.dtype)
        del before.input[2:]
        before.input.append(name)
        before.output[0] = node.output[0]
        producer[node.output[0]] = before
    return kept


def _plain_gemm(node: onnx.NodeProto, constants: dict[str, np.ndarray]) -> None:
    """Move ``alpha`` and ``beta`` into the constants, where they are constants."""
    for name, index in (("alpha", 1), ("beta", 2)):
        factor = float(attribute(node, name, 1.0))  # type: ignore[arg-type]
        if factor != 1 and len(node.input) > index and node.input[index] in constants:
            values = constants[node.input[index]]
            constants[node.input[index]] = (values * factor).astype(values.dtype)
            kept = [item for item in node.attribute if item.name != name]
            del node.attribute[:]
            node.attribute.extend(kept)
