"""What is reported of an allocation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Point"]


@dataclass(frozen=True, kw_only=True)
class Point:
    """An allocation with what was predicted, proved and measured.

    `pairs` is the option of each layer, `totals` the total of every numeric column, `accuracy` in
    the data set's metric and None where not measured, `standard_error` that of `accuracy`, `exact`
    the same as an integer network has it, `predicted` the same metric as predicted from the loss,
    None beyond the losses that were measured on the front. `status` and `gap` are None for uniform
    allocations, which nothing was proved about. `clock_mhz` is the clock, None where costs know
    none. `hardware` says what was chosen
    with the formats, `units` the unit of each layer where that is not the one of its formats, and
    `layer_energy` the energy of a product of each layer with its own operands, in fJ, if measured.
    """

    name: str
    pairs: Mapping[str, str]
    totals: Mapping[str, float]
    status: str | None = None
    gap: float | None = None
    predicted: float | None = None
    accuracy: float | None = None
    standard_error: float | None = None
    exact: float | None = None
    clock_mhz: float | None = None
    hardware: Mapping[str, Any] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    layer_energy: Mapping[str, float] = field(default_factory=dict)
