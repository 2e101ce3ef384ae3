"""Liberty as it is written in the wild: the same library in other words gives the same cells."""

import random
import re

import numpy as np
import pytest
from helpers.paths import SMALL_LIBERTY
from hypothesis import given, settings
from hypothesis import strategies as st

from macwright.costmodel.liberty.digest import digest_library
from macwright.costmodel.liberty.library import _text, read_liberty
from macwright.costmodel.liberty.syntax import _PART, _STATEMENT, LibertyError, parse_groups

SMALL = re.sub(r"/\*.*?\*/", "", SMALL_LIBERTY.read_text(), flags=re.DOTALL)
WANTED = digest_library("small", SMALL)

BLANKS = (" ", "\n", "\t", "\\\n", "\\\r\n", '/* a " * / { ; */', '// a " } /* b\n', "/**/", "\r\n")


def same(text, wanted=WANTED):
    header, cells, numbers = digest_library("other", text)
    assert header == wanted[0]
    assert cells == wanted[1]
    np.testing.assert_array_equal(numbers, wanted[2])


def tokens(text):
    return re.findall(r'"(?:[^"\\]|\\.)*"|[\w.]+|[^\s\\]', text)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32))
def test_blanks_comments_and_line_ends_mean_nothing(seed):
    rng = random.Random(seed)
    parts = []
    for token in tokens(SMALL):
        parts.append(token)
        parts += rng.choices(BLANKS, k=rng.choice((1, 1, 1, 2, 3)))
    same("".join(parts))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32))
def test_semicolons_and_quotes_may_be_there_or_not(seed):
    rng = random.Random(seed)
    text = SMALL
    # A statement may end at its line; words and numbers may be quoted; a group may have a `;`.
    text = re.sub(r";(?=\s*\n)", lambda m: rng.choice((";", "", " ;")), text)
    text = re.sub(
        r"(\b\w+ : )([\w.]+)(?=\s*[;\n])",
        lambda m: m[1] + rng.choice((m[2], f'"{m[2]}"', f'" {m[2]} "')),
        text,
    )
    text = re.sub(r"\}(?=\s*\n)", lambda m: rng.choice(("}", "};", "} ;")), text)
    text = re.sub(r"\((\w+)\) \{", lambda m: rng.choice((m[0], f'("{m[1]}"){{')), text)
    same(text)


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("(1, ff)", 1),
        ('("1", "ff")', 1),
        ('(1.0 , "fF")', 1),
        ("(0.001,pf)", 1),
        ('("1ff")', 1),
        ("(1e-3\\\n, pF)", 1),
        ("(10, FF)", 10),
        ("(1, /* of */ pf)", 1000),
        (': "1pf"', 1000),
    ],
)
def test_load_unit_is_read_however_it_is_spelled(unit, factor):
    text = SMALL.replace("capacitive_load_unit (1, ff)", f"capacitive_load_unit {unit}")
    assert text != SMALL or unit == "(1, ff)"
    header, cells, _ = digest_library("other", text)
    assert header["load_ff"] == pytest.approx(factor, rel=1e-12)
    assert cells["AND2"]["pins"]["A"]["capacitance_ff"] == pytest.approx([2 * factor, 1.5 * factor])


@pytest.mark.parametrize(
    ("attribute", "text", "value"),
    [
        ("time_ns", 'time_unit : "1 ns"', 1),
        ("time_ns", "time_unit : 10PS", 0.01),
        ("time_ns", 'time_unit ("1e-3ns")', 0.001),
        ("time_ns", "", 1),
    ],
)
def test_time_unit_is_read_however_it_is_spelled(attribute, text, value):
    header = digest_library("other", SMALL.replace('time_unit : "1ns"', text))[0]
    assert header[attribute] == pytest.approx(value, rel=1e-12)


OPERATING = "operating_conditions (slow) { voltage : 0.9; temperature : 125; process : 1; }"


@pytest.mark.parametrize(
    ("text", "voltage", "temperature"),
    [
        ("nom_voltage : 1.0; nom_temperature : 25;", 1.0, 25),
        (f"nom_voltage : 1.0; {OPERATING}", 1.0, None),
        (f"nom_voltage : 1.0; {OPERATING} default_operating_conditions : slow;", 0.9, 125),
        (f"{OPERATING}", 0.9, None),
        ("voltage_map (VDD, 0.8); voltage_map (VSS, 0.0);", 0.8, None),
        ('voltage_map ("VPB", 0.8); voltage_map (GND, 0); voltage_map (VDD, "0.8");', 0.8, None),
    ],
)
def test_operating_point_is_where_the_file_states_it(text, voltage, temperature):
    header = digest_library("other", SMALL.replace("nom_voltage : 1.0;", text))[0]
    assert (header["voltage_v"], header["temperature_c"]) == (voltage, temperature)
    # Wherever in the library: here at its end.
    moved = SMALL.replace("nom_voltage : 1.0;", "").rstrip().removesuffix("}") + text + "}"
    assert digest_library("other", moved)[0] == header


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_encoding_is_told_by_its_mark(encoding):
    text = "/* \u00a9 2024 */" + SMALL
    same(_text("other", text.encode(encoding)))


def test_strings_keep_what_looks_like_comments_and_escapes():
    text = r"""library (a) { path : "/lib/*.lib"; real /* c */ : 1; q : "a \"b\" // c";
      w : "one \
two"; v (1, "x // y", /* z */ 2); url : "http://a/*b*/"; } // end"""
    group = parse_groups("a", text)[1]
    assert group.attributes == {
        "path": "/lib/*.lib",
        "real": "1",
        "q": 'a "b" // c',
        "w": "one  two",
        "v": '1, "x // y",   2',
        "url": "http://a/*b*/",
    }


@pytest.mark.parametrize(
    "text",
    [
        "library (a) {/*" + "x*" * 3_000_000,
        "library (a) {" + "\\\n" * 3_000_000,
        'library (a) { b ("' + '\\"' * 3_000_000,
        "library (a) { b : " + "x/" * 3_000_000 + '"',
        "library (a) { b (" + "x " * 3_000_000,
        "library (a) {" * 100_000,
    ],
)
def test_hostile_text_is_refused_in_linear_time(text):
    with pytest.raises(ValueError, match=r"^a:\d+: "):
        parse_groups("a", text)


def test_groups_repeated_possessively_are_atomic():
    # Python 3.11.0 to 3.11.4 finds no match of `(?:a|b)*+` where later ones do.
    token = re.compile(r"\\.|\[\^?(?:\\.|[^\]\\])*\]|\((?:\?[:>!])?|\)(?:[*+?]\+)?")
    for pattern in (_STATEMENT, _PART):
        open_groups, repeated = [], set()
        for word in token.findall(pattern.pattern):
            if word.startswith("("):
                open_groups.append(word)
            elif word.startswith(")"):
                group = open_groups.pop()
                repeated |= {group} if word != ")" else set()
        assert open_groups == []
        assert repeated == {"(?>"}


OTHER_CORNER = (
    "nom_voltage : 1.0; nom_temperature : 25; k_temp_cell_rise : 0.002; k_volt_cell_rise : 0;"
    "default_operating_conditions : hot;"
)


def test_figures_that_factors_scale_are_refused():
    hot = "operating_conditions (hot) { voltage : 1.0; temperature : 125; }"
    cool = hot.replace("125", "25")
    digest_library("other", SMALL.replace("nom_voltage : 1.0;", OTHER_CORNER + cool))
    with pytest.raises(
        LibertyError, match=r"temperature 125\), not of nom_temperature 25 .* k_temp_"
    ):
        digest_library("other", SMALL.replace("nom_voltage : 1.0;", OTHER_CORNER + hot))
    grouped = re.sub(r"(k_\w+ : [\d.]+;)", r"scaling_factors (all) { \1 }", OTHER_CORNER)
    assert grouped != OTHER_CORNER
    with pytest.raises(LibertyError, match=r"nom_temperature 25 .* k_temp_"):
        digest_library("other", SMALL.replace("nom_voltage : 1.0;", grouped + hot))


@pytest.mark.parametrize("flag", ["is_isolation_cell", "is_level_shifter", "pad_cell"])
def test_cells_of_other_uses_are_no_logic(flag):
    text = SMALL.replace("cell (XOR2) {", f"cell (XOR2) {{ {flag} : true;")
    _, cells, _ = digest_library("other", text)
    assert [name for name, cell in cells.items() if cell["dont_use"]] == ["XOR2"]


@pytest.mark.parametrize(
    ("default", "leakage"),
    [
        ("default_cell_leakage_power : 7;", 7),
        ("default_leakage_power_density : 2;", 6),
        ("default_cell_leakage_power : 0; default_leakage_power_density : 2;", None),
        ("", None),
    ],
)
def test_leakage_of_cells_that_state_none_is_the_default(default, leakage):
    text = SMALL.replace("nom_voltage", f"{default} nom_voltage")
    _, cells, _ = digest_library("other", text)
    assert cells["XOR2"]["cell_leakage_nw"] == leakage  # an area of 3
    assert cells["AND2"]["cell_leakage_nw"] == 5
    assert cells["INV"]["cell_leakage_nw"] is None  # two values with conditions


def test_wire_load_may_be_chosen_by_area(tmp_path):
    chosen = """default_wire_load_selection : sel;
      wire_load ("wide") { capacitance : 2.0; slope : 1.0; fanout_length (1, 50); }
      wire_load_selection (sel) {
        wire_load_from_area (100, 500, "wide");
        wire_load_from_area (0, 100, "line");
      }"""
    path = tmp_path / "chosen.lib"
    path.write_text(SMALL.replace('default_wire_load : "line";', chosen))
    library = read_liberty([path])
    fanout = np.array([0, 1, 3])
    assert library.wire_capacitance_ff(fanout, 99.0).tolist() == [0, 2, 8]
    for area in (100.0, 900.0):
        assert library.wire_capacitance_ff(fanout, area).tolist() == [0, 100, 104]
    path.write_text(path.read_text().replace('100, "line"', '100, "lost"'))
    with pytest.raises(LibertyError, match="wire_load_from_area must name a wire_load, not 'lost'"):
        read_liberty([path])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("pin (A) {", "pin (B) { direction : output; } pin (B A) {", "pin B must be defined once"),
        ("nom_voltage : 1.0", "nom_voltage : 0", "supply must be above 0 V, not 0 V"),
        (
            "area : 1.0;",
            "area : 1.0; area : 2.0;",
            "area must be stated once in cell .INV., not as",
        ),
        (
            'function : "!A";',
            'function : "!A"; function : "A";',
            "function must be stated once in pin .Y., not as '!A' and",
        ),
        (
            'values ("2");',
            'values ("2"); values ("3");',
            "values must be stated once in rise_power",
        ),
        (
            "cell_fall (delay)",
            'cell_rise (scalar) { values ("9"); } cell_fall (delay)',
            "cell_rise must be there once in a group, not twice",
        ),
        (
            'load : "line"',
            'load : "lost"',
            "default_wire_load must name a wire_load of the library",
        ),
        ("capacitance : 1;", "capacitance : -1;", "pin A must be at least 0, not -1 fF"),
        ("area : 1.0;", "area : 1_0;", "area must be numbers, not '1_0'"),
    ],
)
def test_what_contradicts_itself_is_refused(old, new, message):
    with pytest.raises(LibertyError, match=message):
        digest_library("other", SMALL.replace(old, new, 1))


def test_what_is_stated_twice_in_the_same_words_is_read():
    text = SMALL.replace("area : 1.0;", 'area : 1.0; area : "1.0";', 1)
    assert digest_library("other", text)[1] == digest_library("small", SMALL)[1]


CORNER = """operating_conditions (slow) { voltage : 1.0; temperature : 25; process : 1; }
  default_operating_conditions : slow;
  scaled_cell (INV, %s) { area : 9.0; }
  cell (INV)"""


@pytest.mark.parametrize(("condition", "left_out"), [("slow", ["INV"]), ("fast", [])])
def test_cells_with_other_figures_for_the_operating_conditions_are_left_out(condition, left_out):
    text = SMALL.replace("cell (INV)", CORNER % condition, 1)
    assert list(digest_library("corner", text)[0]["left_out"]) == left_out
