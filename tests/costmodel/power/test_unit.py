"""Energy of characterised units: from their own netlist, with the operands that are named."""

from types import SimpleNamespace

import pytest
from helpers.paths import SHARED, SMALL_LIBERTY

from macwright.costmodel.characterize import unit as module
from macwright.costmodel.characterize.many import characterize
from macwright.costmodel.liberty.library import read_liberty
from macwright.costmodel.netlist.build import build_netlist, from_yosys_json
from macwright.costmodel.power.measure import measure_energy
from macwright.costmodel.power.unit import unit_energy
from macwright.costmodel.stimulus.named import named_streams
from macwright.costmodel.technology.catalogue import target_of_technology
from macwright.costmodel.technology.liberty import liberty_technology
from macwright.hw.formats import IntFormat, parse_format
from macwright.hw.pe import IntMacSpec, MinifloatMacSpec

SPEC = IntMacSpec(act=IntFormat(2), weight=IntFormat(2), acc=IntFormat(5))
MEASURED = ["energy_fj_per_mac", "glitch_factor", "leakage_nw", "stimulus"]


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "cache"))


def test_another_stimulus_measures_the_same_netlist_again(monkeypatch):
    kept = []

    def map_unit(*args, **options):
        kept.append(made := original(*args, **options))
        return made

    original = module.map_unit
    monkeypatch.setattr(module, "map_unit", map_unit)
    technology = liberty_technology([SMALL_LIBERTY])
    bare = characterize([SPEC], technology, stimulus=None).iloc[0]
    assert bare[MEASURED].isna().all()
    assert bare.delay_ns > 0
    rows = [characterize([SPEC], technology, stimulus=s).iloc[0] for s in ("gauss", "sparse")]
    assert len(kept) == 1
    library = read_liberty([SMALL_LIBERTY])
    for row, stimulus in zip(rows, ("gauss", "sparse"), strict=True):
        streams = named_streams(stimulus, IntFormat(2), IntFormat(2))
        want = measure_energy(kept[0][1], library, streams)
        assert row.energy_fj_per_mac == pytest.approx(want.energy_fj_per_cycle, abs=1e-4)
        assert row.glitch_factor == pytest.approx(want.glitch_factor, abs=1e-5)
        assert row.leakage_nw == pytest.approx(want.leakage_nw, abs=1e-4)
        assert (row.stimulus, row.source, row.area) == (stimulus, "characterised", bare.area)
    assert rows[0].energy_fj_per_mac > 1.2 * rows[1].energy_fj_per_mac
    again = characterize([SPEC], technology).iloc[0]
    assert (again.source, len(kept)) == ("cache", 1)
    assert again.drop("source").equals(rows[0].drop("source"))
    # Without the netlist the unit is mapped again, and its figures stay.
    for path in (module.Cache("netlists").folder).rglob("*.json"):
        path.unlink()
    assert characterize([SPEC], technology).iloc[0].source == "cache"
    characterize([SPEC], technology, stimulus="laplace")
    assert len(kept) == 2


def test_kept_netlist_is_the_one_whose_area_is_reported():
    technology = liberty_technology([SMALL_LIBERTY])
    row = characterize([SPEC], technology).iloc[0]
    (path,) = module.Cache("netlists").folder.rglob("*.json")
    netlist_json = module.Cache("netlists").get(path.stem)
    assert netlist_json is not None
    netlist = from_yosys_json(netlist_json, read_liberty([SMALL_LIBERTY]))
    assert netlist.area == row.area
    assert len(netlist.flops) == row.ffs


def inverters(count):
    """So many one-bit operands `a`, each inverted and stored."""
    bits = {f"a{n}": f"y{n}" for n in range(count)}
    ports = {name: ("input", [name]) for name in ("clk", "clear")}
    ports["w"] = ("input", [f"w{n}" for n in range(count)])
    ports |= {"a": ("input", list(bits)), "y": ("output", list(bits.values()))}
    cells = []
    for n in range(count):
        cells.append((f"i{n}", "INV", {"A": f"a{n}", "Y": f"d{n}"}))
        cells.append((f"r{n}", "DFF", {"CK": "clk", "D": f"d{n}", "Q": f"y{n}"}))
    return build_netlist(read_liberty([SMALL_LIBERTY]), ports, cells, {})


def test_port_with_room_for_several_operands_takes_so_many_products():
    fmt = IntFormat(1)
    one = SimpleNamespace(act=fmt, weight=fmt, macs_per_cycle=1)
    four = SimpleNamespace(act=fmt, weight=fmt, macs_per_cycle=4)
    single = unit_energy(inverters(1), one, "uniform")
    many = unit_energy(inverters(4), four, "uniform")
    assert many["energy_fj_per_mac"] == pytest.approx(single["energy_fj_per_mac"], rel=0.05)
    assert many["leakage_nw"] == pytest.approx(4 * single["leakage_nw"], rel=0.05)
    assert many["glitch_factor"] == single["glitch_factor"] == 1


def test_unit_with_ports_that_no_stimulus_names_has_no_energy():
    netlist = inverters(1)
    netlist.ports["scale"] = netlist.ports["clear"]
    spec = SimpleNamespace(act=IntFormat(1), weight=IntFormat(1), macs_per_cycle=1)
    assert unit_energy(netlist, spec, "uniform") == {}


def test_unknown_stimulus_is_refused_before_any_work():
    with pytest.raises(ValueError, match=r"^Stimulus must be one of uniform, gauss, .* not 'gaus'"):
        characterize([SPEC], "gates", stimulus="gaus")


LIBRARIES = {
    "nangate45": "nangate45_typ.lib.gz",
    "sky130hd": "sky130hd_tt.lib.gz",
    "asap7": "asap7/*.gz",
    "ihp130": "ihp130*.gz",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LIBRARIES)
def test_every_family_has_energy_in_every_library(name):
    if not SHARED.is_dir():
        pytest.skip("needs ../shared")
    technology = liberty_technology(sorted((SHARED / "pdk").glob(LIBRARIES[name])), name=name)
    e4m3 = parse_format("e4m3fn")
    target = target_of_technology(name)
    specs = [
        IntMacSpec().tuned(target),
        IntMacSpec(adder="carry_save", multiplier="booth4"),
        IntMacSpec(act=IntFormat(4), weight=IntFormat(4), acc=IntFormat(16)).tuned(target),
        MinifloatMacSpec(act=e4m3, weight=e4m3).tuned(target),
    ]
    rows = characterize(specs, technology)
    assert rows[["delay_ns", "fmax_mhz", *MEASURED]].notna().all(axis=None)  # pyright: ignore
    int8, carry_save, int4, fp8 = rows.energy_fj_per_mac
    assert int4 < 0.5 * int8 < int8 < fp8
    assert carry_save > int4
    assert (rows.glitch_factor > 1.02).all()
    assert (rows.glitch_factor < 3.5).all()
