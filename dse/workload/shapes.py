"""MAC layers of a model and the sizes of their matrix products."""

import math
from collections import Counter
from collections.abc import Iterable

import onnx

from macwright.dse.workload.constants import Constants
from macwright.dse.workload.layer import Layer
from macwright.dse.workload.mac_operators import MAC_OPERATORS
from macwright.dse.workload.nodes import attributes, decided_by_data
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
    by_data = decided_by_data(model.graph, {value.name for value in model.graph.input} - names)
    shares = _Shares(constants, [node.input[1] for node in model.graph.node if len(node.input) > 1])
    layers = []
    for node in model.graph.node:
        operator = MAC_OPERATORS.get(node.op_type)
        if operator is None:
            continue
        act, weight, out = node.input[0], node.input[1], node.output[0]
        dynamic = weight not in names
        if problem := operator.problem(node, dynamic=dynamic):
            raise RefusedInput(f"Node {node.name} must be {problem}")
        for name in (act, weight):
            if dynamic and name not in by_data:
                raise RefusedInput(
                    f"Node {node.name} must multiply by data, or by weights that are the same for "
                    f"any number of samples, not by {name!r}, which that number decides; export "
                    "the model with a batch of 1"
                )
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
                weights=0 if dynamic else shares.next(weight, math.prod(shapes[weight])),
                activations=math.prod(shapes[act]) // probe.samples,
                outputs=math.prod(shapes[out]) // probe.samples,
                act_signed=act not in non_negative,
                weight_signed=not dynamic or weight not in non_negative,
                dynamic=dynamic,
                attributes=operator.attributes(node, shapes) | attributes(node),
            )
        )
    return layers


class _Shares:
    """Weights of copies, which together are one tensor in memory."""

    def __init__(self, constants: Constants, used: Iterable[str]) -> None:
        self._copies = constants.copies
        self._count = Counter(self._copies[name] for name in used if name in self._copies)
        self._index: Counter[str] = Counter()

    def next(self, name: str, size: int) -> int:
        """Share of the next layer of weights of some size."""
        if name not in self._copies:
            return size
        tensor = self._copies[name]
        index, count = self._index[tensor], self._count[tensor]
        self._index[tensor] += 1
        return size // count + (index < size % count)


def _of_one_sample(probe: Probe, dynamic: bool, m: int, groups: int) -> tuple[int, int]:
    """Rows and groups of one sample of those that a run holds."""
    if dynamic and groups % probe.samples == 0:
        return m, groups // probe.samples
    return m // probe.samples, groups
