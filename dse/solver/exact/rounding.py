"""Good choices within the limits, from those that are best at some multipliers."""

import numpy as np
from numpy.typing import NDArray

from macwright.dse.solver.exact.lagrangian import Dual
from macwright.dse.solver.model.problem import Groups

__all__ = ["round_choices"]

Ints = NDArray[np.int64]

#: Last choices of the dual that are tried: they are near the best multipliers.
LAST = 8
#: Rounds of single changes at the end.
ROUNDS = 20


def round_choices(groups: Groups, dual: Dual) -> Ints | None:
    """Choice within the limits of little loss, or ``None`` if none is found.

    Between a choice within the limits and one beyond (or two within), groups change over one by
    one, least reduced loss first; the best choice on the way is taken. Single changes that still
    fit follow.
    """
    inside = [x for x in dual.allocations if _fits(groups, x)]
    if not inside:
        return None
    best = min(inside, key=lambda x: int(groups.loss[x].sum()))
    for other in dual.allocations[-LAST:]:
        best = _walk(groups, dual, best, other)
    return _improve(groups, best)


def _fits(groups: Groups, chosen: Ints) -> bool:
    return all(
        (total <= row.limit) if row.upper else (total >= row.limit)
        for row, total in ((row, int(row.cost[chosen].sum())) for row in groups.rows)
    )


def _walk(groups: Groups, dual: Dual, inside: Ints, other: Ints) -> Ints:
    differ = np.flatnonzero(inside != other)
    if not differ.size:
        return inside
    gain = groups.loss[other[differ]] - groups.loss[inside[differ]]
    order = differ[np.lexsort((gain, dual.reduced[other[differ]]))]
    ok = np.ones(order.size, bool)
    for row in groups.rows:
        total = int(row.cost[inside].sum()) + np.cumsum(
            row.cost[other[order]] - row.cost[inside[order]]
        )
        ok &= (total <= row.limit) if row.upper else (total >= row.limit)
    change = np.cumsum(groups.loss[other[order]] - groups.loss[inside[order]])
    change[~ok] = 0
    last = int(np.argmin(change))
    if change[last] >= 0:
        return inside
    result = inside.copy()
    moved = order[: last + 1]
    result[moved] = other[moved]
    return result


def _improve(groups: Groups, chosen: Ints) -> Ints:
    """Change single groups, largest gain first, while the limits allow it."""
    chosen = chosen.copy()
    sizes = np.diff(groups.start)
    group_of = np.repeat(np.arange(groups.n_groups), sizes)
    for _ in range(ROUNDS):
        gain = np.repeat(groups.loss[chosen], sizes) - groups.loss
        possible = gain > 0
        for row in groups.rows:
            room = row.limit - int(row.cost[chosen].sum())
            step = row.cost - np.repeat(row.cost[chosen], sizes)
            possible &= (step <= room) if row.upper else (step >= room)
        options = np.flatnonzero(possible)
        if not options.size:
            break
        options = options[np.argsort(-gain[options], kind="stable")]
        # The best change of each group; as many of the first ones as fit together.
        _, first = np.unique(group_of[options], return_index=True)
        options = options[np.sort(first)]
        old = chosen[group_of[options]]
        ok = np.ones(options.size, bool)
        for row in groups.rows:
            room = row.limit - int(row.cost[chosen].sum())
            steps = np.cumsum(row.cost[options] - row.cost[old])
            ok &= (steps <= room) if row.upper else (steps >= room)
        count = max(1, int(np.argmin(ok)) if not ok.all() else options.size)
        chosen[group_of[options[:count]]] = options[:count]
    return chosen
