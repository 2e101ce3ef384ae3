"""Mapping to a Liberty library whose areas make every result easy to work out."""

import re
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from helpers.paths import SHARED, SMALL_LIBERTY

from macwright.costmodel.characterize.many import characterize
from macwright.costmodel.characterize.unit import synthesize
from macwright.costmodel.characterize.yosys import find_yosys
from macwright.costmodel.technology import liberty as liberty_module
from macwright.costmodel.technology.catalogue import target_of_technology
from macwright.costmodel.technology.liberty import liberty_technology
from macwright.hw.errors import ToolError
from macwright.hw.formats import IntFormat
from macwright.hw.pe import IntMacSpec

# A full adder whose outputs are complemented, as in ASAP7, for less than two of its gates.
ADDER = """
  cell (FAN) {
    area : 4.0;
    pin (X) { direction : input; capacitance : 1; }
    pin (Y) { direction : input; capacitance : 1; }
    pin (Z) { direction : input; capacitance : 1; }
    pin (CON) { direction : output; function : "!((X & Y) | (Z & (X | Y)))"; TIMING }
    pin (SN) { direction : output; function : "!(X ^ Y ^ Z)"; TIMING }
  }
"""
TIMING = """timing () {
        related_pin : "X Y Z";
        timing_sense : non_unate;
        cell_rise (scalar) { values ("0.1"); } cell_fall (scalar) { values ("0.1"); }
        rise_transition (scalar) { values ("0.1"); } fall_transition (scalar) { values ("0.1"); }
      }"""

# A register that shows the complement of what it stores, smaller than DFF by more than an inverter.
INVERTING = """
  cell (DFFI) {
    area : 2.5;
    ff (IQ, IQN) { next_state : "!D"; clocked_on : "CK"; }
    pin (D) {
      direction : input; capacitance : 1;
      timing () { related_pin : "CK"; timing_type : setup_rising;
        rise_constraint (scalar) { values ("0.1"); } }
    }
    pin (CK) { direction : input; clock : true; capacitance : 0.5; }
    pin (QN) { direction : output; function : "IQ"; CLOCKED }
  }
""".replace(
    "CLOCKED",
    TIMING.replace("X Y Z", "CK").replace(
        "timing_sense", "timing_type : rising_edge; timing_sense"
    ),
)


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def with_adder(tmp_path):
    path = tmp_path / "adder.lib"
    text = SMALL_LIBERTY.read_text().rstrip().removesuffix("}")
    path.write_text(text + ADDER.replace("TIMING", TIMING) + "}\n")
    return path


def figures(body, path, *, ports="input clk, a, b, c, output y, z"):
    verilog = f"module unit({ports});\n{body}\nendmodule\n"
    technology = liberty_technology([path])
    got = synthesize(verilog, top="unit", technology=technology, yosys=find_yosys())
    return got["area"], got["ffs"], got["depth"]


@pytest.mark.parametrize(
    ("body", "area", "ffs", "depth"),
    [
        ("assign y = ~a;", 1, 0, 1),
        ("assign y = a & b & c;", 2 + 2, 0, 2),
        ("assign y = a ^ b;", 3, 0, 1),
        ("reg q; always @(posedge clk) q <= a & b; assign y = q;", 4 + 2, 1, 1),
        # The register with both outputs is one cell, without an inverter.
        ("macwright_dffq r(.clk(clk), .d(a), .q(y), .qn(z));", 4, 1, 0),
    ],
)
def test_area_is_the_sum_of_the_cells(body, area, ffs, depth):
    assert figures(body, SMALL_LIBERTY) == (area, ffs, depth)


def test_register_is_the_smallest_flip_flop_and_an_inverter_where_it_must_be(tmp_path):
    path = tmp_path / "inverting.lib"
    path.write_text(SMALL_LIBERTY.read_text().rstrip().removesuffix("}") + INVERTING + "}\n")
    made = "macwright_dffq r(.clk(clk), .d(a), .{}(y), .{}());"
    assert figures(made.format("qn", "q"), path)[:2] == (2.5, 1)
    assert figures(made.format("q", "qn"), path)[:2] == (2.5 + 1, 1)
    plain = "reg q; always @(posedge clk) q <= a; assign y = q;"
    assert figures(plain, path)[:2] == (2.5 + 1, 1)


def test_full_adder_is_the_librarys_own_with_inverters_where_it_must_be(with_adder):
    fa = "macwright_fa f(.a(a), .b(b), .c(c), .s(y), .co(z));"
    fan = "macwright_fan f(.a(a), .b(b), .c(c), .sn(y), .con(z));"
    assert figures(fan, with_adder) == (4, 0, 1)
    assert figures(fa, with_adder) == (4 + 1 + 1, 0, 2)
    assert figures(fa, SMALL_LIBERTY)[0] > 8


def test_row_names_the_library_by_its_content(with_adder):
    spec = IntMacSpec(act=IntFormat(2), weight=IntFormat(2), acc=IntFormat(5)).tuned("asic")
    row = characterize([spec], liberty_technology([with_adder], name="mine")).iloc[0]
    assert (row.technology, row.area_unit, row.ffs) == ("mine", "um2", 5)
    assert row.delay_ns == pytest.approx(1000 / row.fmax_mhz, rel=1e-4)
    assert re.search(r"read_liberty -lib adder\.lib@[0-9a-f]{12};", row.flow)
    assert re.search(
        r"smallest of amap, amap_plain, amap_again, amap_dc2: abc -liberty \S+ -script 'strash; ",
        row.flow,
    )
    assert str(with_adder) not in row.flow
    again = characterize([spec], liberty_technology([with_adder], name="mine")).iloc[0]
    assert again.source == "cache"
    # Another content is another library, whatever its name.
    with_adder.write_text(with_adder.read_text().replace("area : 4.0", "area : 4.5"))
    other = with_adder.rename(with_adder.with_name("other.lib"))
    changed = characterize([spec], liberty_technology([other], name="mine")).iloc[0]
    assert changed.source == "characterised"
    assert changed.area >= row.area + 5 * 0.5


def test_another_process_gives_the_same_row():
    spec = IntMacSpec(act=IntFormat(1), weight=IntFormat(1), acc=IntFormat(3))
    technology = liberty_technology([SMALL_LIBERTY])
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        there = characterize([spec], technology, executor=executor).iloc[0]
    here = characterize([spec], technology).iloc[0]
    assert (there.source, here.source) == ("characterised", "cache")
    assert there.drop("source").equals(here.drop("source"))


def test_what_will_not_do_is_refused_and_not_cached(tmp_path):
    text = SMALL_LIBERTY.read_text()
    no_ff = tmp_path / "no_ff.lib"
    no_ff.write_text(re.sub(r"  cell \((DFF\w*|LATCH)\) \{.*?\n  \}\n", "", text, flags=re.DOTALL))
    with pytest.raises(ValueError, match=r"^Library small must have a flip-flop, not none$"):
        liberty_technology([no_ff])
    loop = "assign y = ~(a & y);"
    with pytest.raises(ToolError, match=r"must not have a combinational loop"):
        figures(loop, SMALL_LIBERTY)
    latch = "reg q; always @* if (a) q = b; assign y = q;"
    with pytest.raises(ToolError, match=r"^Unit unit could not be characterised: "):
        figures(latch, SMALL_LIBERTY)
    assert not (tmp_path / "cache" / "synthesis").exists()


def test_cells_not_to_be_used_are_not_and_false_allows_them(with_adder):
    text = with_adder.read_text()
    fan = "macwright_fan f(.a(a), .b(b), .c(c), .sn(y), .con(z));"
    for value, area in (("true", figures(fan, SMALL_LIBERTY)[0]), ("false", 4), ('"TRUE"', None)):
        head = "cell (FAN) {"
        with_adder.write_text(text.replace(head, f"{head} dont_use : {value};"))
        assert figures(fan, with_adder)[0] == (area or figures(fan, SMALL_LIBERTY)[0]), value
    # ABC takes any value for true.
    with_adder.write_text(text.replace("area : 3.0;", "area : 3.0; dont_use : false;"))
    assert figures("assign y = a ^ b;", with_adder)[0] == 3


@pytest.mark.parametrize("name", ["a;b.lib", "{top} $(touch x) `id`.lib", "a'b #c.lib"])
def test_name_of_a_file_never_reaches_a_script(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name
    path.write_bytes(SMALL_LIBERTY.read_bytes())
    before = sorted(tmp_path.iterdir())
    assert figures("assign y = a ^ b;", path)[0] == 3
    assert sorted(set(tmp_path.iterdir()) - {tmp_path / "cache"}) == before
    technology = liberty_technology([path])
    assert name not in "".join(technology.script("unit", dsp=False)[0])


def test_what_is_not_modelled_is_left_out_and_named(with_adder):
    text = with_adder.read_text()
    plain = figures("assign y = a ^ b;", with_adder)
    axes = """lu_table_template (three) {
      variable_1 : input_net_transition; variable_2 : total_output_net_capacitance;
      variable_3 : related_out_total_output_net_capacitance;
      index_1 ("0, 1"); index_2 ("0, 1"); index_3 ("0, 1"); }
    cell (ODD) { area : 0.1; pin (A) { direction : input; capacitance : 1; }
      pin (Y) { direction : output; function : "!A"; timing () { related_pin : "A";
        cell_rise (three) { values ("0, 0, 0, 0", "0, 0, 0, 0"); } } } }
    cell (UNTIMED) { area : 0.1; pin (A) { direction : input; capacitance : 1; }
      pin (Y) { direction : output; function : "!A"; } }
    cell (BUSSED) { area : 0.1; bus (A) { direction : input; }
      pin (Y) { direction : output; function : "1"; } }
    cell (LIGHT) { area : 0.1; pin (A) { direction : input; }
      pin (Y) { direction : output; function : "!A"; } }
    """
    with_adder.write_text(text.replace("cell (INV)", axes + "cell (INV)", 1))
    assert figures("assign y = a ^ b;", with_adder) == plain
    (note,) = liberty_technology([with_adder]).notes
    assert note == (
        "5 cells of library small left out: ODD (cell_rise depends on "
        "related_out_total_output_net_capacitance), BUSSED (it has a bus), "
        "LIGHT (pin A states no capacitance), 2 more"
    )
    untimed = re.sub(r"cell_(rise|fall)", r"output_current_\1", text)
    with_adder.write_text(untimed)
    with pytest.raises(
        ValueError, match=r"a flip-flop, not none; .*cell_rise, cell_fall .* missing"
    ):
        liberty_technology([with_adder])


def test_library_that_changes_under_way_is_refused(with_adder):
    technology = liberty_technology([with_adder])
    liberty_module._library.cache_clear()
    with_adder.write_text(with_adder.read_text().replace("area : 4.0", "area : 4.5"))
    with pytest.raises(ToolError, match="Liberty files of small must stay as they are"):
        technology.texts()


def test_empty_netlist_is_an_error():
    with pytest.raises(ToolError, match="synthesis left a netlist without cells"):
        figures("", SMALL_LIBERTY)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "files", "most"),
    [("nangate45", "nangate45_typ.lib.gz", 590), ("asap7", "asap7/*.gz", 47)],
)
def test_int8_mac_is_as_small_as_aimed_at(name, files, most):
    if not SHARED.is_dir():
        pytest.skip("needs ../shared")
    technology = liberty_technology(sorted((SHARED / "pdk").glob(files)), name=name)
    row = characterize([IntMacSpec().tuned(target_of_technology(name))], technology).iloc[0]
    assert row.area <= most
    assert row.ffs == 32
