"""Shipped points of units, and the look-up that trusts them: the curves that a search reads."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from macwright.costmodel.characterize.points import (
    POINT_COLUMNS,
    characterize_points,
    point_frame,
    with_mappings,
)
from macwright.costmodel.characterize.structures import has_one_sum, structures
from macwright.costmodel.placement.nextpnr import PLACERS, find_placer
from macwright.costmodel.progress import Progress
from macwright.costmodel.tables.default_units import SWITCHED, default_units, switched_unit
from macwright.costmodel.tables.lookup import format_csv, is_current, parse_csv, stamp
from macwright.costmodel.technology.catalogue import LIBERTY_NAMES
from macwright.costmodel.technology.technology import Technology
from macwright.hw.errors import RefusedInput
from macwright.hw.pe.spec import Unit
from macwright.hw.verilog import generator_sha256

__all__ = [
    "POINTED",
    "current_points",
    "format_points",
    "load_points",
    "pointed_units",
    "points",
    "shipped_points",
]

#: Technologies whose units have periods, and so points.
POINTED = (*PLACERS, *LIBERTY_NAMES)
_COLUMNS = {name: kind for name, kind in POINT_COLUMNS.items() if name != "source"}
_SHARED = ("flow", "tool_versions")
#: Points whose figures differ by less than this share do not ship beside each other.
_ALIKE = 0.02


def load_points(technology: str) -> pd.DataFrame:
    """Points that ship with the package; no rows where none ship.

    Parameters
    ----------
    technology : str
        Such as ``"ecp5"``.

    Returns
    -------
    DataFrame
        Columns of :data:`macwright.costmodel.characterize.points.POINT_COLUMNS`, `source` being
        "shipped".
    """
    return _shipped(technology).copy()


@cache
def _shipped(technology: str) -> pd.DataFrame:
    path = files("macwright.costmodel.tables").joinpath(f"{technology}_points.csv")
    if not path.is_file():
        return point_frame([])
    try:
        rows = parse_csv(path.read_text(encoding="utf-8"), _COLUMNS, _SHARED)
    except ValueError as error:
        raise RefusedInput(f"Table {technology}_points.csv must be intact: {error}") from None
    return rows.fillna({"point": ""}).assign(source="shipped")


def format_points(rows: pd.DataFrame) -> str:
    """Text of a table of points, the same for the same points."""
    return format_csv(rows.sort_values(["unit", "area", "point"]), tuple(_COLUMNS), _SHARED)


def pointed_units(technology: str) -> list[Unit]:
    """Units whose points ship: those of the default search, and the units with several modes.

    Where there are energies, these come in each of their modes.
    """
    switched = [switched_unit(text).operating_modes() for text in SWITCHED]
    units: list[Any] = [*default_units(technology), *(modes[0].spec for modes in switched)]
    if technology not in PLACERS:
        units += [mode for modes in switched for mode in modes[1:]]
    return list(dict.fromkeys(units))


def points(
    specs: Sequence[Unit],
    technology: Technology,
    *,
    dsp: bool = False,
    jobs: int | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Points of units: from the shipped table where they are current, else made.

    A unit has none where the technology has no periods, where nothing can be mapped and no points
    ship, or where the placer is not installed.

    Parameters
    ----------
    specs, technology, dsp, jobs, executor, progress
        As for `macwright.costmodel.characterize.points.characterize_points`.

    Returns
    -------
    DataFrame
        Columns of :data:`macwright.costmodel.characterize.points.POINT_COLUMNS`.
    """
    known = current_points(specs, technology, dsp=dsp)
    lacking = [spec for spec in specs if spec.row not in known]
    able = technology.mappable and (
        technology.energy is not None or find_placer(technology.name) is not None
    )
    rows = [row for known_rows in known.values() for row in known_rows]
    if lacking and able:
        measured = characterize_points(
            lacking, technology, dsp=dsp, jobs=jobs, executor=executor, progress=progress
        )
        rows += measured.to_dict("records")
    return point_frame(rows)


def current_points(
    specs: Sequence[Unit], technology: Technology, *, dsp: bool = False
) -> dict[str, list[dict[str, Any]]]:
    """Shipped points by unit, of the units whose points are current.

    They are if the flow is that of today (of a technology that is not mappable, any) and each
    point's module gives the Verilog that it was made from.
    """
    technology = with_mappings(technology, dsp=dsp)
    begins = ("",)
    if technology.flow(dsp=dsp):
        begins = (technology.describe(dsp=dsp, ending="").split(";")[0],)
    elif technology.mappable:
        begins = tuple(technology.describe(dsp=dsp, ending=name) for name in technology.endings)
    table: dict[str, list[dict[str, Any]]] = {}
    wanted = {spec.row: getattr(spec, "spec", spec) for spec in specs}
    for row in _shipped(technology.name).to_dict("records"):
        if row["unit"] in wanted and row["flow"].startswith(begins):
            table.setdefault(row["unit"], []).append(row)
    if stamp(technology.name) == generator_sha256():
        return table
    return {
        unit: rows
        for unit, rows in table.items()
        if _is_current(rows, wanted[unit], technology.name)
    }


def _thinned(rows: pd.DataFrame) -> pd.DataFrame:
    """Points less those that another is within `_ALIKE` of in area, period and energy.

    The smallest of a unit, the fastest and the one of least energy stay; so do all points of units
    with several modes, whose energies differ by mode.
    """
    several = {unit.split("@")[0] for unit in rows["unit"] if "@" in unit}
    of_unit: dict[str, list[dict[str, Any]]] = {}
    for row in rows.to_dict("records"):
        of_unit.setdefault(str(row["unit"]), []).append(row)
    current: list[dict[str, Any]] = []
    for name, every in of_unit.items():
        ordered = sorted(every, key=lambda row: (row["area"], row["point"]))
        if name.split("@")[0] in several or any(pd.isna(_figures(row)).any() for row in ordered):
            current += ordered
            continue
        for sums in (True, False):
            alike = [row for row in ordered if has_one_sum(row["point"]) == sums]
            ends = (
                [alike[int(k)] for k in np.argmin([_figures(r) for r in alike], 0)] if alike else []
            )
            mine = [row for row in alike if any(row is end for end in ends)]
            for row in alike:
                most = _figures(row) * (1 + _ALIKE)
                if not any((_figures(known) <= most).all() for known in mine):
                    mine.append(row)
            current += mine
    return point_frame(current)


def _figures(row: Mapping[str, Any]) -> NDArray[np.float64]:
    """Area, period and energy of a point."""
    return np.array([row[c] for c in ("area", "period_ns", "energy_fj_per_mac")], np.float64)


def _is_current(rows: Sequence[dict[str, Any]], spec: Unit, technology: str) -> bool:
    """Whether each point was made from the Verilog that its structure of the unit gives now."""
    family = {each.name: each for each in structures(spec, technology).values()}
    return all(r["module"] in family and is_current(r, family[r["module"]]) for r in rows)


def shipped_points(
    technology: Technology,
    *,
    specs: Sequence[Unit] | None = None,
    jobs: int | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> tuple[pd.DataFrame, int]:
    """Table of points to ship: those that are current stay, the others are made.

    Returns
    -------
    points : DataFrame
    made : int
        Units whose points are new.
    """
    specs = pointed_units(technology.name) if specs is None else specs
    known = current_points(specs, technology)
    lacking = [spec for spec in specs if spec.row not in known]
    rows = points(specs, technology, jobs=jobs, executor=executor, progress=progress)
    rows = _thinned(rows)
    return rows, len({spec.row for spec in lacking} & set(rows["unit"]))
