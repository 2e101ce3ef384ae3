"""Liberty text of cells: what a synthesiser is given, of what was read and no more.

A synthesiser reads Liberty in its own way (ABC takes ``dont_use : false`` for true, others stop at
a comment), so it gets a text of ours, without anything that could be understood otherwise.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from macwright.costmodel.liberty.cells import Arc, Cell, Pin
from macwright.costmodel.liberty.lookup import TableData

__all__ = ["liberty_text"]

#: Units that ABC knows by name.
_TIMES = {0.001: "1ps", 0.01: "10ps", 0.1: "100ps", 1.0: "1ns"}
_LOADS = {1.0: "1,ff", 1000.0: "1,pf"}

_SENSES = ("positive_unate", "negative_unate", "non_unate")
_TIMING = ("cell_rise", "cell_fall", "rise_transition", "fall_transition")
_AXES = {
    "grid": ("input_net_transition", "total_output_net_capacitance"),
    "check": ("constrained_pin_transition", "related_pin_transition"),
}
_HEAD = """library ({name}) {{
  delay_model : table_lookup;
  time_unit : "{time}";
  voltage_unit : "1V";
  capacitive_load_unit ({load});
  nom_voltage : {volt};
"""


def liberty_text(
    name: str, cells: Iterable[Cell], *, time_ns: float, load_ff: float, volt: float = 1.0
) -> str:
    """Library group of some cells: areas, functions, flip-flops and timing.

    Parameters
    ----------
    name : str
        Of the library.
    cells : iterable of Cell
        Whose names are plain identifiers.
    time_ns, load_ff : float
        Units of the file that they are from, used again where they are usual ones: the numbers
        are then the file's own.
    volt : float
        Supply.
    """
    if time_ns not in _TIMES:
        time_ns = 1.0
    if load_ff not in _LOADS:
        load_ff = 1.0
    head = _HEAD.format(name=name, time=_TIMES[time_ns], load=_LOADS[load_ff], volt=volt)
    writer = _Writer(time_ns, load_ff)
    groups = [writer.cell(cell) for cell in cells]
    return "".join([head, *map(_template, sorted(writer.templates)), *groups, "}\n"])


def _template(template: tuple[str, int, int]) -> str:
    """A table's template, which ABC wants to be of the table's own size."""
    kind, *size = template
    lines = [f"  lu_table_template ({_template_name(*template)}) {{\n"]
    for n, variable in enumerate(_AXES[kind], 1):
        lines.append(f"    variable_{n} : {variable};\n")
    for n, points in enumerate(size, 1):
        lines.append(f'    index_{n} ("{", ".join(map(str, range(points)))}");\n')
    return "".join([*lines, "  }\n"])


def _template_name(kind: str, rows: int, columns: int) -> str:
    return f"{kind}_{rows}x{columns}"


class _Writer:
    """Cells in the units of one file; `templates` are those that their tables need."""

    def __init__(self, time_ns: float, load_ff: float) -> None:
        self.time_ns, self.load_ff = time_ns, load_ff
        self.templates: set[tuple[str, int, int]] = set()

    def cell(self, cell: Cell) -> str:
        lines = [f"  cell ({cell.name}) {{\n    area : {_number(cell.area)};\n"]
        if (flop := cell.flip_flop) is not None:
            lines.append(f"    ff ({flop.state}, {flop.inverse}) {{\n")
            for key in ("next_state", "clocked_on", "clear", "preset"):
                if text := getattr(flop, key):
                    lines.append(f'      {key} : "{_expression(text)}";\n')
            lines.append("    }\n")
        lines += [self.pin(pin) for pin in cell.pins.values() if pin.direction != "internal"]
        return "".join([*lines, "  }\n"])

    def pin(self, pin: Pin) -> str:
        lines = [f"    pin ({pin.name}) {{\n      direction : {pin.direction};\n"]
        if pin.direction == "input":
            rise, fall = (_number(load / self.load_ff) for load in pin.capacitance_ff)
            load = _number(sum(pin.capacitance_ff) / 2 / self.load_ff)
            lines.append(
                f"      capacitance : {load};\n      rise_capacitance : {rise};\n"
                f"      fall_capacitance : {fall};\n"
            )
        if pin.function:
            lines.append(f'      function : "{_expression(pin.function)}";\n')
        arcs = [self.arc(arc) for arc in pin.arcs if arc.related.isidentifier()]
        return "".join([*lines, *arcs, "    }\n"])

    def arc(self, arc: Arc) -> str:
        lines = [f'      timing () {{\n        related_pin : "{arc.related}";\n']
        setup = arc.kind == "setup"
        kind = "setup_rising" if setup else arc.kind
        if kind != "combinational":
            lines.append(f"        timing_type : {kind};\n")
        if arc.sense in _SENSES:
            lines.append(f"        timing_sense : {arc.sense};\n")
        if arc.when:
            lines.append(f'        when : "{_expression(arc.when)}";\n')
        if setup:
            names: tuple[str, ...] = ("rise_constraint", "fall_constraint")
            scale = self.time_ns
        else:
            names, scale = _TIMING, self.load_ff
        for name, table in zip(
            names, (arc.rise, arc.fall, arc.rise_slew, arc.fall_slew), strict=False
        ):
            if table is not None:
                lines.append(self.table(name, "check" if setup else "grid", table, scale))
        return "".join([*lines, "      }\n"])

    def table(self, name: str, kind: str, table: TableData, column_unit: float) -> str:
        """A table; one axis of a single point gets a second one, of the same values."""
        values = table.values / self.time_ns
        if values.size == 1:
            return f'        {name} (scalar) {{ values ("{_number(values[0, 0])}"); }}\n'
        rows, columns = table.rows / self.time_ns, table.columns / column_unit
        if len(rows) == 1:
            rows, values = rows[0] + np.arange(2.0), np.repeat(values, 2, axis=0)
        if len(columns) == 1:
            columns, values = columns[0] + np.arange(2.0), np.repeat(values, 2, axis=1)
        text = ", ".join(f'"{_numbers(row)}"' for row in values)
        template = (kind, len(rows), len(columns))
        self.templates.add(template)
        return (
            f"        {name} ({_template_name(*template)}) {{\n"
            f'          index_1 ("{_numbers(rows)}");\n          index_2 ("{_numbers(columns)}");\n'
            f"          values ({text});\n        }}\n"
        )


def _number(value: float) -> str:
    # Enough digits that single precision, which ABC has, is that of the file's own number.
    return f"{value:.12g}"


def _numbers(values: NDArray[np.float64]) -> str:
    return ", ".join(map(_number, values.tolist()))


def _expression(text: str) -> str:
    return text.replace('"', "")
