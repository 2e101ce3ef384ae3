"""Formats first, hardware second: what the joint choice is compared with."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from macwright.dse.solver.front import front
from macwright.dse.solver.joint.dataflow import best_dataflow
from macwright.dse.solver.joint.problem import ArrayShape, JointChoice
from macwright.dse.solver.joint.temporal import best_temporal
from macwright.dse.solver.model.problem import Budget, Count
from macwright.dse.solver.model.solution import Solution
from macwright.dse.solver.model.table import OptionTable

__all__ = ["FormatFront", "sequential_dataflow", "sequential_temporal"]

Ints = NDArray[np.int64]
Choice = TypeVar("Choice")


@dataclass(frozen=True, kw_only=True)
class FormatFront:
    """The first step: a front of formats, of a cost that knows no hardware.

    Parameters
    ----------
    loss, proxy : str
        Columns of the front: the loss of formats, and the cost.
    label : str, default="option"
        Label column of the formats of each option.
    points : int, default=50
        Points of the front tried at most, evenly spaced in the proxy.
    """

    loss: str = "loss"
    proxy: str = "bops"
    label: str = "option"
    points: int = 50


_BY_BOPS = FormatFront()


def sequential_temporal(
    table: OptionTable,
    arrays: Sequence[ArrayShape],
    objective: str = "loss",
    budgets: Iterable[Budget | Count] = (),
    *,
    types: int,
    unit: str = "unit",
    area: str = "area",
    formats: FormatFront = _BY_BOPS,
) -> JointChoice | None:
    """Best of the points of a front of formats, each with the hardware that is best for it.

    Parameters
    ----------
    table, arrays, objective, budgets, types, unit, area
        As in :func:`macwright.dse.solver.joint.temporal.choose_temporal`.
    formats : FormatFront, optional
        Of which columns the front of formats is, and how much of it is tried.

    Returns
    -------
    JointChoice or None
        ``None`` if no point has hardware within the limits. Its status and bound are of the
        second step alone.
    """
    limits = list(budgets)

    def hardware(rows: Ints) -> JointChoice | None:
        here = [
            replace(array, columns={name: np.asarray(c)[rows] for name, c in array.columns.items()})
            for array in arrays
        ]
        part = restricted_table(table, rows)
        left = _applicable(part, limits)
        if left is None:
            return None
        return best_temporal(part, here, objective, left, types=types, unit=unit, area=area)

    return _best(table, hardware, lambda choice: choice.solution.objective, formats)


def sequential_dataflow(
    table: OptionTable,
    objective: str = "loss",
    budgets: Iterable[Budget | Count] = (),
    *,
    slowest: str = "cycles",
    formats: FormatFront = _BY_BOPS,
) -> Solution | None:
    """As :func:`sequential_temporal`, of engines folded for the formats of each point."""
    limits = list(budgets)

    def hardware(rows: Ints) -> Solution | None:
        part = restricted_table(table, rows)
        left = _applicable(part, limits)
        return None if left is None else best_dataflow(part, objective, left, slowest=slowest)

    return _best(table, hardware, lambda choice: choice.objective, formats)


def restricted_table(table: OptionTable, rows: Ints) -> OptionTable:
    """The table with only some rows (sorted); every layer must keep one."""
    return OptionTable(
        table.layers,
        np.searchsorted(rows, table.start),
        [str(table.options[row]) for row in rows.tolist()],
        {name: column[rows] for name, column in table.values.items()},
        {name: [str(texts[row]) for row in rows.tolist()] for name, texts in table.labels.items()},
    )


def _applicable(
    table: OptionTable, budgets: Sequence[Budget | Count]
) -> list[Budget | Count] | None:
    """Limits without the counts of options that are gone; ``None`` if one needs such options."""
    left: list[Budget | Count] = []
    for budget in budgets:
        if isinstance(budget, Count):
            names = set(table.label(budget.column))
            if not any(fnmatchcase(name, budget.pattern) for name in names):
                if (budget.min or 0) > 0:
                    return None
                continue
        left.append(budget)
    return left


def _best(
    table: OptionTable,
    hardware: Callable[[Ints], Choice | None],
    objective: Callable[[Choice], float],
    formats: FormatFront,
) -> Choice | None:
    texts = np.asarray(table.label(formats.label), object).astype(str)
    index = {
        (layer, table.options[row]): row
        for row, layer in enumerate(np.asarray(table.layers, object)[table.layer_of_row])
    }
    best: Choice | None = None
    tried: set[tuple[str, ...]] = set()
    for point in front(table, formats.loss, formats.proxy, points=formats.points):
        chosen = [texts[index[layer, point.allocation[layer]]] for layer in table.layers]
        if tuple(chosen) in tried:
            continue
        tried.add(tuple(chosen))
        rows = np.flatnonzero(texts == np.asarray(chosen)[table.layer_of_row])
        choice = hardware(rows)
        if choice is not None and (best is None or objective(choice) < objective(best)):
            best = choice
    return best
