"""The main job: from a model and data to a proved front whose points are measured."""

import dataclasses
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from macwright.costmodel.table import costs
from macwright.dse.evaluate import evaluate
from macwright.dse.knee import knee_index
from macwright.dse.options import (
    ACTIVATIONS,
    WEIGHTS,
    needed_units,
    option_name,
    option_table,
    split_pairs,
)
from macwright.dse.quantizer import act_format
from macwright.dse.recipe import Dataset, load_recipe
from macwright.dse.sensitivity import AccuracyPrediction, calibrate_accuracy, measure_sensitivity
from macwright.dse.solver import Budget, OptionTable, Solution, confirm, front
from macwright.dse.verify import Verification, verify_units
from macwright.dse.workload import Workload, load_workload

__all__ = ["Exploration", "Point", "Settings", "explore"]

Progress = Callable[[str, int, int], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What a run may choose from and how much of the front it reports.

    Parameters
    ----------
    technology : str
        Name of a technology, or its Liberty files.
    weights, activations : tuple of str
        Formats that each layer may use. A signed integer stands for the unsigned one of the same
        width where a layer's activations are never negative.
    objective : str
        Cost column that the front trades against the predicted loss.
    budgets : tuple of Budget
        Limits on the totals of cost columns.
    points : int
        Points of the front to report, besides those at the costs of uniform allocations.
    measured : int
        Reported points to measure on data, besides the same.
    images : int
        Calibration samples for the sensitivities.
    verify : bool
        Whether to simulate the units of the front, if there is a simulator.
    jobs : int or None
        Processes; None: one for each processor.
    """

    technology: str = "gates"
    weights: tuple[str, ...] = WEIGHTS
    activations: tuple[str, ...] = ACTIVATIONS
    objective: str = "area_time"
    budgets: tuple[Budget, ...] = ()
    points: int = 32
    measured: int = 10
    images: int = 32
    verify: bool = True
    jobs: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Point:
    """An allocation with what was predicted, proved and measured.

    `pairs` is the option of each layer, `totals` the total of every numeric column, `accuracy` in
    the data set's metric and None where not measured, `predicted` the same metric as predicted
    from the loss, None beyond the losses that were measured on the front. `status` and `gap` are
    None for uniform allocations, which nothing was proved about.
    """

    name: str
    pairs: Mapping[str, str]
    totals: Mapping[str, float]
    status: str | None = None
    gap: float | None = None
    predicted: float | None = None
    accuracy: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exploration:
    """Everything that a run found.

    Attributes
    ----------
    front, uniforms : list of Point
        Reported points of the front by rising cost, and uniform allocations for comparison.
    front_size : int
        Points of the whole front, of which `front` is a selection.
    options : DataFrame
        One row for each layer and option: see :func:`macwright.dse.options.option_table`.
    solver : str
        What found and proved the front.
    confirmed : int
        Reported points that OR-Tools proved again, on its own.
    prediction : AccuracyPrediction or None
        How accuracy was predicted; None with fewer than three measured points of the front.
    seconds : dict
        Wall-clock time of each stage.
    """

    settings: Settings
    workload: Workload
    dataset: Dataset
    sensitivity: pd.DataFrame
    costs: pd.DataFrame
    options: pd.DataFrame
    front: list[Point]
    front_size: int
    uniforms: list[Point]
    reference: float
    verification: Verification
    solver: str
    confirmed: int
    prediction: AccuracyPrediction | None
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
    clock("sensitivity")
    units = needed_units(
        layers, settings.weights, settings.activations, technology=settings.technology
    )
    rows = costs(list(units.values()), settings.technology, jobs=settings.jobs, progress=progress)
    clock("characterise")
    options = option_table(
        layers,
        settings.weights,
        settings.activations,
        sensitivity=sensitivity,
        units=units,
        costs=rows,
    )
    table = OptionTable.from_frame(options)
    whole = front(table, cost=settings.objective, budgets=list(settings.budgets))
    uniforms = _uniforms(options, settings, layers)
    kept, to_measure = _choose(whole.costs, whole.objectives, uniforms, settings)
    reported = whole.at(kept)
    proved = confirm(table, reported, len(kept))
    clock("solve")
    used = sorted({option for solution in reported for option in solution.allocation.values()})
    specs = {spec.name: spec for pair, spec in units.items() if option_name(*pair) in used}
    verification = verify_units(
        list(specs.values()),
        rows,
        simulating=settings.verify,
        jobs=settings.jobs,
        progress=progress,
    )
    clock("verify")

    points = [_point(str(n), solution) for n, solution in enumerate(reported)]
    chosen = [point for index, point in zip(kept, points, strict=True) if index in to_measure]
    accuracies = _measure(
        workload, dataset, [point.pairs for point in (*chosen, *uniforms)], settings, progress
    )
    measured = {
        point.name: dataclasses.replace(point, accuracy=value)
        for point, value in zip((*chosen, *uniforms), accuracies, strict=True)
    }
    points = [measured.get(point.name, point) for point in points]
    uniforms = [measured[point.name] for point in uniforms]
    prediction, (points, uniforms) = _predict(points, uniforms, reference, dataset)
    clock("measure")
    return Exploration(
        settings=settings,
        workload=workload,
        dataset=dataset,
        sensitivity=sensitivity,
        costs=rows,
        options=options,
        front=points,
        front_size=len(whole),
        uniforms=uniforms,
        reference=reference,
        verification=verification,
        solver=reported[0].solver,
        confirmed=sum(answer.status == "optimal" for answer in proved),
        prediction=prediction,
        seconds=clock.seconds,
    )


def _measure(
    workload: Workload,
    dataset: Dataset,
    allocations: Sequence[Mapping[str, str]],
    settings: Settings,
    progress: Progress | None,
) -> list[float]:
    """Metric of each allocation on the evaluation data."""
    say = progress or (lambda *_: None)
    jobs = settings.jobs or os.cpu_count() or 1

    def metric(pairs: Mapping[str, str]) -> float:
        return evaluate(workload, dataset, split_pairs(pairs), jobs=1).metric

    with ThreadPoolExecutor(jobs) as pool:
        running = [pool.submit(metric, pairs) for pairs in allocations]
        try:
            for done, _ in enumerate(as_completed(running)):
                say("evaluation", done, len(running))
            return [run.result() for run in running]
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _predict(
    front: list[Point], uniforms: list[Point], reference: float, dataset: Dataset
) -> tuple[AccuracyPrediction | None, tuple[list[Point], list[Point]]]:
    """Points with the accuracy that the measured ones of the front predict for their loss."""
    known = [point for point in front if point.accuracy is not None]
    losses = [point.totals["loss"] for point in known]
    if len(set(losses)) < 3:
        return None, (front, uniforms)
    fit = calibrate_accuracy(
        losses,
        [point.accuracy for point in known if point.accuracy is not None],
        reference,
        higher_is_better=dataset.higher_is_better,
    )

    def with_prediction(point: Point) -> Point:
        loss = point.totals["loss"]
        known = fit.metric(loss) if loss <= max(losses) else None
        return dataclasses.replace(point, predicted=known)

    return fit, ([with_prediction(p) for p in front], [with_prediction(p) for p in uniforms])


class _Clock:
    """Wall-clock time between calls, by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.monotonic()

    def __call__(self, stage: str) -> None:
        now = time.monotonic()
        self.seconds[stage], self._last = round(now - self._last, 3), now


def _point(name: str, solution: Solution) -> Point:
    return Point(
        name=name,
        pairs=solution.allocation,
        totals=solution.totals,
        status=solution.status,
        gap=solution.gap,
    )


def _uniforms(options: pd.DataFrame, settings: Settings, layers: Sequence[Any]) -> list[Point]:
    """Allocations with one format for all weights and activations, cheapest first."""
    numbers = [name for name in options.columns if options[name].dtype == np.float64]
    found = []
    for name in (name for name in settings.weights if name in settings.activations):
        pairs = {layer.name: option_name(name, act_format(layer, name)) for layer in layers}
        mine = options["option"] == [pairs[layer] for layer in options["layer"]]
        totals = {column: float(options.loc[mine, column].sum()) for column in numbers}
        found.append(Point(name=name, pairs=pairs, totals=totals))
    return sorted(found, key=lambda point: (point.totals[settings.objective], point.name))


def _choose(
    costs: np.ndarray, losses: np.ndarray, uniforms: Sequence[Point], settings: Settings
) -> tuple[list[int], set[int]]:
    """Indices of the points to report, and of those to measure.

    Both hold the best point within the cost of each uniform allocation, and the knee; the rest are
    spaced evenly in the logarithm of the cost, ends included.
    """
    level = np.searchsorted(
        costs, [point.totals[settings.objective] * (1 + 1e-12) for point in uniforms], "right"
    )
    beside = {int(i) - 1 for i in level if i > 0}

    def spaced(count: int) -> set[int]:
        log = np.log(np.maximum(costs, np.finfo(float).tiny))
        wanted = np.linspace(log[0], log[-1], max(count, 2)) if count else []
        return {int(np.abs(log - value).argmin()) for value in wanted}

    measured = beside | spaced(min(settings.measured, len(costs)))
    kept = sorted(measured | spaced(settings.points))
    knee = knee_index(costs[kept], losses[kept])
    return kept, measured | ({kept[knee]} if knee is not None else set())
