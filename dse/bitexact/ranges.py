"""Ranges of tensors of a quantised network over its calibration samples."""

from collections.abc import Sequence

import numpy as np

from macwright.dse.data.recipe import Dataset
from macwright.dse.quantizer.batches import Batches
from macwright.dse.quantizer.options import QuantOptions
from macwright.dse.quantizer.plan import LayerPlan, quantised_model
from macwright.dse.quantizer.quantise import calibration_feeds
from macwright.dse.workload.layer import Workload
from macwright.dse.workload.session import session

__all__ = ["tensor_ranges"]


def tensor_ranges(
    workload: Workload,
    plans: Sequence[LayerPlan],
    dataset: Dataset,
    names: Sequence[str],
    options: QuantOptions,
) -> dict[str, tuple[float, float]]:
    """Smallest and largest value of some tensors, by name.

    The network computes with rounded weights and activations, on the samples that the quantiser
    saw; nothing else is looked at.
    """
    if not names:
        return {}
    feeds = calibration_feeds(workload, dataset, options)
    result = {name: (np.inf, -np.inf) for name in names}

    def widen(name: str, values: np.ndarray) -> None:
        low, high = result[name]
        result[name] = (min(low, float(values.min())), max(high, float(values.max())))

    computed = [name for name in names if name not in feeds]
    for name in set(names) - set(computed):
        widen(name, feeds[name])
    model = session(quantised_model(workload, plans), outputs=computed)
    batches = Batches(workload, len(next(iter(feeds.values()))))
    split = {name: batches.split(name, values) for name, values in feeds.items()}
    for index in range(len(batches)):
        part = {name: values[index] for name, values in split.items()}
        for name, values in zip(computed, model.run(computed, part), strict=True):
            widen(name, np.asarray(values))
    return result
