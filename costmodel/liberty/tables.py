"""Look-up tables of a Liberty file: from their text to rows of slews and columns of loads."""

import numpy as np
from numpy.typing import NDArray

from macwright.costmodel.liberty.syntax import Group, Source, plain
from macwright.costmodel.liberty.units import Units

__all__ = ["NotUnderstood", "TableReader"]

_SLEWS = {
    "input_net_transition",
    "input_transition_time",
    "related_pin_transition",
    "constrained_pin_transition",
}
_LOAD = "total_output_net_capacitance"
_CLOCK_SLEW = "related_pin_transition"
#: Least step of an axis, in ns or fF, that slopes can be told from.
_CLOSEST = 1e-12


class NotUnderstood(Exception):
    """A cell says something, legally, that is not modelled; the message says what."""


class TableReader:
    """Tables of one file, put one after the other into one array of numbers.

    Parameters
    ----------
    source, library
        The file.
    units : Units
        Its units.
    """

    def __init__(self, source: Source, library: Group, units: Units) -> None:
        self.source, self.units = source, units
        self.chunks: list[NDArray[np.float64]] = []
        self.size = 0
        self._templates = {
            kind: {group.name: group for group in library.all(kind)}
            for kind in ("lu_table_template", "power_lut_template")
        }

    def numbers(self) -> NDArray[np.float64]:
        """Rows, columns and values of all tables."""
        return np.concatenate(self.chunks) if self.chunks else np.zeros(0)

    def read(self, parent: Group, kind: str, scale: float) -> list[int] | None:
        """Store a table and return its place `[start, rows, columns]`; None if absent.

        Raises
        ------
        LibertyError
            If the table contradicts itself.
        NotUnderstood
            If an axis is neither a slew nor the load of the pin itself.
        """
        groups = parent.all(kind)
        if not groups:
            return None
        group, fail = groups[0], self.source.fail
        if len(groups) > 1:
            fail(groups[1].position, f"{kind} must be there once in a group, not twice")
        if "values" not in group.attributes:
            fail(group.position, f"{kind} must have values")
        values = group.numbers(self.source, "values") * scale
        axes = self._axes(group, kind)
        shape = tuple(len(points) for _, points in axes)
        if values.size != int(np.prod(shape)):
            size = f"{' x '.join(map(str, shape))} values" if shape else "one value"
            fail(group.position, f"{kind} must have {size}, not {values.size}")
        if not axes:
            return self._store(np.zeros(1), np.zeros(1), values.reshape(1, 1))
        values = values.reshape(shape)
        if len(axes) == 1:
            axes.append(("", np.zeros(1)))
            values = values[:, None]
        if _is_column(axes[0][0], axes[1][0], kind):
            axes.reverse()
            values = values.T
        return self._store(axes[0][1], axes[1][1], values)

    def _axes(self, group: Group, kind: str) -> list[tuple[str, NDArray[np.float64]]]:
        """Variable and points of each axis."""
        template = self._template(group, kind)
        if template is None:
            return []
        axes = []
        for number in ("1", "2", "3"):
            variable = plain(template.attributes.get(f"variable_{number}", ""))
            if not variable:
                break
            if variable not in _SLEWS and variable != _LOAD:
                raise NotUnderstood(f"{kind} depends on {variable}")
            index = f"index_{number}"
            owner = group if index in group.attributes else template
            if index not in owner.attributes:
                self.source.fail(group.position, f"{kind} must have {index}")
            points = owner.numbers(self.source, index)
            points = points * (self.units.load_ff if variable == _LOAD else self.units.time_ns)
            if not len(points) or (np.diff(points) < _CLOSEST).any():
                self.source.fail(group.position, f"{index} of {kind} must increase")
            axes.append((variable, points))
        variables = [variable for variable, _ in axes]
        if len(axes) > 2 or len(set(variables)) < len(variables):
            raise NotUnderstood(f"{kind} has axes {', '.join(variables)}")
        return axes

    def _template(self, group: Group, kind: str) -> Group | None:
        """Template of a table; None for a scalar."""
        first, second = self._templates.values()
        if kind.endswith("power"):
            first, second = second, first
        template = first.get(group.name) or second.get(group.name)
        if template is None and group.name != "scalar":
            self.source.fail(
                group.position,
                f"{kind} must use a template of the library, not {group.name[:60]!r}",
            )
        return template

    def _store(
        self, rows: NDArray[np.float64], columns: NDArray[np.float64], values: NDArray[np.float64]
    ) -> list[int]:
        place = [self.size, len(rows), len(columns)]
        for chunk in (rows, columns, values.ravel()):
            self.chunks.append(chunk)
            self.size += len(chunk)
        return place


def _is_column(first: str, second: str, kind: str) -> bool:
    """Whether the first axis is that of the columns: the load, or a constraint's clock slew."""
    if first == _LOAD:
        return True
    return first == _CLOCK_SLEW and (
        second == "constrained_pin_transition" or (not second and "constraint" in kind)
    )
