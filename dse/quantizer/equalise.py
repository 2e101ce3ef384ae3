"""Cross-layer equalisation: channels scaled so that one scale suits them all."""

from collections import defaultdict
from dataclasses import replace

import numpy as np
import onnx
from onnx import numpy_helper

from macwright.dse.workload.convolution import Conv
from macwright.dse.workload.layer import Layer, Workload

__all__ = ["equalise", "pairs"]

#: Share of the (logarithmic) differences between channels that is taken out of the activations.
STRENGTH = 0.5


def pairs(workload: Workload) -> list[tuple[Layer, Layer]]:
    """Convolutions and Gemms of which the second alone reads the first's ReLU.

    ReLU, and pooling, pass a positive factor on unchanged; so a channel may leave the first layer
    divided by what the second multiplies it by.
    """
    readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
    for node in workload.model.graph.node:
        for name in node.input:
            readers[name].append(node)
    by_name = {layer.name: layer for layer in workload.layers}
    neighbours = []
    for layer in workload.layers:
        tensor = layer.out
        while len(readers[tensor]) == 1 and readers[tensor][0].op_type in (
            "Relu", "MaxPool", "AveragePool", "GlobalAveragePool",
        ):  # fmt: skip
            tensor = readers[tensor][0].output[0]
        if len(readers[tensor]) != 1 or tensor == workload.output:
            continue
        after = by_name.get(readers[tensor][0].name)
        if (
            after is not None
            and {type(layer.operator), type(after.operator)} == {Conv}
            and after.act == tensor
        ):
            neighbours.append((layer, after))
    return neighbours


def equalise(workload: Workload, largest: dict[str, np.ndarray]) -> Workload:
    """Scale the channels between paired layers towards equal ranges of activations.

    Parameters
    ----------
    workload : Workload
        The network.
    largest : dict of ndarray, shape (n_channels,)
        Largest size of each channel of the activations, by layer.

    Returns
    -------
    Workload
        One that computes the same.
    """
    model = onnx.ModelProto()
    model.CopyFrom(workload.model)
    constants = {item.name: item for item in model.graph.initializer}

    def scaled(name: str, factor: np.ndarray) -> None:
        values = numpy_helper.to_array(constants[name]) * factor
        constants[name].CopyFrom(numpy_helper.from_array(values.astype(np.float32), name))

    for first, second in pairs(workload):
        ranges = largest[second.name].astype(np.float64)
        if not (ranges > 0).any():
            continue
        # A channel that is never on has no range to equalise.
        ranges = np.where(ranges > 1e-3 * ranges.max(), ranges, ranges.max())
        factor = (ranges / np.exp(np.log(ranges).mean())) ** STRENGTH
        shape = workload.shapes[first.weight]
        scaled(first.weight, 1 / factor.reshape(-1, *[1] * (len(shape) - 1)))
        inputs = workload.node(first).input
        if len(inputs) > 2 and inputs[2]:
            scaled(inputs[2], 1 / factor)
        out, width, *kernel = workload.shapes[second.weight]
        rows = np.repeat(np.arange(second.groups), out // second.groups)
        columns = factor.reshape(second.groups, width)[rows]
        scaled(second.weight, columns.reshape(out, width, *[1] * len(kernel)))
    return replace(workload, model=model)
