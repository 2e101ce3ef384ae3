"""Low-bit weight times activation by shifts and additions; zero point and scale after the group."""

from dataclasses import dataclass
from typing import Any, ClassVar

from amaranth.hdl import Const, Module, Mux, Shape, Signal, Value, signed
from amaranth.lib.wiring import In, Out

from macwright.hw.arith.accumulate import accumulate
from macwright.hw.arith.bit_heap import BitHeap
from macwright.hw.arith.multipliers import add_signed, baugh_wooley
from macwright.hw.arith.target import target_of
from macwright.hw.formats import ApotFormat, IntFormat, PotFormat, TernaryFormat, parse_format
from macwright.hw.pe.accumulator import parse_int_acc
from macwright.hw.pe.heap_spec import HeapSpec
from macwright.hw.pe.mac import Mac
from macwright.hw.pe.modes import add_signed_if, shape_of
from macwright.hw.pe.operand import product_range, range_width
from macwright.hw.pe.spec import parse_int

__all__ = ["ShiftAddMac", "ShiftAddMacSpec"]

_INT4, _INT8, _UINT8, _INT32 = IntFormat(4), IntFormat(8), IntFormat(8, signed=False), IntFormat(32)


def _parse_optional(text: str) -> Any:
    """Read an integer format, or "none" (which is None)."""
    return None if text.lower() == "none" else parse_format(text)


@dataclass(frozen=True, kw_only=True)
class ShiftAddMacSpec(HeapSpec):
    """Everything that fixes a :class:`ShiftAddMac`.

    Parameters
    ----------
    act : IntFormat
        Activations, 1 to 16 bits.
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
    total : IntFormat
        Accumulator of the scaled groups, signed.
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
        "total": parse_format,
    }

    act: IntFormat = _INT8
    weight: IntFormat | TernaryFormat | PotFormat | ApotFormat = _INT4
    acc: IntFormat | None = None
    group: int = 128
    scale: IntFormat | None = _UINT8
    zero: IntFormat | None = None
    total: IntFormat = _INT32
    multiplier: str = "heap"
    en: bool = False
    rst: bool = False
    pipeline: int = 0
    target: str = "generic"

    def __post_init__(self) -> None:
        self.check_int("act")
        if isinstance(self.weight, IntFormat):
            self.check_int("weight", most=4)
        elif not isinstance(self.weight, TernaryFormat | PotFormat | ApotFormat):
            raise TypeError(
                "shift_add_mac weight format must be an integer of 1 to 4 bits, ternary, pot or "
                f"apot, not {self.weight}"
            )
        if type(self.group) is not int or not 1 <= self.group <= 65536:
            raise ValueError(f"Group must be an integer from 1 to 65536, not {self.group!r}")
        if self.scale is not None:
            self.check_int("scale", signed=False)
        if self.zero is not None:
            self.check_int("zero")
            if self.scale is None:
                raise ValueError(
                    f"shift_add_mac zero must be none without a scale, not {self.zero}"
                )
        if not isinstance(self.total, IntFormat) or not self.total.signed:
            raise TypeError(
                f"shift_add_mac total must be a signed integer format, not {self.total}"
            )
        self.check_heap(self.group if self.acc is None else None, stages=1)
        if self.safe_terms < self.group:
            raise ValueError(
                f"shift_add_mac accumulator must hold a group of {self.group}, not {self.acc}"
            )
        if self.scale and self.total.width < range_width(*self.group_range):
            raise ValueError(
                f"shift_add_mac total must hold one group of {self.group} (at least "
                f"int{range_width(*self.group_range)}), not {self.total}"
            )

    @property
    def sum_range(self) -> tuple[int, int]:
        """Smallest and largest product."""
        return product_range(self.act, self.weight)

    @property
    def act_sum_range(self) -> tuple[int, int]:
        """Smallest and largest sum of a group's activations."""
        return min(0, self.group * int(self.act.min)), self.group * int(self.act.max)

    @property
    def group_range(self) -> tuple[int, int]:
        """Smallest and largest sum of a group, scaled and with its zero point."""
        ends = [(a, w) for a in (self.act.min, self.act.max) for w in self._shifted_weights()]
        most = int(self.scale.max) if self.scale else 1
        values = [self.group * most * int(a * w) for a, w in ends]
        return min(0, *values), max(0, *values)

    def _shifted_weights(self) -> tuple[float, float]:
        """Smallest and largest weight less zero point."""
        zero = self.zero
        low, high = (0, 0) if zero is None else (zero.min, zero.max)
        return self.weight.min - high, self.weight.max - low

    @property
    def name(self) -> str:
        """Name of the Verilog module and key of the cost table."""
        after = [self.scale, str(self.zero).lower(), self.total] if self.scale else ["bare"]
        return self.make_name(self.act, self.weight, f"g{self.group}", self.acc, *after)

    def create(self) -> "ShiftAddMac":
        """Build the hardware."""
        return ShiftAddMac(self)


class ShiftAddMac(Mac):
    """Sum of a group by shifts and additions, dequantised once: ``scale * (acc - zero * sum(a))``.

    At each cycle ``acc <= (0 if clear else acc) + a * w``, and likewise the sum of the activations
    alone, if there is a zero point. Where `take` is 1, the group that ended with the cycle before
    goes to ``total <= (0 if start else total) + scale * (acc - zero * sum(a))``, so that a group
    may follow another without a pause: `take` comes with the `clear` of the next. That is, bit by
    bit, the sum over all groups and products of ``scale * a * (w - zero)``.

    Latency is ``1 + pipeline`` cycles to `acc`, one more to `total`; throughput one product a
    cycle; `en` = 0 holds every register. Nothing wraps in groups of up to ``spec.group`` products;
    beyond, `acc` wraps and the group's part of `total` is unspecified. `total` holds at least one
    group and wraps. `rst` sets `acc`, `total` and the sum of the
    activations to 0. The code -2 of ternary gives unspecified sums.

    Parameters
    ----------
    spec : ShiftAddMacSpec
        Formats and group.

    Members
    -------
    a, en, clear, acc : see :class:`~macwright.hw.pe.mac.Mac`
    w : :py:`In(weight.width)`
        Weight: a number where the format is an integer or ternary, else the code.
    take, start : :py:`In(1)`, with a scale
        Whether the group that ended goes to the total; whether it is the first.
    scale, zero : :py:`In(...)`, if the spec has them
        Of the group that is taken.
    total : :py:`Out(total)`, with a scale
        Sum of the scaled groups, registered.
    """

    def __init__(self, spec: ShiftAddMacSpec) -> None:
        if not isinstance(spec, ShiftAddMacSpec):
            raise TypeError(f"ShiftAddMac takes a ShiftAddMacSpec, not {spec!r}")
        more: dict[str, Any] = {}
        if spec.scale is not None:
            more = {"take": In(1), "start": In(1), "scale": In(spec.scale.width)}
            more["total"] = Out(signed(spec.total.width))
        if spec.zero is not None:
            more["zero"] = In(Shape(spec.zero.width, spec.zero.signed))
        super().__init__(spec, acc=signed(spec.acc.width), invalid=False, more=more)  # type: ignore[union-attr]

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        spec, target = self.spec, target_of(self.spec.target)
        a, w, clear = self.delayed(m, self.a, self.w, self.clear, stage=1)
        common: dict[str, Any] = {"target": target, "rst": spec.rst}
        enable = self.en if spec.en else None
        accumulate(
            m,
            self.acc,
            lambda heap, negative: _add_product(m, heap, spec.weight, a, w, negative=negative),
            clear=clear,
            en=enable,
            invert=spec.target.startswith("asic") and isinstance(spec.weight, IntFormat),
            **common,
        )
        if spec.scale is None:
            return m
        take, start, scale = self.delayed(m, self.take, self.start, self.scale, stage=1)
        group = self.acc
        if spec.zero is not None:
            (zero,) = self.delayed(m, self.zero, stage=1)
            act_sum = Signal(shape_of([spec.act_sum_range]), name="act_sum")
            accumulate(
                m,
                act_sum,
                lambda heap, negative: heap.add(a, negative=negative),
                clear=clear,
                en=enable,
                **common,
            )
            low, high = spec.group_range
            group = Signal(signed(range_width(low, high)), name="group")
            heap = BitHeap(len(group), target=target)
            heap.add(self.acc)
            baugh_wooley(m, heap, zero, act_sum, negative=True)
            m.d.comb += group.eq(heap.sum(m))
        accumulate(
            m,
            self.total,
            lambda heap, negative: baugh_wooley(m, heap, scale, group, negative=negative),
            clear=start,
            en=take if enable is None else take & enable,
            **common,
        )
        return m


def _add_product(
    m: Module, heap: BitHeap, weight: Any, a: Value, w: Value, *, negative: bool
) -> None:
    """Add ``a * w`` to a heap, or subtract it."""
    if isinstance(weight, IntFormat):
        baugh_wooley(m, heap, w, a, negative=negative)
    elif isinstance(weight, TernaryFormat):
        add_signed(m, heap, a, w[1], nonzero=w[0], negative=negative)
    elif isinstance(weight, PotFormat):
        # Field k stands for 2**(k - 1); the lowest bit of a << k is then always 0.
        field = w[:-1]
        kept = Signal(a.shape(), name="kept")
        m.d.comb += kept.eq(Mux(field.any(), a, 0))
        far = kept << field
        row = Signal(Shape(len(far) - 1, a.shape().signed), name="row")
        m.d.comb += row.eq(far >> 1)
        add_signed_if(m, heap, row, (w[-1] ^ Const(int(negative), 1))[0], name="row_signed")
    else:
        at = len(w) - 1
        for k, choices in enumerate(weight.terms):
            bits = (len(choices) - 1).bit_length()
            at -= bits
            shifts = [choice.bit_length() - 1 for choice in choices[1:]]
            least = min(shifts)
            row = Signal(Shape(len(a) + max(shifts) - least, a.shape().signed), name=f"row_{k}")
            with m.Switch(w[at : at + bits]):
                for code, shift in enumerate(shifts, 1):
                    with m.Case(code):
                        m.d.comb += row.eq(a << (shift - least))
            minus = (w[-1] ^ Const(int(negative), 1))[0]
            add_signed_if(m, heap, row, minus, name=f"row_{k}_signed", shift=least)
