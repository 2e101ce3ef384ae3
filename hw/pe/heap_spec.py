"""What the specifications of units made of bit heaps have in common."""

from collections.abc import Iterable
from dataclasses import InitVar, dataclass, replace
from typing import Any, ClassVar, Self

from macwright.hw.arith.chain import CHAINS
from macwright.hw.arith.target import check_target
from macwright.hw.errors import RefusedInput, RefusedType
from macwright.hw.formats import Format, IntFormat, parse_format
from macwright.hw.pe.accumulator import parse_int_acc
from macwright.hw.pe.operand import resolve_acc, safe_terms
from macwright.hw.pe.operating_mode import OperatingMode
from macwright.hw.pe.spec import UnitSpec, parse_int

__all__ = ["HeapSpec", "ModeSpec"]

_INT8, _INT32 = IntFormat(8), IntFormat(32)


class HeapSpec(UnitSpec):
    """Base of the specs of units made of bit heaps: integer accumulator, no carry chains."""

    act: Any
    weight: Any
    acc: Any

    @property
    def sum_range(self) -> tuple[int, int]:
        """Smallest and largest number that one cycle adds, over all modes."""
        raise NotImplementedError

    @property
    def safe_terms(self) -> int:
        """Number of cycles that can be summed, in any order, without wrapping."""
        return safe_terms(self.sum_range, (int(self.acc.min), int(self.acc.max)))

    def tuned(self, target: str) -> Self:
        """The same function with the adders that suit a target."""
        chosen = "generic" if check_target(target) in CHAINS else target
        return replace(self, target=chosen)  # type: ignore[type-var]

    def check_heap(self, terms: int | None, *, stages: int = 2) -> None:
        """Check the common fields and settle the accumulator, which may be None ("exact")."""
        self.check_common(multipliers=("heap",), stages=stages)
        if self.target in CHAINS:
            raise RefusedInput(
                f"{self.family} target must be generic, asic or asic_inverting, not {self.target}"
            )
        what = "the sum of one cycle"
        resolve_acc(self, terms, sums=self.sum_range, what=what, signed=True)

    def check_int(self, role: str, *, most: int = 16, signed: bool | None = None) -> None:
        """Refuse operands that are not plain integers of up to `most` bits."""
        fmt = getattr(self, role)
        if not isinstance(fmt, IntFormat) or fmt.symmetric:
            raise RefusedType(
                f"{self.family} {role} format must be a full-range integer, not {fmt}"
            )
        if signed is not None and fmt.signed != signed:
            kind = "signed" if signed else "unsigned"
            raise RefusedInput(f"{self.family} {role} format must be {kind}, not {fmt}")
        if not 1 <= fmt.width <= most:
            raise RefusedInput(f"{self.family} {role} format must have 1 to {most} bits, not {fmt}")


@dataclass(frozen=True, kw_only=True)
class ModeSpec(HeapSpec):
    """Base of the specs of units whose weights have a width that is switched at run time.

    Parameters
    ----------
    act, weight : IntFormat
        Activations; widest weights.
    acc : IntFormat or None
        Accumulator, signed. None ("exact") is replaced by the narrowest one that never overflows
        for `terms` terms in any mode.
    terms : int, default=1024
        Terms that an exact accumulator must hold; only with ``acc=None``.
    en, rst, target : see :class:`~macwright.hw.pe.int_mac.IntMacSpec`
        `target` is generic, asic or asic_inverting.
    pipeline : {0, 1, 2}
        Register stages before the accumulator: none, operands, operands and sum.
    """

    parsers: ClassVar = {
        "act": parse_format,
        "weight": parse_format,
        "acc": parse_int_acc,
        "terms": parse_int,
    }

    act: IntFormat = _INT8
    weight: IntFormat = _INT8
    acc: IntFormat | None = _INT32
    terms: InitVar[int | None] = None
    multiplier: str = "heap"
    en: bool = False
    rst: bool = False
    pipeline: int = 0
    target: str = "generic"

    def __post_init__(self, terms: int | None) -> None:
        self.check_formats()
        lanes = getattr(self, "lanes", 1)
        if type(lanes) is not int or not 1 <= lanes <= 64:
            raise RefusedInput(f"Number of lanes must be an integer from 1 to 64, not {lanes!r}")
        self.check_heap(terms)

    def check_formats(self) -> None:
        """Check the operands and the fields of the family."""
        raise NotImplementedError

    def number_modes(
        self, modes: Iterable[tuple[str, Format, Format, int, int]]
    ) -> tuple[OperatingMode, ...]:
        """Modes of label, activation, weight, lanes and passes, the widest first."""
        return tuple(
            OperatingMode(
                spec=self,
                label=label,
                act=act,
                weight=weight,
                lanes=lanes,
                passes=passes,
                number=number,
            )
            for number, (label, act, weight, lanes, passes) in enumerate(modes)
        )
