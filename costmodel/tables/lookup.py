"""Cost tables: rows that ship with the package, and the look-up that trusts them."""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from functools import cache
from importlib.resources import files
from io import StringIO
from typing import Any

import pandas as pd

from macwright.costmodel.characterize.many import (
    COLUMNS,
    characterize,
    cost_frame,
)
from macwright.costmodel.characterize.unit import generator_versions
from macwright.costmodel.stimulus.layer import LayerOperands
from macwright.costmodel.tables.nearest import nearest_units
from macwright.costmodel.technology.catalogue import find_technology
from macwright.costmodel.technology.technology import Technology
from macwright.hw.errors import RefusedInput, ToolError
from macwright.hw.pe.spec import Unit
from macwright.hw.verilog import generator_sha256, rtlil_sha256, verilog_sha256

__all__ = [
    "SHIPPED_COLUMNS",
    "costs",
    "current_rows",
    "format_csv",
    "format_table",
    "is_current",
    "load_table",
    "parse_csv",
    "parse_table",
    "stamp",
]

#: Columns of a shipped table: all but `source`, which says where a row was found.
SHIPPED_COLUMNS = tuple(name for name in COLUMNS if name != "source")
#: Columns whose long texts many rows share: numbers stand for them, the texts come first.
_SHARED = ("flow", "tool_versions", "bench")


def load_table(technology: str) -> pd.DataFrame:
    """Rows that ship with the package.

    Parameters
    ----------
    technology : str
        Such as ``"gates"``.

    Returns
    -------
    DataFrame
        Columns as :data:`COLUMNS`, `source` being "shipped"; no rows where no table ships.
    """
    return _shipped(technology).copy()


@cache
def _shipped(technology: str) -> pd.DataFrame:
    path = files("macwright.costmodel.tables").joinpath(f"{technology}.csv")
    if not path.is_file():
        return cost_frame([])
    try:
        rows = parse_table(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RefusedInput(f"Cost table {technology}.csv must be intact: {error}") from None
    return rows.assign(source="shipped")


def stamp(technology: str) -> str:
    """Digest of the generator of which all rows of a shipped table are known to be current."""
    path = files("macwright.costmodel.tables").joinpath(f"{technology}.stamp")
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


def format_table(rows: pd.DataFrame) -> str:
    """Text of a shipped table: rows in order of their names, the same text for the same rows.

    It is CSV after lines such as ``# flow 1 = "..."``: texts that many rows share.
    """
    return format_csv(rows.sort_values("unit"), SHIPPED_COLUMNS, _SHARED)


def parse_table(text: str) -> pd.DataFrame:
    """Rows of a shipped table: the inverse of `format_table`.

    Raises
    ------
    ValueError
        If the text is not such a table.
    """
    return parse_csv(text, {name: COLUMNS[name] for name in SHIPPED_COLUMNS}, _SHARED)


def format_csv(rows: pd.DataFrame, columns: Sequence[str], shared: Sequence[str]) -> str:
    """CSV of rows, after a comment line for each text of the columns `shared`.

    Numbers stand for those texts in the rows.
    """
    ordered, heads = pd.DataFrame(rows[list(columns)]), []
    for column in shared:
        numbers = {text: n for n, text in enumerate(sorted(ordered[column].dropna().unique()), 1)}
        heads += [f"# {column} {n} = {json.dumps(text)}\n" for text, n in numbers.items()]
        ordered[column] = pd.array([numbers.get(text) for text in ordered[column]], dtype="Int64")
    return "".join(heads) + ordered.to_csv(index=False, lineterminator="\n")


def parse_csv(text: str, columns: Mapping[str, str], shared: Sequence[str]) -> pd.DataFrame:
    """Rows of a text that `format_csv` made; `columns` maps each column to its kind.

    Raises
    ------
    ValueError
        If the text has other columns.
    """
    lines = text.splitlines(keepends=True)
    heads = [line for line in lines if line.startswith("# ")]
    texts: dict[str, dict[int, str]] = {column: {} for column in shared}
    for line in heads:
        key, _, value = line[2:].partition(" = ")
        column, number = key.split()
        texts[column][int(number)] = json.loads(value)
    kinds: Any = {name: "Int64" if name in shared else kind for name, kind in columns.items()}
    rows = pd.read_csv(StringIO("".join(lines[len(heads) :])), dtype=kinds)
    if tuple(rows.columns) != tuple(columns):
        raise RefusedInput(f"columns must be {', '.join(columns)}, not {list(rows.columns)}")
    for column, names in texts.items():
        rows[column] = pd.Series([names.get(n) for n in rows[column].fillna(0)], dtype="str")
    return rows


def costs(
    specs: Sequence[Unit],
    technology: str | Technology,
    *,
    dsp: bool = False,
    stimulus: str | Callable[[Any], LayerOperands] | None = "gauss",
    jobs: int | None = None,
    executor: Executor | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> pd.DataFrame:
    """Cost rows of units: from the shipped table where its row is current, else characterised.

    A shipped row is current if it was made by the flow of today from the very Verilog that the
    spec gives now, which its hashes tell, or at once the digest of the whole generator.

    Parameters
    ----------
    specs : sequence of unit specs or OperatingMode
        Units, in the order of the rows.
    technology : str or Technology
        What they are mapped to.
    dsp, stimulus, jobs, executor, progress
        As for `characterize`.

    Returns
    -------
    DataFrame
        One row for each spec, columns as :data:`COLUMNS`; `source` is "shipped", "cache" or
        "characterised".

    Raises
    ------
    ValueError, ToolError
        As `characterize` does, for the units that the table lacks.
    """
    technology = find_technology(technology) if isinstance(technology, str) else technology
    known = current_rows(specs, technology, dsp=dsp, stimulus=stimulus)
    lacking = [spec for row, spec in zip(known, specs, strict=True) if row is None]
    if lacking and not technology.mappable:
        raise ToolError(_missing(lacking[0], technology.name))
    if lacking:
        characterised = characterize(
            lacking,
            technology,
            dsp=dsp,
            stimulus=stimulus,
            jobs=jobs,
            executor=executor,
            progress=progress,
        )
        fresh = iter(characterised.to_dict("records"))
        known = [next(fresh) if row is None else row for row in known]
    return cost_frame([row for row in known if row is not None])


def _missing(spec: Unit, technology: str) -> str:
    """Sentence on a unit that a table lacks and nothing can map."""
    nearest = ", ".join(nearest_units(spec, load_table(technology)["unit"])) or "none of its family"
    return (
        f"Unit {spec.row} must be one that the shipped table of {technology} has (the nearest: "
        f"{nearest}), or come with the library's Liberty files (--liberty FILE)"
    )


def current_rows(
    specs: Sequence[Unit],
    technology: Technology,
    *,
    dsp: bool = False,
    stimulus: str | Callable[[Any], LayerOperands] | None = "gauss",
) -> list[dict[str, Any] | None]:
    """Shipped row of each unit, None where there is none that is current.

    Parameters
    ----------
    specs, technology, dsp, stimulus
        As for `costs`. Rows of other operands are not used; of a technology that is not
        `mappable` the flow cannot be compared, and any will do.
    """
    technology.flow(dsp=dsp)
    flows = {technology.describe(dsp=dsp, ending=ending) for ending in technology.endings or ("",)}
    shipped = {
        row["unit"]: row
        for row in _shipped(technology.name).to_dict("records")
        if (row["flow"] in flows or not technology.mappable)
        and (stimulus is None or row["stimulus"] in (stimulus, None) or pd.isna(row["stimulus"]))
    }
    trusted = stamp(technology.name) == generator_sha256()
    rows = [shipped.get(spec.row) for spec in specs]
    return [
        row
        if row is not None and (trusted or is_current(row, getattr(spec, "spec", spec)))
        else None
        for row, spec in zip(rows, specs, strict=True)
    ]


def is_current(row: Mapping[str, Any], spec: Any) -> bool:
    """Whether a row was made from the Verilog that the spec gives now."""
    # Equal RTLIL and generator give equal Verilog, and RTLIL is fifty times quicker to make.
    if row["tool_versions"].startswith(f"{generator_versions()}, "):
        return row["rtlil_sha256"] == rtlil_sha256(spec)
    return row["verilog_sha256"] == verilog_sha256(spec)
