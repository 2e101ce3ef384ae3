"""How much each tensor's format matters: measured one tensor at a time."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd

from macwright.costmodel.cache import Cache, content_key
from macwright.dse.quantizer.options import QuantOptions, layer_formats
from macwright.dse.quantizer.quantise import prepare
from macwright.dse.quantizer.stepper import Stepper
from macwright.dse.recipe import Dataset
from macwright.dse.sensitivity_accuracy import AccuracyPrediction, calibrate_accuracy
from macwright.dse.sensitivity_file import read_sensitivity
from macwright.dse.sensitivity_fit import Prediction, calibrate_prediction
from macwright.dse.sensitivity_layer import LayerStudy
from macwright.dse.sensitivity_means import keep_means
from macwright.dse.sensitivity_metrics import output_metric
from macwright.dse.workload.layer import Layer, Workload

__all__ = [
    "AccuracyPrediction",
    "Prediction",
    "calibrate_accuracy",
    "calibrate_prediction",
    "measure_sensitivity",
    "read_sensitivity",
]

#: Changes when the same question gets another answer, so that old results are not used.
VERSION = 6

_Progress = Callable[[str, int, int], None]
_Arrays = dict[str, np.ndarray]


def measure_sensitivity(
    workload: Workload,
    dataset: Dataset,
    weight_formats: Sequence[str],
    act_formats: Sequence[str],
    *,
    metric: str = "logit_mse",
    images: int = 64,
    options: QuantOptions | None = None,
    jobs: int | None = None,
    progress: _Progress | None = None,
) -> pd.DataFrame:
    """Mean squared change of the outputs when one tensor alone is quantised.

    Added up over tensors it ranks mixed allocations by their KL divergence;
    ``benchmarks/accuracy.py ranking`` says how well. The network after the tensor is run again, the
    rest is not. Weights are rounded to nearest with scales of least
    squared error, or as `options` say where it asks for no data of other layers. With bias
    correction all layers after the tensor, too, keep the means of their outputs: the quantiser
    will do so, and what it undoes is no loss.

    Parameters
    ----------
    workload : Workload
        The network.
    dataset : Dataset
        Its first calibration samples are used.
    weight_formats, act_formats : sequence of str
        Formats to be tried. Integers get the sign that the activations need, and tensors whose
        format the model prescribes get no other: see `macwright.dse.quantizer.layer_formats`.
    metric : str
        One of :data:`macwright.dse.sensitivity_metrics.METRICS`: ``logit_mse``, ``kl``, ``loss``,
        ``layer_mse``, ``distance`` or ``hessian``.
    images : int
        Samples.
    options : QuantOptions, optional
        Techniques under which the network will be quantised.
    jobs : int, optional
        Threads; as many as cores if absent. Results do not depend on it.
    progress : callable, optional
        Called with ``("sensitivity", done, total)``.

    Returns
    -------
    pandas.DataFrame
        Columns ``layer``, ``tensor`` (``weight`` or ``activation``), ``format`` and ``loss`` (mean
        squared change, in squared units of the outputs, or what `metric` is). Kept in the cache, by
        content.

    Raises
    ------
    ValueError
        If a format is unknown or cannot hold values of such activations.
    """
    options = options or QuantOptions()
    tasks = [
        (layer, tensor, name)
        for layer in workload.layers
        for tensor, names in zip(
            ("weight", "activation"),
            layer_formats(layer, weight_formats, act_formats, workload.fixed),
            strict=True,
        )
        for name in names
    ]
    questions = [[layer.name, tensor, name] for layer, tensor, name in tasks]
    cache = Cache("sensitivity")
    key = content_key(
        version=VERSION,
        model=workload.sha256,
        data=dataset.sha256,
        questions=questions,
        images=images,
        metric=metric,
        options=options.to_fields(),
    )
    losses = cache.get(key)
    if losses is None:
        losses = _measure(workload, dataset, tasks, metric, images, options, jobs, progress)
        cache.put(key, losses)
    table = pd.DataFrame(questions, columns=["layer", "tensor", "format"])
    return table.assign(loss=np.array(losses, np.float64))


def _measure(
    workload: Workload,
    dataset: Dataset,
    tasks: list[tuple[Layer, str, str]],
    metric: str,
    images: int,
    options: QuantOptions,
    jobs: int | None,
    progress: _Progress | None,
) -> list[float]:
    workload = prepare(workload, dataset, options)
    feeds = dataset.first(dataset.x_calib, images)
    outputs = [layer.out for layer in workload.layers] if metric == "distance" else []
    outputs = [name for name in dict.fromkeys(outputs) if name != workload.output]
    exact = Stepper(workload, workload.model.graph, feeds).advance([*outputs, workload.output])
    reference = dict(zip([*outputs, workload.output], exact, strict=True))
    measure = output_metric(metric, dataset, reference[workload.output], images)
    if options.bias_correction:
        workload = keep_means(workload, feeds)
    stepper = Stepper(workload, workload.model.graph, feeds, at_once=options.bias_correction)
    losses: list[float] = []
    with ThreadPoolExecutor(jobs or len(os.sched_getaffinity(0))) as pool:
        for layer in workload.layers:
            stepper.advance([layer.act, layer.out] + ([layer.weight] if layer.dynamic else []))
            study = LayerStudy(workload, layer, stepper, options, metric, measure, reference)
            mine = [(tensor, name) for other, tensor, name in tasks if other.name == layer.name]
            for loss in pool.map(study.loss, mine):
                losses.append(loss)
                if progress:
                    progress("sensitivity", len(losses), len(tasks))
    return losses
