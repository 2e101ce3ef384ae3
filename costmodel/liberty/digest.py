"""From the groups of a Liberty file to JSON-able cells in ns, fF, fJ and nW."""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macwright.costmodel.liberty.logic import parse_expression
from macwright.costmodel.liberty.syntax import Group, Source, parse_groups

__all__ = ["digest_library"]

_PREFIX = {"": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15, "a": 1e-18}
_KINDS = {
    "": "combinational",
    "combinational": "combinational",
    "combinational_rise": "combinational_rise",
    "combinational_fall": "combinational_fall",
    "rising_edge": "rising_edge",
    "setup_rising": "setup",
}
_SLEWS = {
    "input_net_transition",
    "input_transition_time",
    "related_pin_transition",
    "constrained_pin_transition",
}
_LOAD = "total_output_net_capacitance"


def digest_library(
    name: str, text: str
) -> tuple[dict[str, Any], dict[str, dict[str, Any]], NDArray[np.float64]]:
    """Read the text of a Liberty file.

    Parameters
    ----------
    name : str
        File name for messages.
    text : str
        Content.

    Returns
    -------
    header : dict
        `name`, `voltage_v`, `wire_load_ff`.
    cells : dict of str to dict
        Fields of `macwright.costmodel.liberty.library.Cell`; a table is `[start, rows, columns]`.
    numbers : ndarray of float64, shape (n,)
        Rows, columns and values of all tables.

    Raises
    ------
    LibertyError
        Naming file and line.
    """
    return _Digest(*parse_groups(name, text)).run()


class _Digest:
    """One file being read."""

    def __init__(self, source: Source, library: Group) -> None:
        self.source = source
        self.library = library
        self.chunks: list[NDArray[np.float64]] = []
        self.size = 0
        self.time_ns = self.unit("time_unit", "s", 1e-9) / 1e-9
        volt = self.unit("voltage_unit", "V", 1.0)
        self.leakage_nw = self.unit("leakage_power_unit", "W", 1e-9) / 1e-9
        load = library.attributes.get("capacitive_load_unit", "1, pf")
        match = re.fullmatch(r'\s*([\d.eE+-]+)\s*,\s*"?\s*([munpfa]?)f\s*"?\s*', load, re.I)
        if match is None:
            source.fail(
                library.position, f"capacitive_load_unit must be like (1, ff), not {load!r}"
            )
        self.load_ff = float(match[1]) * _PREFIX[match[2].lower()] / 1e-15
        self.energy_fj = self.load_ff * volt * volt
        self.volt = volt

    def unit(self, attribute: str, symbol: str, default: float) -> float:
        """Value of a unit attribute such as `"1ns"`, in SI."""
        text = self.library.attributes.get(attribute)
        if text is None:
            return default
        match = re.fullmatch(rf"\s*([\d.eE+-]+)\s*([munpfa]?){symbol}\s*", text, re.I)
        if match is None:
            self.source.fail(
                self.library.position, f"{attribute} must be like 1n{symbol}, not {text!r}"
            )
        return float(match[1]) * _PREFIX[match[2].lower()]

    def run(self) -> tuple[dict[str, Any], dict[str, dict[str, Any]], NDArray[np.float64]]:
        """Digest the file."""
        library, source = self.library, self.source
        model = library.attributes.get("delay_model", "table_lookup")
        if model != "table_lookup":
            source.fail(library.position, f"delay_model must be table_lookup, not {model!r}")
        self.templates = {
            group.name: group
            for group in library.groups
            if group.kind in ("lu_table_template", "power_lut_template")
        }
        self.default_cap = library.number(source, "default_input_pin_cap", 0.0) * self.load_ff
        cells: dict[str, dict[str, Any]] = {}
        for group in library.all("cell"):
            if group.name in cells:
                source.fail(group.position, f"cell {group.name} must be defined once, not twice")
            cells[group.name] = self.cell(group)
        if not cells:
            source.fail(library.position, "the library must have cells, not none")
        header = {
            "name": library.name,
            "voltage_v": self.voltage(),
            "wire_load_ff": self.wire_load(),
        }
        numbers = np.concatenate(self.chunks) if self.chunks else np.zeros(0)
        return header, cells, numbers

    def voltage(self) -> float:
        """Supply of the default operating conditions, V."""
        library = self.library
        default = library.attributes.get("default_operating_conditions", "")
        for group in library.all("operating_conditions"):
            if group.name == default and "voltage" in group.attributes:
                return group.number(self.source, "voltage", 0.0) * self.volt
        if "nom_voltage" not in library.attributes:
            self.source.fail(library.position, "the library must state nom_voltage")
        return library.number(self.source, "nom_voltage", 0.0) * self.volt

    def wire_load(self) -> dict[str, list[float]]:
        """Capacitance over fan-out of the default wire-load model."""
        found: dict[str, list[float]] = {"fanout": [], "cap": [], "slope": [0.0]}
        default = self.library.attributes.get("default_wire_load")
        for group in self.library.all("wire_load"):
            if group.name != default:
                continue
            per_length = group.number(self.source, "capacitance", 0.0) * self.load_ff
            found["slope"] = [group.number(self.source, "slope", 0.0) * per_length]
            # Repeated attributes: read them from the text, the group keeps the last only.
            start = group.position
            block = self.source.text[start : self.source.text.index("}", start)]
            pairs = re.findall(r"fanout_length\s*\(\s*([\d.]+)\s*,\s*([\d.eE+-]+)", block)
            for fanout, length in sorted((float(f), float(n)) for f, n in pairs):
                found["fanout"].append(fanout)
                found["cap"].append(length * per_length)
        return found

    def cell(self, group: Group) -> dict[str, Any]:
        """Fields of one cell."""
        source = self.source
        supplies = {
            pg.name for pg in group.all("pg_pin") if pg.attributes.get("pg_type") != "primary_power"
        }
        leakage = []
        for leak in group.all("leakage_power"):
            if leak.attributes.get("related_pg_pin", "") in supplies:
                continue
            value = leak.number(source, "value", 0.0) * self.leakage_nw
            leakage.append([value, self.expression(leak, "when")])
        total = None
        if "cell_leakage_power" in group.attributes:
            total = group.number(source, "cell_leakage_power", 0.0) * self.leakage_nw
        pins = {}
        for pin in group.all("pin"):
            for name in re.split(r"[\s,]+", pin.name):
                pins[name] = self.pin(pin)
        flops = group.all("ff")
        other = next((g.kind for g in group.groups if g.kind in _OTHER_STATE), "")
        record = {
            "area": group.number(source, "area", 0.0),
            "pins": pins,
            "ff": self.flip_flop(flops[0]) if len(flops) == 1 else None,
            "other_state": "several ff groups" if len(flops) > 1 else other,
            "leakage": leakage,
            "cell_leakage_nw": total,
        }
        return record

    def flip_flop(self, group: Group) -> dict[str, str]:
        """Fields of an ff group."""
        names = re.split(r"[\s,]+", group.name)
        if len(names) != 2:
            self.source.fail(
                group.position, f"ff must name a state and its inverse, not {group.name!r}"
            )
        for needed in ("next_state", "clocked_on"):
            if needed not in group.attributes:
                self.source.fail(group.position, f"ff must state {needed}")
        keys = ("next_state", "clocked_on", "clear", "preset")
        record = {key: self.expression(group, key) for key in keys}
        return {"state": names[0], "inverse": names[1], **record}

    def expression(self, group: Group, attribute: str) -> str:
        """Text of an attribute that is an expression, checked; empty if absent."""
        text = group.attributes.get(attribute, "").strip()
        if text:
            try:
                parse_expression(text)
            except ValueError as error:
                self.source.fail(group.position, f"{attribute}: {error}")
        return text

    def pin(self, group: Group) -> dict[str, Any]:
        """Fields of one pin."""
        base = group.number(self.source, "capacitance", self.default_cap / self.load_ff)
        rise = group.number(self.source, "rise_capacitance", base) * self.load_ff
        fall = group.number(self.source, "fall_capacitance", base) * self.load_ff
        arcs, power = [], []
        for timing in group.all("timing"):
            kind = _KINDS.get(timing.attributes.get("timing_type", ""))
            if kind is None:
                continue
            names = ("cell_rise", "cell_fall", "rise_transition", "fall_transition")
            if kind == "setup":
                names = ("rise_constraint", "fall_constraint")
            tables = [self.table(timing, name, self.time_ns) for name in names]
            sense = timing.attributes.get("timing_sense", "")
            when = self.expression(timing, "when")
            for related in timing.attributes.get("related_pin", "").split():
                arcs.append([related, kind, sense, when, *tables])
        for energy in group.all("internal_power"):
            tables = [self.table(energy, name, self.energy_fj) for name in _POWER]
            if tables == [None, None] and energy.all("power"):
                tables = [self.table(energy, "power", self.energy_fj)] * 2
            when = self.expression(energy, "when")
            supply = energy.attributes.get("related_pg_pin", "")
            for related in energy.attributes.get("related_pin", "").split() or [""]:
                power.append([related, when, supply, *tables])
        direction = group.attributes.get("direction", "")
        if direction not in ("input", "output", "inout", "internal"):
            self.source.fail(
                group.position, f"direction of pin {group.name} must be stated, not {direction!r}"
            )
        return {
            "direction": direction,
            "capacitance_ff": [rise, fall] if direction != "output" else [0.0, 0.0],
            "function": self.expression(group, "function"),
            "three_state": "three_state" in group.attributes,
            "arcs": arcs,
            "power": power,
        }

    def table(self, parent: Group, kind: str, scale: float) -> list[int] | None:
        """Store a table and return its place; None if absent."""
        groups = parent.all(kind)
        if not groups:
            return None
        group = groups[0]
        if "values" not in group.attributes:
            self.source.fail(group.position, f"{kind} must have values")
        values = group.numbers(self.source, "values") * scale
        template = self.templates.get(group.name)
        if template is None:
            if group.name != "scalar":
                self.source.fail(
                    group.position, f"{kind} must use a template of the library, not {group.name!r}"
                )
            return self.store(np.zeros(1), np.zeros(1), values[:1].reshape(1, 1))
        axes = []
        for number in ("1", "2", "3"):
            variable = template.attributes.get(f"variable_{number}")
            if variable is None:
                break
            if variable not in _SLEWS and variable != _LOAD:
                self.source.fail(
                    group.position, f"a table axis must be a slew or the load, not {variable!r}"
                )
            owner = group if f"index_{number}" in group.attributes else template
            if f"index_{number}" not in owner.attributes:
                self.source.fail(group.position, f"{kind} must have index_{number}")
            points = owner.numbers(self.source, f"index_{number}")
            points *= self.load_ff if variable == _LOAD else self.time_ns
            if (np.diff(points) <= 0).any():
                self.source.fail(group.position, f"index_{number} of {kind} must increase")
            axes.append((variable, points))
        shape = tuple(len(points) for _, points in axes)
        if len(axes) > 2 or values.size != int(np.prod(shape)):
            self.source.fail(
                group.position,
                f"{kind} must have {' x '.join(map(str, shape))} values in at most two "
                f"dimensions, not {values.size}",
            )
        values = values.reshape(shape)
        if len(axes) == 1:
            axes.append(("", np.zeros(1)))
            values = values[:, None]
            first_is_row = axes[0][0] not in (_LOAD, "related_pin_transition") or (
                axes[0][0] == "related_pin_transition" and "constraint" not in kind
            )
        else:
            first_is_row = axes[0][0] != _LOAD and not (
                axes[0][0] == "related_pin_transition"
                and axes[1][0] == "constrained_pin_transition"
            )
        if not first_is_row:
            axes.reverse()
            values = values.T
        return self.store(axes[0][1], axes[1][1], values)

    def store(
        self,
        rows: NDArray[np.float64],
        columns: NDArray[np.float64],
        values: NDArray[np.float64],
    ) -> list[int]:
        """Append a table to the numbers."""
        place = [self.size, len(rows), len(columns)]
        for chunk in (rows, columns, values.ravel()):
            self.chunks.append(chunk)
            self.size += len(chunk)
        return place


_OTHER_STATE = ("latch", "statetable", "ff_bank", "latch_bank", "state_function")
_POWER = ("rise_power", "fall_power")
