"""Text of cost rows: a table that fits the terminal, what made it, and where it leads on."""

import shutil
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from macwright.costmodel.tables.speed import slow_text
from macwright.costmodel.tables.unit_names import unit_of_name

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["cost_text"]

#: Columns of figures in two lines: what it is, and its unit or what it is measured of.
_FIGURES = {
    "area": ("area", ""),
    "luts": ("LUTs", "mapped"),
    "placed_luts": ("LUTs", "placed"),
    "carries": ("carries", ""),
    "ffs": ("FFs", ""),
    "dsps": ("DSPs", ""),
    "depth": ("depth", "levels"),
    "delay_ns": ("delay", "ns"),
    "fmax_mhz": ("clock", "MHz"),
    "period_ns": ("period", "ns"),
    "latency": ("latency", "cycles"),
    "energy_fj_per_mac": ("energy", "fJ/MAC"),
    "zero_delay_fj_per_mac": ("at 0 ns", "fJ/MAC"),
    "glitch_fj_per_mac": ("glitches", "fJ/MAC"),
    "ci95_fj_per_mac": ("+- 95 %", "fJ/MAC"),
    "leakage_nw": ("leakage", "nW"),
    "activity_index": ("activity", "index"),
    "checked": ("checked", "vectors"),
}
#: Columns of words: those that all rows share stand below the table.
_WORDS = ("point", "stimulus", "wires", "source")
#: Significant digits of a figure; units of which commands are named.
_DIGITS, _NAMED = 4, 3
#: Letters of a flow that is shown whole.
_LONGEST = 320


def cost_text(rows: "pd.DataFrame") -> str:
    """Rows as a table that is no wider than the terminal, 80 columns where there is none.

    Names stand on lines of their own; figures that do not fit stand in a second table. Below are
    the words that all rows share, the flow and the versions of the tools, which units are slow and
    what makes them faster, and how to write the Verilog of up to three units.
    """
    width = max(40, shutil.get_terminal_size((80, 24)).columns)
    records: list[dict[str, Any]] = rows.to_dict("records")  # type: ignore[assignment]
    shared = _shared(records)
    names = [_name(row, shared, width) for row in records]
    figures = [name for name in _FIGURES if any(_is_there(row.get(name)) for row in records)]
    if all(row.get("luts") == row["area"] for row in records):
        figures.remove("luts")
    lines = [
        line
        for columns in _fitting([_column(name, records) for name in figures], width - 1)
        for line in _table(names, columns)
    ]
    below = "; ".join(f"{name}: {text}" for name, text in shared.items())
    for note in [below] * bool(below) + _flows(records):
        lines += ["", *_wrapped(note, width)]
    return "\n".join([*lines, *_onward(records, width)])


def _shared(records: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Words that are the same in all rows, by column."""
    result = {}
    for name in _WORDS:
        texts = {row.get(name) for row in records if _is_there(row.get(name))}
        if len(texts) == 1 and all(_is_there(row.get(name)) for row in records):
            result[name] = str(texts.pop())
    return result


def _name(row: Mapping[str, Any], shared: Mapping[str, str], width: int) -> list[str]:
    """Lines with the name of a unit, and the words that tell its rows apart."""
    words = [str(row[name]) for name in _WORDS if name not in shared and _is_there(row.get(name))]
    module = row.get("module")
    other = [f"as {module}"] if _is_there(module) and module != row["unit"] else []
    return _wrapped("  ".join([row["unit"], *other, *words]), width)


def _column(name: str, records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Head of two lines, and a figure for each row, all of one width."""
    first, second = _FIGURES[name]
    if name == "area":
        second = str(records[0]["area_unit"])
    cells = [first, second, *(_figure(row.get(name)) for row in records)]
    width = max(map(len, cells))
    return [cell.rjust(width) for cell in cells]


def _fitting(columns: Iterable[list[str]], width: int) -> list[list[list[str]]]:
    """Columns in groups that fit, in their order."""
    groups: list[list[list[str]]] = [[]]
    used = 0
    for column in columns:
        wide = len(column[0]) + 2
        if used + wide > width and groups[-1]:
            groups.append([])
            used = 0
        groups[-1].append(column)
        used += wide
    return groups


def _table(names: Sequence[Sequence[str]], columns: Sequence[Sequence[str]]) -> list[str]:
    lines = ["  " + "  ".join(cells) for cells in zip(*columns, strict=True)]
    body = [
        line for name, figures in zip(names, lines[2:], strict=True) for line in (*name, figures)
    ]
    return [*lines[:2], *body]


def _flows(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """What made the rows; of long flows, such as those of cell libraries, the tools alone."""
    flows = dict.fromkeys(
        f"{row['technology']}: {row['flow']} ({row['tool_versions']})" for row in records
    )
    if max(map(len, flows)) <= _LONGEST:
        return sorted(flows)
    tools = dict.fromkeys(f"{row['technology']}: {row['tool_versions']}" for row in records)
    return [f"{text}; --json and -o FILE have the whole flow" for text in sorted(tools)]


def _onward(records: Sequence[Mapping[str, Any]], width: int) -> list[str]:
    """Slow units with remedies, and commands that write units, where they are few."""
    units: dict[str, list[Mapping[str, Any]]] = {}
    for row in records:
        module = row.get("module")
        # A row may be of one mode of a unit.
        units.setdefault(
            str(module if _is_there(module) else row["unit"]).partition("@")[0], []
        ).append(row)
    lines: list[str] = []
    for name, own in units.items():
        periods = [
            row[k] for row in own for k in ("period_ns", "delay_ns") if _is_there(row.get(k))
        ]
        slow = periods and slow_text(unit_of_name(name), min(periods), own[0]["technology"])
        if slow:
            reached = f"{min(periods):.3g} ns ({1e3 / min(periods):.3g} MHz)"
            lines += _wrapped(f"slow: {name}: {reached} {slow}", width)
    if len(units) <= _NAMED:
        for name in units:
            lines += _wrapped(f"make it with: macwright generate {name}", width)
    return ["", *lines] if lines else []


def _wrapped(text: str, width: int) -> list[str]:
    """A text in lines; words, such as names, stay whole."""
    return textwrap.wrap(
        text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def _is_there(figure: Any) -> bool:
    return figure is not None and figure == figure and str(figure) != "<NA>"


def _figure(figure: Any) -> str:
    """Four digits of a figure, or all before the point; nothing for an absent one."""
    if not _is_there(figure):
        return ""
    return f"{figure:.0f}" if abs(figure) >= 10**_DIGITS else f"{figure:.{_DIGITS}g}"
