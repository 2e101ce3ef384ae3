"""Why no allocation is within the limits, and what would help."""

from collections.abc import Callable
from dataclasses import replace
from math import ceil

import numpy as np
from numpy.typing import NDArray

from macwright.dse.solver.cpsat import solve_cpsat
from macwright.dse.solver.problem import Groups, Row

__all__ = ["Infeasible", "explain"]

Choose = Callable[[Groups], NDArray[np.int64] | None]


class Infeasible(ValueError):
    """No allocation is within the limits; the message says which, by how much, what would help."""


def explain(groups: Groups, choose: Choose) -> Infeasible:
    """Error that names the cheapest relaxation.

    Parameters
    ----------
    groups : Groups
        A problem without a choice within its limits.
    choose : callable
        Best choice of a problem, or ``None`` if it has none.
    """
    alone: list[tuple[float, Row, int]] = []
    for index, row in enumerate(groups.rows):
        others = [other for other in groups.rows if other is not row]
        reached = _furthest(groups, row, others, choose)
        if reached is not None:
            alone.append((_change(row, reached), row, reached))
        elif index == 0 and not others:
            raise RuntimeError("A problem with one limit and no other must have a choice")
    if alone:
        change, row, reached = min(alone, key=lambda entry: entry[0])
        others = " with the other limits as they are" if len(groups.rows) > 1 else ""
        return Infeasible(
            f"{_name(row)} must be {_words(row)} {_shown(row, reached)}{others}, not "
            f"{_shown(row, row.limit)}: no allocation is within the limits, "
            f"and this is the cheapest relaxation ({_percent(change)})"
        )
    part, relaxed = _all_together(groups)
    needs = ", ".join(f"{_name(row)} {_words(row)} {_shown(row, row.limit)}" for row in relaxed)
    return Infeasible(
        f"Limits must be relaxed together, by {part:.3g} % each, not only one: {needs} has an "
        f"allocation, the given limits have none"
    )


def _furthest(groups: Groups, row: Row, others: list[Row], choose: Choose) -> int | None:
    """Total of the row nearest to its limit that the other limits allow."""
    cost = row.cost
    if not row.upper:
        most = np.maximum.reduceat(cost, groups.start[:-1])
        cost = np.repeat(most, np.diff(groups.start)) - cost
    chosen = choose(replace(groups, loss=cost, rows=others))
    return None if chosen is None else int(row.cost[chosen].sum())


def _change(row: Row, reached: int) -> float:
    return abs(reached - row.limit) / max(abs(row.limit), 1)


def _percent(change: float) -> str:
    return f"{100 * change:.3g} % off" if change < 100 else f"{change:.3g} times off"


def _name(row: Row) -> str:
    return row.name[0].upper() + row.name[1:] if row.name.startswith("count") else f"{row.name!r}"


def _words(row: Row) -> str:
    return "at least" if row.upper else "at most"


def _shown(row: Row, whole: int) -> str:
    """A scaled limit in the unit of the column, rounded to the safe side."""
    value = whole / row.scaled.factor
    return f"{int(value)}" if value == int(value) and abs(value) < 1e15 else f"{value:.12g}"


def _all_together(groups: Groups) -> tuple[float, list[Row]]:
    """Least percentage by which all limits must give, to three digits, and limits that do."""

    ends = groups.start[:-1]
    least = [sum(np.minimum.reduceat(row.cost, ends).tolist()) for row in groups.rows]
    most = [sum(np.maximum.reduceat(row.cost, ends).tolist()) for row in groups.rows]

    def eased(part: float) -> list[Row]:
        rows = []
        for row, low, high in zip(groups.rows, least, most, strict=True):
            # Zero does not give by any percentage: then it is one of the largest total.
            room = ceil((abs(row.limit) or high) * part)
            limit = min(row.limit + room, high) if row.upper else max(row.limit - room, low)
            rows.append(replace(row, limit=limit))
        return rows

    def possible(part: float) -> bool:
        trial = replace(groups, rows=eased(part), loss=np.zeros_like(groups.loss))
        return solve_cpsat(trial).chosen is not None

    low, high = 0.0, 1e-3
    while not possible(high):
        low, high = high, high * 4
    while high - low > 1e-3 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if possible(middle) else (middle, high)
    return 100 * high, eased(high)
