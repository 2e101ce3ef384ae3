"""Whole two-objective front by dynamic programming: merging of lists with dominance."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from macwright.hw.errors import RefusedInput

__all__ = ["MergedFront", "merge_front", "non_dominated"]

Ints = NDArray[np.int64]

#: Sums of a point and an option made at once.
MOST_SUMS = 8_000_000
#: Points of a list when the time has passed.
LATE_POINTS = 500


@dataclass(frozen=True, eq=False)
class MergedFront:
    """Non-dominated totals of one option for each group.

    Parameters
    ----------
    cost : array of int, shape (n_points,)
        Strictly increasing.
    loss : array of int, shape (n_points,)
        Strictly decreasing.
    choices : array of int, shape (n_points, n_groups)
        Option of each group that makes the point.
    rounding : float
        Factor, at least 1: no allocation of at most the cost of a point has a loss, above the sum
        of the least loss of each group, smaller than that of the point divided by this. 1 if exact.
    """

    cost: Ints
    loss: Ints
    choices: NDArray[np.int32]
    rounding: float


def non_dominated(cost: Ints, loss: Ints) -> NDArray[np.intp]:
    """Indices of points that no other is at most as expensive and lossy as, by increasing cost.

    Of equal points the first is kept.

    Examples
    --------
    >>> non_dominated(np.array([4, 1, 2, 2]), np.array([1, 9, 5, 5]))
    array([1, 2, 0])
    """
    order = np.argsort(cost, kind="stable")
    losses = loss[order]
    least = np.minimum.accumulate(losses)
    better = np.flatnonzero(np.concatenate(([True], losses[1:] < least[:-1])))
    # Of points of equal cost, the last that is better is the best.
    costs = cost[order[better]]
    return order[better[np.concatenate((costs[1:] > costs[:-1], [True]))]]


def merge_front(
    groups: Sequence[tuple[Ints, Ints]],
    *,
    most_cost: int | None = None,
    most_loss: int | None = None,
    most_points: int = 1_000_000,
    deadline: float = float("inf"),
) -> MergedFront:
    """Front of total loss against total cost, both minimised.

    Parameters
    ----------
    groups : sequence of (cost, loss)
        Two arrays of int, shape (n_options,), for each group. Totals must fit into int64.
    most_cost, most_loss : int, optional
        Limits of the totals; points beyond are left out.
    most_points : int, default=1_000_000
        A longer list is thinned: points are dropped whose loss is nearly that of a cheaper one,
        and `rounding` of the result says how nearly.
    deadline : float
        Value of `time.perf_counter` after which lists are thinned to :data:`LATE_POINTS`.

    Raises
    ------
    ValueError
        If no point is within the limits.
    """
    tails_cost = _suffix([int(cost.min()) for cost, _ in groups])
    tails_loss = _suffix([int(loss.min()) for _, loss in groups])
    least_losses = [int(loss.min()) for _, loss in groups]
    cost, loss = np.zeros(1, np.int64), np.zeros(1, np.int64)
    rounding = 1.0
    steps: list[tuple[NDArray[np.int32], NDArray[np.int32]]] = []
    for index, (costs, losses) in enumerate(groups):
        options = non_dominated(costs, losses)
        # Loss above the least: what is thinned later is relative to this.
        above = losses - least_losses[index]
        room_cost = None if most_cost is None else most_cost - tails_cost[index + 1]
        room_loss = None if most_loss is None else most_loss - tails_loss[0]
        new_cost, new_loss, code = np.zeros((3, 0), np.int64)
        step = max(1, MOST_SUMS // cost.size)
        # Some options at a time, so that the memory is bounded.
        for first in range(0, len(options), step):
            part = options[first : first + step]
            part_cost = (costs[part][:, None] + cost).ravel()
            part_loss = (above[part][:, None] + loss).ravel()
            parts = np.arange(part_cost.size)
            if room_cost is not None:
                parts = parts[part_cost <= room_cost]
            if room_loss is not None:
                parts = parts[part_loss[parts] <= room_loss]
            new_cost = np.concatenate((new_cost, part_cost[parts]))
            new_loss = np.concatenate((new_loss, part_loss[parts]))
            code = np.concatenate((code, parts + first * cost.size))
            best = non_dominated(new_cost, new_loss)
            new_cost, new_loss, code = new_cost[best], new_loss[best], code[best]
        if not code.size:
            raise RefusedInput("No allocation is within the limits")
        most = most_points if perf_counter() < deadline else min(most_points, LATE_POINTS)
        if code.size > most:
            best, factor = _thinned(np.arange(code.size), new_loss, most)
            new_cost, new_loss, code = new_cost[best], new_loss[best], code[best]
            rounding *= factor
        steps.append(
            (options[code // cost.size].astype(np.int32), (code % cost.size).astype(np.int32))
        )
        cost, loss = new_cost, new_loss
    choices = np.empty((cost.size, len(groups)), np.int32)
    point = np.arange(cost.size)
    for index in range(len(groups) - 1, -1, -1):
        option, previous = steps[index]
        choices[:, index] = option[point]
        point = previous[point]
    return MergedFront(cost, loss + sum(least_losses), choices, rounding)


def _suffix(terms: list[int]) -> list[int]:
    """Sums of the terms from each index on, and 0."""
    sums = [0]
    for term in reversed(terms):
        sums.append(sums[-1] + term)
    return sums[::-1]


def _thinned(
    best: NDArray[np.intp], loss: Ints, most_points: int
) -> tuple[NDArray[np.intp], float]:
    """Keep points such that each dropped one has a cheaper one of loss within a factor."""
    losses = loss[best].astype(np.float64)
    step = 1e-9
    while True:
        # One point for each class of the logarithm: the first, which is the cheapest. Its loss is
        # above that of the others of the class by less than the factor.
        classes = np.floor(np.log1p(losses) / np.log1p(step))
        first = np.concatenate(([True], classes[1:] < classes[:-1]))
        if first.sum() <= most_points // 2:
            # Adding 1 to the loss, for the logarithm of 0, and floats cost one more unit each.
            return best[first], (1 + step) * (1 + 1e-12)
        step *= 2
