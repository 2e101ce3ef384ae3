"""Low-bit weight times activation by shifts and additions; zero point and scale after the group."""

from dataclasses import replace
from typing import Any

from amaranth.hdl import Module, Shape, Signal, Value, signed
from amaranth.lib.wiring import In, Out

from macwright.hw.arith.accumulate import accumulate
from macwright.hw.arith.bit_heap import BitHeap
from macwright.hw.arith.multipliers import baugh_wooley, smallest_multiplier
from macwright.hw.arith.target import target_of
from macwright.hw.arith.widths import range_width
from macwright.hw.errors import RefusedType
from macwright.hw.formats import FloatFormat, IntFormat
from macwright.hw.pe.mac import Mac
from macwright.hw.pe.modes import shape_of
from macwright.hw.pe.operand import has_specials
from macwright.hw.pe.shift_add_product import FloatTerms, add_product
from macwright.hw.pe.shift_add_spec import ShiftAddMacSpec
from macwright.hw.pe.spec import builds

__all__ = ["ShiftAddMac", "ShiftAddMacSpec"]


@builds(ShiftAddMacSpec)
class ShiftAddMac(Mac):
    """Sum of a group by shifts and additions, dequantised once: ``scale * (acc - zero * sum(a))``.

    At each cycle ``acc <= (0 if clear else acc) + a * w``, and likewise the sum of the activations
    alone, if there is a zero point. Where `take` is 1, the group that ended with the cycle before
    goes to ``total <= (0 if start else total) + scale * (acc - zero * sum(a))``, so that a group
    may follow another without a pause: `take` comes with the `clear` of the next. That is, bit by
    bit, the sum over all groups and products of ``scale * a * (w - zero)``.

    Latency is ``1 + pipeline`` cycles to `acc`, one more to `total`; throughput one product a
    cycle; `en` = 0 holds every register. Floating-point activations count as the integers times
    ``2**acc_exponent`` that they are, so that sums of them are exact as well. A NaN or infinity
    among them sets `invalid`, which stays until a `clear` comes without one; a group that is taken
    with it sets `total_invalid`, which stays until a `start`; `acc` and `total` are unspecified
    while their flags are set. Nothing wraps in groups of up to ``spec.group`` products;
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
    invalid, total_invalid : :py:`Out(1)`, if `act` has NaN or infinity
        Sticky flags, registered; the latter with a scale.
    """

    def __init__(self, spec: ShiftAddMacSpec) -> None:
        if not isinstance(spec, ShiftAddMacSpec):
            raise RefusedType(f"ShiftAddMac takes a ShiftAddMacSpec, not {spec!r}")
        more: dict[str, Any] = {}
        flag = has_specials(spec.act)
        if spec.scale is not None:
            more = {"take": In(1), "start": In(1), "scale": In(spec.scale.width)}
            more["total"] = Out(signed(spec.total.width))  # type: ignore[union-attr]
            more |= {"total_invalid": Out(1)} if flag else {}
        if spec.zero is not None:
            more["zero"] = In(Shape(spec.zero.width, spec.zero.signed))
        super().__init__(spec, acc=signed(spec.acc.width), invalid=flag, more=more)  # type: ignore[union-attr]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec, target = self.spec, target_of(self.spec.target)
        a, w, clear = self.delayed(m, self.a, self.w, self.clear, stage=1)
        control = self.control
        terms = None
        if isinstance(spec.act, FloatFormat):
            terms = FloatTerms(m, spec, a, w, target=target)

        widths = spec.act.width, spec.weight.width
        multiplier = smallest_multiplier(*widths, target=spec.target)

        def add(heap: BitHeap, negative: bool) -> None:
            add_product(m, heap, spec.weight, a, w, negative=negative, multiplier=multiplier)

        accumulate(
            m,
            self.acc,
            terms.add_product if terms else add,
            clear=clear,
            control=control,
            invert=spec.target.startswith("asic")
            and isinstance(spec.weight, IntFormat)
            and multiplier == "baugh_wooley"
            and terms is None,
            target=target,
        )
        if terms and has_specials(spec.act):
            self._flag(m, self.invalid, terms.special, clear)
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
                terms.add_value if terms else lambda heap, negative: heap.add(a, negative=negative),
                clear=clear,
                control=control,
                target=target,
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
            control=replace(control, en=take if control.en is None else take & control.en),
            target=target,
        )
        if terms and has_specials(spec.act):
            self._flag(m, self.total_invalid, self.invalid & take, start & take)
        return m

    def _flag(self, m: Module, port: Signal, special: Value, fresh: Value) -> None:
        """Drive a flag that stays up until a new sum."""
        register = self.state(m, port)
        with self.enabled(m):
            m.d.sync += register.eq(special | (register & ~fresh))
