"""MAC layers of a model and the sizes of their matrix products."""

import math

import onnx

from macwright.dse.workload.constants import Constants
from macwright.dse.workload.layer import Layer
from macwright.dse.workload.mac_operators import MAC_OPERATORS
from macwright.dse.workload.nodes import attributes
from macwright.dse.workload.probe import Probe
from macwright.hw.errors import RefusedInput

__all__ = ["find_layers"]


def find_layers(
    model: onnx.ModelProto, probe: Probe, constants: Constants, non_negative: set[str]
) -> list[Layer]:
    """Describe each MAC operator, for one sample.

    Parameters
    ----------
    model : onnx.ModelProto
        From `normalise`.
    probe : Probe
        Shapes of its tensors.
    constants : Constants
        Its constants.
    non_negative : set of str
        Tensors that are never negative.

    Raises
    ------
    ValueError
        If an operator is of a form that has no such description.
    """
    names = {item.name for item in model.graph.initializer}
    layers = []
    for node in model.graph.node:
        operator = MAC_OPERATORS.get(node.op_type)
        if operator is None:
            continue
        act, weight, out = node.input[0], node.input[1], node.output[0]
        dynamic = weight not in names
        if problem := operator.problem(node, dynamic=dynamic):
            raise RefusedInput(f"Node {node.name} must be {problem}")
        shapes = probe.shapes
        m, k, n, groups = operator.sizes(node, shapes)
        m, groups = _of_one_sample(probe, dynamic, m, groups)
        layers.append(
            Layer(
                name=node.name,
                op=node.op_type,
                act=act,
                weight=weight,
                out=out,
                m=m,
                k=k,
                n=n,
                groups=groups,
                weights=0 if dynamic else _share(constants, weight, math.prod(shapes[weight])),
                activations=math.prod(shapes[act]) // probe.samples,
                outputs=math.prod(shapes[out]) // probe.samples,
                act_signed=act not in non_negative,
                weight_signed=not dynamic or weight not in non_negative,
                dynamic=dynamic,
                attributes=operator.attributes(node, shapes) | attributes(node),
            )
        )
    return layers


def _share(constants: Constants, name: str, size: int) -> int:
    """Weights of one of several copies, which together are one tensor in memory."""
    index, count = constants.copies.get(name, (0, 1))
    return size // count + (index < size % count)


def _of_one_sample(probe: Probe, dynamic: bool, m: int, groups: int) -> tuple[int, int]:
    """Rows and groups of one sample of those that a run holds."""
    if dynamic and groups % probe.samples == 0:
        return m, groups // probe.samples
    return m // probe.samples, groups
