"""Characterisation: rows are complete, cached by content, and wrong units leave nothing."""

import errno
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pandas as pd
import pytest

from macwright.costmodel.characterize import unit as module
from macwright.costmodel.characterize.many import COLUMNS, characterize
from macwright.hw.errors import ToolError
from macwright.hw.formats import IntFormat
from macwright.hw.pe import IntMacSpec
from macwright.hw.verilog import verilog_sha256

SMALL = IntMacSpec(act=IntFormat(2), weight=IntFormat(2), acc=IntFormat(6))
SMALLER = IntMacSpec(act=IntFormat(1), weight=IntFormat(2), acc=IntFormat(4))
FIGURES = {"area": 12, "ffs": 1, "depth": 3}


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def yosys(monkeypatch):
    """Stands for the synthesiser: counts its runs, and fails for the modules in `broken`."""

    class Fake:
        runs, broken = 0, ()

    def map_unit(verilog, *, top, technology, dsp, **options):
        Fake.runs += 1
        if top in Fake.broken:
            raise ToolError(f"Unit {top} could not be characterised: out of luck")
        return {**FIGURES, "flow": technology.describe(dsp=dsp)}, {"modules": {}}

    monkeypatch.setattr(module, "map_unit", map_unit)
    return Fake


def test_row_says_what_was_measured_on_what_and_by_what():
    rows = characterize([SMALL], "gates")
    assert dict(rows.dtypes.astype(str)) == COLUMNS
    row = rows.iloc[0]
    assert (row.unit, row.technology, row.area_unit) == (SMALL.name, "gates", "gates")
    # Six flip-flops of 6 gates, a 6-bit add of at most 4 + 7 a bit, and a 2 x 2 multiplier.
    assert 6 * 6 + 6 < row.area < 6 * 6 + 6 * 8 + 20
    assert (row.ffs, row.macs_per_cycle, row.source) == (6, 1, "characterised")
    assert row.verilog_sha256 == verilog_sha256(SMALL)
    assert row.tool_versions.startswith("amaranth 0.5.")
    assert row.tool_versions.count(",") == 2
    assert row.flow.startswith("read_verilog macwright_asic.v; synth -flatten")
    assert "-script 'strash; " in row.flow
    assert row[["luts", "dsps", "delay_ns", "energy_fj_per_mac", "bench"]].isna().all()


def test_second_time_takes_everything_from_the_cache(yosys):
    first = characterize([SMALL], "gates")
    again = characterize([SMALL], "gates")
    assert (first.source[0], again.source[0], yosys.runs) == ("characterised", "cache", 1)
    pd.testing.assert_frame_equal(first.drop(columns="source"), again.drop(columns="source"))
    characterize([SMALL], "ice40")
    characterize([SMALL], "ice40", dsp=True)
    assert yosys.runs == 3


def test_other_tool_or_other_counting_is_not_taken_for_ours(yosys, monkeypatch):
    characterize([SMALL], "gates")
    monkeypatch.setattr(module, "_counting_sha256", lambda: "0" * 64)
    characterize([SMALL], "gates")
    assert yosys.runs == 2
    found = module.find_yosys()
    other = type(found)(found.backend, "0.99", found.command)
    monkeypatch.setattr(module, "find_yosys", lambda: other)
    characterize([SMALL], "gates")
    assert yosys.runs == 3


def test_damaged_cache_is_made_again(yosys, empty_cache):
    characterize([SMALL], "gates")
    for path in empty_cache.rglob("*.json"):
        path.write_text(path.read_text()[:-20])
    again = characterize([SMALL], "gates")
    assert (again.source[0], again.area[0], yosys.runs) == ("characterised", 12, 2)


def test_rows_come_in_the_order_asked_for_and_each_unit_is_made_once(yosys):
    calls = []
    specs = [SMALL, SMALLER, SMALL]
    rows = characterize(specs, "gates", jobs=2, progress=lambda *args: calls.append(args))
    assert list(rows.unit) == [spec.name for spec in specs]
    assert yosys.runs == 2
    assert calls == [("synthesis for gates", done, 2) for done in range(3)]


def test_unit_that_fails_is_named_and_only_the_others_are_kept(yosys):
    yosys.broken = (SMALLER.name,)
    text = rf"^Unit {SMALLER.name} could not be characterised: out of luck$"
    with pytest.raises(ToolError, match=text):
        characterize([SMALL, SMALLER], "gates", jobs=1)
    yosys.broken = ()
    assert list(characterize([SMALL, SMALLER], "gates").source) == ["cache", "characterised"]


def test_full_disk_only_keeps_nothing(yosys, monkeypatch, empty_cache):
    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("macwright.costmodel.cache.write_atomic", full)
    assert list(characterize([SMALL], "gates").source) == ["characterised"]
    assert not list(empty_cache.rglob("*.json"))


def test_another_executor_gives_the_same_rows():
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        there = characterize([SMALLER], "gates", executor=executor)
    here = characterize([SMALLER], "gates")
    assert (there.source[0], here.source[0]) == ("characterised", "cache")
    pd.testing.assert_frame_equal(there.drop(columns="source"), here.drop(columns="source"))


def test_wrong_technology_is_refused_before_any_work(yosys):
    with pytest.raises(ValueError, match=r"^Technology must be one of gates, "):
        characterize([SMALL], "fpga")
    with pytest.raises(ValueError, match=r"^Technology with DSP blocks must be one of ecp5, "):
        characterize([SMALL], "gates", dsp=True)
    assert yosys.runs == 0


def test_no_units_give_an_empty_table():
    rows = characterize([], "gates")
    assert (len(rows), list(rows.columns)) == (0, list(COLUMNS))
