"""Options that no best allocation needs."""

import numpy as np
from numpy.typing import NDArray

from macwright.dse.solver.problem import Groups

__all__ = ["keep_undominated"]

#: Groups of more options than this are compared in slices, to bound the memory.
SLICE = 4_000_000


def keep_undominated(groups: Groups, classes: NDArray[np.int64] | None = None) -> NDArray[np.bool_]:
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
