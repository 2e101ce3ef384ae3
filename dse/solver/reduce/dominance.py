"""Options that no best allocation needs."""

import numpy as np
from numpy.typing import NDArray

from macwright.dse.solver.model.problem import Groups
from macwright.dse.solver.reduce.restriction import Restriction, restrict

__all__ = ["drop_dominated", "keep_non_dominated"]

#: Comparisons made at once, to bound the memory.
SLICE = 4_000_000

#: Groups of more options than this are compared with the non-dominated ones only.
MOST_PAIRWISE = 400


def drop_dominated(
    groups: Groups,
    classes: NDArray[np.int64] | None = None,
    *,
    known: NDArray[np.int64] | None = None,
) -> Restriction:
    """The problem without the options that :func:`keep_non_dominated` does not mark.

    Options of the choice `known`, of shape (n_groups,), stay.
    """
    needed = keep_non_dominated(groups, classes)
    if known is not None:
        needed[known] = True
    return restrict(groups, needed)


def keep_non_dominated(
    groups: Groups, classes: NDArray[np.int64] | None = None
) -> NDArray[np.bool_]:
    """Mark the options that no other of their group and class is at least as good as.

    An option is at least as good if its loss is at most as large, each cost with an upper limit
    at most as large, and each with a lower limit at least as large. Of equal options the first
    stays.

    Parameters
    ----------
    groups : Groups
        The problem.
    classes : array of int, shape (n_options,), optional
        Options of different classes (unit types, when their number is limited) are never
        compared.

    Returns
    -------
    array of bool, shape (n_options,)
    """
    columns = [groups.loss]
    for row in groups.rows:
        column = row.cost if row.upper else -row.cost
        if not any(np.array_equal(column, other) for other in columns):
            columns.append(column)
    if classes is not None:
        columns += [classes, -classes]
    keep = np.ones(len(groups.loss), bool)
    sizes = np.diff(groups.start)
    for size in np.unique(sizes):
        if size == 1:
            continue
        of_size = np.flatnonzero(sizes == size)
        if size > MOST_PAIRWISE:
            for first in groups.start[of_size].tolist():
                here = slice(first, first + int(size))
                keep[here] = _skyline([column[here] for column in columns])
            continue
        step = max(1, SLICE // int(size) ** 2)
        for first in range(0, len(of_size), step):
            here = of_size[first : first + step]
            index = groups.start[here][:, None] + np.arange(size)
            better = np.ones((len(here), size, size), bool)
            same = np.ones((len(here), size, size), bool)
            for column in columns:
                value = column[index]
                better &= value[:, :, None] <= value[:, None, :]
                same &= value[:, :, None] == value[:, None, :]
            # Of two equal options the earlier one dominates.
            better &= ~(same & np.tri(size, dtype=bool))
            keep[index] = ~better.any(axis=1)
    return keep


def _skyline(columns: list[NDArray[np.int64]]) -> NDArray[np.bool_]:
    """Mark the rows that no other is at most as large as in all columns; of equals the first."""
    # What dominates a row comes before it in this order.
    order = np.lexsort(columns[::-1])
    table = np.stack(columns)[:, order]
    skyline = np.zeros(0, np.int64)
    first = 0
    while first < len(order):
        part = np.arange(first, min(first + MOST_PAIRWISE, len(order)))
        first += MOST_PAIRWISE
        part = part[~_any_below(table[:, skyline], table[:, part]).any(axis=0)]
        inside = _any_below(table[:, part], table[:, part])
        part = part[~(inside & ~np.tri(len(part), dtype=bool)).any(axis=0)]
        skyline = np.concatenate((skyline, part))
    mask = np.zeros(len(order), bool)
    mask[order[skyline]] = True
    return mask


def _any_below(rows: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each column vector of one is at most as large as each of the other."""
    below = np.ones((rows.shape[1], other.shape[1]), bool)
    for a, b in zip(rows, other, strict=True):
        below &= a[:, None] <= b
    return below
