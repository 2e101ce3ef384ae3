"""What the specifications of all units have in common: fields as text, names, checks."""

import dataclasses
import re
from collections.abc import Callable
from typing import Any, ClassVar, Self, TypeAlias, TypeVar

from macwright.hw.arith.target import TARGETS, check_target
from macwright.hw.errors import RefusedInput
from macwright.hw.pe.operating_mode import OperatingMode

__all__ = ["FINAL_ADDERS", "Unit", "UnitSpec", "builds", "parse_bool", "parse_int"]

_Hardware = TypeVar("_Hardware")

#: Ends of a compressor tree with the accumulator in it, from the smallest to the fastest.
FINAL_ADDERS = ("ripple", "brent_kung", "sklansky", "kogge_stone", "carry_save")


def parse_bool(text: str) -> bool:
    """Read true or false."""
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in words:
        raise RefusedInput(f"must be true or false, not {text!r}")
    return words[text.lower()]


def parse_int(text: str) -> int:
    """Read a decimal integer."""
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", text):
        raise RefusedInput(f"must be an integer, not {text!r}")
    return int(text)


def builds(spec: type["UnitSpec"]) -> Callable[[type[_Hardware]], type[_Hardware]]:
    """Class decorator: this is the hardware that `create` makes of a spec in another file."""

    def register(hardware: type[_Hardware]) -> type[_Hardware]:
        spec.component = hardware
        return hardware

    return register


class UnitSpec:
    """Base of the frozen dataclasses that fix one unit each.

    A specification is a value: hashable, comparable and free of Amaranth objects. The same object
    names the Verilog module, keys the cost table, labels the test and builds the hardware.

    Attributes
    ----------
    family : str
        Key in :data:`macwright.hw.pe.FAMILIES`.
    parsers : dict
        For each field that is not text: the function that reads its text.
    component : callable
        Makes the hardware; set by :func:`builds` where it is in another file.

    Examples
    --------
    >>> from macwright.hw.pe import IntMacSpec
    >>> spec = IntMacSpec.from_fields({"weight": "int4", "acc": "exact", "terms": 9})
    >>> spec
    IntMacSpec(weight=parse_format('int4'), acc=parse_format('int15'))
    >>> spec.name, spec.latency, spec.macs_per_cycle
    ('int_mac_int8_int4_int15', 1, 1)
    >>> IntMacSpec.from_fields(spec.to_fields()) == spec
    True
    """

    family: ClassVar[str] = ""
    parsers: ClassVar[dict[str, Callable[[str], Any]]] = {}
    common: ClassVar[dict[str, Callable[[str], Any]]] = {
        "multiplier": str,
        "target": str,
        "en": parse_bool,
        "rst": parse_bool,
        "pipeline": parse_int,
    }

    component: ClassVar[Callable[[Any], Any]]

    act: Any
    weight: Any
    multiplier: str
    target: str
    en: bool
    rst: bool
    pipeline: int

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        # A dataclass writes its own, of all fields, where the class has none.
        if "__repr__" not in cls.__dict__:
            cls.__repr__ = UnitSpec.__repr__

    def __repr__(self) -> str:
        """Call that makes it: what differs from the defaults."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        given = {f.name: getattr(self, f.name) for f in fields}
        words = [f"{f.name}={given[f.name]!r}" for f in fields if given[f.name] != f.default]
        return f"{type(self).__name__}({', '.join(words)})"

    @property
    def name(self) -> str:
        """Name of the Verilog module and key of the cost table."""
        raise NotImplementedError

    def to_fields(self) -> dict[str, str | int | bool]:
        """Every field by name; formats as their names, so that the result is JSON."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}  # type: ignore[arg-type]
        return {k: v if isinstance(v, str | int) else str(v) for k, v in fields.items()}

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Self:
        """Make a spec from JSON values or texts; the inverse of :meth:`to_fields`.

        Raises
        ------
        ValueError
            If a field is unknown, or its text does not stand for a value.
        """
        parsers = {**cls.parsers, **cls.common}
        values = {}
        for name, value in fields.items():
            if name not in parsers:
                raise RefusedInput(
                    f"Field of {cls.family} must be one of {', '.join(parsers)}, not {name!r}"
                )
            try:
                values[name] = parsers[name](value) if isinstance(value, str) else value
            except ValueError as error:
                text = str(error)
                raise RefusedInput(
                    f"Unit {name} {text}" if text.startswith("must") else text
                ) from None
        return cls(**values)

    @property
    def latency(self) -> int:
        """Clock edges from operands to the accumulator that holds their product."""
        return 1 + self.pipeline

    @property
    def operand_register(self) -> bool:
        """Whether the first register stage holds the operands."""
        return self.pipeline >= 1 and getattr(self, "cut", "operands") == "operands"

    @property
    def product_register(self) -> bool:
        """Whether a register stage holds the product, or the lanes' sum."""
        return self.pipeline >= 2 or (self.pipeline == 1 and not self.operand_register)

    @property
    def lane_adder(self) -> str:
        """Final adder of products, and of the lanes' sum where the accumulator is not in it."""
        adder = getattr(self, "adder", "ripple")
        return "kogge_stone" if adder == "carry_save" else adder

    @property
    def macs_per_cycle(self) -> int:
        """Products per clock cycle."""
        return 1

    @property
    def row(self) -> str:
        """Name of the cost row."""
        return self.name

    def operating_modes(self) -> tuple[OperatingMode, ...]:
        """Modes of the unit, the widest first; one if it has no choice.

        Weights of one bit, of which no format is -1 and 1, are left out where there are wider
        ones.
        """
        return (OperatingMode(spec=self, act=self.act, weight=self.weight),)

    def tuned(self, target: str) -> Self:
        """The same function with the multiplier and adders that suit a target.

        Parameters
        ----------
        target : str
            One of :data:`macwright.hw.arith.target.TARGETS`. That of a technology is
            `target_of_technology` of :mod:`macwright.costmodel.technology.catalogue`.
        """
        check_target(target)
        return self

    def create(self) -> Any:
        """Build the hardware."""
        return self.component(self)

    def check_common(self, *, multipliers: tuple[str, ...], stages: int) -> None:
        """Check the fields that every family has."""
        for name, allowed in (("multiplier", multipliers), ("target", TARGETS)):
            if getattr(self, name) not in allowed:
                raise RefusedInput(
                    f"Unit {name} must be one of {', '.join(allowed)}, not {getattr(self, name)!r}"
                )
        for name in ("en", "rst"):
            if not isinstance(getattr(self, name), bool):
                raise RefusedInput(
                    f"Unit {name} must be true or false, not {getattr(self, name)!r}"
                )
        if type(self.pipeline) is not int or not 0 <= self.pipeline <= stages:
            raise RefusedInput(
                f"Unit pipeline must be an integer from 0 to {stages} (register stages before the "
                f"accumulator), not {self.pipeline!r}"
            )

    def check_cut(self, most: int = 1) -> None:
        """Check the field `cut`: what the first of so many register stages may hold."""
        cut: str = self.cut  # type: ignore[attr-defined]
        if cut not in ("operands", "product"):
            raise RefusedInput(f"{self.family} cut must be operands or product, not {cut!r}")
        if cut == "product" and not 1 <= self.pipeline <= most:
            raise RefusedInput(
                f"{self.family} cut must be operands with {self.pipeline} register stages, not "
                f"product, which is of {'one' if most == 1 else f'1 to {most}'}"
            )

    def check_adder(self, *, why_ripple: str) -> None:
        """Check the field `adder`, which must be ripple where `why_ripple` has words for why."""
        adder: str = self.adder  # type: ignore[attr-defined]
        if adder not in FINAL_ADDERS:
            raise RefusedInput(
                f"{self.family} adder must be one of {', '.join(FINAL_ADDERS)}, not {adder!r}"
            )
        if why_ripple and adder != "ripple":
            raise RefusedInput(f"{self.family} adder must be ripple {why_ripple}, not {adder}")

    def make_name(self, *parts: object) -> str:
        """Module name from the family, the formats and whatever is not the default."""
        words = [self.family, *map(str, parts)]
        if getattr(self, "adder", "ripple") != "ripple":
            words.append(self.adder)  # type: ignore[attr-defined]
        if self.multiplier != type(self).multiplier:
            words.append(self.multiplier)
        words += [flag for flag in ("en", "rst") if getattr(self, flag)]
        if self.pipeline:
            words.append(f"p{self.pipeline}")
            words += ["product"] if getattr(self, "cut", "operands") == "product" else []
        if self.target != "generic":
            words.append(self.target)
        return re.sub(r"[^A-Za-z0-9_]", "_", "_".join(words))


#: What cost models price: a unit, or one of its modes.
Unit: TypeAlias = UnitSpec | OperatingMode
