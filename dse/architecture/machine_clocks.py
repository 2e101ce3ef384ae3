"""Clocks of machines with an engine for each layer: larger machines have longer wires."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf, log
from typing import Any

from macwright.costmodel.system.machine_resources import MachineModel
from macwright.costmodel.technology.devices import Device
from macwright.dse.architecture.engine_units import EngineUnit, device_units, machine_clock
from macwright.dse.solver import Budget
from macwright.hw.formats import FloatFormat

__all__ = ["MachineClock", "clock_notes", "machine_clocks"]

#: Ratio of neighbouring clocks of a grid, at most.
_STEP = 1.06
Pair = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class MachineClock:
    """A clock, and what machines are expected to reach it.

    Parameters
    ----------
    mhz : float
        The clock, MHz.
    most_luts : float
        Look-up tables of the largest of them.
    units : mapping
        Units of each pair of formats, weights first, that meet it.
    """

    mhz: float
    most_luts: float
    units: Mapping[Pair, tuple[EngineUnit, ...]]

    @property
    def limits(self) -> tuple[Budget, ...]:
        """What a machine must keep to reach it."""
        return () if self.most_luts == inf else (Budget("luts", max=self.most_luts),)


def machine_clocks(
    model: MachineModel,
    device: Device,
    units: Mapping[Pair, Any],
    asked: Sequence[float],
    margin: float,
) -> tuple[MachineClock, ...]:
    """Clocks to choose from, rising.

    Parameters
    ----------
    model : MachineModel
        Of the device's family.
    device : Device
        Where the machine goes.
    units : mapping
        Unit of each pair of formats, whose sums are wide enough.
    asked : sequence of float
        Clocks in MHz; if empty a grid of small steps, from what the largest machine of the
        device is expected to reach to what the smallest is, and that of minifloat activations.
    margin : float
        Share of its period that a unit of look-up tables must have left.

    Raises
    ------
    RefusedInput
        If a clock is above what any such machine reaches.
    """
    slow = {pair for pair, spec in units.items() if isinstance(spec.act, FloatFormat)}
    fastest = model.minifloat_mhz if len(slow) == len(units) else model.fastest_mhz
    rates = {machine_clock(rate, fastest, device.family) for rate in asked}
    if not asked:
        rates = {model.minifloat_mhz} if slow else set()
        if len(slow) < len(units):
            rates |= _grid(model.expected_mhz(device.resources["luts"]), model.fastest_mhz)
    every = device_units(units, model, clocks_mhz=sorted(rates), margin=margin)
    return tuple(
        MachineClock(
            mhz=rate,
            most_luts=model.most_luts(rate),
            units={p: u for p, u in met.items() if p not in slow or rate <= model.minifloat_mhz},
        )
        for rate, met in zip(sorted(rates), every, strict=True)
    )


def _grid(low: float, high: float) -> set[float]:
    """Clocks with a tenth of a MHz, the fastest rounded down."""
    steps = ceil(log(high / low) / log(_STEP))
    ratios = [step / steps if steps else 0.0 for step in range(steps + 1)]
    return {int(10 * low * (high / low) ** ratio) / 10 for ratio in ratios}


def clock_notes(clocks: Sequence[MachineClock]) -> tuple[str, ...]:
    """What is to be said of pairs of formats that lack units from some clock on."""
    reached: dict[Pair, float] = dict.fromkeys(clocks[0].units, 0.0)
    for clock in clocks:
        for pair, choices in clock.units.items():
            if any(not unit.is_hard for unit in choices):
                reached[pair] = clock.mhz
    notes = []
    for rate in sorted({rate for rate in reached.values() if rate < clocks[-1].mhz}):
        pairs = [
            f"{weight}/{act}"
            for (weight, act), most in reached.items()
            if most == rate and any(unit.is_hard for unit in clocks[0].units[weight, act])
        ]
        if pairs:
            where = f"above {rate:g} MHz" if rate else f"at {clocks[0].mhz:g} MHz"
            notes.append(
                f"products of {', '.join(pairs)} have hard multipliers alone: no unit of look-up "
                f"tables ships for them {where}"
            )
    return tuple(notes)
