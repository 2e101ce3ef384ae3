"""Functions of one value, such as HardSwish: parts of a graph that become tables."""

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import numpy_helper

from macwright.dse.quantizer.subgraph import cut
from macwright.dse.workload.layer import Workload
from macwright.dse.workload.session import session

__all__ = ["argument", "function_values"]

#: Operators that give each value from the values at its place.
_ELEMENTWISE = {
    "Abs", "Add", "Ceil", "Celu", "Clip", "Div", "Elu", "Erf", "Exp", "Floor", "Gelu",
    "HardSigmoid", "HardSwish", "LeakyRelu", "Log", "Max", "Min", "Mish", "Mul", "Neg", "Pow",
    "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign", "Softplus", "Softsign", "Sqrt", "Sub",
    "Tanh", "ThresholdedRelu",
}  # fmt: skip


def argument(workload: Workload, producer: Mapping[str, onnx.NodeProto], tensor: str) -> str | None:
    """Tensor of which another is a function, value by value; None if there is none.

    The nearest such tensor that is not itself one of them is taken; ReLU and Clip are left out
    where they are first, as they need no table.

    Parameters
    ----------
    workload : Workload
        The network.
    producer : mapping
        Node that computes each tensor.
    tensor : str
        What is a function.
    """
    scalars = {
        item.name
        for item in workload.model.graph.initializer
        if numpy_helper.to_array(item).size == 1
    }
    order = {node.output[0]: i for i, node in enumerate(workload.model.graph.node)}
    frontier, result = {tensor}, None
    while True:
        latest = max(frontier, key=lambda name: order.get(name, -1))
        node = producer.get(latest)
        if node is None or node.op_type not in _ELEMENTWISE:
            return result
        if result == latest and node.op_type in ("Relu", "Clip"):
            return result
        frontier = (frontier - {latest}) | {
            name for name in node.input if name and name not in scalars
        }
        if len(frontier) == 1 and next(iter(frontier)) in workload.dtypes:
            (result,) = frontier
        if any(name not in workload.dtypes for name in frontier):
            return result


def function_values(
    workload: Workload, argument: str, tensor: str, numbers: np.ndarray
) -> np.ndarray:
    """Values of a tensor for values of its argument, shape (n,), float64."""
    shape = workload.shapes[argument]
    size = int(np.prod(shape[1:]))
    rows = -(-len(numbers) // size)
    rows += -rows % shape[0] if workload.fixed_batch else 0
    padded = np.resize(numbers.astype(np.float32), (rows, *shape[1:]))
    model = session(cut(workload, [argument], [tensor]))
    step = shape[0] if workload.fixed_batch else rows
    parts = [
        np.asarray(model.run(None, {argument: padded[i : i + step]})[0])
        for i in range(0, rows, step)
    ]
    return np.concatenate(parts).reshape(-1)[: len(numbers)].astype(np.float64)
