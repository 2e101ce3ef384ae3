"""Networks whose layers keep the means of their outputs, as bias correction makes them do."""

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from macwright.dse.quantizer.partial_run import PartialRun
from macwright.dse.workload.layer import Workload

__all__ = ["correct_later_biases", "kept_means"]


def correct_later_biases(workload: Workload, feeds: dict[str, np.ndarray]) -> Workload:
    """Network whose layers with weights give outputs of the float network's means, by channel.

    Bias correction makes up for the mean error of what a layer reads, too: an error of one tensor
    is partly undone by all layers after it. Without errors, the network computes the same. Where
    outputs are only added to a tensor, the sum keeps its means.

    Parameters
    ----------
    workload : Workload
        The float network.
    feeds : dict of ndarray
        Samples whose means are kept; all of them must run at once.

    Returns
    -------
    Workload
        The network given, if its batch is fixed to fewer samples.
    """
    samples = len(next(iter(feeds.values())))
    if workload.fixed_batch and workload.batch != samples:
        return workload
    axes = dict(kept_means(workload))
    partial_run = PartialRun(workload, workload.model.graph, feeds)
    model = onnx.ModelProto()
    model.CopyFrom(workload.model)
    by_input = next(x.version for x in model.opset_import if x.domain in ("", "ai.onnx")) >= 18
    nodes = list(model.graph.node)
    del model.graph.node[:]
    for node in nodes:
        model.graph.node.append(node)
        name = next((output for output in node.output if output in axes), None)
        if name is None:
            continue
        (exact,) = partial_run.advance([name])
        over = axes[name]
        mean = exact.mean(axis=over, keepdims=True, dtype=np.float64).astype(np.float32)
        raw, along, now, lack, wanted = (
            f"{name}::{part}" for part in ("raw", "axes", "mean", "lack", "wanted")
        )
        model.graph.node[-1].output[list(node.output).index(name)] = raw
        reads: list[str] = [raw, along] if by_input else [raw]
        attributes: dict[str, Any] = {} if by_input else {"axes": over}
        nothing: dict[str, Any] = {}
        model.graph.node.extend(
            helper.make_node(op, inputs, [output], name=f"{name}::{op}", **options)
            for op, inputs, output, options in (
                ("ReduceMean", reads, now, attributes),
                ("Sub", [wanted, now], lack, nothing),
                ("Add", [raw, lack], name, nothing),
            )
        )
        model.graph.initializer.append(numpy_helper.from_array(mean, wanted))
        if by_input:
            model.graph.initializer.append(numpy_helper.from_array(np.array(over), along))
    return replace(workload, model=model)


def kept_means(workload: Workload) -> list[tuple[str, tuple[int, ...]]]:
    """Tensors that keep their means, and the axes of these."""
    means = []
    for layer in workload.layers:
        if layer.dynamic:
            continue
        readers = [node for node in workload.model.graph.node if layer.out in node.input]
        added = len(readers) == 1 and readers[0].op_type == "Add" and layer.out != workload.output
        name = readers[0].output[0] if added else layer.out
        rank = len(workload.shapes[name])
        axes = layer.operator.other_axes(rank)
        means.append((name, axes))
    return means
