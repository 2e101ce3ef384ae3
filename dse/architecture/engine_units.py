"""Units that engines of a machine may have, with what each takes of a device."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from macwright.costmodel.characterize.many import characterize
from macwright.costmodel.characterize.structures import built_spec
from macwright.costmodel.system.machine_resources import MachineModel, Resources
from macwright.costmodel.tables.points import current_points
from macwright.costmodel.technology.catalogue import find_technology
from macwright.costmodel.technology.technology import Technology
from macwright.hw.accelerator.operands import default_unit
from macwright.hw.errors import RefusedInput
from macwright.hw.pe import IntMacSpec

__all__ = [
    "EngineUnit",
    "device_units",
    "engine_unit",
    "hard_alone",
    "machine_clock",
    "unit_rows",
]


@dataclass(frozen=True, kw_only=True)
class EngineUnit:
    """A unit that engines may have.

    Parameters
    ----------
    spec : UnitSpec
        Unit.
    resources : Resources
        What it takes.
    """

    spec: Any
    resources: Resources

    @property
    def is_hard(self) -> bool:
        """Whether its products are left to hard multipliers, so that the model counts it."""
        return isinstance(self.spec, IntMacSpec) and self.spec.multiplier == "infer"

    def with_sum(self, unit: Any, model: MachineModel) -> Resources:
        """Resources of a unit that differs in the width of its sum alone.

        A bit of the sum of units of look-up tables is half a carry cell, that is one look-up table,
        and a register.
        """
        if self.is_hard:
            return model.unit(unit)
        less = self.spec.acc.width - unit.acc.width
        return self.resources + Resources(luts=-less, ffs=-less)


def machine_clock(asked: float | None, reached: float, family: str) -> float:
    """Clock of a machine, MHz: the one that is asked for, if placed machines reach it.

    Raises
    ------
    RefusedInput
        If it is above that.
    """
    clock = reached if asked is None else asked
    if clock > reached:
        raise RefusedInput(
            f"Clock of a machine on {family} must be at most {reached:g} MHz, which placed "
            f"machines of its kind reach, not {clock:g}"
        )
    return clock


def hard_alone(
    by_clock: Mapping[float, Mapping[tuple[str, str], Sequence[EngineUnit]]],
) -> tuple[str, ...]:
    """What is to be said of pairs of formats without units of look-up tables at some clock.

    Parameters
    ----------
    by_clock : mapping
        Units of each pair of formats at each clock in MHz, rising: the faster, the fewer of them.
    """
    slowest, *_ = by_clock
    reached: dict[tuple[str, str], float] = dict.fromkeys(by_clock[slowest], 0.0)
    for clock, units in by_clock.items():
        reached |= {pair: clock for pair, each in units.items() if not all(u.is_hard for u in each)}
    notes = []
    for most in sorted({*reached.values()} - {max(by_clock)}):
        pairs = ", ".join("/".join(pair) for pair, rate in reached.items() if rate == most)
        where = f"above {most:g} MHz" if most else f"at {slowest:g} MHz"
        notes.append(
            f"products of {pairs} have hard multipliers alone: no unit of look-up tables ships for "
            f"them {where}"
        )
    return tuple(notes)


def unit_rows(units: Iterable[EngineUnit], family: str) -> list[dict[str, Any]]:
    """Cost rows of units, as they are counted on a family of devices."""
    return [
        {
            **unit.resources.to_fields(),
            "unit": unit.spec.name,
            "technology": family,
            "area": unit.resources.luts,
            "area_unit": "luts",
            "macs_per_cycle": unit.spec.macs_per_cycle,
            "source": "counted",
        }
        for unit in units
    ]


def device_units(
    units: Mapping[tuple[str, str], Any],
    model: MachineModel,
    *,
    clocks_mhz: Sequence[float],
    margin: float,
) -> list[dict[tuple[str, str], tuple[EngineUnit, ...]]]:
    """Units that engines may have for pairs of formats, at each clock.

    Products of integers are left to hard multipliers, or made of look-up tables by the unit of the
    shipped points that takes the fewest at the clock; others are mapped by Yosys. A pair whose
    products are too narrow for hard multipliers may have none.

    Parameters
    ----------
    units : mapping
        Unit of each pair of formats (weights first), whose sums are wide enough.
    model : MachineModel
        Of the family.
    clocks_mhz : sequence of float
        Clocks, MHz.
    margin : float
        Share of its period that a unit must have left.
    """
    technology = find_technology(model.family)
    by_clock: list[dict[tuple[str, str], tuple[EngineUnit, ...]]] = [{} for _ in clocks_mhz]
    for pair, spec in units.items():
        plain = default_unit(spec.act, spec.weight, spec.acc.width, 1)
        counted = [engine_unit(plain, model)] if model.multiplies(plain) else []
        points = _logic_points(spec, technology) if isinstance(plain, IntMacSpec) else []
        for clock, variants in zip(clocks_mhz, by_clock, strict=True):
            logic = _logic_unit(spec, points, technology, clock * (1 + margin))
            variants[pair] = (*counted, *([] if logic is None else [logic]))
    return by_clock


def engine_unit(spec: Any, model: MachineModel) -> EngineUnit:
    """A unit with what it takes: counted, of the shipped points, or mapped by Yosys."""
    technology = find_technology(model.family)
    if isinstance(spec, IntMacSpec):
        if spec.multiplier == "infer":
            return EngineUnit(spec=spec, resources=model.unit(spec))
        for row in _logic_points(spec, technology):
            if row["module"] == spec.name:
                return EngineUnit(spec=spec, resources=_of_point(row))
    row = characterize([spec], technology, dsp=True).iloc[0]
    dsps = 0 if pd.isna(row["dsps"]) else int(row["dsps"])
    took = Resources(luts=float(row["luts"]), ffs=float(row["ffs"]), dsps=dsps)
    return EngineUnit(spec=spec, resources=took)


def _logic_points(spec: Any, technology: Technology) -> list[dict[str, Any]]:
    """Shipped points of a unit of integers made of look-up tables."""
    tuned = replace(spec, pipeline=0).tuned(technology.record.target)
    return current_points([tuned], technology).get(tuned.row, [])


def _of_point(row: Mapping[str, Any]) -> Resources:
    return Resources(luts=float(row["placed_luts"]), ffs=float(row["ffs"]))


def _logic_unit(
    spec: Any, points: Sequence[Mapping[str, Any]], technology: Technology, clock_mhz: float
) -> EngineUnit | None:
    """Smallest of the shipped units of look-up tables that meets a clock; None if none does."""
    able = [
        row for row in points if pd.notna(row["period_ns"]) and row["period_ns"] * clock_mhz <= 1e3
    ]
    if not able:
        return None
    best = min(able, key=lambda row: (row["placed_luts"], row["ffs"]))
    tuned = replace(spec, pipeline=0).tuned(technology.record.target)
    built = built_spec(tuned, best["module"], technology.name)
    return EngineUnit(spec=built, resources=_of_point(best))
