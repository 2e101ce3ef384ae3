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

__all__ = [
    "baseline_points",
    "baselines",
    "points_to_measure",
    "points_to_refine",
    "reported_points",
]

#: Uniform formats of fewer bits are also tried with this one in the first and last layer.
ENDS = "int8"


def baselines(workload: Workload, settings: Settings) -> dict[str, dict[str, str]]:
    """Options of the same format everywhere, and with 8 bits at both ends, as papers report it.

    Tensors whose format the model prescribes keep it; where all do, there is nothing to compare.
    """
    layers = workload.layers
    if all(None not in workload.fixed.get(layer.name, (None, None)) for layer in layers):
        return {}
    names = [name for name in settings.weights if name in settings.activations]

    def option(layer: Layer, name: str) -> str:
        (weight,), (act,) = layer_formats(layer, [name], [name], workload.fixed)
        return option_name(weight, act)

    allocations: dict[str, dict[str, str]] = {}
    for name in names:
        pairs = {layer.name: option(layer, name) for layer in layers}
        if pairs in allocations.values():
            continue
        allocations[name] = pairs
        fewer = parse_format(name).width < parse_format(ENDS).width
        if ENDS in names and fewer and len(layers) > 2:
            ends = {layer.name: option(layer, ENDS) for layer in (layers[0], layers[-1])}
            if {**pairs, **ends} not in allocations.values():
                allocations[f"{name}, {ENDS} ends"] = {**pairs, **ends}
    return allocations


def baseline_points(
    options: pd.DataFrame,
    baselines: Mapping[str, Mapping[str, str]],
    settings: Settings,
    terms: Sequence[PairTerm] = (),
) -> list[Point]:
    """Baselines with their totals, cheapest first."""
    numbers = [name for name in options.columns if options[name].dtype == np.float64]
    points = []
    for name, pairs in baselines.items():
        mine = options["option"] == [pairs[layer] for layer in options["layer"]]
        totals = {column: float(options.loc[mine, column].sum()) for column in numbers}
        totals["loss"] += pair_total(terms, pairs)
        points.append(Point(name=name, pairs=pairs, totals=totals))
    return sorted(points, key=lambda point: (point.totals[settings.objective], point.name))


def reported_points(
    costs: np.ndarray, losses: np.ndarray, uniforms: Sequence[Point], settings: Settings
) -> list[int]:
    """Indices of the points to report.

    The best point within the cost of each uniform allocation, and the knee of all of them; the rest
    are spaced evenly in the logarithm of the cost, ends included.
    """
    level = np.searchsorted(
        costs, [point.totals[settings.objective] * (1 + 1e-12) for point in uniforms], "right"
    )
    log = _log(costs)
    wanted = np.linspace(log.min(), log.max(), max(settings.points, 2))
    spaced = {int(np.abs(log - value).argmin()) for value in wanted}
    knee = knee_index(costs, losses)
    return sorted(
        {int(i) - 1 for i in level if i > 0} | spaced | (set() if knee is None else {knee})
    )


def points_to_measure(
    front: Sequence[Point], uniforms: Sequence[Point], settings: Settings
) -> frozenset[str]:
    """Names of the points to measure, as many as the settings say, baselines included.

    A third are baselines, of which no other has less loss at no more cost, or more where the front
    is short. Of the front it is the knee first, then the best point within the cost of each of
    those baselines. All others are each the farthest, in the logarithm of the cost, from what is
    chosen already.

    Parameters
    ----------
    front, uniforms : sequence of Point
        By rising cost; with two cost objectives by the first of them.
    settings : Settings
        How many, and what the cost is.
    """
    count = settings.measured
    if not count:
        return frozenset()
    costs, losses = _totals(front, settings.objective)
    share = max(count // 3, count - len(front))
    others, other_losses = _totals(uniforms, settings.objective)
    best = [
        i
        for i, loss in enumerate(other_losses)
        if not any(c <= others[i] and x < loss for c, x in zip(others, other_losses, strict=True))
    ]
    of_uniforms = _spread(others[best], [], min(share, len(best)))
    compared = [best[i] for i in of_uniforms]
    knee = knee_index(costs, losses) if settings.second is None else None
    first = [] if knee is None else [knee]
    for index in compared:
        within = np.flatnonzero(costs <= others[index] * (1 + 1e-12))
        first += [int(within[losses[within].argmin()])] if len(within) else []
    first = list(dict.fromkeys(first))
    chosen = _spread(costs, first, min(count - len(compared), len(front)))
    rest = count - len(compared) - len(chosen)
    if rest > 0:
        compared = _spread(others, compared, min(len(compared) + rest, len(uniforms)))
    return frozenset([*(front[i].name for i in chosen), *(uniforms[i].name for i in compared)])


def points_to_refine(front: Sequence[Point], settings: Settings, count: int) -> list[Point]:
    """So many points of a front, ends included, spread over the logarithm of the cost."""
    costs, _ = _totals(front, settings.objective)
    return [front[i] for i in sorted(_spread(costs, [], min(count, len(front))))]


def _totals(points: Sequence[Point], cost: str) -> tuple[np.ndarray, np.ndarray]:
    """Costs and losses of points."""
    columns = ([point.totals[name] for point in points] for name in (cost, "loss"))
    costs, losses = (np.array(column, np.float64) for column in columns)
    return costs, losses


def _log(costs: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(costs, np.finfo(float).tiny))


def _spread(costs: np.ndarray, first: Sequence[int], count: int) -> list[int]:
    """The first indices, and then always the one farthest from those taken; ends before all."""
    log, taken = _log(costs), list(first[:count])
    for end in (0, len(costs) - 1):
        if len(taken) < count and end not in taken:
            taken.append(end)
    while len(taken) < count:
        away = np.abs(log[:, None] - log[taken]).min(axis=1)
        away[taken] = -1
        taken.append(int(away.argmax()))
    return taken
