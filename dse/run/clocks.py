"""What a run says of its clocks: in run.json, costs.csv and on the terminal."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from macwright.costmodel.tables.clock import built
from macwright.dse.architecture.clocks import Clocked
from macwright.dse.explore import Exploration

__all__ = ["clock_info", "clock_lines", "clock_rows", "option_tables"]


def clock_rows(clocked: Sequence[Clocked]) -> pd.DataFrame:
    """Cost rows of the units at each clock that they meet, named after what is built."""
    if clocked[0].assumed:
        return clocked[0].costs
    return pd.concat([built(at.costs) for at in clocked if len(at.costs)], ignore_index=True)


def option_tables(result: Exploration) -> dict[str, pd.DataFrame]:
    """Options by file name: `options.csv` at the lowest clock that the run can use.

    At a higher clock, fewer units are fast enough: those options are in files of their own.
    """
    options = result.options
    if "clock_mhz" not in options:
        return {"options.csv": options}
    architecture = result.settings.architecture is not None
    if not architecture:
        options = options[options["area_time"].notna()]
    layers = {layer.name for layer in result.workload.layers}
    tables: dict[str, pd.DataFrame] = {}
    for clock, rows in options.groupby("clock_mhz", sort=True):
        if set(rows["layer"]) == layers:
            name = f"options_{clock:g}_mhz.csv" if tables else "options.csv"
            # Units of an array run formats whose own unit is too slow, and which so have no cost.
            tables[name] = pd.DataFrame(rows).drop(columns="clock_mhz").dropna(axis="columns")
    return tables


def clock_info(result: Exploration) -> list[dict[str, Any]]:
    """By clock: how many points of the front run at it, and which formats it is too fast for."""
    return [
        {
            "clock_mhz": at.clock_mhz,
            "assumed": at.assumed,
            "margin": result.settings.margin,
            "points": sum(point.clock_mhz == at.clock_mhz for point in result.search.front),
            "too_fast_for": _left_out(result, at),
        }
        for at in result.clocked
        if at.clock_mhz is not None
    ]


def clock_lines(result: Exploration) -> list[str]:
    """Lines for the terminal, one for each clock."""
    lines = []
    for info, at in zip(clock_info(result), result.clocked, strict=False):
        if at.limits and not info["points"]:
            continue
        line = f"clock {at.label}: {info['points']} points"
        if at.assumed:
            line += f", as units of {result.settings.technology} have no periods"
        reasons: dict[str, list[str]] = {}
        for pair, why in info["too_fast_for"].items():
            reasons.setdefault(why, []).append(pair)
        said = [f"{', '.join(pairs)} ({why})" for why, pairs in sorted(reasons.items())]
        count = len(info["too_fast_for"])
        if count:
            line += f"; too fast for {count} weight/activation pairs: {'; '.join(said[:3])}"
            line += "; ... (all in run.json)" if len(said) > 3 else ""
        lines.append(line)
    return lines


def _left_out(result: Exploration, at: Clocked) -> dict[str, str]:
    """Formats whose own unit does not meet a clock, with the reason."""
    units = dict(zip(result.options["option"], result.options["unit"], strict=True))
    return {
        option: at.refused[unit] for option, unit in sorted(units.items()) if unit in at.refused
    }
