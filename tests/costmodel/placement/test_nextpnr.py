# pandas' columns are not typed.
# pyright: reportGeneralTypeIssues=false, reportAttributeAccessIssue=false
"""Period and LUTs of placed units, beside a top of the user's own that nextpnr places."""

import importlib
import sys

import pytest
from helpers.paths import ROOT

from macwright.costmodel.placement.nextpnr import PLACERS, with_operand_registers
from macwright.costmodel.tables import points as tables
from macwright.costmodel.tables.default_units import default_units, mac_spec
from macwright.costmodel.tables.points import current_points, load_points
from macwright.costmodel.technology.catalogue import find_technology


@pytest.fixture
def placed(monkeypatch):
    """The benchmark that places a user's top around the Verilog of a row."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield importlib.import_module("placed")
    for name in ("placed", "section"):
        sys.modules.pop(name, None)


def check_rows(placed, family, fields, technology):
    pytest.importorskip(f"yowasp_nextpnr_{technology}", reason="nextpnr is an extra")
    rows = placed.compared(family, fields, technology, (11, 12, 13))
    assert rows
    for row in rows:
        assert row["row_ns"] == pytest.approx(row["top_ns"], rel=placed.WITHIN), row["point"]
        assert row["row_luts"] == pytest.approx(row["top_luts"], rel=placed.WITHIN), row["point"]
    return rows


@pytest.mark.parametrize("technology", PLACERS)
def test_a_row_is_what_nextpnr_gives_for_a_top_of_the_user(placed, technology):
    family, fields = placed.UNITS[1]
    rows = check_rows(placed, family, fields, technology)
    assert all(row["shipped"] for row in rows)
    assert len(rows) == 2  # the smallest and the fastest


@pytest.mark.slow
@pytest.mark.parametrize("technology", PLACERS)
def test_rows_of_twelve_units_are_what_nextpnr_gives(placed, technology):
    assert len(placed.UNITS) == 12
    assert len({family for family, _ in placed.UNITS}) >= 6
    for family, fields in placed.UNITS:
        check_rows(placed, family, fields, technology)


def test_operand_registers_stand_before_every_bit_that_is_read():
    inputs = {"clk": [2], "a": [3, 4], "clear": [5]}
    ports = {name: {"direction": "input", "bits": bits} for name, bits in inputs.items()}
    ports["acc"] = {"direction": "output", "bits": [6]}
    cell = {
        "type": "LUT4",
        "port_directions": {"A": "input", "B": "input", "Z": "output"},
        "connections": {"A": [3], "B": [5], "Z": [6]},
    }
    netlist = {"modules": {"top": {"ports": ports, "cells": {"lut": cell}}}}
    design, added = with_operand_registers(netlist, "top", PLACERS["ecp5"])
    module = design["modules"]["top"]
    assert list(module["ports"]) == ["clk"]
    registers = [c["connections"] for c in module["cells"].values() if c["type"] == "TRELLIS_FF"]
    assert [(c["Q"], c["CLK"]) for c in registers] == [([3], [2]), ([5], [2])]  # nobody reads 4
    assert added == 2


@pytest.mark.slow
@pytest.mark.parametrize("technology", PLACERS)
def test_each_shipped_point_is_of_todays_verilog(technology, monkeypatch):
    """Hashes of every point, which a table's stamp would spare."""
    monkeypatch.setattr(tables, "stamp", lambda technology: "")
    units = tables.pointed_units(technology)
    found = current_points(units, find_technology(technology))
    assert {unit: len(rows) for unit, rows in found.items()} == (
        load_points(technology)["unit"].value_counts().to_dict()
    )


@pytest.mark.parametrize("technology", PLACERS)
def test_points_of_the_default_search_ship(technology):
    rows = load_points(technology)
    units = default_units(technology)
    assert {spec.name for spec in units} <= set(rows["unit"])
    some = units[:: len(units) // 6]
    assert set(current_points(some, find_technology(technology))) == {spec.row for spec in some}
    assert rows["period_ns"].notna().all()
    assert rows["placed_luts"].ge(rows["luts"]).all()
    assert rows["checked"].ge(1000).all()
    int8 = rows[rows["unit"] == mac_spec(act="int8", weight="int8", technology=technology).name]
    assert len(int8) > 1
    assert int8["period_ns"].is_unique
