"""Modes of units whose widths are switched at run time: formats and products of each."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from macwright.hw.formats import Format, IntFormat
from macwright.hw.pe import spec_from_fields

__all__ = ["SWITCHED", "UnitMode", "row_name", "switched_unit", "unit_modes"]

#: Units of the default search that have several modes: family, and the fields that differ from its
#: defaults.
SWITCHED = (
    "composable_mac",
    "composable_mac variant=fusion",
    "bitplane_dot",
    "serial_mac",
)


@dataclass(frozen=True, kw_only=True)
class UnitMode:
    """A unit in one of its modes, with what cost models and streams ask of a spec.

    Parameters
    ----------
    spec : unit spec
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
    act: Format
    weight: Format
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


def row_name(spec: Any) -> str:
    """Name of the cost row of a unit, or of a unit in a mode."""
    return str(getattr(spec, "row", spec.name))


def switched_unit(text: str) -> Any:
    """Spec of a unit with several modes, of its family and fields.

    Raises
    ------
    ValueError
        If there is no such unit, or it has one mode.

    Examples
    --------
    >>> switched_unit("bitplane_dot lanes=4 act=uint8").name
    'bitplane_dot_4_uint8_int8_int32'
    """
    family, *fields = text.split()
    pairs = [field.partition("=") for field in fields]
    spec = spec_from_fields(family, {name: value for name, _, value in pairs})
    if not hasattr(spec, "modes"):
        raise ValueError(f"Unit with several modes must be a {_families()}, not {family!r}")
    return spec


def _families() -> str:
    *most, last = dict.fromkeys(text.split()[0] for text in SWITCHED)
    return f"{', '.join(most)} or {last}"


def unit_modes(spec: Any) -> tuple[UnitMode, ...]:
    """Modes of a unit, the widest first; one if it has no choice.

    Weights of one bit, of which no format is -1 and 1, are left out where there are wider ones.

    Examples
    --------
    >>> [(m.label, m.lanes, m.passes) for m in unit_modes(switched_unit("serial_mac"))][:3]
    [('w8', 16, 4), ('w7', 16, 4), ('w6', 16, 3)]
    """
    if spec.family == "composable_mac":
        return _made(
            spec,
            ((f"{a}x{w}", IntFormat(a), IntFormat(w), spec.products(a, w), 1)
             for a, w in spec.widths),
        )  # fmt: skip
    if spec.family == "bitplane_dot":
        return _made(
            spec,
            ((f"w{b}", spec.act, IntFormat(b), spec.modes[f"w{b}"], 1)
             for b in spec.weight_bits if b > 1),
        )  # fmt: skip
    if spec.family == "serial_mac":
        return _made(
            spec,
            ((f"w{b}", spec.act, IntFormat(b), spec.lanes, spec.steps(b))
             for b in range(spec.weight.width, min(1, spec.weight.width - 1), -1)),
        )  # fmt: skip
    return (UnitMode(spec=spec, act=spec.act, weight=spec.weight),)


def _made(spec: Any, modes: Iterable[tuple[str, Format, Format, int, int]]) -> tuple[UnitMode, ...]:
    return tuple(
        UnitMode(
            spec=spec,
            label=label,
            act=act,
            weight=weight,
            lanes=lanes,
            passes=passes,
            number=number,
        )
        for number, (label, act, weight, lanes, passes) in enumerate(modes)
    )
