"""Smallest hardware that has an allocation within the limits."""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from macwright.dse.solver.exact.lagrangian import lagrangian_dual
from macwright.dse.solver.exact.optimise import optimise
from macwright.dse.solver.exact.type_sets import covering, set_bounds
from macwright.dse.solver.model.problem import Groups
from macwright.dse.solver.reduce.restriction import restrict

__all__ = ["first_limit_as_loss", "least_area"]

Ints = NDArray[np.int64]
Place = tuple[Groups, Ints, NDArray[np.int16], NDArray[np.float64]]


def least_area(places: Sequence[Place], deadline: float) -> tuple[int, Ints] | None:
    """First set of types, by area, with an allocation within the limits.

    Parameters
    ----------
    places : sequence of (groups, classes, sets, areas)
        For each array its problem, the type of each option, the sets of types, shape
        (n_sets, size), and the area of each.
    deadline : float
        Value of `time.perf_counter` at which to stop.

    Returns
    -------
    tuple of (int, array of int, shape (n_groups,)) or None
        Which array, and an option for each group; ``None`` if no set has an allocation.

    Raises
    ------
    TimeoutError
        If the time passed before.
    """
    checks = [_Check(groups, classes, sets) for groups, classes, sets, _ in places]
    order = sorted(
        (float(area), place, index)
        for place, (_, _, _, areas) in enumerate(places)
        for index, area in enumerate(areas)
        if checks[place].alive[index]
    )
    for area, place, index in order:
        if perf_counter() > deadline:
            raise TimeoutError(
                f"The least area must be found within the time limit: it is {area:.10g} or more; "
                "allow more time"
            )
        chosen = checks[place].allocation(index, deadline)
        if chosen is not None:
            return place, chosen
    return None


def first_limit_as_loss(groups: Groups) -> tuple[Groups, int]:
    """A problem whose least loss is at most the number returned if all limits can be kept."""
    if not groups.rows:
        return replace(groups, loss=np.zeros_like(groups.loss)), 0
    row, *others = groups.rows
    cost, limit = row.cost, row.limit
    if not row.upper:
        most = np.maximum.reduceat(cost, groups.start[:-1])
        cost = np.repeat(most, np.diff(groups.start)) - cost
        limit = sum(most.tolist()) - limit
    return replace(groups, loss=cost, rows=others), limit


class _Check:
    """Whether the sets of one array have an allocation.

    The first limit is what is minimised under the others: multipliers that show that one set misses
    it bound all sets.
    """

    def __init__(self, groups: Groups, classes: Ints, sets: NDArray[np.int16]) -> None:
        self.classes, self.sets = classes, sets
        groups, self.limit = first_limit_as_loss(groups)
        self.groups = groups
        self.n_types = max(int(classes.max()), int(sets.max())) + 1
        self.alive = covering(groups, classes, sets, self.n_types)
        self._bound(np.zeros(len(groups.rows)), 0.0)
        for row in groups.rows:
            # Least total of each other limit alone.
            alone = replace(groups, loss=row.cost if row.upper else -row.cost, rows=[])
            least = set_bounds(alone, classes, sets, self.n_types, np.zeros(0))
            self.alive &= least <= (row.limit if row.upper else -row.limit)

    def _bound(self, multipliers: NDArray[np.float64], margin: float) -> None:
        bounds = set_bounds(self.groups, self.classes, self.sets, self.n_types, multipliers)
        self.alive &= np.ceil(bounds - margin) <= self.limit

    def allocation(self, index: int, deadline: float) -> Ints | None:
        """Options of a set that are within the limits, or ``None``."""
        if not self.alive[index]:
            return None
        inside = restrict(self.groups, np.isin(self.classes, self.sets[index]))
        dual = lagrangian_dual(inside.groups)
        if np.isinf(dual.bound):
            return None
        if ceil(dual.bound - dual.margin) > self.limit:
            self._bound(dual.multipliers, 2 * dual.margin)
            return None
        answer = inside.outcome(optimise(inside.groups, deadline=deadline, below=self.limit + 1))
        if answer.chosen is not None and int(self.groups.loss[answer.chosen].sum()) <= self.limit:
            return answer.chosen
        if not answer.infeasible and not answer.optimal and answer.bound <= self.limit:
            raise TimeoutError("The least area must be found within the time limit: allow more")
        return None
