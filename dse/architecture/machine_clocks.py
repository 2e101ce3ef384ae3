"""Clocks of machines with an engine for each layer: larger machines have longer wires."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf, log
from typing import Any

import pandas as pd

from macwright.costmodel.system.machine_resources import MachineModel
from macwright.costmodel.technology.devices import Device
from macwright.dse.architecture.clocks import Clocked
from macwright.dse.architecture.engine_units import EngineUnit, device_units, machine_clock
from macwright.dse.solver import Budget

__all__ = ["MachineClock", "machine_clocks"]

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
    basis : str
        Why it is believed.
    most_luts : float
        Look-up tables of the largest of them.
    units : mapping
        Units of each pair of formats, weights first; those of look-up tables meet it.
    """

    mhz: float
    basis: str
    most_luts: float
    units: Mapping[Pair, tuple[EngineUnit, ...]]

    def with_costs(self, costs: pd.DataFrame) -> Clocked:
        """The clock with cost rows of units, and the size that a machine must keep to reach it."""
        return Clocked(
            clock_mhz=self.mhz,
            costs=costs,
            basis=self.basis,
            limits=() if self.most_luts == inf else (Budget("luts", max=self.most_luts),),
        )


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
        device is expected to reach to what the smallest is.
    margin : float
        Share of its period that a unit of look-up tables must have left.

    Raises
    ------
    RefusedInput
        If a clock is above what any such machine reaches.
    """
    rates = {machine_clock(rate, model.fastest_mhz, device.family) for rate in asked}
    if not asked:
        rates = _grid(model.expected_mhz(device.resources["luts"]), model.fastest_mhz)
    counted = f"counted from look-up tables, {model.period_error:.0%} off in the mean"
    every = device_units(units, model, clocks_mhz=sorted(rates), margin=margin)
    return tuple(
        MachineClock(mhz=rate, basis=counted, most_luts=model.most_luts(rate), units=met)
        for rate, met in zip(sorted(rates), every, strict=True)
    )


def _grid(low: float, high: float) -> set[float]:
    """Clocks with a tenth of a MHz, the fastest rounded down."""
    steps = ceil(log(high / low) / log(_STEP))
    ratios = [step / steps if steps else 0.0 for step in range(steps + 1)]
    return {int(10 * low * (high / low) ** ratio) / 10 for ratio in ratios}
