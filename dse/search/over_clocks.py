"""Points of several clocks as one front: the clock is part of the choice."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from macwright.dse.architecture.clocks import Clocked
from macwright.dse.architecture.engines import DeviceEngines
from macwright.dse.cost_columns import LATENCY
from macwright.dse.search.points import Point
from macwright.dse.search.result import SearchResult
from macwright.dse.settings import Settings
from macwright.dse.solver.front3 import non_dominated_rows

__all__ = ["over_clocks", "with_latency"]


def over_clocks(
    by_clock: Sequence[tuple[Clocked, SearchResult]], settings: Settings
) -> SearchResult:
    """What is found at each clock, as one.

    A point stays if no point of any clock, reported or not, has less loss at no more cost; where
    clocks tie the first one stays. Each baseline counts at the clock where it costs least.

    Parameters
    ----------
    by_clock : sequence of (Clocked, SearchResult)
        What each clock has, the preferred ones first.
    settings : Settings
        Objectives.
    """
    names = ["loss", settings.objective]
    names += [settings.second] if settings.second is not None else []
    marked = [(at, _marked(at, result)) for at, result in by_clock]
    if len(marked) == 1:
        return marked[0][1]
    best = _pareto(np.concatenate([_rivals(result, names) for _, result in marked]))
    points: list[Point] = []
    for _, result in marked:
        for point in result.front:
            values = np.array([point.totals[name] for name in names])
            known = [[other.totals[name] for name in names] for other in points]
            if not _beaten(best, values) and not any(np.allclose(values, k, 1e-9) for k in known):
                points.append(point)
    points.sort(key=lambda p: (p.totals[settings.objective], p.totals["loss"]))
    numbered = [replace(point, name=str(n)) for n, point in enumerate(points)]
    first = marked[0][1]
    sequential, beside = _sequential(marked, numbered, settings.objective)
    return replace(
        first,
        front=numbered,
        uniforms=_cheapest(
            [p for _, result in marked for p in result.uniforms], settings.objective
        ),
        size=len(best) if all(result.whole is not None for _, result in marked) else len(numbered),
        confirmed=min(sum(result.confirmed for _, result in marked), len(numbered)),
        complete=all(result.complete for _, result in marked),
        wholes=[(at.clock_mhz, result.whole) for at, result in marked if result.whole is not None],
        sequential=sequential,
        beside=beside,
    )


def with_latency(result: SearchResult, engines: DeviceEngines) -> SearchResult:
    """The same with the latency of each machine, of the control model."""

    def timed(points: Sequence[Point]) -> list[Point]:
        with_latency = []
        for point in points:
            assert point.clock_mhz is not None
            cycles = engines.latency(point.hardware["folding"], point.units)
            totals = {**point.totals, LATENCY: cycles / (point.clock_mhz * 1e3)}
            with_latency.append(replace(point, totals=totals))
        return with_latency

    return replace(
        result,
        front=timed(result.front),
        uniforms=timed(result.uniforms),
        sequential=timed(result.sequential),
        beside=timed(result.beside),
    )


def _marked(at: Clocked, result: SearchResult) -> SearchResult:
    """The same with the clock in each point."""

    def mark(points: Sequence[Point]) -> list[Point]:
        return [replace(point, clock_mhz=at.clock_mhz) for point in points]

    return replace(
        result,
        front=mark(result.front),
        uniforms=mark(result.uniforms),
        sequential=mark(result.sequential),
        beside=mark(result.beside),
        wholes=[] if result.whole is None else [(at.clock_mhz, result.whole)],
    )


def _rivals(result: SearchResult, names: Sequence[str]) -> np.ndarray:
    """Totals of all points that are known, shape (n_points, n_names)."""
    rows = [[point.totals[name] for name in names] for point in result.front]
    totals = np.array(rows, np.float64).reshape(-1, len(names))
    if result.whole is None:
        return totals
    return np.concatenate([totals, np.column_stack([result.whole.objectives, result.whole.costs])])


def _pareto(totals: np.ndarray) -> np.ndarray:
    """Rows that no other is at most as large as in all columns, without repetitions."""
    if totals.shape[1] > 2:
        return totals[non_dominated_rows(totals)]
    ordered = totals[np.lexsort((totals[:, 1], totals[:, 0]))]
    least = np.minimum.accumulate(np.concatenate([[np.inf], ordered[:-1, 1]]))
    return ordered[ordered[:, 1] < least]


def _beaten(best: np.ndarray, values: np.ndarray) -> bool:
    """Whether some total is as good everywhere and better somewhere, beyond rounding."""
    as_good = (best <= values * (1 + 1e-9)).all(axis=1)
    better = (best < values * (1 - 1e-6)).any(axis=1)
    return bool((as_good & better).any())


def _cheapest(points: Sequence[Point], objective: str) -> list[Point]:
    best: dict[str, Point] = {}
    for point in points:
        if point.name not in best or point.totals[objective] < best[point.name].totals[objective]:
            best[point.name] = point
    return sorted(best.values(), key=lambda point: (point.totals[objective], point.name))


def _sequential(
    marked: Sequence[tuple[Clocked, SearchResult]], front: Sequence[Point], cost: str
) -> tuple[list[Point], list[Point]]:
    """Best sequential points of all clocks, and for each the joint one within its cost."""
    every = [point for _, result in marked for point in result.sequential]
    if not every:
        return [], []
    totals = np.array([[p.totals["loss"], p.totals[cost]] for p in every])
    best = sorted((every[i] for i in non_dominated_rows(totals)), key=lambda p: p.totals[cost])
    pairs = []
    for point in best:
        inside = [p for p in front if p.totals[cost] <= point.totals[cost] * (1 + 1e-12)]
        if inside:
            pairs.append((point, min(inside, key=lambda p: p.totals["loss"])))
    return [s for s, _ in pairs], [b for _, b in pairs]
