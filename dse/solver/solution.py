"""What a solver answers."""

from dataclasses import dataclass, field
from math import fsum

import numpy as np
from numpy.typing import NDArray

from macwright.dse.solver.problem import Groups
from macwright.dse.solver.table import OptionTable

__all__ = ["Outcome", "Solution", "gap_of", "make_solution", "solution_of_rows"]


@dataclass(frozen=True, kw_only=True)
class Solution:
    """An allocation and what was proved about it.

    Parameters
    ----------
    status : str
        ``"optimal"`` if proved to within the rounding to integers, which `gap` states;
        ``"feasible"`` if a better allocation may exist.
    objective, bound : float
        Total of the objective column, and a proved lower bound of it, in its unit.
    gap : float
        ``(objective - bound) / objective``, dimensionless.
    solver : str
        What found and proved it.
    seconds : float
        Wall-clock time.
    allocation : dict from str to str
        Option of each layer.
    totals : dict from str to float
        Total of every column of the table, in its unit.
    """

    status: str
    objective: float
    bound: float
    gap: float
    solver: str
    seconds: float
    allocation: dict[str, str] = field(repr=False)
    totals: dict[str, float]


def gap_of(objective: float, bound: float) -> float:
    """Relative gap, dimensionless; 0 where both are equal."""
    if bound >= objective:
        return 0.0
    return float((objective - bound) / max(abs(objective), abs(bound)))


@dataclass(frozen=True, eq=False)
class Outcome:
    """What was found and proved in integers.

    Parameters
    ----------
    chosen : array of int, shape (n_groups,), or None
        Option of each group, within the limits; ``None`` if none was found.
    bound : int
        No choice within the limits has less scaled loss.
    optimal : bool
        Proved best, to within the difference between `bound` and its loss.
    solver : str
    infeasible : bool
        Proved that no choice is within the limits.
    """

    chosen: NDArray[np.int64] | None
    bound: int
    optimal: bool
    solver: str
    infeasible: bool = False


def make_solution(groups: Groups, outcome: Outcome, *, seconds: float, objective: str) -> Solution:
    """Solution for a choice, in the units of the table."""
    chosen = outcome.chosen
    if chosen is None:
        raise ValueError("Outcome must have a choice, not none")
    loss = sum(groups.loss[chosen].tolist())
    return solution_of_rows(
        groups.table,
        groups.table_rows(chosen),
        objective=objective,
        optimal=outcome.optimal or outcome.bound >= loss,
        # Rounding can hide as much in this choice as in a better one.
        behind=max(0, loss - outcome.bound) / groups.objective.factor + 2 * groups.objective.error,
        solver=outcome.solver,
        seconds=seconds,
    )


def solution_of_rows(
    table: OptionTable,
    rows: NDArray[np.int64],
    *,
    objective: str,
    optimal: bool,
    behind: float,
    solver: str,
    seconds: float,
    extra: float = 0.0,
) -> Solution:
    """Solution for one table row of each layer, in the order of the layers.

    `behind` is the difference to the bound; `extra` is added to the objective (pairwise terms).
    """
    totals = {name: fsum(column[rows].tolist()) for name, column in table.values.items()}
    reached = totals[objective] + extra
    # Totals of columns are at least zero; pairwise terms may be negative.
    bound = reached - behind if extra else max(reached - behind, 0.0)
    return Solution(
        status="optimal" if optimal else "feasible",
        objective=reached,
        bound=bound,
        gap=gap_of(reached, bound),
        solver=solver,
        seconds=seconds,
        allocation={
            table.layers[layer]: table.options[row] for layer, row in enumerate(rows.tolist())
        },
        totals=totals,
    )
