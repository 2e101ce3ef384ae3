"""Quantisers put into a network, in the operators of one tool or another."""

from collections.abc import Iterable
from typing import Protocol

import numpy as np
import onnx
from onnx import numpy_helper

from macwright.dse.export.weights import WeightTensor, weight_tensor
from macwright.dse.quantizer.activation import Operand
from macwright.dse.quantizer.plan import LayerPlan
from macwright.dse.workload.onnx_builder import Chain
from macwright.hw.errors import RefusedInput
from macwright.hw.formats import BlockFormat, Format

__all__ = ["Dialect", "refusal", "rewrite", "serialised", "without_unused"]

#: Bytes that a message of protobuf may have.
LARGEST_FILE = (1 << 31) - 1


class Dialect(Protocol):
    """How a tool writes quantisers; each adds nodes to a chain, whose last tensor is real."""

    def activation(self, chain: Chain, operand: Operand, where: str) -> None:
        """Round the tensor of the chain, fixed scale and zero point and no blocks."""
        ...

    def weight(self, chain: Chain, weights: WeightTensor, where: str) -> None:
        """Add weights, which are constants."""
        ...


def refusal(where: str, allowed: str, fmt: Format | str) -> RefusedInput:
    """Error that says which formats a kind of file can hold."""
    return RefusedInput(
        f"{where} must be in {allowed} for this kind of file, not in {fmt}; choose another kind "
        "or point"
    )


def rewrite(graph: onnx.GraphProto, plans: Iterable[LayerPlan], dialect: Dialect) -> None:
    """Put the quantisers of all planned layers into the float network that they are of."""
    for plan in plans:
        _rewrite_layer(graph, plan, dialect)


def _rewrite_layer(graph: onnx.GraphProto, plan: LayerPlan, dialect: Dialect) -> None:
    layer = plan.layer
    index = next(i for i, node in enumerate(graph.node) if node.name == layer.name)
    node, before, after = onnx.NodeProto(), [], []
    node.CopyFrom(graph.node[index])
    chains = [_activation(layer.act, plan.act, f"{layer.name}::act", dialect, plan)]
    node.input[0] = chains[0].tensor
    if plan.second is not None:
        chains.append(
            _activation(layer.weight, plan.second, f"{layer.name}::weight", dialect, plan)
        )
    else:
        chains.append(Chain("", f"{layer.name}::weight"))
        dialect.weight(chains[1], weight_tensor(plan), f"Weights of layer {layer.name}")
        assert plan.bias is not None
        bias = numpy_helper.from_array(plan.bias, f"{layer.name}::biases")
        if layer.operator.takes_bias:
            del node.input[2:]
            node.input.append(bias.name)
            graph.initializer.append(bias)
        elif plan.bias.any():
            node.output[0] = f"{layer.name}::sum"
            name = f"{layer.name}::end"
            inputs = [node.output[0], bias.name]
            after = [onnx.helper.make_node("Add", inputs, [layer.out], name=name)]
            graph.initializer.append(bias)
    node.input[1] = chains[1].tensor
    for chain in chains:
        before += chain.nodes
        graph.initializer.extend(chain.constants)
    rest = list(graph.node[index + 1 :])
    del graph.node[index:]
    graph.node.extend([*before, node, *after, *rest])


def _activation(
    tensor: str, operand: Operand, prefix: str, dialect: Dialect, plan: LayerPlan
) -> Chain:
    chain, where = Chain(tensor, prefix), f"Activations of layer {plan.layer.name}"
    if operand.dynamic:
        raise refusal(where, "a format with a fixed scale", f"{operand.format} of dynamic scales")
    if isinstance(operand.format, BlockFormat):
        raise refusal(where, "a format without blocks", operand.format)
    if operand.rotation > 1:
        what = f"{operand.format} behind a Hadamard transform of {operand.rotation} channels"
        raise refusal(where, "a format without a transform before it", what)
    if operand.channels is not None:
        along = (1 / operand.channels).reshape(-1, *[1] * (-1 - operand.axis))
        chain.node("Mul", [tensor, chain.constant(along.astype(np.float32))])
    dialect.activation(chain, operand, where)
    return chain


def without_unused(model: onnx.ModelProto) -> None:
    """Remove initializers that no node reads, and types of tensors, some of which are gone."""
    used = {name for node in model.graph.node for name in node.input}
    used |= {value.name for value in model.graph.output}
    rest = [item for item in model.graph.initializer if item.name in used]
    del model.graph.initializer[:], model.graph.value_info[:]
    model.graph.initializer.extend(rest)


def serialised(model: onnx.ModelProto, network: onnx.ModelProto) -> bytes:
    """Bytes of a model's file, the same for equal models.

    What the float network has not is renamed: names with two colons are those that macwright gives,
    and would give again to a network that is read from this file.

    Raises
    ------
    RefusedInput
        If it is too large for a file.
    """
    _rename(model.graph, _names(network.graph))
    model.producer_name = "macwright"
    size = model.ByteSize()
    if size > LARGEST_FILE:
        raise RefusedInput(f"Network must have at most 2 GiB to be an ONNX file, not {size} bytes")
    return model.SerializeToString(deterministic=True)


def _names(graph: onnx.GraphProto) -> set[str]:
    """Names of nodes and tensors."""
    names = {item.name for item in (*graph.initializer, *graph.input, *graph.output)}
    for node in graph.node:
        names.update((node.name, *node.input, *node.output))
    return names


def _rename(graph: onnx.GraphProto, old: set[str]) -> None:
    used = _names(graph)
    names: dict[str, str] = {}
    for name in sorted(used - old):
        fresh = name.replace("::", ".")
        while fresh != name and fresh in used:
            fresh += "_"
        used.add(fresh)
        names[name] = fresh
    for item in graph.initializer:
        item.name = names.get(item.name, item.name)
    for node in graph.node:
        node.name = names.get(node.name, node.name)
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
