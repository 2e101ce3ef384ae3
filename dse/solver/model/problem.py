"""What to solve: limits on totals, and the table reduced to integers and groups."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from fractions import Fraction
from math import ceil, floor, inf, isnan

import numpy as np
from numpy.typing import NDArray

from macwright.dse.solver.model.scaling import Scaled, scale
from macwright.dse.solver.model.table import OptionTable
from macwright.hw.errors import RefusedInput

__all__ = ["Budget", "Count", "Groups", "Row", "group"]

Ints = NDArray[np.int64]


#: Part of a limit by which it may be missed: 45 units in the last place of a double.
LIMIT_ROUNDING = 1e-14


@dataclass(frozen=True)
class Budget:
    """Limits of the total of a column, in its unit; ``None`` where there is none.

    Examples
    --------
    >>> Budget("bops", max=1e9)
    Budget(column='bops', min=None, max=1000000000.0)
    """

    column: str
    min: float | None = None
    max: float | None = None

    def __post_init__(self) -> None:
        _check_limits(f"budget on {self.column!r}", self.min, self.max)


@dataclass(frozen=True)
class Count:
    """Limits of the number of layers with an option whose name matches a shell pattern.

    `column` is ``"option"`` or a label column of the table.

    Examples
    --------
    >>> Count("int4*", max=3)  # at most three layers with an option whose name begins with int4
    Count(pattern='int4*', min=None, max=3, column='option')
    """

    pattern: str
    min: int | None = None
    max: int | None = None
    column: str = "option"

    def __post_init__(self) -> None:
        _check_limits(f"count of {self.pattern!r}", self.min, self.max)


def _check_limits(what: str, least: float | None, most: float | None) -> None:
    if least is None and most is None:
        raise RefusedInput(f"A {what} must have a min or a max, not neither")
    if least == inf or most == -inf:
        raise RefusedInput(f"Limit of the {what} must be a number that a total can meet, not inf")
    for limit in (least, most):
        if limit is not None and isnan(limit):
            raise RefusedInput(f"Limit of the {what} must be a number, not nan")
    if least is not None and most is not None and least > most:
        raise RefusedInput(
            f"Min of the {what} must be at most its max {most:.10g}, not {least:.10g}"
        )


@dataclass(frozen=True, eq=False)
class Row:
    """A limit in integers: ``sum(cost[chosen]) <= limit``, or ``>=`` if not `upper`."""

    name: str
    cost: Ints
    limit: int
    upper: bool
    scaled: Scaled
    budget: Budget | Count


@dataclass(frozen=True, eq=False)
class Groups:
    """Options as integers, tied layers in one group.

    Parameters
    ----------
    start : array of int, shape (n_groups + 1,)
        Options of group `i` are ``start[i]`` to ``start[i + 1] - 1``.
    loss : array of int, shape (n_options,)
        Scaled objective.
    objective : Scaled
        How it was scaled.
    rows : list of Row
        Limits.
    table_row : array of int, shape (n_options,)
        Row of the table, of the first layer of the group.
    tied : mapping from int to tuple of int
        Table rows of the further layers, for options of groups with ties.
    """

    table: OptionTable
    start: Ints
    loss: Ints
    objective: Scaled
    rows: list[Row]
    table_row: Ints
    tied: Mapping[int, tuple[int, ...]]

    @property
    def n_groups(self) -> int:
        """Number of choices to make."""
        return len(self.start) - 1

    def table_rows(self, chosen: Ints) -> Ints:
        """Sorted table rows, one for each layer, of one chosen option for each group."""
        rows = self.table_row[chosen]
        if self.tied:
            more = [row for option in chosen.tolist() for row in self.tied.get(option, ())]
            rows = np.concatenate((rows, np.array(more, np.int64)))
        return np.sort(rows)


def group(
    table: OptionTable,
    *,
    objective: str,
    budgets: Iterable[Budget | Count] = (),
    ties: Iterable[Sequence[str]] = (),
    allow: Mapping[str, Iterable[str]] | None = None,
) -> Groups:
    """Reduce a table to groups of integer options.

    Parameters
    ----------
    table : OptionTable
        Options.
    objective : str
        Column to minimise.
    budgets : iterable of Budget or Count
        Limits.
    ties : iterable of sequences of layer names
        Layers that take the option of the same name.
    allow : mapping from str to iterable of str, optional
        Shell patterns of layer names to patterns of the options that remain.

    Raises
    ------
    ValueError
        If a name is unknown, a layer keeps no option, or totals do not fit into 64 bits.
    """
    rows = _allowed(table, allow or {})
    counts = np.bincount(table.layer_of_row[rows], minlength=len(table.layers))
    if (counts == 0).any():
        layer = table.layers[int(np.flatnonzero(counts == 0)[0])]
        raise RefusedInput(f"Layer {layer!r} must keep one allowed option or more, not none")
    start = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    cache: dict[str, Scaled] = {}

    def scaled(name: str) -> Scaled:
        if name not in cache:
            cache[name] = scale(table.column(name)[rows], start, name)
        return cache[name]

    columns: list[tuple[str, Ints, int, bool, Scaled, Budget | Count]] = []
    for budget in budgets:
        if isinstance(budget, Count):
            names = np.asarray(table.label(budget.column), object)[rows]
            matches = {name for name in set(names) if fnmatchcase(name, budget.pattern)}
            if not matches:
                raise RefusedInput(
                    f"Count must be of the {budget.column} of some layer, not {budget.pattern!r}"
                )
            hit = np.array([name in matches for name in names], np.int64)
            column, name = Scaled(hit, 1.0, 0.0), f"count of {budget.pattern!r}"
        else:
            column, name = scaled(budget.column), budget.column
        for limit, upper in ((budget.max, True), (budget.min, False)):
            if limit is not None:
                whole = limit_of(column, limit, upper=upper)
                columns.append((name, column.integers, whole, upper, column, budget))
    chosen = scaled(objective)
    merged = _merge_ties(table, rows, start, ties)
    if merged is None:
        return Groups(
            table, start, chosen.integers, chosen, [Row(*column) for column in columns], rows, {}
        )
    start, members = merged

    def total(integers: Ints) -> Ints:
        return np.array([integers[list(member)].sum() for member in members], np.int64)

    return Groups(
        table,
        start,
        total(chosen.integers),
        chosen,
        [Row(column[0], total(column[1]), *column[2:]) for column in columns],
        np.array([rows[member[0]] for member in members], np.int64),
        {
            option: tuple(int(rows[m]) for m in member[1:])
            for option, member in enumerate(members)
            if len(member) > 1
        },
    )


def limit_of(column: Scaled, limit: float, *, upper: bool) -> int:
    """A limit as an integer that excludes no allocation that keeps to the limit itself.

    Limits are kept to within a few units in the last place of a double, because they tend to be
    sums of doubles themselves.
    """
    infinite = 1 << 62
    if abs(limit) == float("inf"):
        return infinite if limit > 0 else -infinite
    # The decimal that was written: 0.3 is three tenths.
    written = Fraction(Decimal(repr(float(limit))))
    slack = Fraction(column.error) + abs(written) * Fraction(LIMIT_ROUNDING)
    exact = (written + (slack if upper else -slack)) * Fraction(column.factor)
    whole = floor(exact) if upper else ceil(exact)
    return max(-infinite, min(infinite, whole))


def _allowed(table: OptionTable, allow: Mapping[str, Iterable[str]]) -> Ints:
    keep = np.ones(table.n_rows, bool)
    for pattern, options in allow.items():
        layers = [i for i, name in enumerate(table.layers) if fnmatchcase(name, pattern)]
        if not layers:
            raise RefusedInput(f"Allowed options must be for a layer of the table, not {pattern!r}")
        patterns = [options] if isinstance(options, str) else list(options)
        for layer in layers:
            here = range(int(table.start[layer]), int(table.start[layer + 1]))
            for row in here:
                keep[row] &= any(fnmatchcase(table.options[row], p) for p in patterns)
            if not keep[here.start : here.stop].any():
                raise RefusedInput(
                    f"Layer {table.layers[layer]!r} must have one of the allowed options "
                    f"{', '.join(patterns)}, not only others"
                )
    return np.flatnonzero(keep).astype(np.int64)


def _merge_ties(
    table: OptionTable, rows: Ints, start: Ints, ties: Iterable[Sequence[str]]
) -> tuple[Ints, list[tuple[int, ...]]] | None:
    """Groups of layers, and for each option of each group the indices into `rows` it stands for."""
    index = {name: i for i, name in enumerate(table.layers)}
    leader = list(range(len(table.layers)))

    def find(layer: int) -> int:
        while leader[layer] != layer:
            layer = leader[layer]
        return layer

    any_tie = False
    for tie in ties:
        for name in tie:
            if name not in index:
                raise RefusedInput(f"Tied layers must be in the table, not {name!r}")
        for name in tie[1:]:
            a, b = sorted((find(index[tie[0]]), find(index[name])))
            leader[b] = a
            any_tie = True
    if not any_tie:
        return None
    of_leader: dict[int, list[int]] = {}
    for layer in range(len(table.layers)):
        of_leader.setdefault(find(layer), []).append(layer)
    sizes, members = [0], []
    for layers in of_leader.values():
        named = [
            {table.options[rows[k]]: k for k in range(int(start[i]), int(start[i + 1]))}
            for i in layers
        ]
        common = [name for name in named[0] if all(name in names for names in named[1:])]
        if not common:
            tied = ", ".join(table.layers[i] for i in layers)
            raise RefusedInput(f"Tied layers must have an option in common, not none: {tied}")
        members += [tuple(names[name] for names in named) for name in common]
        sizes.append(sizes[-1] + len(common))
    return np.array(sizes, np.int64), members
