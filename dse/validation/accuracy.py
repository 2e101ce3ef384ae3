"""Points of a run on data: evaluated, and predicted where they were not."""

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any, TypeVar

from macwright.costmodel.characterize.executors import dask_client
from macwright.costmodel.progress import Progress
from macwright.dse.accuracy.evaluate import Evaluation, evaluate
from macwright.dse.accuracy.prediction import FEWEST_POINTS
from macwright.dse.data.recipe import Dataset
from macwright.dse.quantizer.options import QuantOptions
from macwright.dse.search.knee import knee_index
from macwright.dse.search.options import split_pairs
from macwright.dse.search.points import Point
from macwright.dse.search.result import SearchResult
from macwright.dse.sensitivity.factors import calibration_change
from macwright.dse.sensitivity.measure import AccuracyPrediction, calibrate_accuracy
from macwright.dse.sensitivity.rotations import Rotations
from macwright.dse.settings import Settings
from macwright.dse.workload import Workload

__all__ = ["calibration_changes", "evaluate_all", "held_out_results", "measure_points"]

T = TypeVar("T")
_Quantised = tuple[Mapping[str, tuple[str, str]], QuantOptions]


def evaluate_all(
    workload: Workload,
    dataset: Dataset,
    allocations: Sequence[Mapping[str, str]],
    rotations: Rotations,
    settings: Settings,
    progress: Progress | None = None,
) -> list[Evaluation]:
    """Each allocation (option of each layer) on the evaluation data."""
    how = _techniques(allocations, rotations)
    return _of_each(_measured, workload, dataset, how, settings, progress)


def calibration_changes(
    workload: Workload,
    dataset: Dataset,
    allocations: Sequence[Mapping[str, str]],
    rotations: Rotations,
    settings: Settings,
    progress: Progress | None = None,
) -> list[float]:
    """Mean squared change of the outputs of each on calibration samples, with no others used."""
    how = _techniques(allocations, rotations)
    return _of_each(_changed, workload, dataset, how, settings, progress)


def _techniques(allocations: Sequence[Mapping[str, str]], rotations: Rotations) -> list[_Quantised]:
    """Formats of each allocation, and how it is quantised."""
    formats = [split_pairs(pairs) for pairs in allocations]
    return [(each, rotations.options(each)) for each in formats]


def _measured(workload: Workload, dataset: Dataset, how: _Quantised) -> Evaluation:
    return evaluate(workload, dataset, how[0], options=how[1], jobs=1)


def _changed(workload: Workload, dataset: Dataset, how: _Quantised) -> float:
    return calibration_change(workload, dataset, how[0], options=how[1], jobs=1)


def _of_each(
    measure: Callable[[Workload, Dataset, _Quantised], T],
    workload: Workload,
    dataset: Dataset,
    allocations: Sequence[_Quantised],
    settings: Settings,
    progress: Progress | None,
) -> list[T]:
    say = progress or (lambda *_: None)
    with _workers(workload, dataset, settings) as (pool, network, data):
        running = [pool.submit(measure, network, data, how) for how in allocations]
        try:
            for done, _ in enumerate(as_completed(running)):
                say("evaluation", done, len(running))
            return [run.result() for run in running]
        except BaseException:
            for run in running:
                run.cancel()
            raise


@contextmanager
def _workers(
    workload: Workload, dataset: Dataset, settings: Settings
) -> Iterator[tuple[Executor, Any, Any]]:
    """Where to evaluate, and how network and data are named there: threads, or a cluster."""
    if settings.scheduler is None:
        with ThreadPoolExecutor(settings.jobs or os.cpu_count() or 1) as pool:
            yield pool, workload, dataset
    else:
        with dask_client(settings.scheduler) as client:
            # Each worker gets them once.
            network, data = client.scatter([workload, dataset], broadcast=True)
            yield client.get_executor(pure=False), network, data


def measure_points(
    workload: Workload,
    dataset: Dataset,
    search: SearchResult,
    reference: float,
    rotations: Rotations,
    settings: Settings,
    progress: Progress | None = None,
) -> tuple[AccuracyPrediction | None, SearchResult]:
    """Measure the points that are to be, and predict the accuracy of the others.

    Parameters
    ----------
    workload, dataset
        Network and data.
    search : SearchResult
        Points, and which of them to measure.
    reference : float
        Metric of the float network.
    rotations : Rotations
        Transforms that layers read.
    settings : Settings
        Number of processes.
    progress : callable, optional
        Called with stage, done and total.

    Returns
    -------
    prediction : AccuracyPrediction or None
        None with fewer than five measured points of the front.
    search : SearchResult
        The same points with their accuracies.
    """
    chosen = [p for p in (*search.front, *search.uniforms) if p.name in search.measured]
    allocations = [point.pairs for point in chosen]
    results = evaluate_all(workload, dataset, allocations, rotations, settings, progress)
    by_name = {p.name: result for p, result in zip(chosen, results, strict=True)}

    def measured(points: list[Point]) -> list[Point]:
        return [
            dataclasses.replace(
                p, accuracy=by_name[p.name].metric, standard_error=by_name[p.name].standard_error
            )
            if p.name in by_name
            else p
            for p in points
        ]

    search = dataclasses.replace(
        search, front=measured(search.front), uniforms=measured(search.uniforms)
    )
    return _predict(search, reference, dataset)


def _predict(
    search: SearchResult, reference: float, dataset: Dataset
) -> tuple[AccuracyPrediction | None, SearchResult]:
    """Points with the accuracy that the measured ones of the front predict for their loss."""
    known = [point for point in search.front if point.accuracy is not None]
    losses = [point.totals["loss"] for point in known]
    if len(set(losses)) < FEWEST_POINTS:
        return None, search
    fit = calibrate_accuracy(
        losses,
        [point.accuracy for point in known if point.accuracy is not None],
        reference,
        higher_is_better=dataset.higher_is_better,
    )

    def predicted(points: list[Point]) -> list[Point]:
        most = max(losses)
        return [
            dataclasses.replace(p, predicted=fit.metric(p.totals["loss"]))
            if p.totals["loss"] <= most
            else p
            for p in points
        ]

    lists = ("front", "uniforms", "sequential", "beside")
    return fit, dataclasses.replace(
        search, **{name: predicted(getattr(search, name)) for name in lists}
    )


def held_out_results(
    workload: Workload,
    dataset: Dataset,
    search: SearchResult,
    rotations: Rotations,
    settings: Settings,
) -> dict[str, Any]:
    """The knee, the float network and the most expensive baseline within the knee's cost, once."""
    cost = settings.objective
    knee = knee_index(
        [point.totals[cost] for point in search.front],
        [point.totals["loss"] for point in search.front],
    )
    point = search.front[-1 if knee is None else knee]
    beside = [p for p in search.uniforms if p.totals[cost] <= point.totals[cost]]
    reference = evaluate(workload, dataset, None, jobs=settings.jobs)
    result = {
        "samples": len(dataset.y_eval),
        "fp32_accuracy": reference.metric,
        "fp32_standard_error": reference.standard_error,
    }
    for what, other in (("knee", point), ("uniform", beside[-1] if beside else None)):
        if other is not None:
            formats = split_pairs(other.pairs)
            options = rotations.options(formats)
            measured = evaluate(workload, dataset, formats, options=options, jobs=settings.jobs)
            result[what] = {
                "point": other.name,
                "accuracy": measured.metric,
                "standard_error": measured.standard_error,
            }
    return result
