"""Clocks that a run may choose from, and what units cost at each of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from macwright.costmodel.placement.nextpnr import PLACERS, find_placer
from macwright.costmodel.tables.clock import points_of_rows, rows_at_clock
from macwright.costmodel.technology.technology import Technology
from macwright.dse.settings import Settings
from macwright.dse.solver import Budget
from macwright.hw.errors import RefusedInput

__all__ = [
    "ClockTooFastError",
    "Clocked",
    "check_clocks",
    "clocked_costs",
    "has_periods",
    "too_fast",
]


class ClockTooFastError(RefusedInput):
    """Some layer has no unit that meets the clock."""


@dataclass(frozen=True, kw_only=True)
class Clocked:
    """What units cost at one clock.

    Parameters
    ----------
    clock_mhz : float or None
        The clock; None where costs know none.
    assumed : bool
        Whether the technology has no periods, so that nobody knows that units meet the clock.
    costs : DataFrame
        Cost rows of the units that meet it.
    refused : dict from str to str
        By unit, why it does not.
    basis : str
        Why it is believed.
    limits : tuple of Budget
        What a machine must keep to reach it.
    """

    clock_mhz: float | None
    assumed: bool = False
    costs: pd.DataFrame
    refused: Mapping[str, str] = field(default_factory=dict)
    basis: str = "met by every unit"
    limits: tuple[Budget, ...] = ()

    @property
    def label(self) -> str:
        """The clock in words, such as ``"200 MHz"`` or ``"200 MHz (assumed)"``."""
        if self.clock_mhz is None:
            return "no clock"
        return f"{self.clock_mhz:g} MHz" + (" (assumed)" if self.assumed else "")


def has_periods(technology: Technology) -> bool:
    """Whether units of a technology have periods: in cell libraries, and where units are placed.

    On 7-series areas are those of synthesis, and nothing is placed.
    """
    return bool(technology.record.clocks_mhz)


def check_clocks(settings: Settings, technology: Technology) -> None:
    """Refuse a clock that nothing can be compared with.

    Raises
    ------
    RefusedInput
        If one is asked for where units have no periods and nothing takes time.
    """
    if settings.clocks_mhz and settings.architecture is None and not has_periods(technology):
        raise RefusedInput(
            f"Clock must come with a technology whose units have periods, not {technology.name}, "
            "whose costs are those of synthesis alone; with --architecture its times are counted "
            "at the clock as an assumption"
        )


def clocked_costs(
    costs: pd.DataFrame, points: pd.DataFrame, settings: Settings, technology: Technology
) -> list[Clocked]:
    """Costs at each clock of a run, by rising clock.

    Parameters
    ----------
    costs, points : DataFrame
        Cost rows of the units and their points.
    settings : Settings
        Clocks asked for, and the margin.
    technology : Technology
        Its own clocks count where none is asked for.

    Returns
    -------
    list of Clocked
        One of no clock where the technology has no periods and nothing takes time.
    """
    if not has_periods(technology):
        if settings.architecture is not None:
            rates = settings.clocks_mhz or (settings.architecture.clock_mhz,)
            return [Clocked(clock_mhz=f, assumed=True, costs=costs) for f in sorted(rates)]
        return [Clocked(clock_mhz=None, costs=costs)]
    lacking = "no period is known"
    if technology.name in PLACERS and find_placer(technology.name) is None:
        lacking += ", as nextpnr is not installed: pip install 'macwright[fpga]'"
    known = points_of_rows(costs, points, technology.record.clk_to_q_ns)
    clocked = []
    for rate in sorted(_rates(settings, technology)):
        at = rows_at_clock(costs, known, rate, margin=settings.margin, lacking=lacking)
        clocked.append(Clocked(clock_mhz=rate, costs=at.rows, refused=at.refused))
    return clocked


def _rates(settings: Settings, technology: Technology) -> tuple[float, ...]:
    """Clocks asked for, by the settings or by an architecture with one of its own."""
    chip = settings.architecture
    own = () if chip is None or chip.clock_mhz == type(chip).clock_mhz else (chip.clock_mhz,)
    return settings.clocks_mhz or own or technology.record.clocks_mhz


def too_fast(clocked: Sequence[Clocked], units: Mapping[tuple[str, str], Any]) -> RefusedInput:
    """The error that says how fast each pair of formats can be, where no clock will do."""
    slowest = clocked[0]
    reasons: dict[str, list[str]] = {}
    for (weight, act), spec in units.items():
        if spec.name in slowest.refused:
            reasons.setdefault(slowest.refused[spec.name], []).append(f"{weight}/{act}")
    # "101 MHz at most" before "95 MHz at most".
    order = sorted(reasons, key=lambda why: -float(why.split(" ")[0]) if why[0].isdigit() else 0)
    said = "; ".join(f"{', '.join(reasons[why])}: {why}" for why in order)
    return RefusedInput(
        f"Clock must be one that units for every layer meet, not {slowest.label} "
        f"(weight/activation: {said})"
    )
