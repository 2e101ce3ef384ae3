"""Cost rows at a clock: of each unit the cheapest point that meets it, or the reason why none does.

A point meets a clock if its period (clk-to-q in front of the operands included) and a margin on top
fit into the clock's. A unit whose periods nobody knows meets no clock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from macwright.costmodel.characterize.points import point_frame
from macwright.costmodel.characterize.structures import has_one_sum

__all__ = [
    "MARGIN",
    "AtClock",
    "built",
    "fastest_mhz",
    "modules",
    "points_of_rows",
    "rows_at_clock",
]

#: Share of a period that is added to it, for skew and jitter of the clock.
MARGIN = 0.05
#: Columns that a row has at a clock, besides those of a cost row.
_MORE = ("clock_mhz", "module", "point", "period_ns", "placed_luts", "latency", "wires")
#: Columns of a cost row that the point decides.
_OF_POINT = ("area", "luts", "carries", "ffs", "dsps", "energy_fj_per_mac", "leakage_nw", "flow")
_OF_POINT += ("rtlil_sha256", "verilog_sha256")


@dataclass(frozen=True, kw_only=True)
class AtClock:
    """What units cost at a clock.

    Parameters
    ----------
    clock_mhz : float
        The clock.
    rows : DataFrame
        Cost rows of the units that meet it, with `clock_mhz`, `point`, `module` (the unit that is
        really built), `period_ns`, `placed_luts`, `latency` and `wires` of the point.
    refused : dict from str to str
        By unit, why it does not meet the clock.
    """

    clock_mhz: float
    rows: pd.DataFrame
    refused: dict[str, str]


def points_of_rows(costs: pd.DataFrame, points: pd.DataFrame, clk_to_q_ns: float) -> pd.DataFrame:
    """Points, and of units without any one from the delay of their cost row, if they have that.

    Parameters
    ----------
    costs : DataFrame
        Cost rows; `delay_ns` counts from operands that change at the clock edge.
    points : DataFrame
        Columns of `macwright.costmodel.characterize.points.POINT_COLUMNS`.
    clk_to_q_ns : float
        Of the register in front of the operands.
    """
    known = set(points["unit"])
    added = [
        {
            **row,
            "point": "",
            "module": row["unit"],
            "period_ns": row["delay_ns"] + clk_to_q_ns,
            "wires": "liberty",
            "latency": 1,
        }
        for row in costs.to_dict("records")
        if pd.notna(row["delay_ns"])
        and row["unit"] not in known
        and row["unit"].split("@")[0] not in known
    ]
    return point_frame([*points.to_dict("records"), *added])


def rows_at_clock(
    costs: pd.DataFrame,
    points: pd.DataFrame,
    clock_mhz: float,
    *,
    margin: float = MARGIN,
    lacking: str = "no period is known",
) -> AtClock:
    """Cost row of each unit at its cheapest point that meets a clock.

    Parameters
    ----------
    costs : DataFrame
        Cost rows. A row of a mode (``unit@mode``) takes the point of its unit, with the energy that
        the mode has there.
    points : DataFrame
        Points of the units. Those of carry-save accumulators do not count: an adder would have
        to join their two sums, and nothing that is built has it.
    clock_mhz : float
        The clock.
    margin : float
        Share of the period that is added to it.
    lacking : str
        Why units have no period.

    Returns
    -------
    AtClock
    """
    of_unit: dict[str, list[dict[str, Any]]] = {}
    for point in points.to_dict("records"):
        of_unit.setdefault(str(point["unit"]), []).append(point)
    chosen: dict[str, dict[str, Any]] = {}
    rows, refused = [], {}
    for row in costs.to_dict("records"):
        name = str(row["unit"])
        unit = name.split("@")[0]
        timed = [
            p for p in of_unit.get(unit, ()) if pd.notna(p["period_ns"]) and has_one_sum(p["point"])
        ]
        if unit not in chosen:
            met = [p for p in timed if p["period_ns"] * (1 + margin) <= 1e3 / clock_mhz]
            if not met:
                refused[unit] = _reason(timed, margin, lacking)
                continue
            chosen[unit] = min(met, key=lambda p: (p["area"], p["ffs"], p["period_ns"]))
        point = chosen[unit]
        if name != unit:
            point = _of_mode(of_unit.get(name, ()), point)
        more = {name: point[name] for name in (*_OF_POINT, *_MORE) if name in point}
        rows.append({**row, **more, "clock_mhz": clock_mhz})
    frame = pd.DataFrame(rows, columns=[*costs.columns, *_MORE])
    return AtClock(clock_mhz=clock_mhz, rows=frame, refused=refused)


def modules(rows: pd.DataFrame) -> dict[str, str]:
    """Unit that is really built by unit, where rows at a clock say it."""
    if "module" not in rows:
        return {}
    return {str(u): str(m) for u, m in zip(rows["unit"], rows["module"], strict=True)}


def built(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows named after the units that are really built, those of modes ``unit@mode``."""
    if "module" not in rows:
        return rows
    modes = rows["unit"].str.partition("@")
    return rows.assign(unit=rows["module"] + modes[1] + modes[2])


def fastest_mhz(periods_ns: Sequence[float], margin: float) -> float:
    """Fastest clock of points with these periods."""
    return 1e3 / (min(periods_ns) * (1 + margin))


def _reason(timed: Sequence[Mapping[str, Any]], margin: float, lacking: str) -> str:
    if not timed:
        return lacking
    rate = fastest_mhz([point["period_ns"] for point in timed], margin)
    return f"{rate:.0f} MHz at most"


def _of_mode(points: Sequence[Mapping[str, Any]], unit: Mapping[str, Any]) -> dict[str, Any]:
    """Point of a mode at the same structure and mapping; without one, of unknown energy."""
    for point in points:
        if point["point"] == unit["point"]:
            return {**unit, "energy_fj_per_mac": point["energy_fj_per_mac"]}
    return {**unit, "energy_fj_per_mac": float("nan")}
