"""``macwright characterize``: table, JSON, CSV, and refusals of one line."""

import io
import json
import re

import pandas as pd
import pytest
from helpers.paths import SMALL_LIBERTY

from macwright.costmodel.characterize import unit as module
from macwright.costmodel.characterize.many import COLUMNS, cost_frame
from macwright.costmodel.tables import lookup as table
from macwright.costmodel.tables import points as unit_points
from macwright.costmodel.tables import ship
from macwright.costmodel.tables.lookup import parse_table
from macwright.dse.cli import main as cli
from macwright.hw.pe import spec_from_fields

ROWS = cost_frame(
    [
        {
            "unit": "int_mac_int2_int2_int6",
            "technology": "asap7",
            "area": 1.0,
            "area_unit": "um2",
            "energy_fj_per_mac": 12.5,
            "stimulus": "gauss",
            "flow": "some",
            "source": "shipped",
        }
    ]
)
INT2 = ("int_mac", "--weight", "int2", "--activation", "int2", "--accumulator", "int6")


@pytest.fixture(autouse=True)
def no_synthesis(monkeypatch, tmp_path):
    """An empty cache, and figures that name what was asked for."""
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "cache"))

    original = module.map_unit

    def map_unit(verilog, *, top, technology, yosys, dsp):
        if technology.energy is not None:
            return original(verilog, top=top, technology=technology, yosys=yosys, dsp=dsp)
        figures = {"area": len(top), "ffs": 6, "dsps": int(dsp)}
        return {**figures, "flow": " ".join(["for", technology.name, *technology.endings])}, {
            "modules": {}
        }

    monkeypatch.setattr(module, "map_unit", map_unit)


def test_table_shows_figures_with_units_and_what_made_them(capsys, tmp_path):
    assert cli.main(["characterize", *INT2, "--technology", "ecp5"]) == 0
    out = capsys.readouterr().out.split("\n")
    assert [line.split() for line in out[:2]] == [["area", "FFs", "DSPs"], ["luts"]]
    assert out[2] == "int_mac_int2_int2_int6"
    assert out[3].split() == ["22", "6", "0"]
    assert out[5] == "source: characterised"
    assert re.match(r"ecp5: for ecp5 \(.*pyosys", out[7])
    # What it says writes the unit whose cost it is.
    assert out[-2] == "make it with: macwright generate int_mac_int2_int2_int6"
    words = out[-2].split()[4:]
    assert cli.main([*words, "-o", str(tmp_path / "made")]) == 0
    assert (tmp_path / "made" / "int_mac_int2_int2_int6.v").is_file()


def test_json_and_csv_hold_all_columns_and_absent_figures_are_empty(capsys, tmp_path):
    path = tmp_path / "new" / "rows.csv"
    argv = ["characterize", *INT2, "--set", "pipeline=1", "--dsp", "--technology", "ice40"]
    assert cli.main([*argv, "--json", "-o", str(path)]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert list(row) == list(COLUMNS)
    assert (row["unit"], row["dsps"], row["luts"]) == ("int_mac_int2_int2_int6_p1", 1, None)
    assert list(pd.read_csv(io.StringIO(path.read_text())).columns) == list(COLUMNS)
    assert ",0," not in path.read_text()


def test_units_are_families_names_of_the_registry_or_all_of_it(capsys):
    name = "minifloat_mac_e2m1fn_e2m1fn_fixed19"
    assert cli.main(["characterize", name, "int_mac", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["unit"] for row in rows] == [name, "int_mac_int8_int8_int32"]


def test_tuned_units_suit_the_technology(capsys):
    assert cli.main(["characterize", *INT2, "--tuned", "--technology", "ecp5", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    tuned = spec_from_fields("int_mac", {"weight": "int2", "act": "int2", "acc": "int6"})
    assert row["unit"] == tuned.tuned("ecp5").name != tuned.name
    assert row["flow"] == "for ecp5 least_depth least_area"
    argv = ["characterize", *INT2, "--tuned", "--technology", "ecp5", "--dsp", "--json"]
    assert cli.main(argv) == 0
    assert json.loads(capsys.readouterr().out)[0]["flow"] == "for ecp5"


def test_liberty_files_make_a_technology(capsys):
    argv = ["characterize", *INT2, "--liberty", str(SMALL_LIBERTY), "--json"]
    assert cli.main([*argv, "--technology", "mine"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["technology"] == "mine"
    assert cli.main(argv) == 0
    assert json.loads(capsys.readouterr().out)[0]["technology"] == "small"


def test_shipped_tables_are_written_by_one_command(capsys, tmp_path, monkeypatch):
    searched, other = (
        spec_from_fields("int_mac", {"weight": w, "act": "int2"}) for w in ("int3", "int2")
    )
    monkeypatch.setattr(ship, "default_units", lambda technology: [searched])
    monkeypatch.setattr(ship, "fp8_units", lambda technology: {})
    monkeypatch.setattr(ship, "SWITCHED", ())
    monkeypatch.setattr(ship, "registry", lambda: (other, searched))
    monkeypatch.setattr(ship, "bench_record", lambda spec, folder: "icarus 11.0: 5 tests passed")
    monkeypatch.setattr(unit_points, "pointed_units", lambda technology: [])
    assert cli.main(["characterize", "--shipped", str(tmp_path), "--jobs", "1"]) == 0
    out = capsys.readouterr().out
    assert out.count(": 2 units, 2 of them made anew\n") == 4
    # Without the libraries their tables have no row.
    assert out.count(": 0 units, 0 of them made anew\n") == 4
    assert out.count("2 units left out, which need the library") == 4
    for technology in ("gates", "ecp5", "xc7"):
        rows = parse_table((tmp_path / f"{technology}.csv").read_text()).set_index("unit")
        assert list(rows.index) == sorted([searched.name, other.name])
        assert set(rows.technology) == {technology}
        if technology == "xc7":
            assert rows.bench.isna().all()
        else:
            assert rows.bench[searched.name] == "icarus 11.0: 5 tests passed"
            assert pd.isna(rows.bench[other.name])


def test_shipped_table_of_a_library_is_made_from_its_files(capsys, tmp_path, monkeypatch):
    unit = spec_from_fields("int_mac", {"weight": "int2", "act": "int2", "acc": "int5"})
    monkeypatch.setattr(ship, "default_units", lambda technology: [unit])
    monkeypatch.setattr(ship, "fp8_units", lambda technology: {})
    monkeypatch.setattr(ship, "SWITCHED", ())
    monkeypatch.setattr(ship, "registry", lambda: ())
    monkeypatch.setattr(unit_points, "pointed_units", lambda technology: [])
    (tmp_path / "asap7").mkdir()
    (tmp_path / "asap7" / "cells.lib").write_bytes(SMALL_LIBERTY.read_bytes())
    argv = ["characterize", "--shipped", str(tmp_path), "--liberty-dir", str(tmp_path)]
    assert cli.main([*argv, "--technology", "asap7", "--jobs", "1"]) == 0
    assert ": 1 units, 1 of them made anew\n" in capsys.readouterr().out
    rows = parse_table((tmp_path / "asap7.csv").read_text())
    assert list(rows.unit) == [unit.name]
    assert rows.technology[0] == "asap7"


def test_library_without_its_files_has_the_shipped_rows(capsys, monkeypatch):
    monkeypatch.setattr(table, "_shipped", lambda technology: ROWS)
    monkeypatch.setattr(table, "is_current", lambda row, spec: True)
    assert cli.main(["characterize", *INT2, "--technology", "asap7", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["source"], row["energy_fj_per_mac"]) == ("shipped", 12.5)
    # The row was measured with other operands.
    argv = ["characterize", *INT2, "--technology", "asap7", "--stimulus", "sparse"]
    assert cli.main(argv) == 1
    assert "must be one that the shipped table of asap7 has" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["adder"], "Unit must be one of int_mac, .* or the name of a unit, not"),
        ([], "Units to characterise must be named, or asked for with --all"),
        (["--all", "--weight", "int4"], "Field weight must come with a family such as int_mac"),
        (["int_mac", "--technology", "virtex"], "Technology must be one of gates, .*'virtex'"),
        (
            [*INT2, "--technology", "asap7"],
            "Unit int_mac_int2_.* shipped table of asap7 has .the nearest: int_mac_i",
        ),
        (
            [*INT2, "--technology", "asap7", "--curve"],
            "Points of int_mac_int2_.* for asap7 .the nearest: int_mac_int4_int2_",
        ),
        (["int_mac", "--stimulus", "gaus", "--technology", "ecp5"], "Stimulus must be one of"),
        (["int_mac", "--stimulus", "gauss"], "Operands must come with a cell library or an FPGA"),
        (["int_mac", "--stimulus", "gauss", "--stream", "x"], "Operands must be given by --stim"),
        (["int_mac", "--stream", "absent.npz", "--technology", "ecp5"], "No such file.*absent"),
        (
            ["int_mac", "--liberty", str(SMALL_LIBERTY), "--technology", "ecp5"],
            "Liberty files must come",
        ),
        (["int_mac", "--liberty", "absent.lib"], "No such file.*absent.lib"),
        (["int_mac", "--dsp"], "Technology with DSP blocks must be one of ecp5, ice40 or xc7"),
        (["int_mac", "--jobs", "0"], "Number of jobs must be at least 1, not 0"),
        (["int_mac", "--set", "pipeline"], "--set must be given FIELD=VALUE, not 'pipeline'"),
    ],
)
def test_refusals_are_one_line_and_status_1(argv, message, capsys):
    assert cli.main(["characterize", *argv]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert re.match(f"macwright: error: .*{message}", printed.err)
