"""Which points of a front are reported and measured, and what they are compared with."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from macwright.dse.quantizer import layer_formats
from macwright.dse.search.knee import knee_index
from macwright.dse.search.options import option_name
from macwright.dse.search.points import Point
from macwright.dse.settings import Settings
from macwright.dse.solver.model.pairs import PairTerm, pair_total
from macwright.dse.workload import Layer, Workload
from macwright.hw.formats import parse_format

__all__ = ["baseline_points", "baselines", "choose_points", "spread_points"]

#: Uniform formats of at most so many bits are also tried with 8 bits in the first and last layer.
FEW_BITS, ENDS = 4, "int8"


def baselines(workload: Workload, settings: Settings) -> dict[str, dict[str, str]]:
    """Options of the same format everywhere and, for few bits, with 8 bits at both ends.

    Tensors whose format the model prescribes keep it; where all do, there is nothing to compare.
    """
    layers = workload.layers
    if all(None not in workload.fixed.get(layer.name, (None, None)) for layer in layers):
        return {}
    names = [name for name in settings.weights if name in settings.activations]

    def option(layer: Layer, name: str) -> str:
        (weight,), (act,) = layer_formats(layer, [name], [name], workload.fixed)
        return option_name(weight, act)

    found: dict[str, dict[str, str]] = {}
    for name in names:
        pairs = {layer.name: option(layer, name) for layer in layers}
        if pairs in found.values():
            continue
        found[name] = pairs
        if ENDS in names and parse_format(name).width <= FEW_BITS and len(layers) > 2:
            ends = {layer.name: option(layer, ENDS) for layer in (layers[0], layers[-1])}
            if {**pairs, **ends} not in found.values():
                found[f"{name}, {ENDS} ends"] = {**pairs, **ends}
    return found


def baseline_points(
    options: pd.DataFrame,
    baselines: Mapping[str, Mapping[str, str]],
    settings: Settings,
    terms: Sequence[PairTerm] = (),
) -> list[Point]:
    """Baselines with their totals, cheapest first."""
    numbers = [name for name in options.columns if options[name].dtype == np.float64]
    found = []
    for name, pairs in baselines.items():
        mine = options["option"] == [pairs[layer] for layer in options["layer"]]
        totals = {column: float(options.loc[mine, column].sum()) for column in numbers}
        totals["loss"] += pair_total(terms, pairs)
        found.append(Point(name=name, pairs=pairs, totals=totals))
    return sorted(found, key=lambda point: (point.totals[settings.objective], point.name))


def spread_points(points: Sequence[Point], settings: Settings) -> list[Point]:
    """Points to measure: evenly spaced in the logarithm of the cost, and the knee."""
    costs = np.array([point.totals[settings.objective] for point in points])
    index = _spaced(costs, min(settings.measured, len(points)))
    if settings.second is None and settings.measured:
        knee = knee_index(costs, [point.totals["loss"] for point in points])
        index |= set() if knee is None else {knee}
    return [points[i] for i in sorted(index)]


def _spaced(costs: np.ndarray, count: int) -> set[int]:
    log = np.log(np.maximum(costs, np.finfo(float).tiny))
    wanted = np.linspace(log.min(), log.max(), max(count, 2)) if count else []
    return {int(np.abs(log - value).argmin()) for value in wanted}


def choose_points(
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
    measured = beside | _spaced(costs, min(settings.measured, len(costs)))
    kept = sorted(measured | _spaced(costs, settings.points))
    knee = knee_index(costs[kept], losses[kept])
    return kept, measured | ({kept[knee]} if knee is not None else set())
