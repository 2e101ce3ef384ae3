"""What the joint choice of formats and hardware is made of, for both architectures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from macwright.dse.solver.model.problem import Budget, Count, Groups, Row, group, limit_of
from macwright.dse.solver.model.scaling import Scaled, scale
from macwright.dse.solver.model.solution import Solution
from macwright.dse.solver.model.table import OptionTable
from macwright.hw.errors import RefusedInput

__all__ = ["ArrayShape", "JointChoice", "area_limit", "groups_of_arrays", "with_columns"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class ArrayShape:
    """One array that could be built: its shape, buffers and clock.

    Parameters
    ----------
    name : str
        Such as ``"8x16"``.
    area : mapping from str to float
        Area of the processing elements of each unit type, rows x columns of them, in the area
        unit; types that cannot be built this way (too slow for the clock) are left out.
    fixed_area : float, default=0
        Area whatever the types: buffers, control.
    columns : mapping from str to array of float, shape (n_rows,)
        Columns of the table of options that depend on the array, such as the latency of each
        option of each layer with its utilisation.
    """

    name: str
    area: Mapping[str, float]
    fixed_area: float = 0.0
    columns: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.area:
            raise RefusedInput(f"Array {self.name!r} must have one unit type or more, not none")
        for what, area in (*self.area.items(), ("fixed area", self.fixed_area)):
            if not 0 <= area < float("inf"):
                raise RefusedInput(
                    f"Area of {what!r} in array {self.name!r} must be at least 0 and finite, "
                    f"not {area}"
                )


@dataclass(frozen=True, kw_only=True)
class JointChoice:
    """Formats and hardware chosen together.

    Parameters
    ----------
    solution : Solution
        Allocation and what was proved; its totals are those of the hardware chosen.
    array : str
        Name of the array.
    units : tuple of str
        Unit types that the allocation uses, sorted.
    """

    solution: Solution
    array: str
    units: tuple[str, ...]


def with_columns(table: OptionTable, array: ArrayShape) -> OptionTable:
    """The table as it is on one array."""
    columns = {name: np.asarray(column, np.float64) for name, column in array.columns.items()}
    return replace(table, values={**table.values, **columns})


def _stacked(table: OptionTable, arrays: Sequence[ArrayShape], name: str) -> NDArray[np.float64]:
    """A column on every array, shape (n_arrays, n_rows).

    Raises
    ------
    ValueError
        If the column of an array has not as many values as the table has rows, or they are not
        finite and at least 0.
    """
    columns = []
    for array in arrays:
        given = array.columns.get(name)
        column = table.column(name) if given is None else np.asarray(given, np.float64)
        if column.shape != (table.n_rows,):
            raise RefusedInput(
                f"Column {name!r} of array {array.name!r} must have {table.n_rows} values, one for "
                f"each option, not shape {column.shape}"
            )
        wrong = np.flatnonzero(~(np.isfinite(column) & (column >= 0)))
        if wrong.size:
            raise RefusedInput(
                f"{name!r} of {table.where(int(wrong[0]))} on array {array.name!r} must be "
                f"finite and at least 0, not {column[wrong[0]]}"
            )
        columns.append(column)
    return np.stack(columns)


def area_limit(budgets: Sequence[Budget | Count], area: str) -> float:
    """Upper limit of the shared area, infinite if there is none.

    Raises
    ------
    ValueError
        If the area has a lower limit.
    """
    limits = [b for b in budgets if isinstance(b, Budget) and b.column == area]
    if any(limit.min is not None for limit in limits):
        raise RefusedInput(f"Limit of {area!r} must be a max, not a min")
    return min((limit.max for limit in limits if limit.max is not None), default=float("inf"))


def groups_of_arrays(
    table: OptionTable,
    arrays: Sequence[ArrayShape],
    *,
    objective: str | None,
    budgets: Sequence[Budget | Count],
) -> list[Groups]:
    """The same problem on each array, all scaled to integers alike.

    Parameters
    ----------
    table : OptionTable
        Options.
    arrays : sequence of ArrayShape
        Arrays.
    objective : str or None
        Column to minimise; ``None`` for zero.
    budgets : sequence of Budget or Count
        Limits of totals of columns.
    """
    varying = {name for array in arrays for name in array.columns}
    layer_of = np.tile(table.layer_of_row, len(arrays))
    order = np.argsort(layer_of, kind="stable")
    counts = [budget for budget in budgets if isinstance(budget, Count)]
    static = group(table, objective=next(iter(table.values)), budgets=counts)
    cache: dict[str, tuple[Scaled, Ints]] = {}

    def scaled(name: str) -> tuple[Scaled, Ints]:
        """How a column is scaled, and its integers, shape (n_arrays, n_rows)."""
        if name not in cache:
            if name in varying:
                column = _stacked(table, arrays, name).ravel()
                result = scale(column[order], table.start * len(arrays), name)
                whole = np.empty(len(column), np.int64)
                whole[order] = result.integers
                cache[name] = result, whole.reshape(len(arrays), -1)
            else:
                result = scale(table.column(name), table.start, name)
                cache[name] = result, np.tile(result.integers, (len(arrays), 1))
        return cache[name]

    rows: list[list[Row]] = [list(static.rows) for _ in arrays]
    for budget in budgets:
        if isinstance(budget, Count):
            continue
        how, integers = scaled(budget.column)
        for limit, upper in ((budget.max, True), (budget.min, False)):
            if limit is None:
                continue
            whole = limit_of(how, limit, upper=upper)
            for index in range(len(arrays)):
                row = Row(budget.column, integers[index], whole, upper, how, budget)
                rows[index].append(row)
    zeros = np.zeros((len(arrays), table.n_rows), np.int64)
    how, losses = (Scaled(zeros[0], 1.0, 0.0), zeros) if objective is None else scaled(objective)
    return [
        replace(static, loss=losses[index], objective=how, rows=rows[index])
        for index in range(len(arrays))
    ]
