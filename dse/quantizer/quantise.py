"""Post-training quantisation of a network, layer by layer."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from macwright.costmodel.cache import content_key
from macwright.dse.data.recipe import Dataset
from macwright.dse.quantizer.equalise import equalise, pairs
from macwright.dse.quantizer.options import QuantOptions
from macwright.dse.quantizer.partial_run import PartialRun
from macwright.dse.quantizer.plan import LayerPlan
from macwright.dse.quantizer.rotation import check_rotations
from macwright.dse.quantizer.sequence import LayerSequence
from macwright.dse.quantizer.shared import PLANS, upstream
from macwright.dse.workload.layer import Workload
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
    check_rotations(workload, options.rotations)
    given, workload = workload, prepare(workload, dataset, options)
    feeds = calibration_feeds(workload, dataset, options)
    before = upstream(workload)
    sequence = LayerSequence(workload, feeds, formats, before, options)
    for index, layer in enumerate(workload.layers):
        # What others read does not matter to the plan.
        mine = {x: width for x, width in options.rotations.items() if x in before[layer.name]}
        key = content_key(
            model=given.identity,
            data=dataset.sha256,
            options=replace(options, rotations=mine).to_fields(),
            layer=layer.name,
            formats={x: list(allocation[x]) for x in before[layer.name]},
        )
        known = PLANS.get(key)
        if known is None:
            known = sequence.next_plan()
            PLANS.put(key, known)
        sequence.add(known)
        if progress:
            progress("quantisation", index + 1, len(workload.layers))
    return workload, sequence.plans


def calibration_feeds(
    workload: Workload, dataset: Dataset, options: QuantOptions
) -> dict[str, np.ndarray]:
    """Calibration samples that are used, by input of the network."""
    samples = len(next(iter(dataset.x_calib.values()))) // dataset.rules.parts
    widest = max(max(layer.activations, layer.outputs) for layer in workload.layers)
    count = min(samples, options.images, max(LARGEST_TENSOR // widest, 16))
    return dataset.first(dataset.x_calib, count)
