"""Where the losses of a run come from: measured, or a table that the user brings."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from macwright.costmodel.progress import Progress
from macwright.dse.data.recipe import Dataset
from macwright.dse.quantizer.options import QuantOptions, layer_formats
from macwright.dse.sensitivity.factors import tensor_factors
from macwright.dse.sensitivity.measure import LossMeasure, measure_and_check, read_sensitivity
from macwright.dse.sensitivity.rotations import Rotations, candidate_widths
from macwright.dse.settings import Settings
from macwright.dse.studies import METRICS
from macwright.dse.workload import Workload

__all__ = ["Losses", "find_losses"]


@dataclass(frozen=True, kw_only=True)
class Losses:
    """What each tensor loses in each format.

    Attributes
    ----------
    table : DataFrame
        Columns ``layer, tensor, format, loss``.
    source : dict
        What they are, for the record: the metric, the number of samples and what
        `measure_and_check` says, or the file.
    rotations : Rotations
        Which layers of which formats read Hadamard transforms, and what they lose then; none if
        they were not asked for.
    factors : mapping from str to float
        Of the losses of weights and of activations, for what later layers undo of them; 1 where
        either have one format each, and none for losses that the user brings, which are taken as
        they are.
    """

    table: pd.DataFrame
    source: dict[str, Any]
    rotations: Rotations = Rotations()  # noqa: RUF009 (a frozen value)
    factors: Mapping[str, float] = field(default_factory=dict)


def find_losses(
    workload: Workload,
    dataset: Dataset,
    settings: Settings,
    path: Path | None = None,
    progress: Progress | None = None,
) -> Losses:
    """Read the losses from a file, or measure them.

    Parameters
    ----------
    workload, dataset
        Network and data.
    settings : Settings
        Formats, metric and number of samples.
    path : Path, optional
        Table of the user, see :func:`macwright.dse.sensitivity.file.read_sensitivity`.
    progress : callable, optional
        Called with stage, done and total.

    Raises
    ------
    ValueError
        If the file, a format or the metric will not do.
    """
    weights, activations = settings.weights, settings.activations
    if path is not None:
        table = read_sensitivity(path, workload, weights, activations)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return Losses(table=table, source={"file": path.name, "sha256": digest})

    def measured(metric: str, rotations: Mapping[str, int]) -> tuple[pd.DataFrame, dict[str, Any]]:
        options = QuantOptions(rotations=rotations)
        return measure_and_check(
            workload,
            dataset,
            weights,
            activations,
            measure=LossMeasure(metric=metric, images=settings.images, options=options),
            jobs=settings.jobs,
            progress=progress,
        )

    def with_rotations(metric: str) -> tuple[Rotations, pd.DataFrame, dict[str, Any]]:
        plain, way = measured(metric, {})
        if not widths:
            return Rotations.of_tables({}, plain, plain.iloc[:0]), plain, way
        turned, how = measured(metric, widths)
        return Rotations.of_tables(widths, plain, turned), plain, {**way, "rotated": how}

    widths: Mapping[str, int] = {}
    if settings.rotate:
        widths = candidate_widths(workload, dataset, weights, activations, settings.images)
    rotations, table, way = with_rotations(settings.metric)
    factors: Mapping[str, float] = {"weight": 1.0, "activation": 1.0}
    if not _one_format_each(workload, weights, activations):
        # What later layers undo is known as a share of squared changes; it is taken to be as much
        # of any other metric.
        squares = rotations
        if settings.metric != "logit_mse":
            squares, _, _ = with_rotations("logit_mse")
        factors = tensor_factors(
            workload, dataset, squares, weights, activations, jobs=settings.jobs, progress=progress
        )
    samples = min(settings.images, len(next(iter(dataset.x_calib.values()))))
    source = {"metric": settings.metric, "what": METRICS[settings.metric], "samples": samples}
    source |= way
    return Losses(table=table, source=source, rotations=rotations, factors=factors)


def _one_format_each(
    workload: Workload, weights: Sequence[str], activations: Sequence[str]
) -> bool:
    """Whether there is nothing to choose for all weights, or for all activations.

    What they lose is then the same in all allocations, and no factor changes the order of these.
    """
    formats = [layer_formats(x, weights, activations, workload.fixed) for x in workload.layers]
    return any(all(len(pair[kind]) == 1 for pair in formats) for kind in (0, 1))
