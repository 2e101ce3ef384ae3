"""What a solver answers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import fsum

import numpy as np
from numpy.typing import NDArray

from macwright.dse.solver.model.pairs import PairTerm, pair_total
from macwright.dse.solver.model.problem import Groups
from macwright.hw.errors import RefusedInput

__all__ = ["Outcome", "Solution", "gap_of", "make_solution"]


#: Largest relative gap that rounding may leave to what is called optimal.
ROUNDING_GAP = 1e-6


@dataclass(frozen=True, kw_only=True)
class Solution:
    """An allocation and what was proved about it.

    Parameters
    ----------
    status : str
        ``"optimal"`` if proved to within the rounding to integers, which `gap` states and which
        is at most `ROUNDING_GAP`;
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

    Examples
    --------
    >>> from macwright.dse.solver import OptionTable, solve
    >>> table = OptionTable.from_arrays(
    ...     ["conv", "fc"],
    ...     [["int4", "int8"], ["int4", "int8"]],
    ...     loss=[[3.0, 0.5], [2.0, 0.25]],
    ...     area_time=[[4.0, 9.0], [2.0, 5.0]],
    ... )
    >>> best = solve(table)
    >>> best.gap, best.totals
    (0.0, {'loss': 0.75, 'area_time': 14.0})
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
    loss : int, optional
        Scaled loss, if it is not just that of the options (pairwise terms).
    """

    chosen: NDArray[np.int64] | None
    bound: int
    optimal: bool
    solver: str
    infeasible: bool = False
    loss: int | None = None


def make_solution(
    groups: Groups,
    outcome: Outcome,
    *,
    seconds: float,
    objective: str,
    pair_terms: Sequence[PairTerm] = (),
    pair_error: float = 0.0,
) -> Solution:
    """Solution for a choice, in the units of the table.

    With pairwise terms, `bound` of the outcome and its loss include them.
    """
    chosen = outcome.chosen
    if chosen is None:
        raise RefusedInput("Outcome must have a choice, not none")
    table = groups.table
    rows = groups.table_rows(chosen).tolist()
    allocation: dict[str, str] = {
        layer: str(table.options[row]) for layer, row in zip(table.layers, rows, strict=True)
    }
    totals = {name: fsum(column[rows].tolist()) for name, column in table.values.items()}
    extra = pair_total(pair_terms, allocation)
    reached = totals[objective] + extra
    loss = outcome.loss if outcome.loss is not None else sum(groups.loss[chosen].tolist())
    # Rounding can hide as much in this choice as in a better one.
    rounding = 2 * (groups.objective.error + pair_error)
    behind = max(0, loss - outcome.bound) / groups.objective.factor + rounding
    # Totals of columns are at least zero; pairwise terms may be negative.
    bound = reached - behind if pair_terms else max(reached - behind, 0.0)
    gap = gap_of(reached, bound)
    proved = (outcome.optimal or outcome.bound >= loss) and gap <= ROUNDING_GAP
    return Solution(
        status="optimal" if proved else "feasible",
        objective=reached,
        bound=bound,
        gap=gap,
        solver=outcome.solver,
        seconds=seconds,
        allocation=allocation,
        totals=totals,
    )
