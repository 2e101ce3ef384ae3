"""Post-training quantisation of a network, layer by layer."""

from collections.abc import Callable, Mapping

import numpy as np
import onnx

from macwright.dse.data.recipe import Dataset
from macwright.dse.quantizer.equalise import equalise, pairs
from macwright.dse.quantizer.layer import plan_layer
from macwright.dse.quantizer.options import QuantOptions
from macwright.dse.quantizer.partial_run import PartialRun
from macwright.dse.quantizer.plan import LayerPlan, apply_plan
from macwright.dse.workload.layer import Layer, Workload
from macwright.dse.workload.onnx_rounding import expressible
from macwright.hw.errors import RefusedInput
from macwright.hw.formats import Format, parse_format

__all__ = ["Allocation", "calibration_feeds", "check_allocation", "prepare", "quantise"]

Allocation = Mapping[str, tuple[str, str]]
#: Elements of one tensor, for all calibration samples, that memory has room for.
LARGEST_TENSOR = 1 << 26


def prepare(workload: Workload, dataset: Dataset, options: QuantOptions) -> Workload:
    """Bring the float network into the form that is quantised; it computes the same."""
    if not options.equalise or workload.fixed or not pairs(workload):
        return workload
    partial_run = PartialRun(
        workload, workload.model.graph, calibration_feeds(workload, dataset, options)
    )
    largest = {}
    for _, layer in pairs(workload):
        (act,) = partial_run.advance([layer.act])
        largest[layer.name] = np.abs(act).max(axis=(0, *range(2, act.ndim)))
    return equalise(workload, largest)


def check_allocation(
    workload: Workload, allocation: Allocation
) -> dict[str, tuple[Format, Format]]:
    """Formats of every layer.

    Raises
    ------
    ValueError
        If a layer is missing or unknown, or a format is unknown or cannot be evaluated.
    """
    names = [layer.name for layer in workload.layers]
    for name in names:
        if name not in allocation:
            raise RefusedInput(f"Allocation must name every layer, and {name!r} is missing")
    for name in allocation:
        if name not in names:
            raise RefusedInput(f"Allocation must name layers of the model only, not {name!r}")
    formats = {
        name: (parse_format(allocation[name][0]), parse_format(allocation[name][1]))
        for name in names
    }
    for layer in workload.layers:
        weight, act = formats[layer.name]
        for fmt in (weight, act) if layer.dynamic else (act,):
            if not expressible(fmt):
                raise RefusedInput(
                    f"Activations of layer {layer.name} must be integers or minifloats of at most "
                    f"16 bits, or blocks of such, not {fmt}"
                )
    return formats


def quantise(
    workload: Workload,
    dataset: Dataset,
    allocation: Allocation,
    *,
    options: QuantOptions | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> tuple[Workload, list[LayerPlan]]:
    """Quantise every layer.

    Layers are taken in order: each sees the inputs that the quantised layers before it produce,
    and aims at the outputs of the float network.

    Parameters
    ----------
    workload : Workload
        The network.
    dataset : Dataset
        Its calibration samples are used.
    allocation : dict
        Formats of weights and activations, by layer.
    options : QuantOptions, optional
        Techniques.
    progress : callable, optional
        See `macwright.dse.cli.progress.Progress`.

    Returns
    -------
    workload : Workload
        The float network that was quantised: the one given, equalised if asked for.
    plans : list of LayerPlan
        One for each layer.
    """
    options = options or QuantOptions()
    formats = check_allocation(workload, allocation)
    workload = prepare(workload, dataset, options)
    feeds = calibration_feeds(workload, dataset, options)
    exact = PartialRun(workload, workload.model.graph, feeds)
    graph = onnx.GraphProto()
    graph.CopyFrom(workload.model.graph)
    rounded = PartialRun(workload, graph, feeds)
    plans = []
    for index, layer in enumerate(workload.layers):
        wanted = _target(workload, layer, exact, rounded, {plan.layer.name for plan in plans})
        acts = rounded.advance([layer.act, layer.weight] if layer.dynamic else [layer.act])
        if not layer.dynamic and not layer.operator.spatial:
            acts, wanted = _unmasked(feeds, acts, wanted)
        plan = plan_layer(workload, layer, formats[layer.name], acts, wanted, options)
        plans.append(plan)
        apply_plan(graph, plan, workload.shapes)
        if progress:
            progress("quantisation", index + 1, len(workload.layers))
    return workload, plans


def _target(
    workload: Workload, layer: Layer, exact: PartialRun, rounded: PartialRun, planned: set[str]
) -> np.ndarray:
    """Outputs that a layer should have.

    They are those of the float network; where the outputs are added to a tensor that the quantised
    network already has, they also make up for the error of that tensor.
    """
    readers = [node for node in workload.model.graph.node if layer.out in node.input]
    (wanted,) = exact.advance([layer.out])
    if len(readers) != 1 or readers[0].op_type != "Add" or layer.out == workload.output:
        return wanted
    other = next((name for name in readers[0].input if name != layer.out), layer.out)
    pending = {item.name for item in workload.layers} - planned
    if other in workload.dtypes and not pending & set(rounded.pending(other)):
        (right,), (wrong,) = exact.advance([other]), rounded.advance([other])
        if right.shape == wanted.shape == wrong.shape:
            return wanted + (right - wrong)
    return wanted


def _unmasked(
    feeds: dict[str, np.ndarray], acts: list[np.ndarray], wanted: np.ndarray
) -> tuple[list[np.ndarray], np.ndarray]:
    """Rows of tokens that count, where the model is told which do."""
    mask = feeds.get("attention_mask")
    if mask is None or acts[0].shape[: mask.ndim] != mask.shape or wanted.ndim != acts[0].ndim:
        return acts, wanted
    kept = mask.astype(bool)
    return [acts[0][kept]], wanted[kept]


def calibration_feeds(
    workload: Workload, dataset: Dataset, options: QuantOptions
) -> dict[str, np.ndarray]:
    """Calibration samples that are used, by input of the network."""
    samples = len(next(iter(dataset.x_calib.values()))) // dataset.rules.parts
    widest = max(max(layer.activations, layer.outputs) for layer in workload.layers)
    count = min(samples, options.images, max(LARGEST_TENSOR // widest, 16))
    return dataset.first(dataset.x_calib, count)
