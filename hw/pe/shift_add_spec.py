"""Specification of the shift-add unit."""

from dataclasses import dataclass
from typing import Any, ClassVar

from macwright.hw.errors import RefusedInput, RefusedType
from macwright.hw.formats import (
    ApotFormat,
    FloatFormat,
    IntFormat,
    PotFormat,
    TernaryFormat,
    parse_format,
)
from macwright.hw.pe.accumulator import parse_int_acc
from macwright.hw.pe.heap_spec import HeapSpec
from macwright.hw.pe.operand import (
    check_operand,
    grid_ends,
    lsb_exponent,
    product_range,
    range_width,
)
from macwright.hw.pe.spec import parse_int

__all__ = ["ShiftAddMacSpec"]

_INT4, _INT8, _UINT8 = IntFormat(4), IntFormat(8), IntFormat(8, signed=False)


def _parse_optional(text: str) -> Any:
    """Read an integer format, or "none" (which is None)."""
    return None if text.lower() == "none" else parse_format(text)


@dataclass(frozen=True, kw_only=True)
class ShiftAddMacSpec(HeapSpec):
    """Everything that fixes a :class:`ShiftAddMac`.

    Parameters
    ----------
    act : IntFormat or FloatFormat
        Activations, 1 to 16 bits: integers, or floats such as fp16, which are taken for the
        integers times ``2**acc_exponent`` that they are.
    weight : IntFormat, TernaryFormat, PotFormat or ApotFormat
        Weights: integers of 1 to 4 bits, ternary, or powers of two.
    acc : IntFormat or None
        Sum of a group. None ("exact") is replaced by the narrowest that holds `group` products.
    group : int
        Products with one scale and zero point, 1 to 65536.
    scale : IntFormat or None
        Scale of a group, unsigned. None ("none") leaves scaling, and the port `total`, out.
    zero : IntFormat or None
        Zero point of a group; None ("none") for none. Needs `scale`.
    total : IntFormat or None
        Accumulator of the scaled groups, signed; None for int32, or int64 where a group needs it.
    en, rst, target : see :class:`~macwright.hw.pe.int_mac.IntMacSpec`
        `target` is generic, asic or asic_inverting.
    pipeline : {0, 1}
        Register stages before the accumulator: none, or one for all inputs.

    Examples
    --------
    >>> ShiftAddMacSpec(group=32).name
    'shift_add_mac_int8_int4_g32_int17_uint8_none_int32'
    """

    family: ClassVar[str] = "shift_add_mac"
    parsers: ClassVar = {
        "act": parse_format,
        "weight": parse_format,
        "acc": parse_int_acc,
        "group": parse_int,
        "scale": _parse_optional,
        "zero": _parse_optional,
        "total": parse_int_acc,
    }

    act: IntFormat | FloatFormat = _INT8
    weight: IntFormat | TernaryFormat | PotFormat | ApotFormat = _INT4
    acc: IntFormat | None = None
    group: int = 128
    scale: IntFormat | None = _UINT8
    zero: IntFormat | None = None
    total: IntFormat | None = None
    multiplier: str = "heap"
    en: bool = False
    rst: bool = False
    pipeline: int = 0
    target: str = "generic"

    def __post_init__(self) -> None:
        if isinstance(self.act, FloatFormat):
            check_operand(self.act, role="act", unit="shift_add_mac", floats=True)
        else:
            self.check_int("act")
        if isinstance(self.weight, IntFormat):
            self.check_int("weight", most=4)
        elif not isinstance(self.weight, TernaryFormat | PotFormat | ApotFormat):
            raise RefusedType(
                "shift_add_mac weight format must be an integer of 1 to 4 bits, ternary, pot or "
                f"apot, not {self.weight}"
            )
        if type(self.group) is not int or not 1 <= self.group <= 65536:
            raise RefusedInput(f"Group must be an integer from 1 to 65536, not {self.group!r}")
        if self.scale is not None:
            self.check_int("scale", signed=False)
        if self.zero is not None:
            self.check_int("zero")
            if self.scale is None:
                raise RefusedInput(
                    f"shift_add_mac zero must be none without a scale, not {self.zero}"
                )
        self.check_heap(self.group if self.acc is None else None, stages=1)
        if self.safe_terms < self.group:
            raise RefusedInput(
                f"shift_add_mac accumulator must hold a group of {self.group}, not {self.acc}"
            )
        self._check_total()

    def _check_total(self) -> None:
        needed = range_width(*self.group_range) if self.scale else 1
        if self.total is None:
            object.__setattr__(self, "total", IntFormat(32 if needed <= 32 else 64))
        if not isinstance(self.total, IntFormat) or not self.total.signed:
            raise RefusedType(
                f"shift_add_mac total must be a signed integer format, not {self.total}"
            )
        if self.total.width < needed:
            raise RefusedInput(
                f"shift_add_mac total must hold one group of {self.group} (at least "
                f"int{needed}), not {self.total}"
            )

    @property
    def sum_range(self) -> tuple[int, int]:
        """Smallest and largest product."""
        return product_range(self.act, self.weight)

    @property
    def acc_exponent(self) -> int:
        """Value of `acc` is its number times two to this power, and `total` likewise."""
        return lsb_exponent(self.act)

    @property
    def act_sum_range(self) -> tuple[int, int]:
        """Smallest and largest sum of a group's activations, in units of ``2**acc_exponent``."""
        low, high = grid_ends(self.act)
        return min(0, self.group * low), self.group * high

    @property
    def group_range(self) -> tuple[int, int]:
        """Smallest and largest sum of a group, scaled and with its zero point."""
        ends = [(a, w) for a in grid_ends(self.act) for w in self._shifted_weights()]
        most = int(self.scale.max) if self.scale else 1
        values = [self.group * most * a * w for a, w in ends]
        return min(0, *values), max(0, *values)

    def _shifted_weights(self) -> tuple[int, int]:
        """Smallest and largest weight less zero point."""
        zero = self.zero
        low, high = (0, 0) if zero is None else (zero.min, zero.max)
        return int(self.weight.min) - high, int(self.weight.max) - low

    @property
    def name(self) -> str:
        """Name of the Verilog module and key of the cost table."""
        after = [self.scale, str(self.zero).lower(), self.total] if self.scale else ["bare"]
        return self.make_name(self.act, self.weight, f"g{self.group}", self.acc, *after)
