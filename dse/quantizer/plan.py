"""What quantising one layer fixes, and the network that computes with it."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from macwright.dse.quantizer.fake import rounding_nodes
from macwright.dse.workload.layer import Layer, Workload
from macwright.hw.formats import Format

__all__ = ["LayerPlan", "apply_plan", "quantised_model"]


@dataclass(frozen=True, kw_only=True)
class LayerPlan:
    """One layer in formats.

    Parameters
    ----------
    layer : Layer
        The layer.
    weight_format, act_format : Format
        Formats of the two operands.
    act_scale : float
        Value of one unit of the activations.
    weight_scale : ndarray of float32, shape (n_rows,)
        Value of one unit of the weights of each output channel; of the second operand, shape
        (1,), if the layer is dynamic.
    weight : ndarray of float32, shape of the weights, or None
        Rounded weights, scales included; None if the layer is dynamic.
    bias : ndarray of float32, shape (n_rows,), or None
        Biases; None if the layer is dynamic.
    """

    layer: Layer
    weight_format: Format
    act_format: Format
    act_scale: float
    weight_scale: NDArray[np.float32]
    weight: NDArray[np.float32] | None
    bias: NDArray[np.float32] | None


def apply_plan(graph: onnx.GraphProto, plan: LayerPlan) -> None:
    """Replace a layer's node by one that computes in formats."""
    layer = plan.layer
    index = next(i for i, node in enumerate(graph.node) if node.name == layer.name)
    node = onnx.NodeProto()
    node.CopyFrom(graph.node[index])
    nodes, constants, act = rounding_nodes(
        plan.act_format, layer.act, plan.act_scale, f"{layer.name}::act"
    )
    node.input[0] = act
    tail = []
    if plan.weight is None or plan.bias is None:
        second, more, node.input[1] = rounding_nodes(
            plan.weight_format, layer.weight, float(plan.weight_scale[0]), f"{layer.name}::weight"
        )
        nodes, constants = nodes + second, constants + more
        unit = np.float32(plan.act_scale) * plan.weight_scale[0]
        constants.append(numpy_helper.from_array(np.asarray(unit), f"{layer.name}::unit"))
        node.output[0] = f"{layer.name}::sum"
        tail.append(("Mul", [node.output[0], f"{layer.name}::unit"]))
    else:
        # The activations stay in units of their format: their scale is in the weights.
        scaled = plan.weight * np.float32(plan.act_scale)
        node.input[1] = f"{layer.name}::weights"
        constants.append(numpy_helper.from_array(scaled, node.input[1]))
        constants.append(numpy_helper.from_array(plan.bias, f"{layer.name}::biases"))
        if layer.op == "MatMul":
            node.output[0] = f"{layer.name}::sum"
            tail.append(("Add", [node.output[0], f"{layer.name}::biases"]))
        else:
            del node.input[2:]
            node.input.append(f"{layer.name}::biases")
    nodes.append(node)
    nodes += [
        helper.make_node(op, inputs, [layer.out], name=f"{layer.name}::end") for op, inputs in tail
    ]
    after = list(graph.node[index + 1 :])
    del graph.node[index:]
    graph.node.extend([*nodes, *after])
    graph.initializer.extend(constants)


def quantised_model(workload: Workload, plans: Iterable[LayerPlan]) -> onnx.ModelProto:
    """Model with all the planned layers in their formats."""
    model = onnx.ModelProto()
    model.CopyFrom(workload.model)
    for plan in plans:
        apply_plan(model.graph, plan)
    used = {name for node in model.graph.node for name in node.input}
    kept = [item for item in model.graph.initializer if item.name in used]
    del model.graph.initializer[:], model.graph.value_info[:]
    model.graph.initializer.extend(kept)
    return model
