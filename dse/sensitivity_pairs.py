"""How much two tensors' formats matter together, beyond their sum."""

from collections.abc import Sequence

import numpy as np
import onnx
import pandas as pd
from onnx import helper, numpy_helper

from macwright.dse.evaluate import run_model
from macwright.dse.quantizer.grid import weight_grid
from macwright.dse.quantizer.matrix import from_matrix, to_matrix
from macwright.dse.quantizer.operand import fit_operand
from macwright.dse.quantizer.options import QuantOptions, act_format, weight_format
from macwright.dse.quantizer.quantise import prepare
from macwright.dse.quantizer.stepper import Stepper
from macwright.dse.recipe import Dataset
from macwright.dse.workload.layer import Workload
from macwright.hw.formats import parse_format

__all__ = ["measure_pairs"]

_Tensor = tuple[str, str, str]


def measure_pairs(
    workload: Workload,
    dataset: Dataset,
    pairs: Sequence[tuple[_Tensor, _Tensor]],
    *,
    images: int = 32,
    options: QuantOptions | None = None,
) -> pd.DataFrame:
    """Mean squared change of the outputs when two tensors are quantised together.

    Parameters
    ----------
    workload : Workload
        The network.
    dataset : Dataset
        Its first calibration samples are used.
    pairs : sequence of pairs of ``(layer, tensor, format)``
        What to quantise; `tensor` is ``weight`` or ``activation``.
    images : int
        Samples.
    options : QuantOptions, optional
        Techniques; weights are rounded to nearest, and no bias is corrected.

    Returns
    -------
    pandas.DataFrame
        Columns ``layer, tensor, format``, the same with ``_2``, ``loss`` of both together and
        ``interaction``: what it is above the sum of the two alone, often negative.

    Raises
    ------
    ValueError
        If a layer, tensor or format is unknown.
    """
    options = options or QuantOptions()
    workload = prepare(workload, dataset, options)
    feeds = dataset.first(dataset.x_calib, images)
    reference = run_model(workload, workload.model, feeds, jobs=1).astype(np.float64)
    alone: dict[_Tensor, float] = {}

    def loss(tensors: Sequence[_Tensor]) -> float:
        model = onnx.ModelProto()
        model.CopyFrom(workload.model)
        for tensor in tensors:
            _quantise(workload, model.graph, feeds, tensor, options)
        return float(np.mean((run_model(workload, model, feeds, jobs=1) - reference) ** 2))

    rows = []
    for pair in pairs:
        concrete = [_concrete(workload, tensor) for tensor in pair]
        for tensor in concrete:
            if tensor not in alone:
                alone[tensor] = loss([tensor])
        both = loss(concrete)
        extra = both - sum(alone[tensor] for tensor in concrete)
        rows.append([*concrete[0], *concrete[1], both, extra])
    names = ["layer", "tensor", "format"]
    columns = [*names, *(f"{name}_2" for name in names), "loss", "interaction"]
    return pd.DataFrame(rows, columns=columns)


def _concrete(workload: Workload, tensor: _Tensor) -> _Tensor:
    name, kind, fmt = tensor
    if name not in {layer.name for layer in workload.layers}:
        raise ValueError(f"Pair must be of layers of the model, not {name!r}")
    layer = workload.layer(name)
    if kind == "activation":
        return name, kind, act_format(layer, fmt)
    if kind != "weight":
        raise ValueError(f"Pair must be of weights and activations, not {kind!r}")
    return name, kind, weight_format(layer, fmt) if layer.dynamic else str(parse_format(fmt))


def _quantise(
    workload: Workload,
    graph: onnx.GraphProto,
    feeds: dict[str, np.ndarray],
    tensor: _Tensor,
    options: QuantOptions,
) -> None:
    """Put one tensor of a layer in its format."""
    name, kind, fmt = tensor[0], tensor[1], parse_format(tensor[2])
    layer = workload.layer(name)
    node = next(node for node in graph.node if node.name == name)
    prefix = f"{name}::{kind}"
    if kind == "weight" and not layer.dynamic:
        weight = workload.tensor(layer.weight).astype(np.float32)
        matrix = to_matrix(layer, weight)
        rounded = weight_grid(layer, matrix, fmt, options).round(matrix)
        values = from_matrix(layer, rounded, weight.shape)
        node.input[1] = prefix
        graph.initializer.append(numpy_helper.from_array(values, prefix))
        return
    source = layer.act if kind == "activation" else layer.weight
    exact = Stepper(workload, workload.model.graph, feeds).advance([source])[0]
    operand = fit_operand(exact, layer, fmt, options, exact.ndim, second=kind == "weight")
    nodes, constants, result = operand.nodes(source, workload.shapes[source], prefix)
    unit = numpy_helper.from_array(np.array(operand.unit, np.float32), f"{prefix}::unit")
    nodes.append(helper.make_node("Mul", [result, unit.name], [prefix], name=prefix))
    node.input[0 if kind == "activation" else 1] = prefix
    index = list(graph.node).index(node)
    rest = list(graph.node[index:])
    del graph.node[index:]
    graph.node.extend([*nodes, *rest])
    graph.initializer.extend([*constants, unit])
