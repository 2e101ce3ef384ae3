# amaranth: UnusedElaboratable=no
"""What is said of a unit's speed: shipped figures, and options that are really faster."""

import csv
import re
from importlib.resources import files

import pytest

from macwright.costmodel.tables.speed import speed_text
from macwright.costmodel.tables.unit_names import unit_of_name
from macwright.dse.cli.main import main
from macwright.hw.pe import spec_from_fields

TABLES = files("macwright.costmodel.tables")


def _lines(name):
    text = TABLES.joinpath(name).read_text().splitlines()
    return list(csv.DictReader(line for line in text if not line.startswith("#")))


def _periods(technology, unit):
    """Shortest period of each module of a unit, from the table's text."""
    periods: dict[str, float] = {}
    for row in _lines(f"{technology}_points.csv"):
        if row["unit"] == unit:
            period = float(row["period_ns"])
            periods[row["module"]] = min(period, periods.get(row["module"], period))
    return periods


@pytest.mark.parametrize(
    ("technology", "unit"),
    [
        ("ecp5", "minifloat_mac_e2m1fn_e4m3fin_fixed35_array_ecp5"),
        ("nangate45", "minifloat_mac_e2m1fn_e4m3fin_fixed35_array_asic"),
    ],
)
def test_says_the_period_and_the_faster_unit(technology, unit):
    periods = _periods(technology, unit)
    text = speed_text(unit_of_name(unit), technology)
    fastest = min(periods, key=lambda module: periods[module])
    assert periods[fastest] < periods[unit]
    figures = [float(ns) for ns in re.findall(r"([\d.]+) ns", text)]
    assert figures == pytest.approx([periods[unit], periods[fastest]], rel=5e-3)
    assert text.endswith(f": generate {fastest}")
    # Of the fastest there is nothing faster to name.
    assert speed_text(unit_of_name(fastest), technology).endswith("the shortest of its structures")


def test_a_cost_row_with_a_delay_names_options_of_the_unit():
    spec = spec_from_fields("dot", {"act": "e4m3fn", "weight": "e4m3fn", "lanes": 4, "acc": "fp32"})
    row = next(row for row in _lines("nangate45.csv") if row["unit"] == spec.name)
    text = speed_text(spec, "nangate45")
    assert f"delay {float(row['delay_ns']):.3g} ns" in text
    assert "; --pipeline 1" in text
    # No unit with a float accumulator is a carry-save one.
    assert "adder" not in text


def test_nothing_is_said_where_nothing_is_known():
    assert speed_text(spec_from_fields("int_mac", {"acc": "int31"}), "nangate45") == ""
    assert speed_text(spec_from_fields("int_mac", {}), "gates") == ""


def test_generate_says_it(tmp_path, capsys):
    unit = "minifloat_mac_e2m1fn_e4m3fin_fixed35_array_ecp5"
    assert main(["generate", unit, "--technology", "ecp5", "-o", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert f"speed: {speed_text(unit_of_name(unit), 'ecp5')}\n" in out
