"""What later layers undo of the losses that were measured with single, rounded tensors."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from macwright.costmodel.cache import Cache, content_key
from macwright.costmodel.progress import Progress
from macwright.dse.accuracy.evaluate import run_model
from macwright.dse.data.recipe import Dataset
from macwright.dse.quantizer import act_format
from macwright.dse.quantizer.options import QuantOptions
from macwright.dse.quantizer.plan import quantised_model
from macwright.dse.quantizer.quantise import quantise
from macwright.dse.sensitivity.rotations import Rotations, near_four_bits
from macwright.dse.workload import Workload

__all__ = ["calibration_change", "tensor_factors"]

#: Changes when the same question gets another answer, so that old results are not used.
VERSION = 5
#: Format that loses next to nothing.
WIDE = "int12"
#: Calibration samples that quantised networks are run on.
IMAGES = 128


def tensor_factors(
    workload: Workload,
    dataset: Dataset,
    sensitivity: pd.DataFrame | Rotations,
    weights: Sequence[str],
    activations: Sequence[str],
    *,
    images: int = IMAGES,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Measured loss over the sum of the losses of single tensors, for weights and for activations.

    The quantiser rounds weights so that they make up for errors of what their layer reads, which no
    measurement of a single tensor sees; it undoes more of some kinds of errors than of others, and
    without these factors an allocation spends too many bits on one of them. All tensors of a kind
    get a format of about 4 bits, the other kind (and tensors whose format the model prescribes) one
    of 12, and the network is quantised and run on calibration samples.

    Parameters
    ----------
    workload : Workload
        The network.
    dataset : Dataset
        Calibration data.
    sensitivity : DataFrame or Rotations
        Columns ``layer, tensor, format, loss``; or these with transforms that layers then read.
    weights, activations : sequence of str
        Formats that the search may use.
    images : int
        Calibration samples that the network is run on.
    jobs : int, optional
        Threads.
    progress : callable, optional
        Called with ``("recipe", done, total)``.

    Returns
    -------
    dict
        Factors of ``"weight"`` and ``"activation"``, dimensionless, kept in the cache by content.
    """
    if isinstance(sensitivity, pd.DataFrame):
        sensitivity = Rotations.of_tables({}, sensitivity, sensitivity.iloc[:0])
    factors = {}
    for done, (kind, names) in enumerate((("weight", weights), ("activation", activations))):
        place = 0 if kind == "weight" else 1
        free = [
            x for x in workload.layers if workload.fixed.get(x.name, (None, None))[place] is None
        ]
        name = near_four_bits(names)
        formats = {layer.name: (WIDE, act_format(layer, WIDE)) for layer in workload.layers}
        for layer in free:
            weight, act = formats[layer.name]
            few = (name, act) if kind == "weight" else (weight, act_format(layer, name))
            formats[layer.name] = few
        expected = sum(sensitivity.loss(layer.name, kind, formats[layer.name]) for layer in free)
        measured = 0.0
        if expected > 0:
            options = sensitivity.options(formats)
            measured = calibration_change(
                workload, dataset, formats, options=options, images=images, jobs=jobs
            )
        factors[kind] = measured / expected if measured > 0 else 1.0
        if progress:
            progress("recipe", done + 1, 2)
    return factors


def calibration_change(
    workload: Workload,
    dataset: Dataset,
    formats: Mapping[str, tuple[str, str]],
    *,
    options: QuantOptions | None = None,
    images: int = IMAGES,
    jobs: int | None = None,
) -> float:
    """Mean squared change of the outputs of a quantised network on its calibration samples.

    Parameters
    ----------
    workload : Workload
        The network.
    dataset : Dataset
        Calibration data.
    formats : mapping
        Formats of weights and activations, by layer.
    options : QuantOptions, optional
        Techniques.
    images : int
        Calibration samples that the network is run on, from the first.
    jobs : int, optional
        Threads.

    Returns
    -------
    float
        In squared units of the outputs; kept in the cache, by content.
    """
    options = options or QuantOptions()
    key: Any = content_key(
        version=VERSION,
        model=workload.identity,
        data=dataset.sha256,
        allocation={name: list(pair) for name, pair in formats.items()},
        options=options.to_fields(),
        images=images,
    )
    cache = Cache("recipe")
    known = cache.get(key)
    if known is None:
        feeds = dataset.first(dataset.x_calib, images)
        exact = run_model(workload, workload.model, feeds, jobs=jobs).astype(np.float64)
        model = quantised_model(*quantise(workload, dataset, formats, options=options))
        known = float(np.mean((run_model(workload, model, feeds, jobs=jobs) - exact) ** 2))
        cache.put(key, known)
    return float(known)
