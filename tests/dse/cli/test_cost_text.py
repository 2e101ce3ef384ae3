"""Text of cost rows: its width, every shipped figure, and what is said of slow units."""
# pandas' columns are not typed.
# pyright: reportGeneralTypeIssues=false, reportAttributeAccessIssue=false, reportArgumentType=false

import re

import pandas as pd
import pytest

from macwright.costmodel.tables.lookup import load_table
from macwright.costmodel.tables.points import load_points
from macwright.costmodel.tables.unit_names import unit_of_name
from macwright.dse.cli.cost_text import cost_text


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    """One of 80 columns, whatever the tests run in."""
    monkeypatch.setenv("COLUMNS", "80")


def widest(text):
    """Columns of the longest line that has several words."""
    return max(len(line) for line in text.splitlines() if len(line.split()) > 1)


@pytest.mark.parametrize("technology", ["gates", "ecp5", "ice40", "xc7", "nangate45", "asap7"])
def test_every_shipped_table_fits_80_columns_and_has_its_figures(technology):
    rows = load_table(technology)
    text = cost_text(rows)
    assert widest(text) <= 80
    for unit, area in zip(rows["unit"], rows["area"], strict=True):
        cells, *_ = re.findall(rf"^{re.escape(unit)}(?:  .*)?\n(.*)$", text, re.MULTILINE)
        assert float(cells.split()[0]) == pytest.approx(area, rel=6e-4)


@pytest.mark.parametrize("technology", ["ecp5", "nangate45"])
def test_points_of_a_unit_fit_80_columns(technology):
    rows = load_points(technology).assign(source="shipped")
    unit = rows["unit"].value_counts().index[0]
    rows = rows[rows["unit"] == unit]
    text = cost_text(rows)
    assert widest(text) <= 80
    # Words that differ stand with each row, the others once below.
    assert text.count("map=") == len(rows)
    assert text.count("source: shipped") == 1


@pytest.mark.parametrize("width", [40, 60, 200])
def test_other_terminals_have_all_columns_too(width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    text = cost_text(load_table("nangate45").head(4))
    assert widest(text) <= width
    for head in ("area", "period", "delay", "energy", "leakage"):
        assert (head in text) is (head != "period")
    assert text.count("leakage") == 1


def test_digits_are_few_and_absent_figures_blank():
    rows = pd.DataFrame(
        {
            "unit": ["a", "b"],
            "technology": "gates",
            "area": [123456.789, 0.00123456],
            "area_unit": "gates",
            "depth": pd.array([3, None], dtype="Int64"),
            "source": "cache",
            "flow": "f",
            "tool_versions": "t",
        }
    )
    lines = [line.split() for line in cost_text(pd.concat([rows, rows])).splitlines()[:6]]
    assert lines == [
        ["area", "depth"],
        ["gates", "levels"],
        ["a"],
        ["123457", "3"],
        ["b"],
        ["0.001235"],
    ]


@pytest.mark.parametrize("technology", ["nangate45", "ecp5"])
def test_slow_units_are_named_with_a_remedy_that_they_take(technology):
    if technology == "ecp5":
        rows = load_points("ecp5").assign(source="shipped")
        periods = rows.groupby("module")["period_ns"].min()
        clocks = (25, 50, 100, 200)
    else:
        rows = load_table("nangate45").dropna(subset=["delay_ns"])
        rows = rows[~rows["unit"].str.contains("@")]
        periods = rows.groupby("unit")["delay_ns"].min()
        clocks = (100, 200, 500, 1000)
    want = {unit for unit, ns in periods.items() if ns > 1e3 / sorted(clocks)[1]}
    assert 0 < len(want) < len(periods)
    text = " ".join(cost_text(rows).split())
    slow = dict(re.findall(r"slow: (\S+): ([^:]+?)(?= slow:| make it with|$)", text))
    assert set(slow) == want
    for unit, sentence in slow.items():
        fields = unit_of_name(unit).to_fields()
        for stages in re.findall(r"--pipeline (\d+)", sentence):
            assert int(stages) > int(fields["pipeline"])
            unit_of_name(unit).from_fields({**fields, "pipeline": stages})
    assert sum("may make it faster" in sentence for sentence in slow.values()) > 0
