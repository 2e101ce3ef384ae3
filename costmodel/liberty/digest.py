"""From the groups of a Liberty file to JSON-able cells in ns, fF, fJ and nW."""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macwright.costmodel.liberty.logic import inputs_of, parse_expression
from macwright.costmodel.liberty.syntax import Group, Source, parse_groups, plain
from macwright.costmodel.liberty.tables import NotUnderstood, TableReader
from macwright.costmodel.liberty.units import (
    check_scaling,
    library_temperature,
    library_units,
    library_voltage,
)

__all__ = ["MOST_PINS", "digest_library"]

_KINDS = {
    "": "combinational",
    "combinational": "combinational",
    "combinational_rise": "combinational_rise",
    "combinational_fall": "combinational_fall",
    "rising_edge": "rising_edge",
    "setup_rising": "setup",
}
_OTHER_STATE = ("latch", "statetable", "ff_bank", "latch_bank", "state_function")
#: Attributes of cells that no synthesiser picks for logic.
_NOT_LOGIC = ("dont_use", "is_isolation_cell", "is_level_shifter", "pad_cell")
_POWER = ("rise_power", "fall_power")

#: Pins that a function or condition may read: its truth table has two to the power of them.
MOST_PINS = 12


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
        `name`, `voltage_v`, `temperature_c`, `wire_loads` (models with the area below which each
        holds, the last for all above), `time_ns` and `load_ff` (one unit of the file's),
        `left_out` (cells that say what is not modelled, and what that is).
    cells : dict of str to dict
        Fields of `macwright.costmodel.liberty.cells.Cell`; a table is `[start, rows, columns]`.
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
        self.units = library_units(source, library)
        self.tables = TableReader(source, library, self.units)

    def run(self) -> tuple[dict[str, Any], dict[str, dict[str, Any]], NDArray[np.float64]]:
        """Digest the file."""
        library, source = self.library, self.source
        model = plain(library.attributes.get("delay_model", "table_lookup"))
        if model != "table_lookup":
            source.fail(library.position, f"delay_model must be table_lookup, not {model[:60]!r}")
        cells: dict[str, dict[str, Any]] = {}
        left_out: dict[str, str] = {}
        for group in library.all("cell"):
            if group.name in cells or group.name in left_out:
                source.fail(
                    group.position, f"cell {group.name[:60]} must be defined once, not twice"
                )
            try:
                self.check_scaled(group.name)
                cells[group.name] = self.cell(group)
            except NotUnderstood as error:
                left_out[group.name] = str(error)
        if not cells and not left_out:
            source.fail(library.position, "the library must have cells, not none")
        check_scaling(source, library)
        supply = library_voltage(source, library, self.units.volt)
        if supply <= 0:
            source.fail(library.position, f"the supply must be above 0 V, not {supply:g} V")
        header = {
            "name": library.name,
            "voltage_v": supply,
            "temperature_c": library_temperature(source, library),
            "wire_loads": self.wire_loads(),
            "time_ns": self.units.time_ns,
            "load_ff": self.units.load_ff,
            "left_out": left_out,
        }
        return header, cells, self.tables.numbers()

    def check_scaled(self, name: str) -> None:
        """Leave out a cell that has other figures for the default operating conditions."""
        default = plain(self.library.attributes.get("default_operating_conditions", ""))
        for group in self.library.all("scaled_cell"):
            if default and plain(group.name).split() == [name, default]:
                raise NotUnderstood(f"it has a scaled_cell for {default}")

    def wire_loads(self) -> list[tuple[float, dict[str, list[float]]]]:
        """Default wire-load models, of growing designs, and the area up to which each holds."""
        models = {group.name: group for group in self.library.all("wire_load")}
        default = plain(self.library.attributes.get("default_wire_load", ""))
        if default in models:
            return [(0.0, self.wire_load(models[default]))]
        if default:
            self.source.fail(
                self.library.position,
                f"default_wire_load must name a wire_load of the library, not {default[:60]!r}",
            )
        chosen = plain(self.library.attributes.get("default_wire_load_selection", ""))
        rows = []
        for group in self.library.all("wire_load_selection"):
            for _, text in group.repeated if group.name == chosen else ():
                low, high, name = [*text.split(), "", "", ""][:3]
                if name not in models:
                    self.source.fail(
                        group.position, f"wire_load_from_area must name a wire_load, not {name!r}"
                    )
                try:
                    rows.append((float(low), float(high), name))
                except ValueError:
                    self.source.fail(
                        group.position, "wire_load_from_area must begin with two areas"
                    )
        return [(high, self.wire_load(models[name])) for _, high, name in sorted(rows)]

    def wire_load(self, group: Group) -> dict[str, list[float]]:
        """Capacitance over fan-out of a wire-load model."""
        model: dict[str, list[float]] = {"fanout": [], "cap": []}
        per_length = group.number(self.source, "capacitance", 0.0) * self.units.load_ff
        model["slope"] = [group.number(self.source, "slope", 0.0) * per_length]
        try:
            pairs = [tuple(map(float, text.split()[:2])) for _, text in group.repeated]
            for fanout, length in sorted(pairs):
                model["fanout"].append(fanout)
                model["cap"].append(length * per_length)
        except ValueError:
            self.source.fail(group.position, "fanout_length must be two numbers")
        return model

    def cell(self, group: Group) -> dict[str, Any]:
        """Fields of one cell."""
        source = self.source
        for kind in ("bus", "bundle"):
            if group.all(kind):
                raise NotUnderstood(f"it has a {kind}")
        pins = {}
        for pin in group.all("pin"):
            for name in plain(pin.name).split():
                if name in pins:
                    source.fail(pin.position, f"pin {name[:60]} must be defined once, not twice")
                pins[name] = self.pin(pin)
        flops = group.all("ff")
        other = next((g.kind for g in group.groups if g.kind in _OTHER_STATE), "")
        if any("clocked_on_also" in flop.attributes for flop in flops):
            other = "flip-flop of two clocks"
        dont_use = any(group.flag(source, name) for name in _NOT_LOGIC)
        area = self.area(group, needed=not dont_use and bool(flops or _has_function(group)))
        leakage, total = self.leakage(group, area)
        return {
            "area": area,
            "pins": pins,
            "ff": self.flip_flop(flops[0]) if len(flops) == 1 else None,
            "other_state": "several ff groups" if len(flops) > 1 else other,
            "leakage": leakage,
            "cell_leakage_nw": total,
            "dont_use": dont_use,
        }

    def area(self, group: Group, *, needed: bool) -> float:
        """Area of a cell, which must be stated where a synthesiser may pick the cell."""
        if "area" not in group.attributes:
            if needed:
                self.source.fail(group.position, f"cell {group.name[:60]} must state its area")
            raise NotUnderstood("it states no area")
        area = group.number(self.source, "area", 0.0)
        if area < 0:
            self.source.fail(group.position, f"area must be at least 0, not {area:g}")
        return area

    def leakage(self, group: Group, area: float) -> tuple[list[tuple[float, str]], float | None]:
        """Leakage in nW by condition, of all but the ground pins; and the cell's own figure.

        That of a cell that states neither is the library's default, for a cell or for its area.
        """
        source, unit = self.source, self.units.leakage_nw
        grounds = {
            pg.name
            for pg in group.all("pg_pin")
            if plain(pg.attributes.get("pg_type", "")) != "primary_power"
        }
        groups = [
            leak
            for leak in group.all("leakage_power")
            if plain(leak.attributes.get("related_pg_pin", "")) not in grounds
        ]
        total = "cell_leakage_power" in group.attributes
        default = 0.0
        if not (groups or total):
            default = self.library.number(source, "default_cell_leakage_power", 0.0)
            if "default_cell_leakage_power" not in self.library.attributes:
                default = area * self.library.number(source, "default_leakage_power_density", 0.0)
        if unit is None:
            if groups or total or default:
                source.fail(self.library.position, "the library must state leakage_power_unit")
            return [], None
        if default:
            return [], default * unit
        leakage = [
            (leak.number(source, "value", 0.0) * unit, self.expression(leak, "when"))
            for leak in groups
        ]
        return leakage, group.number(source, "cell_leakage_power", 0.0) * unit if total else None

    def flip_flop(self, group: Group) -> dict[str, str]:
        """Fields of an ff group."""
        names = plain(group.name).split()
        if len(names) != 2:
            self.source.fail(
                group.position, f"ff must name a state and its inverse, not {group.name[:60]!r}"
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
        if not text:
            return ""
        try:
            pins = inputs_of(parse_expression(text))
        except ValueError as error:
            self.source.fail(group.position, f"{attribute}: {error}")
        if len(pins) > MOST_PINS:
            raise NotUnderstood(f"{attribute} reads {len(pins)} pins, more than {MOST_PINS}")
        return text

    def pin(self, group: Group) -> dict[str, Any]:
        """Fields of one pin."""
        direction = plain(group.attributes.get("direction", ""))
        if direction not in ("input", "output", "inout", "internal"):
            self.source.fail(
                group.position,
                f"direction of pin {group.name[:60]} must be stated, not {direction[:60]!r}",
            )
        return {
            "direction": direction,
            "capacitance_ff": self.capacitance(group) if direction != "output" else [0.0, 0.0],
            "function": self.expression(group, "function"),
            "three_state": "three_state" in group.attributes,
            "arcs": [arc for timing in group.all("timing") for arc in self.arcs(timing)],
            "power": [arc for energy in group.all("internal_power") for arc in self.power(energy)],
        }

    def capacitance(self, group: Group) -> list[float]:
        """Capacitance of an input for rising and falling edges, fF."""
        own = group.attributes
        edges = ("rise_capacitance", "fall_capacitance")
        default = self.library.attributes.get("default_input_pin_cap")
        if "capacitance" in own:
            base = group.number(self.source, "capacitance", 0.0)
        elif default is not None or plain(own["direction"]) != "input":
            base = self.library.number(self.source, "default_input_pin_cap", 0.0)
        elif all(edge in own for edge in edges):
            base = 0.0
        else:
            raise NotUnderstood(f"pin {group.name[:60]} states no capacitance")
        both = [group.number(self.source, edge, base) * self.units.load_ff for edge in edges]
        if min(both) < 0:
            self.source.fail(
                group.position,
                f"capacitance of pin {group.name[:60]} must be at least 0, not {min(both):g} fF",
            )
        return both

    def arcs(self, timing: Group) -> list[list[Any]]:
        """Fields of `macwright.costmodel.liberty.cells.Arc` for each related pin."""
        kind = _KINDS.get(plain(timing.attributes.get("timing_type", "")))
        if kind is None:
            return []
        names = ("cell_rise", "cell_fall", "rise_transition", "fall_transition")
        if kind == "setup":
            names = ("rise_constraint", "fall_constraint")
        tables = [self.tables.read(timing, name, self.units.time_ns) for name in names]
        sense = plain(timing.attributes.get("timing_sense", ""))
        when = self.expression(timing, "when")
        related = re.split(r"[\s,]+", plain(timing.attributes.get("related_pin", "")))
        return [[pin, kind, sense, when, *tables] for pin in related if pin]

    def power(self, energy: Group) -> list[list[Any]]:
        """Fields of `macwright.costmodel.liberty.cells.PowerArc` for each related pin."""
        unit = self.units.energy_fj
        tables = [self.tables.read(energy, name, unit) for name in _POWER]
        if tables == [None, None] and energy.all("power"):
            tables = [self.tables.read(energy, "power", unit)] * 2
        when = self.expression(energy, "when")
        supply = plain(energy.attributes.get("related_pg_pin", ""))
        related = plain(energy.attributes.get("related_pin", "")).split() or [""]
        return [[pin, when, supply, *tables] for pin in related]


def _has_function(group: Group) -> bool:
    return any("function" in pin.attributes for pin in group.all("pin"))
