"""Exact search near the Lagrangian bound: list merging of the few choices that can be best."""

from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from macwright.dse.solver.exact.lagrangian import Dual
from macwright.dse.solver.model.problem import Groups

__all__ = ["GapResult", "search_gap"]

Ints = NDArray[np.int64]

#: Options besides the best one of each group that the first gap lets in.
FIRST_CHOICES = 10


@dataclass(frozen=True, eq=False)
class GapResult:
    """Best choice found and what is proved.

    Parameters
    ----------
    chosen : array of int, shape (n_groups,), or None
        Option of each group, within the limits; ``None`` if none was found.
    bound : float or None
        Proved lower bound of the scaled loss; ``None`` if `chosen` was proved best.
    infeasible : bool
        Proved that no choice is within the limits.
    """

    chosen: Ints | None
    bound: float | None
    infeasible: bool = False


def search_gap(
    groups: Groups,
    dual: Dual,
    incumbent: Ints | None,
    *,
    most_states: int = 100_000,
    deadline: float = float("inf"),
) -> GapResult:
    """Look at all choices whose reduced losses sum to at most a gap, for growing gaps.

    A choice of loss `U` shows that none better has reduced losses above ``U - dual.bound``: when
    the gap has reached that, the best one seen is optimal.

    Parameters
    ----------
    groups : Groups
        The problem.
    dual : Dual
        Its Lagrangian bound.
    incumbent : array of int, shape (n_groups,), or None
        A choice within the limits.
    most_states : int, default=100_000
        Give up, with the bound reached, when a list would become longer.
    deadline : float
        Value of `time.perf_counter` at which to give up.
    """
    best, best_loss = incumbent, None
    if incumbent is not None:
        best_loss = int(groups.loss[incumbent].sum())
    search = _Search(groups, dual, most_states)
    all_gap = float(np.maximum.reduceat(dual.reduced, groups.start[:-1]).sum())
    positive = np.sort(dual.reduced[dual.reduced > 0])
    gap = float(positive[min(len(positive), FIRST_CHOICES) - 1]) if len(positive) else 0.0
    proved = dual.bound
    while True:
        needed = all_gap if best_loss is None else best_loss - dual.bound
        gap = min(gap, max(needed, 0.0))
        if perf_counter() > deadline:
            return GapResult(best, proved)
        result = search.best(gap + dual.margin, deadline)
        if result is None:
            return GapResult(best, proved)
        loss, chosen = result
        if chosen is not None and (best_loss is None or loss <= best_loss):
            best, best_loss = chosen, loss
        needed = all_gap if best_loss is None else best_loss - dual.bound
        if gap >= needed:
            return GapResult(best, None, infeasible=best is None)
        proved = dual.bound + gap
        gap = max(2 * gap, needed / 64)


class _Search:
    def __init__(self, groups: Groups, dual: Dual, most_states: int) -> None:
        self.groups, self.dual, self.most_states = groups, dual, most_states
        self.costs = [row.cost if row.upper else -row.cost for row in groups.rows]
        self.limits = [row.limit if row.upper else -row.limit for row in groups.rows]

    def best(self, gap: float, deadline: float) -> tuple[int, Ints | None] | None:
        """Least loss of the choices within the gap and the limits; ``None`` if too many."""
        start, reduced = self.groups.start, self.dual.reduced
        near = np.flatnonzero(reduced <= gap)
        group_of = np.searchsorted(start, near, side="right") - 1
        sizes = np.bincount(group_of, minlength=self.groups.n_groups)
        first = np.concatenate(([0], np.cumsum(sizes)))
        single = near[first[:-1][sizes == 1]]
        # Groups with one choice left only move the limits; few choices first keeps lists short.
        many = np.flatnonzero(sizes > 1)
        order = many[np.argsort(sizes[many], kind="stable")]
        parts = [near[first[g] : first[g + 1]] for g in order]
        room = [
            limit - int(cost[single].sum())
            for cost, limit in zip(self.costs, self.limits, strict=True)
        ]
        sums = np.zeros(1)
        loss = np.full(1, self.groups.loss[single].sum(), np.int64)
        totals = [np.zeros(1, np.int64) for _ in self.costs]
        least_after = [_tails([int(cost[part].min()) for part in parts]) for cost in self.costs]
        steps: list[tuple[NDArray[np.int32], NDArray[np.int32]]] = []
        for index, part in enumerate(parts):
            if sums.size * part.size > 4 * self.most_states or perf_counter() > deadline:
                return None
            new_sums = (reduced[part][:, None] + sums).ravel()
            keep = new_sums <= gap
            for total, cost, space, tail in zip(totals, self.costs, room, least_after, strict=True):
                keep &= ((cost[part][:, None] + total) <= space - tail[index + 1]).ravel()
            within = np.flatnonzero(keep)
            if not within.size:
                return 0, None
            option, state = np.divmod(within, sums.size)
            sums = new_sums[within]
            loss = self.groups.loss[part[option]] + loss[state]
            totals = [
                cost[part[option]] + total[state]
                for cost, total in zip(self.costs, totals, strict=True)
            ]
            best = self._non_dominated(loss, totals)
            if best is not None:
                sums, loss = sums[best], loss[best]
                totals = [total[best] for total in totals]
                option, state = option[best], state[best]
            if sums.size > self.most_states:
                return None
            steps.append((option.astype(np.int32), state.astype(np.int32)))
        if not parts and any(space < 0 for space in room):
            return 0, None
        # Of equal losses the least total of the first limit: a front has no weakly dominated point.
        point = int(np.lexsort((*totals[:1], loss))[0])
        reached = int(loss[point])
        chosen = np.empty(self.groups.n_groups, np.int64)
        chosen[np.flatnonzero(sizes == 1)] = single
        for index in range(len(parts) - 1, -1, -1):
            option, state = steps[index]
            chosen[order[index]] = parts[index][option[point]]
            point = int(state[point])
        return reached, chosen

    @staticmethod
    def _non_dominated(loss: Ints, totals: list[Ints]) -> NDArray[np.intp] | None:
        """States that no neighbour in the order of loss beats; all of them for one limit."""
        if loss.size < 32 or not totals:
            return None
        order = np.lexsort((*totals[::-1], loss))
        first = totals[0][order]
        if len(totals) == 1:
            least = np.minimum.accumulate(first)
            keep = np.concatenate(([True], first[1:] < least[:-1]))
            return order[keep]
        # More limits: compare with a few states of less loss, which removes most.
        keep = np.ones(loss.size, bool)
        sorted_totals = [total[order] for total in totals]
        for distance in (1, 2, 3, 5, 8, 13, 21):
            if distance >= loss.size:
                break
            worse = np.ones(loss.size - distance, bool)
            for total in sorted_totals:
                worse &= total[distance:] >= total[:-distance]
            keep[distance:] &= ~worse
        return order[keep]


def _tails(terms: list[int]) -> list[int]:
    sums = [0]
    for term in reversed(terms):
        sums.append(sums[-1] + term)
    return sums[::-1]
