"""Liberty reader: figures, units, merging, cache, refusals."""

import gzip
import re
from itertools import product

import numpy as np
import pytest
from helpers.paths import SHARED, SMALL_LIBERTY

from macwright.costmodel.liberty import library as liberty
from macwright.costmodel.liberty.library import read_liberty
from macwright.costmodel.liberty.logic import (
    inputs_of,
    parse_expression,
    probability,
    truth_table,
)
from macwright.costmodel.liberty.lookup import TableBank, TableData
from macwright.costmodel.liberty.syntax import LibertyError

PDK = SHARED / "pdk"


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "cache"))


def write(tmp_path, *changes):
    """A copy of the small library with some text replaced."""
    text = SMALL_LIBERTY.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "changed.lib"
    path.write_text(text)
    return path


def test_cells_have_the_figures_of_the_file():
    library = read_liberty([SMALL_LIBERTY])
    assert (library.name, library.voltage_v) == ("small", 1.0)
    inverter = library.cell("INV")
    assert (inverter.area, inverter.inputs, inverter.outputs) == (1.0, ["A"], ["Y"])
    assert inverter.leakage == ((3.0, "A"), (1.0, "!A"))
    arc = inverter.pins["Y"].arcs[0]
    assert (arc.related, arc.kind, arc.sense) == ("A", "combinational", "negative_unate")
    assert arc.rise is not None
    assert arc.rise.rows.tolist() == [0, 1]
    assert arc.rise.columns.tolist() == [0, 10]
    np.testing.assert_allclose(arc.rise.values, [[0.02, 0.03], [0.12, 0.13]])
    assert library.cell("AND2").pins["A"].capacitance_ff == (2.0, 1.5)
    assert [arc.related for arc in library.cell("AND2").pins["Y"].arcs] == ["A", "B"]
    flop = library.cell("DFFR").flip_flop
    assert flop is not None
    assert (flop.next_state, flop.clocked_on, flop.clear, flop.preset) == ("D", "CK", "!RN", "")
    assert [arc.kind for arc in library.cell("DFF").pins["D"].arcs] == ["setup"]


def test_units_of_the_file_do_not_matter(tmp_path):
    path = write(
        tmp_path,
        ('time_unit : "1ns"', 'time_unit : "10ps"'),
        ("(1, ff)", '(0.5, "pf")'),
        ('leakage_power_unit : "1nW"', 'leakage_power_unit : "100pW"'),
        ('voltage_unit : "1V"', 'voltage_unit : "100mV"'),
    )
    plain, scaled = read_liberty([SMALL_LIBERTY]).cell("INV"), read_liberty([path]).cell("INV")
    assert scaled.pins["A"].capacitance_ff[0] == pytest.approx(500)
    assert scaled.leakage[0][0] == pytest.approx(0.3)
    for first, second in zip(plain.pins["Y"].arcs, scaled.pins["Y"].arcs, strict=True):
        assert first.rise is not None
        assert second.rise is not None
        np.testing.assert_allclose(second.rise.values, first.rise.values / 100)
        np.testing.assert_allclose(second.rise.rows, first.rise.rows / 100)
        np.testing.assert_allclose(second.rise.columns, first.rise.columns * 500)
    energy = scaled.pins["Y"].power[0].rise
    assert energy is not None
    assert energy.values[0, 0] == pytest.approx(2 * 500 * 0.01)  # capacitance · volt²
    assert read_liberty([path]).voltage_v == pytest.approx(0.1)


def test_load_may_be_the_first_axis(tmp_path):
    axes = "variable_1 : input_net_transition;\n    variable_2 : total_output_net_capacitance;"
    swapped = "variable_2 : input_net_transition;\n    variable_1 : total_output_net_capacitance;"
    changes = [(axes, swapped), ('index_1 ("0, 1")', 'index_2 ("0, 1")')]
    path = write(tmp_path, *changes, ('index_2 ("0, 10")', 'index_1 ("0, 10")'))
    rise = read_liberty([path]).cell("INV").pins["Y"].arcs[0].rise
    assert rise is not None
    assert (rise.rows.tolist(), rise.columns.tolist()) == ([0, 1], [0, 10])
    np.testing.assert_allclose(rise.values, [[0.02, 0.12], [0.03, 0.13]])


def test_wire_load_goes_on_along_its_slope():
    wires = read_liberty([SMALL_LIBERTY]).wire_capacitance_ff(np.array([0, 1, 2, 5]))
    np.testing.assert_allclose(wires, [0, 2, 6, 6 + 3 * 2])


def test_gz_and_plain_files_are_read_together(tmp_path):
    other = tmp_path / "other.lib.gz"
    text = SMALL_LIBERTY.read_text().replace("library (small)", "library (more)")
    other.write_bytes(gzip.compress(re.sub(r"cell \((\w+)\)", r"cell (\1_B)", text).encode()))
    library = read_liberty([SMALL_LIBERTY, other])
    assert library.cell("INV").area == library.cell("INV_B").area
    assert [name for name, _ in library.sources] == [SMALL_LIBERTY.name, other.name]


def test_second_reading_uses_the_digest(monkeypatch):
    first = read_liberty([SMALL_LIBERTY])
    monkeypatch.setattr(liberty, "digest_library", None)
    second = read_liberty([SMALL_LIBERTY])
    assert second.cell_names == first.cell_names
    a, b = first.cell("INV").pins["Y"].arcs[0].rise, second.cell("INV").pins["Y"].arcs[0].rise
    assert a is not None
    assert b is not None
    np.testing.assert_array_equal(a.values, b.values)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 nonsense", b"\x80\x04."])
def test_damaged_digest_is_made_anew(tmp_path, damage):
    read_liberty([SMALL_LIBERTY])
    (digest,) = (tmp_path / "cache" / "liberty").glob("*/*")
    digest.write_bytes(damage)
    assert read_liberty([SMALL_LIBERTY]).cell("INV").area == 1.0


LINE = SMALL_LIBERTY.read_text().split("\n").index("  cell (INV) {") + 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([('function : "!A";', 'function : "!A &";')], rf"changed.lib:{LINE + 5}: function: Expre"),
        ([("0.020, 0.030", "0.020, x")], r"changed.lib:\d+: values must be numbers, not "),
        ([("0.020, 0.030", "0.020, nan")], r"changed.lib:\d+: values must be finite numbers"),
        ([("0.020, 0.030", "0.020")], r"changed.lib:\d+: cell_rise must have 2 x 2 values"),
        ([('index_1 ("0, 1")', 'index_1 ("1, 0")')], r"changed.lib:\d+: index_1 of \w+ must incr"),
        ([("cell_rise (delay)", "cell_rise (other)")], r"must use a template of the library"),
        ([("table_lookup", "polynomial")], r"changed.lib:3: delay_model must be table_lookup"),
        ([("cell (AND2)", "cell (INV)")], r"changed.lib:\d+: cell INV must be defined once"),
        ([('time_unit : "1ns"', 'time_unit : "1 hour"')], "time_unit must be like 1ns"),
        ([("(1, ff)", "(1, ohm)")], r"capacitive_load_unit must be like \(1, ff\)"),
        ([("(1, ff)", "(0, ff)")], r"capacitive_load_unit must be like \(1, ff\), not '0, ff'"),
        ([("capacitive_load_unit (1, ff);", "")], "library must state capacitive_load_unit"),
        ([('leakage_power_unit : "1nW";', "")], "the library must state leakage_power_unit"),
        ([("nom_voltage : 1.0;", "")], "the library must state nom_voltage"),
        ([("nom_voltage : 1.0;", "voltage_map (VDD);")], r"voltage_map must be like \(VDD, 1.1\)"),
        ([("area : 2.0;", "")], r"changed.lib:\d+: cell AND2 must state its area"),
        ([("area : 2.0;", "area : -2;")], "area must be at least 0, not -2"),
        ([("area : 2.0;", "area : 2; dont_use : 1;")], "dont_use must be true or false, not '1'"),
        ([("area : 1.0;", 'include_file ("x.lib");')], "include_file must be replaced by the file"),
        ([('function : "!A"', f'function : "{"(" * 300}A{")" * 300}"')], "nested less deeply than"),
        ([('function : "!A"', f'function : "{"!" * 300}A"')], "must be nested less deeply than"),
        ([('function : "!A"', f'function : "A{" | A" * 300}"')], "must be nested less deeply than"),
        ([('("0.5")', '("0.5, 0.6")')], "rise_transition must have one value, not 2"),
        ([("area : 1.0;", "area : big;")], "area must be numbers, not 'big'"),
        ([("direction : input", "direction : up")], "direction of pin A must be stated, not 'up'"),
        ([("ff (IQ, IQN)", "ff (IQ)")], "ff must name a state and its inverse"),
        ([('clocked_on : "CK";', "")], "ff must state clocked_on"),
        ([("cell (INV) {", "cell (INV) = {")], rf"changed.lib:{LINE}: the text must be a Liberty"),
        ([("library (small)", "module (small)")], "the file must hold one library group, not 0"),
    ],
)
def test_refusals_name_file_and_line(tmp_path, changes, message):
    with pytest.raises(LibertyError, match=message):
        read_liberty([write(tmp_path, *changes)])
    assert not (tmp_path / "cache").exists(), "a refused file must not be cached"


def test_file_must_not_grow_beyond_bounds(tmp_path, monkeypatch):
    monkeypatch.setattr(liberty, "LARGEST", 1 << 22)
    path = tmp_path / "bomb.lib.gz"
    path.write_bytes(gzip.compress(bytes(1 << 26)))
    with pytest.raises(LibertyError, match=r"bomb.lib.gz:1: the file must have at most 4 MB of"):
        read_liberty([path])


@pytest.mark.parametrize("name", ['a"b.lib', "a\n!touch x\n.lib", "a\x1b[1m.lib"])
def test_name_of_a_file_must_fit_on_a_line(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(SMALL_LIBERTY.read_bytes())
    with pytest.raises(ValueError, match="name without quotes and control characters, not '") as at:
        read_liberty([path])
    assert str(at.value).isprintable()


def test_every_truncation_is_refused(tmp_path):
    text = SMALL_LIBERTY.read_text().rstrip()
    for length in range(0, len(text) - 1, 97):
        path = tmp_path / "short.lib"
        path.write_text(text[:length])
        with pytest.raises(LibertyError, match=r"short\.lib:\d+: "):
            read_liberty([path])


def test_truncated_gzip_is_refused(tmp_path):
    path = tmp_path / "short.lib.gz"
    path.write_bytes(gzip.compress(SMALL_LIBERTY.read_bytes())[:-100])
    with pytest.raises(LibertyError, match=r"short\.lib\.gz:1: the file must be whole gzip data"):
        read_liberty([path])


def test_files_must_fit_each_other(tmp_path):
    with pytest.raises(LibertyError, match="cell INV must be in one file, not also in an earlier"):
        read_liberty([SMALL_LIBERTY, SMALL_LIBERTY])
    other = write(tmp_path, ("nom_voltage : 1.0", "nom_voltage : 0.9"))
    with pytest.raises(LibertyError, match=r"supply must be 1.0 V as in .*, not 0.9 V"):
        read_liberty([SMALL_LIBERTY, other])
    with pytest.raises(ValueError, match="Liberty files must be at least one"):
        read_liberty([])


@pytest.mark.parametrize(
    ("text", "python"),
    [
        ("!(A & B)", "not (A and B)"),
        ("A B' + C", "(A and not B) or C"),
        ("A ^ B & C", "(A != B) and C"),
        ("!A * (B | C')'", "(not A) and not (B or not C)"),
        ("A+B*!C", "A or (B and not C)"),
        ("1 ^ A & (C + 0) | B", "((not A) and C) or B"),
    ],
)
def test_expressions_mean_what_liberty_says(text, python):
    tree = parse_expression(text)
    table = truth_table(tree, ("A", "B", "C"))
    for index, (c, b, a) in enumerate(product((False, True), repeat=3)):
        assert table[index] == eval(python, {"A": a, "B": b, "C": c}), (text, a, b, c)


@pytest.mark.parametrize("text", ["A &", "(A", "A)", "", "A ? B", "& A", "A + * B"])
def test_what_is_no_expression_is_refused(text):
    with pytest.raises(ValueError, match="Expression must be a Liberty function, not"):
        parse_expression(text)


def test_probability_of_independent_inputs():
    tree = parse_expression("A & !B")
    duties = np.array([[0.25, 1.0], [0.5, 0.0]])
    table = truth_table(tree, inputs_of(tree))
    np.testing.assert_allclose(probability(table, duties), [0.125, 1.0])


def test_tables_are_bilinear_inside_and_outside():
    rows, columns = np.array([0.0, 1.0, 4.0]), np.array([1.0, 2.0])
    plane = TableData(rows, columns, 3 + 2 * rows[:, None] - columns)
    bank = TableBank()
    bank.add(plane)
    bank.add(TableData(np.zeros(1), np.zeros(1), np.array([[7.0]])))
    bank.pack()
    x, y = np.array([0.5, -1.0, 9.0, 3.0]), np.array([1.5, 0.0, 5.0, 2.0])
    np.testing.assert_allclose(bank.lookup(np.zeros(4, dtype=np.int64), x, y), 3 + 2 * x - y)
    np.testing.assert_allclose(bank.lookup(np.ones(4, dtype=np.int64), x, y), 7)


def test_tables_bend_at_their_points():
    bank = TableBank()
    bank.add(TableData(np.array([0.0, 1.0, 2.0]), np.zeros(1), np.array([[0.0], [1.0], [5.0]])))
    bank.pack()
    found = bank.lookup(np.zeros(4, dtype=np.int64), [0.5, 1.0, 1.5, 3.0], np.ones(4))
    np.testing.assert_allclose(found, [0.5, 1.0, 3.0, 9.0])


@pytest.mark.slow
@pytest.mark.skipif(not PDK.exists(), reason="needs ../shared/pdk")
@pytest.mark.parametrize(
    ("pattern", "cells"),
    [
        ("nangate45_typ.lib.gz", 134),
        ("sky130hd_tt.lib.gz", 428),
        ("ihp130_*.lib.gz", 84),
        ("asap7/*.lib.gz", 202),
    ],
)
def test_published_libraries_are_read_whole(pattern, cells):
    library = read_liberty(sorted(PDK.glob(pattern)))
    assert len(library.cell_names) == cells
    for name in library.cell_names:
        library.cell(name)
