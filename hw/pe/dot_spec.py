"""Specification of the dot-product unit."""

from collections.abc import Callable
from dataclasses import InitVar, dataclass, replace
from typing import Any, ClassVar

from macwright.hw.arith.chain import CHAINS
from macwright.hw.arith.float_add import FLOAT_CUTS
from macwright.hw.arith.multipliers import MULTIPLIERS, smallest_multiplier
from macwright.hw.arith.target import check_target
from macwright.hw.errors import RefusedInput, RefusedType
from macwright.hw.formats import BlockFormat, FloatFormat, Format, IntFormat, parse_format
from macwright.hw.formats.scaled import FixedFormat
from macwright.hw.pe.accumulator import FixedAcc, parse_dot_acc
from macwright.hw.pe.operand import (
    check_operand,
    has_specials,
    is_integer,
    lsb_exponent,
    product_range,
    range_width,
    safe_terms,
)
from macwright.hw.pe.spec import UnitSpec, parse_int

__all__ = ["DotSpec", "Lane"]


def _parse_window(text: str) -> int | None:
    return None if text == "none" else parse_int(text)


@dataclass(frozen=True)
class Lane:
    """Formats of one lane's factors, without block scales, and how they are multiplied."""

    act: Any
    weight: Any
    multiplier: str
    target: str
    drop: int = 0
    lane_adder: str = "ripple"

    @property
    def product_range(self) -> tuple[int, int]:
        """Smallest and largest product, in units of ``2**exponent``."""
        return product_range(self.act, self.weight)

    @property
    def product_bits(self) -> int:
        """Bits of the product of two significands."""
        widths = [
            fmt.man_bits + 1 if isinstance(fmt, FloatFormat) else 1 if fmt.width == 1 else fmt.width
            for fmt in (self.act, self.weight)
        ]
        widths = [
            1 if str(f) == "ternary" else n for f, n in zip(self.formats, widths, strict=True)
        ]
        return max(widths) if min(widths) == 1 else sum(widths)

    @property
    def formats(self) -> tuple[Any, Any]:
        """Formats of both factors."""
        return self.act, self.weight

    @property
    def is_integer(self) -> bool:
        """Whether both factors are integers."""
        return is_integer(self.act) and is_integer(self.weight)

    @property
    def top_shift(self) -> int:
        """Largest left shift of a product of significands: 0 without exponents."""
        return sum((1 << f.exp_bits) - 2 for f in self.formats if isinstance(f, FloatFormat))


@dataclass(frozen=True, kw_only=True)
class DotSpec(UnitSpec):
    """Everything that fixes a :class:`~macwright.hw.pe.Dot`.

    Parameters
    ----------
    act, weight : Format
        Formats of the factors, elements of 1 to 16 bits: integers, minifloats, or block formats
        (MX, NVFP4, block floating point), whose scale then is a port.
    lanes : int
        Products in a cycle, 1 to 64; a divisor of the block.
    acc : IntFormat, FixedAcc, FloatFormat or None
        Accumulator: an integer (of integers), fixed point (of minifloats) or a float, to which
        every sum is rounded; block formats need a float. None ("exact") is replaced by the
        narrowest integer or fixed-point one that never overflows for `terms` products.
    terms : int, default=1024
        Number of products that an exact accumulator must hold; only with ``acc=None``.
    window : int or None
        Bits that a cycle's products are cut to when they are aligned; None for all. See
        :class:`~macwright.hw.pe.Dot`.
    multiplier : {"baugh_wooley", "booth4"}
        How integers are multiplied.
    adder : {"ripple", "brent_kung", "sklansky", "kogge_stone", "carry_save"}
        How the sum ends, from the smallest to the fastest: that of lanes and accumulator, or of the
        lanes where a register or a float accumulator follows. With "carry_save", not of floats, the
        accumulator is the sum of two registers, the ports `acc` and `acc_carry`.
    en, rst : bool
        Whether the unit has a clock enable and a synchronous reset.
    pipeline : {0, 1, 2}
        Register stages before the accumulator: none, operands, operands and the lanes' sum.
    cut : {"operands", "product"}
        What a single register stage holds: the operands, or the lanes' sum.
    sums : {1, 2, 3, 4}
        Independent sums of a float accumulator, which take turns: each is added to in every
        `sums`-th cycle, so that registers cut the addition, and one stands in front of it.
    groups : {1, 2, 3, 4}
        Groups of `lanes` lanes that share the addition to a float accumulator: each sums the
        products of as many cycles exactly, and these sums are added to its float in turn. See
        :class:`~macwright.hw.pe.GroupedDot`; a block has ``lanes * groups`` elements or a multiple.
    target : str
        Technology whose primitives may be used.

    Examples
    --------
    >>> DotSpec(lanes=4).name, DotSpec(lanes=4).safe_terms
    ('dot4_int8_int8_int26', 2047)
    >>> blocks = {"act": "mxfp4", "weight": "mxfp4", "lanes": 8, "acc": "fp32", "groups": 4}
    >>> DotSpec.from_fields(blocks).name, DotSpec.from_fields(blocks).macs_per_cycle
    ('dot8x4_mxfp4_mxfp4_fp32', 32)
    """

    family: ClassVar[str] = "dot"
    #: Makes the hardware of several groups; set where it is.
    grouped: ClassVar[Callable[[Any], Any]]
    parsers: ClassVar = {
        "act": parse_format,
        "weight": parse_format,
        "lanes": parse_int,
        "acc": parse_dot_acc,
        "terms": parse_int,
        "window": _parse_window,
        "adder": str,
        "cut": str,
        "sums": parse_int,
        "groups": parse_int,
    }

    act: Format = IntFormat(8)  # noqa: RUF009 (a frozen value)
    weight: Format = IntFormat(8)  # noqa: RUF009
    lanes: int = 16
    acc: Any = None
    terms: InitVar[int | None] = None
    window: int | None = None
    multiplier: str = "baugh_wooley"
    adder: str = "ripple"
    en: bool = False
    rst: bool = False
    pipeline: int = 0
    cut: str = "operands"
    sums: int = 1
    groups: int = 1
    target: str = "generic"

    def __post_init__(self, terms: int | None) -> None:
        for role in ("act", "weight"):
            check_operand(_element(getattr(self, role)), role=role, unit="dot", floats=True)
        self.check_common(multipliers=tuple(MULTIPLIERS), stages=2)
        if self.target in CHAINS:
            raise RefusedInput(f"dot target must be generic or asic, not {self.target}")
        if type(self.lanes) is not int or not 1 <= self.lanes <= 64:
            raise RefusedInput(f"dot lanes must be an integer from 1 to 64, not {self.lanes!r}")
        self._check_turns()
        for fmt in self.blocks:
            if fmt.block % (self.lanes * self.groups):
                times = "" if self.groups == 1 else f" times {self.groups} groups"
                raise RefusedInput(
                    f"dot lanes{times} must divide the {fmt.block} elements of a block of {fmt}, "
                    f"not be {self.lanes}"
                )
        self._check_window()
        self._check_acc(terms)
        self.check_cut()
        self.check_adder(why_ripple="")
        if self.adder == "carry_save" and isinstance(self.acc, FloatFormat):
            raise RefusedInput("dot adder must not be carry_save with a float accumulator")
        self._check_float_turns()

    def _check_window(self) -> None:
        lane = self.lane
        if self.window is None:
            return
        if lane.is_integer:
            raise RefusedInput(f"dot window must be none for integer lanes, not {self.window!r}")
        most = lane.product_bits + lane.top_shift
        if type(self.window) is not int or not 2 <= self.window <= most:
            raise RefusedInput(
                f"dot window must be none or an integer from 2 to {most}, not {self.window!r}"
            )

    def _check_acc(self, terms: int | None) -> None:
        if self.blocks and not isinstance(self.acc, FloatFormat):
            raise RefusedInput(
                "dot accumulator must be a float format such as fp32 with block formats, "
                f"not {'exact' if self.acc is None else self.acc}"
            )
        if self.acc is None:
            count = 1024 if terms is None else terms
            if type(count) is not int or not 1 <= count <= 1 << 32:
                raise RefusedInput(
                    f"Number of terms must be an integer from 1 to 2**32, not {terms!r}"
                )
            low, high = self.product_range
            width = range_width(count * low, count * high)
            acc = IntFormat(width) if self.lane.is_integer else FixedAcc(width)
            object.__setattr__(self, "acc", acc)
        elif terms is not None:
            raise RefusedInput(f"Number of terms must come with accumulator exact, not {self.acc}")
        if isinstance(self.acc, FloatFormat):
            return
        if not isinstance(self.acc, IntFormat if self.lane.is_integer else FixedAcc):
            kind = "an integer" if self.lane.is_integer else "fixed<bits>"
            raise RefusedType(f"dot accumulator must be exact, {kind} or a float, not {self.acc}")
        if self.safe_terms < self.lanes:
            raise RefusedInput(
                f"dot accumulator must hold {self.lanes} products of {self.act} x {self.weight}, "
                f"not {self.acc}"
            )

    def _check_turns(self) -> None:
        most = len(FLOAT_CUTS) + 1
        for name in ("sums", "groups"):
            number = getattr(self, name)
            if type(number) is not int or not 1 <= number <= most:
                raise RefusedInput(
                    f"dot {name} must be an integer from 1 to {most} (sums that take turns), "
                    f"not {number!r}"
                )
        if self.groups > 1 and self.sums > 1:
            raise RefusedInput(
                f"dot sums must be 1 with {self.groups} groups, whose sums take turns, "
                f"not {self.sums}"
            )
        if self.groups > 1 and self.window is not None:
            raise RefusedInput(
                f"dot window must be none with groups, whose sums are exact, not {self.window!r}"
            )

    def _check_float_turns(self) -> None:
        if self.turns == 1:
            return
        why = ""
        if not isinstance(self.acc, FloatFormat):
            why = f"with the accumulator {self.acc}, which is no float"
        elif self.rst:
            why = "with a reset: a sum starts with clear"
        elif self.may_be_special and not has_specials(self.acc):
            why = f"where operands or scales may be NaN and {self.acc} may not"
        if why:
            name = "groups" if self.groups > 1 else "sums"
            raise RefusedInput(f"dot {name} must be 1 {why}, not {self.turns}")

    @property
    def turns(self) -> int:
        """Float sums that take turns: `sums`, or one of each group."""
        return max(self.sums, self.groups)

    @property
    def may_be_special(self) -> bool:
        """Whether an operand or a block scale may be NaN or an infinity."""
        return bool(self.blocks) or any(has_specials(fmt) for fmt in self.lane.formats)

    @property
    def latency(self) -> int:
        """Clock edges from operands (of groups: a sum's last) to `acc` with their products."""
        return 1 + self.pipeline + (self.turns if self.turns > 1 else 0) + (self.groups > 1)

    @property
    def blocks(self) -> list[Any]:
        """Those of the formats that are block formats."""
        return [fmt for fmt in (self.act, self.weight) if isinstance(fmt, BlockFormat)]

    @property
    def lane(self) -> Lane:
        """One lane: the formats without block and binary point."""
        formats = _element(self.act), _element(self.weight)
        return Lane(*formats, self.multiplier, self.target, lane_adder=self.lane_adder)

    @property
    def product_range(self) -> tuple[int, int]:
        """Smallest and largest product of a lane, in units of ``2**acc_exponent``."""
        return self.lane.product_range

    @property
    def unit_exponent(self) -> int:
        """Products of lanes are whole numbers times two to this power, block scales left out."""
        fractions = [
            fmt.element.fraction for fmt in self.blocks if isinstance(fmt.element, FixedFormat)
        ]
        lane = self.lane
        return lsb_exponent(lane.act) + lsb_exponent(lane.weight) - sum(fractions)

    @property
    def acc_exponent(self) -> int:
        """Value of the accumulator is `acc` times two to this power (0 for a float)."""
        return 0 if isinstance(self.acc, FloatFormat) else self.unit_exponent

    @property
    def safe_terms(self) -> int:
        """Number of products that can be summed without wrapping (0 for a float, which rounds)."""
        if isinstance(self.acc, FloatFormat):
            return 0
        signed = getattr(self.acc, "signed", True)
        half = 1 << (self.acc.width - signed)
        return safe_terms(self.product_range, (-half if signed else 0, half - 1))

    @property
    def macs_per_cycle(self) -> int:
        """Products per clock cycle."""
        return self.lanes * self.groups

    @property
    def name(self) -> str:
        """Name of the Verilog module and key of the cost table."""
        more = [] if self.window is None else [f"window{self.window}"]
        more += [] if self.sums == 1 else [f"sums{self.sums}"]
        name = self.make_name(self.act, self.weight, self.acc, *more)
        groups = "" if self.groups == 1 else f"x{self.groups}"
        return name.replace("dot", f"dot{self.lanes}{groups}", 1)

    def to_fields(self) -> dict[str, Any]:
        """Every field by name; formats as their names, so that the result is JSON."""
        fields = super().to_fields()
        return {**fields, "window": "none" if self.window is None else self.window}

    def create(self) -> Any:
        """Build the hardware."""
        return self.grouped(self) if self.groups > 1 else self.component(self)

    def tuned(self, target: str) -> "DotSpec":
        """The same function with the multiplier and adders that suit a target."""
        if check_target(target) in CHAINS:
            return replace(self, target="generic")
        widths = [fmt.width for fmt in self.lane.formats]
        multiplier = smallest_multiplier(*widths, target=target, lanes=self.lanes)
        multiplier = multiplier if self.lane.is_integer else "baugh_wooley"
        return replace(self, multiplier=multiplier, target=target)


def _element(fmt: Any) -> Any:
    """Format of a lane's operand: of a block's elements, the integer of a fixed-point one."""
    fmt = fmt.element if isinstance(fmt, BlockFormat) else fmt
    return fmt.integer if isinstance(fmt, FixedFormat) else fmt
