"""Operating modes of units: formats and products of each."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from macwright.hw.formats import Format

__all__ = ["OperatingMode"]


@dataclass(frozen=True, kw_only=True)
class OperatingMode:
    """A unit in one of its modes, with what cost models and streams ask of a spec.

    Parameters
    ----------
    spec : UnitSpec
        The unit.
    label : str
        Name of the mode in ``spec.modes``, such as ``"4x4"``; empty for a unit of one mode.
    act, weight : Format
        Operands in this mode.
    lanes, passes : int
        Products of one sum that are worked on together, and cycles that they take.
    number : int
        Place of the mode, the widest first: what the port `mode` is, if there is one.
    """

    spec: Any
    label: str = ""
    act: "Format"
    weight: "Format"
    lanes: int = 1
    passes: int = 1
    number: int = 0

    @property
    def name(self) -> str:
        """Name of the unit, which is the same hardware in all modes."""
        return str(self.spec.name)

    @property
    def row(self) -> str:
        """Name of the cost row: that of the unit is of its widest mode."""
        return f"{self.name}@{self.label}" if self.number else self.name

    @property
    def macs_per_cycle(self) -> float:
        """Products a cycle."""
        return self.lanes / self.passes

    @property
    def latency(self) -> int:
        """Clock edges from operands to the accumulator that holds their product."""
        return int(self.spec.latency)
