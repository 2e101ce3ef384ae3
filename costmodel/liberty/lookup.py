"""Look-up tables of a Liberty library, packed so that many are interpolated at once."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["TableBank", "TableData"]


@dataclass(frozen=True)
class TableData:
    """One table over slew (rows) and load (columns).

    Parameters
    ----------
    rows, columns : ndarray of float64, shapes (r,), (c,)
        Increasing axis values; ns, fF (constraints: data slew, clock slew, both ns). An axis of
        one point means that the value does not depend on it.
    values : ndarray of float64, shape (r, c)
        ns or fJ.
    """

    rows: NDArray[np.float64]
    columns: NDArray[np.float64]
    values: NDArray[np.float64]


@dataclass
class TableBank:
    """Tables that are looked up together; outside their axes they are extended linearly.

    Parameters
    ----------
    tables : list of TableData
        Filled by `add`.
    """

    tables: list[TableData] = field(default_factory=list)

    def add(self, table: TableData) -> int:
        """Append a table and return its number."""
        self.tables.append(table)
        return len(self.tables) - 1

    def pack(self) -> None:
        """Lay the tables out as arrays; call once, after the last `add`."""
        axes = []
        for name in ("rows", "columns"):
            points = [getattr(table, name) for table in self.tables]
            size = max([2, *map(len, points)])
            axis = np.full((len(points), size), np.inf)
            for row, values in zip(axis, points, strict=True):
                row[: len(values)] = values
                if len(values) == 1:
                    row[1] = values[0] + 1
            # Interior points only: the first and the last cell also serve what is outside.
            interior = axis[:, 1:].copy()
            lengths = np.array([max(len(values), 2) for values in points], dtype=np.int64)
            interior[np.arange(size - 1) >= (lengths - 2)[:, None]] = np.inf
            axes.append((axis, interior))
        (self._rows, self._row_steps), (self._columns, self._column_steps) = axes
        shape = (len(self.tables), self._rows.shape[1], self._columns.shape[1])
        self._values = np.zeros(shape)
        for packed, table in zip(self._values, self.tables, strict=True):
            r, c = table.values.shape
            packed[:r, :c] = table.values
            if r == 1:
                packed[1, :c] = table.values[0]
            if c == 1:
                packed[:, 1] = packed[:, 0]

    def lookup(self, numbers: NDArray[np.int64], x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """Interpolate tables bilinearly.

        Parameters
        ----------
        numbers : ndarray of int64, shape (n,)
            Table of each look-up.
        x, y : array_like of float, shape (n,)
            Coordinates along rows and columns.

        Returns
        -------
        ndarray of float64, shape (n,)
        """
        x = np.asarray(x, dtype=np.float64)
        y = np.asarray(y, dtype=np.float64)
        i = (self._row_steps[numbers] <= x[:, None]).sum(1)
        j = (self._column_steps[numbers] <= y[:, None]).sum(1)
        x0, x1 = self._rows[numbers, i], self._rows[numbers, i + 1]
        y0, y1 = self._columns[numbers, j], self._columns[numbers, j + 1]
        u, v = (x - x0) / (x1 - x0), (y - y0) / (y1 - y0)
        low = self._values[numbers, i, j] * (1 - v) + self._values[numbers, i, j + 1] * v
        high = self._values[numbers, i + 1, j] * (1 - v) + self._values[numbers, i + 1, j + 1] * v
        return low * (1 - u) + high * u
