"""``macwright characterize``: table, JSON, CSV, and refusals of one line."""

import io
import json
import re
from pathlib import Path

import pandas as pd
import pytest

from macwright.costmodel import characterize as module
from macwright.costmodel import default_units, ship
from macwright.dse import cli
from macwright.hw.pe import spec_from_fields

SMALL = Path(__file__).with_name("costmodel_small.lib")
INT2 = ("int_mac", "--weight", "int2", "--activation", "int2", "--accumulator", "int6")


@pytest.fixture(autouse=True)
def no_synthesis(monkeypatch, tmp_path):
    """An empty cache, and figures that name what was asked for."""
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "cache"))

    def synthesize(verilog, *, top, technology, yosys, dsp):
        return {"area": len(top), "ffs": 6, "dsps": int(dsp), "flow": f"for {technology.name}"}

    monkeypatch.setattr(module, "synthesize", synthesize)


def test_table_shows_figures_with_units_and_what_made_them(capsys):
    assert cli.main(["characterize", *INT2, "--technology", "ecp5"]) == 0
    out = capsys.readouterr().out.split("\n")
    assert out[0].split() == ["unit", "area", "[luts]", "ffs", "dsps", "source"]
    assert out[1].split() == ["int_mac_int2_int2_int6", "22", "6", "0", "characterised"]
    assert out[3] == "ecp5: for ecp5"
    assert "pyosys" in out[4]


def test_json_and_csv_hold_all_columns_and_absent_figures_are_empty(capsys, tmp_path):
    path = tmp_path / "new" / "rows.csv"
    argv = ["characterize", *INT2, "--set", "pipeline=1", "--dsp", "--technology", "ice40"]
    assert cli.main([*argv, "--json", "-o", str(path)]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert list(row) == list(module.COLUMNS)
    assert (row["unit"], row["dsps"], row["luts"]) == ("int_mac_int2_int2_int6_p1", 1, None)
    assert list(pd.read_csv(io.StringIO(path.read_text())).columns) == list(module.COLUMNS)
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


def test_liberty_files_make_a_technology(capsys):
    argv = ["characterize", *INT2, "--liberty", str(SMALL), "--json"]
    assert cli.main([*argv, "--technology", "mine"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["technology"] == "mine"
    assert cli.main(argv) == 0
    assert json.loads(capsys.readouterr().out)[0]["technology"] == "small"


def test_shipped_tables_are_written_by_one_command(capsys, tmp_path, monkeypatch):
    units = [spec_from_fields("int_mac", {"weight": w, "act": "int2"}) for w in ("int3", "int2")]
    monkeypatch.setattr(default_units, "default_units", lambda technology: units)
    monkeypatch.setattr(ship, "bench_record", lambda spec, folder: "icarus 11.0: 5 tests passed")
    assert cli.main(["characterize", "--shipped", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count(": 2 units, 2 of them made anew\n") == 2
    for technology in ("gates", "ecp5"):
        rows = pd.read_csv(tmp_path / f"{technology}.csv")
        assert list(rows.unit) == sorted(spec.name for spec in units)
        assert set(rows.bench) == {"icarus 11.0: 5 tests passed"}
        assert set(rows.technology) == {technology}
        assert "source" not in rows


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["adder"], "Unit must be one of int_mac, .* or the name of a unit of the registry"),
        ([], "Units to characterise must be named, or asked for with --all"),
        (["--all", "--weight", "int4"], "Field weight must come with a family such as int_mac"),
        (["int_mac", "--technology", "virtex"], "Technology must be one of gates, .*'virtex'"),
        (["int_mac", "--technology", "asap7"], "Technology asap7 must come with its Liberty file"),
        (["int_mac", "--liberty", str(SMALL), "--technology", "ecp5"], "Liberty files must come"),
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
