"""Measured accuracy of an allocation."""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import onnx

from macwright.costmodel.cache import Cache, content_key
from macwright.costmodel.progress import Progress
from macwright.dse.accuracy.cache import cached_array
from macwright.dse.data.recipe import Dataset
from macwright.dse.data.task import log_softmax
from macwright.dse.quantizer.batches import Batches
from macwright.dse.quantizer.options import QuantOptions
from macwright.dse.quantizer.plan import quantised_model
from macwright.dse.quantizer.quantise import Allocation, check_allocation, quantise
from macwright.dse.workload.layer import Workload
from macwright.dse.workload.session import session
from macwright.hw.errors import RefusedInput

__all__ = ["Evaluation", "compare", "evaluate", "reference_outputs", "run_model"]

#: Changes when the same question gets another answer, so that old results are not used.
VERSION = 9


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How good a network is on evaluation data.

    Parameters
    ----------
    metric : float
        The task's metric, such as top-1 accuracy in percent.
    kl : float or None
        Mean Kullback-Leibler divergence of the float network's classes from this one's, in nats;
        None where outputs are not logits.
    logit_mse : float
        Mean squared difference of the outputs to those of the float network.
    agreement : float or None
        Share of samples whose largest output is the float network's too.
    images : int
        Evaluation samples.
    standard_error : float or None
        Of `metric`, as an estimate from so many samples.
    rotations : mapping of str to int
        Width of the Hadamard transform of each layer that reads one.
    """

    metric: float
    kl: float | None
    logit_mse: float
    agreement: float | None
    images: int
    standard_error: float | None = None
    rotations: Mapping[str, int] = field(default_factory=dict)


def evaluate(
    workload: Workload,
    dataset: Dataset,
    allocation: Allocation | None,
    *,
    options: QuantOptions | None = None,
    images: int | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Quantise a network and measure it on the evaluation data.

    Parameters
    ----------
    workload : Workload
        The network.
    dataset : Dataset
        Calibration data, which sets the scales, and evaluation data.
    allocation : dict or None
        Formats of weights and activations, by layer; None for the float network.
    options : QuantOptions, optional
        Techniques of quantisation.
    images : int, optional
        Evaluation samples used, from the first; all of them if absent.
    jobs : int, optional
        Threads; as many as cores if absent. Results do not depend on it.
    progress : callable, optional
        Called with ``("evaluation", done, total)``.

    Returns
    -------
    Evaluation
        Kept in the cache, by content.

    Raises
    ------
    ValueError
        If the allocation or a format will not do.
    """
    options = options or QuantOptions()
    formats = None
    if allocation is not None:
        check_allocation(workload, allocation)
        formats = {name: list(pair) for name, pair in allocation.items()}
    cache = Cache("evaluation")
    key = content_key(
        version=VERSION,
        model=workload.identity,
        data=dataset.sha256,
        allocation=formats,
        options=options.to_fields() if formats is not None else None,
        images=images,
    )
    if (known := cache.get(key)) is not None:
        return Evaluation(**known)
    reference = reference_outputs(workload, dataset, images, jobs, progress)
    outputs, rotations = reference, {}
    if allocation is not None:
        network, plans = quantise(workload, dataset, allocation, options=options, progress=progress)
        model = quantised_model(network, plans)
        outputs = run_model(
            workload,
            model,
            dataset.first(dataset.x_eval, images),
            jobs=jobs,
            progress=progress,
        )
        rotations = {p.layer.name: p.act.rotation for p in plans if p.act.rotation > 1}
    result = replace(compare(dataset, outputs, reference), rotations=rotations)
    cache.put(key, asdict(result))
    return result


def run_model(
    workload: Workload,
    model: onnx.ModelProto,
    feeds: dict[str, np.ndarray],
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Outputs of a model for all samples, shape (n_samples, ...).

    Raises
    ------
    ValueError
        If an output is NaN or infinite.
    """
    running = session(model)
    batches = Batches(workload, len(next(iter(feeds.values()))))
    split = {name: batches.split(name, feeds[name]) for name in workload.inputs}

    def run(index: int) -> np.ndarray:
        chunk = {name: part[index] for name, part in split.items()}
        return np.asarray(running.run(None, chunk)[0])

    parts = []
    with ThreadPoolExecutor(jobs or len(os.sched_getaffinity(0))) as pool:
        for part in pool.map(run, range(len(batches))):
            parts.append(part)
            if progress:
                done = min(len(parts) * batches.size, batches.samples)
                progress("evaluation", done, batches.samples)
    outputs = batches.by_sample(workload.output, parts)
    if not np.isfinite(outputs).all():
        raise RefusedInput(
            "The network must give finite outputs, not NaN or infinity; check the data's scaling"
        )
    return outputs


def reference_outputs(
    workload: Workload,
    dataset: Dataset,
    images: int | None,
    jobs: int | None,
    progress: Progress | None,
) -> np.ndarray:
    """Outputs of the float network, from the cache if they are there; see `evaluate`."""

    def make() -> np.ndarray:
        feeds = dataset.first(dataset.x_eval, images)
        return run_model(workload, workload.model, feeds, jobs=jobs, progress=progress)

    key = content_key(version=VERSION, model=workload.identity, data=dataset.sha256, images=images)
    return cached_array(key, make)


def compare(dataset: Dataset, outputs: np.ndarray, reference: np.ndarray) -> Evaluation:
    """Score outputs, and how far they are from those of the float network."""
    kl = agreement = None
    if dataset.rules.probabilities:
        exact, rounded = log_softmax(reference), log_softmax(outputs)
        kl = float((np.exp(exact) * (exact - rounded)).sum(axis=-1).mean())
        agreement = float((outputs.argmax(axis=-1) == reference.argmax(axis=-1)).mean())
    return Evaluation(
        metric=dataset.metric(outputs, reference),
        kl=kl,
        logit_mse=float(np.mean((outputs.astype(np.float64) - reference) ** 2)),
        agreement=agreement,
        images=len(outputs) // dataset.rules.parts,
        standard_error=dataset.standard_error(outputs, reference),
    )
