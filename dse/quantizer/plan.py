"""What quantising one layer fixes, and the network that computes with it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from macwright.dse.quantizer.activation import Operand
from macwright.dse.quantizer.grid import Grid
from macwright.dse.workload.layer import Layer, Workload
from macwright.hw.formats import Format

__all__ = ["LayerPlan", "apply_plan", "quantised_model"]


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerPlan:
    """One layer in formats.

    Parameters
    ----------
    layer : Layer
        The layer.
    act : Operand
        First operand.
    second : Operand or None
        Second operand, if it is computed too.
    weight_format : Format
        Format of the second operand.
    weight_scale : ndarray of float32, shape (n_rows,) or (n_rows, k), or None
        Value of one unit of the weights of each output channel, or of each weight.
    weight : ndarray of float32, shape of the weights, or None
        Rounded weights, scales included, for activations that `Operand.prepared` gives.
    bias : ndarray of float32, shape (n_rows,), or None
        Biases.
    """

    layer: Layer
    act: Operand
    second: Operand | None = None
    weight_format: Format
    weight_scale: NDArray[np.float32] | None = None
    weight: NDArray[np.float32] | None = None
    bias: NDArray[np.float32] | None = None

    @classmethod
    def of_weights(
        cls,
        layer: Layer,
        act: Operand,
        weight: NDArray[np.float32],
        bias: NDArray[np.floating],
        *,
        grid: Grid,
        fmt: Format,
    ) -> "LayerPlan":
        """Plan of a layer whose weights are on a grid, in a format."""
        return cls(
            layer=layer,
            act=act,
            weight_format=fmt,
            weight_scale=grid.scale[:, 0] if grid.scale.shape[1] == 1 else grid.scale,
            weight=weight,
            bias=bias.astype(np.float32),
        )


def apply_plan(
    graph: onnx.GraphProto, plan: LayerPlan, shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """Replace a layer's node by one that computes in formats."""
    layer = plan.layer
    index = next(i for i, node in enumerate(graph.node) if node.name == layer.name)
    node = onnx.NodeProto()
    node.CopyFrom(graph.node[index])
    nodes, constants, act = plan.act.nodes(layer.act, shapes[layer.act], f"{layer.name}::act")
    node.input[0] = act
    tail = []
    if plan.second is not None:
        second, more, node.input[1] = plan.second.nodes(
            layer.weight, shapes[layer.weight], f"{layer.name}::weight"
        )
        nodes, constants = nodes + second, constants + more
        unit = np.asarray(plan.act.unit * plan.second.unit, np.float32)
        constants.append(numpy_helper.from_array(unit, f"{layer.name}::unit"))
        node.output[0] = f"{layer.name}::sum"
        tail.append(("Mul", [node.output[0], f"{layer.name}::unit"]))
    else:
        assert plan.weight is not None
        assert plan.bias is not None
        # The activations stay in units of their format: their scale is in the weights.
        scaled = plan.weight * np.float32(plan.act.unit)
        node.input[1] = f"{layer.name}::weights"
        constants.append(numpy_helper.from_array(scaled, node.input[1]))
        constants.append(numpy_helper.from_array(plan.bias, f"{layer.name}::biases"))
        if not layer.operator.takes_bias:
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
        apply_plan(model.graph, plan, workload.shapes)
    used = {name for node in model.graph.node for name in node.input}
    initializers = [item for item in model.graph.initializer if item.name in used]
    del model.graph.initializer[:], model.graph.value_info[:]
    model.graph.initializer.extend(initializers)
    return model
