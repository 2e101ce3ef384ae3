"""What a synthesiser is given: read again, it is what was written."""

import numpy as np
import pytest
from helpers.paths import SHARED, SMALL_LIBERTY
from hypothesis import given, settings
from hypothesis import strategies as st

from macwright.costmodel.liberty.cells import Arc, Cell, FlipFlop, Pin
from macwright.costmodel.liberty.digest import digest_library
from macwright.costmodel.liberty.library import _cell, read_liberty
from macwright.costmodel.liberty.lookup import TableBank, TableData
from macwright.costmodel.liberty.mappable import lacking_tables, unmappable
from macwright.costmodel.liberty.writer import liberty_text

NUMBERS = st.integers(1, 10**6).map(lambda value: value / 1000)
EDGES = st.sampled_from(["", "positive_unate", "negative_unate", "non_unate"])


@st.composite
def tables(draw):
    axes = [np.cumsum(draw(st.lists(NUMBERS, min_size=1, max_size=4))) for _ in ("rows", "columns")]
    size = len(axes[0]) * len(axes[1])
    values = np.array(draw(st.lists(NUMBERS, min_size=size, max_size=size)))
    return TableData(axes[0], axes[1], values.reshape(len(axes[0]), -1))


@st.composite
def libraries(draw):
    cells = []
    for n in range(draw(st.integers(1, 4))):
        load = (draw(NUMBERS), draw(NUMBERS))
        four = [draw(tables()) for _ in range(4)]
        flop = None
        kind, function = draw(st.sampled_from(["combinational", "combinational_rise"])), "!(A & B)"
        setup: tuple[Arc, ...] = ()
        if draw(st.booleans()):
            flop = FlipFlop("IQ", "IQN", "A & !B", "CK", draw(st.sampled_from(["", "!B"])))
            kind, function = "rising_edge", draw(st.sampled_from(["IQ", "IQN"]))
            setup = (Arc("CK", "setup", "", "", draw(tables()), None),)
        related = "CK" if flop else "A"
        when = draw(st.sampled_from(["", "B"]))
        arc = Arc(related, kind, draw(EDGES), when, *four)
        pins = [Pin(pin, "input", load, "", False, setup, ()) for pin in ("A", "B", "CK")]
        pins.append(Pin("Y", "output", (0.0, 0.0), function, False, (arc,), ()))
        by_name = {pin.name: pin for pin in pins}
        cells.append(Cell(f"C{n}", draw(NUMBERS), by_name, flop, "", (), None))
    return cells


def compare(first, second):
    """Two cells say the same; tables of one point may have got a second, equal one."""
    assert (second.name, second.flip_flop) == (first.name, first.flip_flop)
    assert second.area == pytest.approx(first.area, rel=1e-11)
    assert list(second.pins) == list(first.pins)
    bank, numbers = TableBank(), []
    for old, new in zip(first.pins.values(), second.pins.values(), strict=True):
        assert (new.name, new.direction, new.function) == (old.name, old.direction, old.function)
        assert new.capacitance_ff == pytest.approx(old.capacitance_ff, rel=1e-11)
        assert len(new.arcs) == len(old.arcs)
        for a, b in zip(old.arcs, new.arcs, strict=True):
            assert (b.related, b.kind, b.sense, b.when) == (a.related, a.kind, a.sense, a.when)
            for name in ("rise", "fall", "rise_slew", "fall_slew"):
                x, y = getattr(a, name), getattr(b, name)
                assert (x is None) == (y is None)
                if x is not None:
                    numbers.append((bank.add(x), bank.add(y), x.rows.mean(), x.columns.mean()))
    if numbers:
        bank.pack()
        old, new, slews, loads = np.array(numbers).T
        results = [bank.lookup(n.astype(np.int64), slews, loads) for n in (old, new)]
        np.testing.assert_allclose(*results, rtol=1e-6)


def read_back(text):
    """Cells of a text, by name."""
    _, records, numbers = digest_library("written.lib", text)
    return {name: _cell(name, record, numbers) for name, record in records.items()}


@settings(max_examples=40, deadline=None)
@given(libraries(), st.sampled_from([(1.0, 1.0), (0.001, 1000.0), (0.01, 1.0), (3.0, 7.0)]))
def test_cells_are_read_as_they_were_written(cells, units):
    again = read_back(liberty_text("x", cells, time_ns=units[0], load_ff=units[1]))
    assert list(again) == [cell.name for cell in cells]
    for cell in cells:
        compare(cell, again[cell.name])


def mappable(library):
    cells = map(library.cell, library.cell_names)
    return [cell for cell in cells if not unmappable(cell) and not lacking_tables(cell)]


def test_small_library_keeps_its_mappable_cells(tmp_path, monkeypatch):
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path))
    cells = mappable(read_liberty([SMALL_LIBERTY]))
    assert [cell.name for cell in cells] == ["INV", "AND2", "XOR2", "TIE1", "DFF"]
    again = read_back(liberty_text("x", cells, time_ns=1, load_ff=1))
    for cell in cells:
        compare(cell, again[cell.name])


@pytest.mark.slow
@pytest.mark.skipif(not (SHARED / "pdk").exists(), reason="needs ../shared/pdk")
@pytest.mark.parametrize("pattern", ["nangate45*", "ihp130*", "sky130hd*", "asap7/*SIMPLE*"])
def test_published_libraries_are_read_as_they_were_written(pattern):
    library = read_liberty(sorted((SHARED / "pdk").glob(pattern)))
    cells, (file,) = mappable(library), library.files
    assert len(cells) > 20
    again = read_back(liberty_text("x", cells, time_ns=file.time_ns, load_ff=file.load_ff))
    for cell in cells:
        compare(cell, again[cell.name])
