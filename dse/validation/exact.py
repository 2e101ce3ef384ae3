"""Points of a run as their hardware computes them: integers alone."""

import dataclasses
import os
from concurrent.futures import ThreadPoolExecutor, as_completed

from macwright.costmodel.progress import Progress
from macwright.dse.bitexact import evaluate_exact
from macwright.dse.data.recipe import Dataset
from macwright.dse.search.front import SearchResult
from macwright.dse.search.options import split_pairs
from macwright.dse.search.points import Point
from macwright.dse.sensitivity.rotations import Rotations
from macwright.dse.settings import WIDE_BITS, Settings, Temporal
from macwright.dse.workload import Workload
from macwright.hw.errors import RefusedInput

__all__ = ["measure_exact"]


def measure_exact(
    workload: Workload,
    dataset: Dataset,
    search: SearchResult,
    rotations: Rotations,
    settings: Settings,
    progress: Progress | None = None,
) -> tuple[SearchResult, dict[str, str]]:
    """Measure the points of the front that were measured again, as integer networks.

    Parameters
    ----------
    workload, dataset, search, rotations, settings, progress
        As of `measure_points`.

    Returns
    -------
    search : SearchResult
        The same points with `exact` where there is such a network.
    reasons : dict
        Why there is none, by the point's name.
    """
    chosen = [point for point in search.front if point.name in search.measured]
    chip = settings.architecture
    wide_bits = chip.wide_bits if isinstance(chip, Temporal) else WIDE_BITS
    metrics: dict[str, float] = {}
    reasons: dict[str, str] = {}

    def measure(point: Point) -> None:
        try:
            formats = split_pairs(point.pairs)
            options = rotations.options(formats)
            result = evaluate_exact(
                workload, dataset, formats, options=options, wide_bits=wide_bits
            )
        except RefusedInput as error:
            reasons[point.name] = str(error)
        else:
            metrics[point.name] = result.metric

    with ThreadPoolExecutor(settings.jobs or os.cpu_count() or 1) as pool:
        running = [pool.submit(measure, point) for point in chosen]
        try:
            for done, run in enumerate(as_completed(running)):
                run.result()
                if progress:
                    progress("exact evaluation", done + 1, len(running))
        except BaseException:
            for run in running:
                run.cancel()
            raise
    front = [dataclasses.replace(p, exact=metrics.get(p.name)) for p in search.front]
    ordered = {point.name: reasons[point.name] for point in chosen if point.name in reasons}
    return dataclasses.replace(search, front=front), ordered
