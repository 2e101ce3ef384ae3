"""The main job: from a model and data to a proved front whose points are measured."""

import dataclasses
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import pandas as pd

from macwright.costmodel.table import costs
from macwright.dse.evaluate import Evaluation, evaluate
from macwright.dse.knee import knee_index
from macwright.dse.options import needed_units, option_name, option_table, split_pairs
from macwright.dse.points import Point
from macwright.dse.recipe import Dataset, load_recipe
from macwright.dse.refine import Correction, corrected, fit_correction, split_held_out
from macwright.dse.search import Found, search
from macwright.dse.sensitivity import AccuracyPrediction, calibrate_accuracy, measure_sensitivity
from macwright.dse.settings import Settings
from macwright.dse.tensor_factors import tensor_factors
from macwright.dse.verify import Verification, verify_units
from macwright.dse.workload import Workload, load_workload

__all__ = ["Exploration", "explore"]

Progress = Callable[[str, int, int], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exploration:
    """Everything that a run found.

    Attributes
    ----------
    options : DataFrame
        One row for each layer and option: see :func:`macwright.dse.options.option_table`.
    found : Found
        Points, measured, and how they were found.
    prediction : AccuracyPrediction or None
        How accuracy was predicted; None with fewer than three measured points of the front.
    factors : dict
        Of the losses of weights and of activations, for what the quantiser makes of them.
    corrections : list of Correction
        Of the losses, one for each time they were refined.
    held_out : dict or None
        What was measured on the data kept back: number of samples and accuracies.
    seconds : dict
        Wall-clock time of each stage.
    """

    settings: Settings
    workload: Workload
    dataset: Dataset
    sensitivity: pd.DataFrame
    costs: pd.DataFrame
    options: pd.DataFrame
    found: Found
    reference: float
    verification: Verification
    prediction: AccuracyPrediction | None
    factors: dict[str, float]
    corrections: list[Correction]
    held_out: dict[str, Any] | None
    seconds: dict[str, float]


def explore(
    model: Path,
    settings: Settings,
    *,
    recipe: Path | None = None,
    data: Path | None = None,
    progress: Progress | None = None,
) -> Exploration:
    """Find the front of a model, prove it, verify its units and measure its points.

    Parameters
    ----------
    model : Path
        ONNX file.
    settings : Settings
        Formats, costs, limits and how much to report.
    recipe, data : Path, optional
        Recipe, if not beside the model, or a bare ``.npz`` file.
    progress : callable, optional
        Called with stage, done and total.

    Raises
    ------
    ValueError
        If the model, the data, a format or a budget cannot be used; the message says why.
    macwright.hw.files.ToolError
        If synthesis or simulation fails.
    """
    clock = _Clock()
    if not model.is_file():
        raise FileNotFoundError(f"Model must be an ONNX file, and {str(model)!r} is not a file")
    dataset = load_recipe(model, recipe, data)
    workload = load_workload(model, dataset)
    last = None
    if settings.held_out:
        dataset, last = split_held_out(dataset, settings.held_out)
    layers = workload.layers
    # First of all, as it finds labels that the network has no outputs for.
    reference = evaluate(workload, dataset, None, jobs=settings.jobs).metric
    clock("read")
    sensitivity = measure_sensitivity(
        workload,
        dataset,
        settings.weights,
        settings.activations,
        images=settings.images,
        jobs=settings.jobs,
        progress=progress,
    )
    factors = tensor_factors(
        workload,
        dataset,
        sensitivity,
        settings.weights,
        settings.activations,
        jobs=settings.jobs,
        progress=progress,
    )
    clock("sensitivity")
    units = needed_units(
        layers,
        settings.weights,
        settings.activations,
        technology=settings.technology,
        dsp=settings.dsp,
    )
    rows = costs(
        list(units.values()),
        settings.technology,
        dsp=settings.dsp,
        jobs=settings.jobs,
        progress=progress,
    )
    clock("characterise")
    options = single = option_table(
        layers,
        settings.weights,
        settings.activations,
        sensitivity=sensitivity,
        units=units,
        costs=rows,
        factors=factors,
    )
    found = search(layers, options, units, rows, settings, progress)
    corrections: list[Correction] = []
    seen: dict[str, tuple[Mapping[str, str], float]] = {}
    for _ in range(settings.refine):
        chosen = [point.pairs for point in found.front if point.name in found.measured]
        for pairs, result in zip(
            chosen, _measure(workload, dataset, chosen, settings, progress), strict=True
        ):
            seen[str(sorted(pairs.items()))] = (pairs, result.logit_mse)
        # The losses of single tensors are what is corrected, each time by all that is known.
        corrections.append(fit_correction(single, list(seen.values())))
        options = corrected(single, corrections[-1])
        found = search(layers, options, units, rows, settings, progress)
    clock("solve")
    used = {unit for point in found.front for unit in point.units.values()}
    pairs = {pair for point in found.front if not point.units for pair in point.pairs.values()}
    verification = verify_units(
        [spec for pair, spec in units.items() if spec.name in used or option_name(*pair) in pairs],
        rows,
        simulating=settings.verify,
        jobs=settings.jobs,
        progress=progress,
    )
    clock("verify")
    chosen = [point for point in found.front if point.name in found.measured]
    results = _measure(
        workload, dataset, [p.pairs for p in (*chosen, *found.uniforms)], settings, progress
    )
    accuracies = {
        point.name: one.metric
        for point, one in zip((*chosen, *found.uniforms), results, strict=True)
    }
    prediction, found = _predict(_with_accuracies(found, accuracies), reference, dataset)
    held_out = None if last is None else _held_out(workload, last, found, settings)
    clock("measure")
    return Exploration(
        settings=settings,
        workload=workload,
        dataset=dataset,
        sensitivity=sensitivity,
        costs=rows,
        options=options,
        found=found,
        reference=reference,
        verification=verification,
        prediction=prediction,
        factors=factors,
        corrections=corrections,
        held_out=held_out,
        seconds=clock.seconds,
    )


def _held_out(
    workload: Workload, dataset: Dataset, found: Found, settings: Settings
) -> dict[str, Any]:
    """The knee, the float network and the dearest baseline within the knee's cost, once."""
    cost = settings.objective
    knee = knee_index(
        [point.totals[cost] for point in found.front],
        [point.totals["loss"] for point in found.front],
    )
    point = found.front[-1 if knee is None else knee]
    beside = [p for p in found.uniforms if p.totals[cost] <= point.totals[cost]]
    result = {
        "samples": len(dataset.y_eval),
        "fp32_accuracy": evaluate(workload, dataset, None, jobs=settings.jobs).metric,
    }
    for what, other in (("knee", point), ("uniform", beside[-1] if beside else None)):
        if other is not None:
            metric = evaluate(
                workload, dataset, split_pairs(other.pairs), jobs=settings.jobs
            ).metric
            result[what] = {"point": other.name, "accuracy": metric}
    return result


def _with_accuracies(found: Found, accuracies: Mapping[str, float]) -> Found:
    def measured(points: list[Point]) -> list[Point]:
        return [dataclasses.replace(p, accuracy=accuracies.get(p.name)) for p in points]

    return dataclasses.replace(
        found, front=measured(found.front), uniforms=measured(found.uniforms)
    )


def _measure(
    workload: Workload,
    dataset: Dataset,
    allocations: Sequence[Mapping[str, str]],
    settings: Settings,
    progress: Progress | None,
) -> list[Evaluation]:
    """Each allocation on the evaluation data."""
    say = progress or (lambda *_: None)
    jobs = settings.jobs or os.cpu_count() or 1

    def measured(pairs: Mapping[str, str]) -> Evaluation:
        return evaluate(workload, dataset, split_pairs(pairs), jobs=1)

    with ThreadPoolExecutor(jobs) as pool:
        running = [pool.submit(measured, pairs) for pairs in allocations]
        try:
            for done, _ in enumerate(as_completed(running)):
                say("evaluation", done, len(running))
            return [run.result() for run in running]
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _predict(
    found: Found, reference: float, dataset: Dataset
) -> tuple[AccuracyPrediction | None, Found]:
    """Points with the accuracy that the measured ones of the front predict for their loss."""
    known = [point for point in found.front if point.accuracy is not None]
    losses = [point.totals["loss"] for point in known]
    if len(set(losses)) < 3:
        return None, found
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
        found, **{name: predicted(getattr(found, name)) for name in lists}
    )


class _Clock:
    """Wall-clock time between calls, by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.monotonic()

    def __call__(self, stage: str) -> None:
        now = time.monotonic()
        self.seconds[stage], self._last = round(now - self._last, 3), now
