"""A problem with some of its options, and the way back to all of them."""

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from macwright.dse.solver.model.problem import Groups
from macwright.dse.solver.model.solution import Outcome

__all__ = ["Restriction", "restrict"]

Ints = NDArray[np.int64]
Numbers = TypeVar("Numbers", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Restriction:
    """The same problem with only some of its options.

    Parameters
    ----------
    groups : Groups
        The smaller problem.
    options : array of int, shape (n_options of the smaller problem,)
        Options of the first problem that it has, increasing.

    Examples
    --------
    >>> from macwright.dse.solver.model.problem import group
    >>> from macwright.dse.solver.model.table import OptionTable
    >>> table = OptionTable.from_arrays(
    ...     ["conv", "fc"],
    ...     [["int2", "int4", "int8"], ["int4", "int8"]],
    ...     loss=[[9.0, 3.0, 0.5], [2.0, 0.25]],
    ... )
    >>> smaller = restrict(group(table, objective="loss"), np.array([1, 2, 4]))
    >>> smaller.groups.n_groups, smaller.expand(np.array([0, 2]))
    (2, array([1, 4]))
    """

    groups: Groups
    options: Ints

    @property
    def complete(self) -> bool:
        """Whether every group keeps an option."""
        return bool((np.diff(self.groups.start) > 0).all())

    def expand(self, chosen: Ints) -> Ints:
        """Options of the first problem that these options of the smaller one are."""
        return self.options[chosen]

    def reduce(self, chosen: Ints) -> Ints:
        """Options of the smaller problem that these options of the first one are."""
        return np.searchsorted(self.options, chosen)

    def values(self, values: NDArray[Numbers]) -> NDArray[Numbers]:
        """Values of the options that are kept, from one for each option of the first problem."""
        return values[self.options]

    def outcome(self, outcome: Outcome) -> Outcome:
        """What an outcome of the smaller problem says of the first one, if no optimum was lost."""
        if outcome.chosen is None:
            return outcome
        return replace(outcome, chosen=self.expand(outcome.chosen))

    def then(self, other: "Restriction") -> "Restriction":
        """Both, as one: `other` is a restriction of the smaller problem."""
        return Restriction(other.groups, self.expand(other.options))


def restrict(groups: Groups, options: NDArray[np.bool_] | Ints) -> Restriction:
    """Leave out options.

    Parameters
    ----------
    groups : Groups
        The problem.
    options : array of bool, shape (n_options,), or sorted array of int
        Options that stay.
    """
    if options.dtype == bool:
        options = np.flatnonzero(options)
    options = options.astype(np.int64)
    tied = {}
    if groups.tied:
        tied = {
            new: groups.tied[old] for new, old in enumerate(options.tolist()) if old in groups.tied
        }
    smaller = replace(
        groups,
        start=np.searchsorted(options, groups.start).astype(np.int64),
        loss=groups.loss[options],
        rows=[replace(row, cost=row.cost[options]) for row in groups.rows],
        table_row=groups.table_row[options],
        tied=tied,
    )
    return Restriction(smaller, options)
