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
from macwright.dse.data.task import spearman
from macwright.dse.quantizer.options import QuantOptions, layer_formats
from macwright.dse.quantizer.partial_run import PartialRun
from macwright.dse.quantizer.quantise import prepare
from macwright.dse.sensitivity.bias import correct_later_biases
from macwright.dse.sensitivity.cross_terms import Coherence
from macwright.dse.sensitivity.file import read_sensitivity
from macwright.dse.sensitivity.layer import LayerStudy, Roundings
from macwright.dse.sensitivity.linear import linear_losses, linear_pays
from macwright.dse.sensitivity.metrics import output_metric
from macwright.dse.workload.layer import Layer, Workload

__all__ = [
    "AccuracyPrediction",
    "LossMeasure",
    "Prediction",
    "calibrate_accuracy",
    "calibrate_prediction",
    "measure_and_check",
    "measure_coherence",
    "measure_sensitivity",
    "read_sensitivity",
]

#: Changes when the same question gets another answer, so that old results are not used.
VERSION = 10
#: Tensors that are measured exactly beside a pass backward, and rank correlation from which on that
#: pass is trusted.
CHECKED, ALIKE = 24, 0.99
#: Entries of the outputs, drawn once, whose changes are compared.
ENTRIES = 8192

_Arrays = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossMeasure:
    """What the loss of a tensor is, and on what it is measured.

    Parameters
    ----------
    metric : str
        One of :data:`macwright.dse.studies.METRICS`: ``logit_mse``, ``kl``, ``loss``,
        ``layer_mse`` or ``distance``.
    images : int
        Samples.
    options : QuantOptions
        Techniques under which the network will be quantised. With `rotations`, only layers with
        one are asked about.
    """

    metric: str = "logit_mse"
    images: int = 64
    options: QuantOptions = QuantOptions()  # noqa: RUF009 (a frozen value)


_MEAN_SQUARES = LossMeasure()


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Study:
    """What is measured, on what and how."""

    workload: Workload
    dataset: Dataset
    weight_formats: Sequence[str]
    act_formats: Sequence[str]
    measure: LossMeasure
    jobs: int | None = None
    progress: Progress | None = None
    linear: bool = False

    @property
    def tasks(self) -> list[tuple[Layer, str, str]]:
        """Layer, tensor and format of each question."""
        return [
            (layer, tensor, name)
            for layer in self.workload.layers
            if not self.measure.options.rotations or layer.name in self.measure.options.rotations
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
    measure: LossMeasure = _MEAN_SQUARES,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Mean squared change of the outputs when one tensor alone is quantised.

    Added up over tensors it ranks mixed allocations by their KL divergence;
    ``benchmarks/accuracy.py ranking`` says how well. It is taken from one pass backward through the
    network where that is faster (see :mod:`macwright.dse.sensitivity.linear`) and ranks some
    tensors as they are measured; else the network after each tensor is run again. Weights are
    rounded as the options say, GPTQ included, for what the layer reads in the float network. With
    bias correction all layers after the tensor, too, keep the means of their outputs: the quantiser
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
    measure : LossMeasure, optional
        Metric, samples, and techniques under which the network will be quantised.
    jobs : int, optional
        Threads; as many as cores if absent. Results do not depend on it.
    progress : callable, optional
        Called with ``("sensitivity", done, total)``.

    Returns
    -------
    pandas.DataFrame
        Columns ``layer``, ``tensor`` (``weight`` or ``activation``), ``format`` and ``loss`` (mean
        squared change, in squared units of the outputs, or what the metric is). Kept in the cache,
        by content.

    Raises
    ------
    ValueError
        If a format is unknown or cannot hold values of such activations.
    """
    table, _ = measure_and_check(
        workload,
        dataset,
        weight_formats,
        act_formats,
        measure=measure,
        jobs=jobs,
        progress=progress,
    )
    return table


def measure_and_check(
    workload: Workload,
    dataset: Dataset,
    weight_formats: Sequence[str],
    act_formats: Sequence[str],
    *,
    measure: LossMeasure = _MEAN_SQUARES,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The table of `measure_sensitivity`, and how it came about.

    The second says ``way``: ``exact`` or ``jacobian``; ``checked``, the number of tensors that were
    measured exactly beside the pass backward, and ``rank_correlation``, Spearman's of both; None
    where no pass was tried. If it is below :data:`ALIKE` all are measured exactly.

    Parameters and errors are those of :func:`measure_sensitivity`.
    """
    study = _Study(
        workload=workload,
        dataset=dataset,
        weight_formats=weight_formats,
        act_formats=act_formats,
        measure=measure,
        jobs=jobs,
        progress=progress,
        linear=measure.metric == "logit_mse",
    )
    questions, answers = _measured(study)
    table = pd.DataFrame(questions, columns=["layer", "tensor", "format"])
    table = table.assign(loss=np.array(answers["losses"], np.float64))
    return table, {name: answers[name] for name in ("way", "checked", "rank_correlation")}


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

    The network after each tensor is run again; answers are kept in the cache, by content. Changes
    are compared in at most :data:`ENTRIES` entries of the outputs.

    Parameters and errors are those of :func:`measure_sensitivity`.
    """
    study = _Study(
        workload=workload,
        dataset=dataset,
        weight_formats=weight_formats,
        act_formats=act_formats,
        measure=LossMeasure(images=images, options=options or QuantOptions()),
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
        images=study.measure.images,
        metric=study.measure.metric,
        options=study.measure.options.to_fields(),
        linear=study.linear,
    )
    answers = cache.get(key)
    if answers is None:
        answers = _measure(study)
        cache.put(key, answers)
    return questions, answers


def _measure(study: _Study) -> dict[str, Any]:
    """Answers from one pass backward if that pays and is right, else from as many runs."""
    tasks = study.tasks
    workload = prepare(study.workload, study.dataset, study.measure.options)
    if not (study.linear and linear_pays(workload, len(tasks))):
        answers = _measured_exactly(study, workload, range(len(tasks)))
        return {**answers, "way": "exact", "checked": 0, "rank_correlation": None}
    rows = np.random.default_rng(0).permutation(len(tasks))[:CHECKED]
    known: dict[str, Roundings] = {layer.name: {} for layer in workload.layers}
    some = _measured_exactly(study, workload, sorted(rows.tolist()), known)
    feeds = study.dataset.first(study.dataset.x_calib, study.measure.images)
    estimates = linear_losses(
        workload, feeds, known, keep_means=study.measure.options.bias_correction
    )
    losses = [estimates[layer.name, tensor, name] for layer, tensor, name in tasks]
    rank = spearman(np.array(losses)[np.sort(rows)], np.array(some["losses"]))
    check = {"checked": len(rows), "rank_correlation": rank if np.isfinite(rank) else None}
    if rank >= ALIKE:
        return {"losses": losses, "way": "jacobian", **check}
    return {**_measured_exactly(study, workload, range(len(tasks)), known), "way": "exact", **check}


def _measured_exactly(
    study: _Study,
    workload: Workload,
    rows: Sequence[int],
    known: dict[str, Roundings] | None = None,
) -> dict[str, Any]:
    """Losses of some rows of the table.

    `workload` is the network prepared for quantisation; `known` is how tensors of each layer are
    rounded, to be made use of, and filled for all rows.
    """
    dataset, how = study.dataset, study.measure
    options, metric, images = how.options, how.metric, how.images
    tasks, progress, wanted = study.tasks, study.progress, set(rows)
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
    done = 0
    changes: list[np.ndarray] = []
    final = reference[workload.output].astype(np.float64).ravel()
    few = np.random.default_rng(0).permutation(final.size)[:ENTRIES]

    def answer(layer: LayerStudy, question: tuple[str, str]) -> tuple[float, np.ndarray]:
        if metric != "logit_mse":
            return layer.loss(question), np.zeros(0)
        output = layer.network_output(question)
        return measure(output), (output.ravel()[few] - final[few]).astype(np.float32)

    with ThreadPoolExecutor(study.jobs or len(os.sched_getaffinity(0))) as pool:
        asked = {layer.name for layer, _, _ in tasks}
        for layer in workload.layers:
            if layer.name not in asked:
                continue
            partial_run.advance([layer.act, layer.out] + ([layer.weight] if layer.dynamic else []))
            layer_study = LayerStudy(
                workload, layer, partial_run, options, metric, measure, reference
            )
            if known is not None:
                layer_study.roundings = known.setdefault(layer.name, {})
            every = [(i, x[1:]) for i, x in enumerate(tasks) if x[0].name == layer.name]
            mine = [question for i, question in every if i in wanted]
            for loss, change in pool.map(partial(answer, layer_study), mine):
                losses.append(loss)
                changes.append(change)
            if known is not None:
                list(pool.map(layer_study.rounding, [question for _, question in every]))
            done += len(every)
            if progress:
                progress("sensitivity", done, len(tasks))
    if metric != "logit_mse" or study.linear:
        return {"losses": losses}
    names = [(layer.name, tensor, name) for layer, tensor, name in tasks]
    return {"losses": losses, "products": Coherence.of_changes(names, np.array(changes)).to_text()}
