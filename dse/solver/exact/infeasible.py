"""Why no allocation is within the limits, and what would help.

>>> from macwright.dse.solver import Budget, OptionTable, solve
>>> table = OptionTable.from_arrays(["fc"], [["int4", "int8"]], loss=[[2, 1]], bits=[[4, 8]])
>>> solve(table, budgets=[Budget("bits", max=3)])  # doctest: +ELLIPSIS
Traceback (most recent call last):
...
macwright.hw.errors.Infeasible: 'bits' must be at least 4, not 3: ...
"""

from collections.abc import Callable
from dataclasses import replace
from math import ceil

import numpy as np
from numpy.typing import NDArray
from ortools.sat.python import cp_model

from macwright.dse.solver.model.problem import Groups, Row
from macwright.hw.errors import Infeasible

__all__ = ["explain"]

Choose = Callable[[Groups], NDArray[np.int64] | None]


#: Limits that must give together do so in steps of this part of themselves, to a thousandfold.
STEP, MOST_STEPS = 1e-4, 10_000_000


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
            f"{_given(row):.12g}: no allocation is within the limits, "
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


def _given(row: Row) -> float:
    """The limit in the unit of the column, as it was asked for."""
    limit = row.budget.max if row.upper else row.budget.min
    assert limit is not None
    return limit


def _change(row: Row, reached: int) -> float:
    off = abs(reached / row.scaled.factor - _given(row))
    return off / (abs(_given(row)) or 1)


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
    """Least percentage by which all limits must give, and limits that do."""
    ends = groups.start[:-1]
    model = cp_model.CpModel()
    chosen = [model.new_bool_var("") for _ in range(len(groups.loss))]
    for a, b in zip(groups.start[:-1].tolist(), groups.start[1:].tolist(), strict=True):
        model.add_exactly_one(chosen[a:b])
    steps = model.new_int_var(0, MOST_STEPS, "steps")
    rooms = []
    for row in groups.rows:
        extreme = np.maximum if row.upper else np.minimum
        furthest = sum(extreme.reduceat(row.cost, ends).tolist())
        # Zero does not give by any percentage: then it is one of the largest total.
        room = ceil(min(abs(row.limit) or furthest, 1 << 52) * STEP)
        rooms.append((room, furthest))
        total = cp_model.LinearExpr.weighted_sum(chosen, row.cost.tolist())
        limit = max(-(1 << 60), min(1 << 60, row.limit))
        model.add(total - room * steps <= limit if row.upper else total + room * steps >= limit)
    model.minimize(steps)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    # Its handler would leave the one of C behind, which kills without a word.
    solver.parameters.catch_sigint_signal = False
    solver.parameters.max_time_in_seconds = 20.0
    solved = solver.solve(model) in (cp_model.OPTIMAL, cp_model.FEASIBLE)
    taken = solver.value(steps) if solved else MOST_STEPS
    relaxed = []
    for row, (room, furthest) in zip(groups.rows, rooms, strict=True):
        eased = row.limit + (1 if row.upper else -1) * room * taken
        limit = (min if row.upper else max)(eased, furthest) if solved else furthest
        relaxed.append(replace(row, limit=limit))
    return 100 * STEP * taken, relaxed
