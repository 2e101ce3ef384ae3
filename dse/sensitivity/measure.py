"""How much each tensor's format matters: measured one tensor at a time."""

import dataclasses
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from macwright.costmodel.cache import Cache, content_key
from macwright.costmodel.progress import Progress
from macwright.dse.accuracy.kl_prediction import Prediction, calibrate_prediction
from macwright.dse.accuracy.prediction import AccuracyPrediction, calibrate_accuracy
from macwright.dse.data.recipe import Dataset
from macwright.dse.quantizer.options import QuantOptions, layer_formats
from macwright.dse.quantizer.partial_run import PartialRun
from macwright.dse.quantizer.quantise import prepare
from macwright.dse.sensitivity.bias import correct_later_biases
from macwright.dse.sensitivity.cross_terms import Coherence
from macwright.dse.sensitivity.file import read_sensitivity
from macwright.dse.sensitivity.layer import LayerStudy
from macwright.dse.sensitivity.metrics import output_metric
from macwright.dse.workload.layer import Layer, Workload

__all__ = [
    "AccuracyPrediction",
    "Prediction",
    "calibrate_accuracy",
    "calibrate_prediction",
    "measure_coherence",
    "measure_sensitivity",
    "read_sensitivity",
]

#: Changes when the same question gets another answer, so that old results are not used.
VERSION = 9
#: Entries of the outputs, drawn once, whose changes are compared.
ENTRIES = 8192

_Arrays = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Study:
    """What is measured, on what and how."""

    workload: Workload
    dataset: Dataset
    weight_formats: Sequence[str]
    act_formats: Sequence[str]
    metric: str = "logit_mse"
    images: int = 64
    options: QuantOptions = QuantOptions()  # noqa: RUF009 (a frozen value)
    jobs: int | None = None
    progress: Progress | None = None

    @property
    def tasks(self) -> list[tuple[Layer, str, str]]:
        """Layer, tensor and format of each question."""
        return [
            (layer, tensor, name)
            for layer in self.workload.layers
            for tensor, names in zip(
                ("weight", "activation"),
                layer_formats(layer, self.weight_formats, self.act_formats, self.workload.fixed),
                strict=True,
            )
            for name in names
        ]


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
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Mean squared change of the outputs when one tensor alone is quantised.

    Added up over tensors it ranks mixed allocations by their KL divergence;
    ``benchmarks/accuracy.py ranking`` says how well. The network after the tensor is run again, the
    rest is not. Weights are rounded as `options` say, GPTQ included (for ``hessian`` to nearest),
    for what the layer reads in the float network. With bias correction all layers after the tensor,
    too, keep the means of their outputs: the quantiser will do so, and what it undoes is no loss.

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
        One of :data:`macwright.dse.studies.METRICS`: ``logit_mse``, ``kl``, ``loss``,
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
    study = _Study(
        workload=workload,
        dataset=dataset,
        weight_formats=weight_formats,
        act_formats=act_formats,
        metric=metric,
        images=images,
        options=options or QuantOptions(),
        jobs=jobs,
        progress=progress,
    )
    questions, answers = _measured(study)
    table = pd.DataFrame(questions, columns=["layer", "tensor", "format"])
    return table.assign(loss=np.array(answers["losses"], np.float64))


def measure_coherence(
    workload: Workload,
    dataset: Dataset,
    weight_formats: Sequence[str],
    act_formats: Sequence[str],
    *,
    images: int = 64,
    options: QuantOptions | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Coherence:
    """How changes of the outputs, each from one tensor in a format, point the same way.

    Measured with the mean squared changes, and kept with them: after `measure_sensitivity` with
    the same arguments, or before it, this takes no time. Changes are compared in at most
    :data:`ENTRIES` entries of the outputs.

    Parameters and errors are those of :func:`measure_sensitivity`.
    """
    study = _Study(
        workload=workload,
        dataset=dataset,
        weight_formats=weight_formats,
        act_formats=act_formats,
        images=images,
        options=options or QuantOptions(),
        jobs=jobs,
        progress=progress,
    )
    questions, answers = _measured(study)
    return Coherence.from_text([(x, y, z) for x, y, z in questions], answers["products"])


def _measured(study: _Study) -> tuple[list[list[str]], dict[str, Any]]:
    """Tensors and formats, and what is known of them, from the cache or by measurement."""
    questions = [[layer.name, tensor, name] for layer, tensor, name in study.tasks]
    cache = Cache("sensitivity")
    key = content_key(
        version=VERSION,
        model=study.workload.identity,
        data=study.dataset.sha256,
        questions=questions,
        images=study.images,
        metric=study.metric,
        options=study.options.to_fields(),
    )
    answers = cache.get(key)
    if answers is None:
        answers = _measure(study)
        cache.put(key, answers)
    return questions, answers


def _measure(study: _Study) -> dict[str, Any]:
    dataset, options, metric, images = study.dataset, study.options, study.metric, study.images
    tasks, progress = study.tasks, study.progress
    workload = prepare(study.workload, dataset, options)
    feeds = dataset.first(dataset.x_calib, images)
    outputs = [layer.out for layer in workload.layers] if metric == "distance" else []
    outputs = [name for name in dict.fromkeys(outputs) if name != workload.output]
    exact = PartialRun(workload, workload.model.graph, feeds).advance([*outputs, workload.output])
    reference = dict(zip([*outputs, workload.output], exact, strict=True))
    measure = output_metric(metric, dataset, reference[workload.output], images)
    if options.bias_correction:
        workload = correct_later_biases(workload, feeds)
    partial_run = PartialRun(workload, workload.model.graph, feeds, at_once=options.bias_correction)
    losses: list[float] = []
    changes: list[np.ndarray] = []
    final = reference[workload.output].astype(np.float64).ravel()
    few = np.random.default_rng(0).permutation(final.size)[:ENTRIES]

    def answer(layer: LayerStudy, question: tuple[str, str]) -> tuple[float, np.ndarray]:
        if metric != "logit_mse":
            return layer.loss(question), np.zeros(0)
        output = layer.network_output(question)
        return measure(output), (output.ravel()[few] - final[few]).astype(np.float32)

    with ThreadPoolExecutor(study.jobs or len(os.sched_getaffinity(0))) as pool:
        for layer in workload.layers:
            partial_run.advance([layer.act, layer.out] + ([layer.weight] if layer.dynamic else []))
            layer_study = LayerStudy(
                workload, layer, partial_run, options, metric, measure, reference
            )
            mine = [(tensor, name) for other, tensor, name in tasks if other.name == layer.name]
            for loss, change in pool.map(partial(answer, layer_study), mine):
                losses.append(loss)
                changes.append(change)
                if progress:
                    progress("sensitivity", len(losses), len(tasks))
    if metric != "logit_mse":
        return {"losses": losses}
    names = [(layer.name, tensor, name) for layer, tensor, name in tasks]
    return {"losses": losses, "products": Coherence.of_changes(names, np.array(changes)).to_text()}
