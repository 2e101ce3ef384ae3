"""Cost tables: rows that ship with the package, and the look-up that trusts them."""

from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from io import StringIO
from typing import Any

import pandas as pd

from macwright.costmodel.characterize import (
    COLUMNS,
    characterize,
    cost_frame,
    generator_versions,
)
from macwright.costmodel.technology import Technology, find_technology
from macwright.hw.verilog import generator_sha256, rtlil_sha256, verilog_sha256

__all__ = ["SHIPPED_COLUMNS", "costs", "current_rows", "format_table", "load_table"]

#: Columns of a shipped table: all but `source`, which says where a row was found.
SHIPPED_COLUMNS = tuple(name for name in COLUMNS if name != "source")


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
    path = files("macwright.costmodel").joinpath("tables", f"{technology}.csv")
    if not path.is_file():
        return cost_frame([])
    kinds: Any = {name: COLUMNS[name] for name in SHIPPED_COLUMNS}
    rows = pd.read_csv(StringIO(path.read_text(encoding="utf-8")), dtype=kinds)
    if tuple(rows.columns) != SHIPPED_COLUMNS:
        raise ValueError(f"Cost table {technology}.csv must have columns {SHIPPED_COLUMNS}")
    return rows.assign(source="shipped")


def _stamp(technology: str) -> str:
    """Digest of the generator of which all rows of a shipped table are known to be current."""
    path = files("macwright.costmodel").joinpath("tables", f"{technology}.stamp")
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


def format_table(rows: pd.DataFrame) -> str:
    """Text of a shipped table: rows in order of their names, the same text for the same rows."""
    return rows.sort_values("unit")[list(SHIPPED_COLUMNS)].to_csv(index=False, lineterminator="\n")


def costs(
    specs: Sequence[Any],
    technology: str | Technology,
    *,
    dsp: bool = False,
    jobs: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> pd.DataFrame:
    """Cost rows of units: from the shipped table where its row is current, else characterised.

    A shipped row is current if it was made by the flow of today from the very Verilog that the
    spec gives now, which its hashes tell, or at once the digest of the whole generator.

    Parameters
    ----------
    specs : sequence of unit specs
        Units, in the order of the rows.
    technology : str or Technology
        What they are mapped to.
    dsp, jobs, progress
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
    known = current_rows(specs, technology, dsp=dsp)
    lacking = [spec for row, spec in zip(known, specs, strict=True) if row is None]
    if lacking:
        made = characterize(lacking, technology, dsp=dsp, jobs=jobs, progress=progress)
        fresh = iter(made.to_dict("records"))
        known = [next(fresh) if row is None else row for row in known]
    return cost_frame([row for row in known if row is not None])


def current_rows(
    specs: Sequence[Any], technology: Technology, *, dsp: bool = False
) -> list[dict[str, Any] | None]:
    """Shipped row of each unit, None where there is none that is current."""
    flow = technology.describe(dsp=dsp)
    shipped = {
        row["unit"]: row
        for row in _shipped(technology.name).to_dict("records")
        if row["flow"] == flow
    }
    trusted = _stamp(technology.name) == generator_sha256()
    rows = [shipped.get(spec.name) for spec in specs]
    return [
        row if row is not None and (trusted or _is_current(row, spec)) else None
        for row, spec in zip(rows, specs, strict=True)
    ]


def _is_current(row: dict[str, Any], spec: Any) -> bool:
    """Whether a row was made from the Verilog that the spec gives now."""
    # Equal RTLIL and generator give equal Verilog, and RTLIL is fifty times quicker to make.
    if row["tool_versions"].startswith(f"{generator_versions()}, "):
        return row["rtlil_sha256"] == rtlil_sha256(spec)
    return row["verilog_sha256"] == verilog_sha256(spec)
