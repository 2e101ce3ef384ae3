"""Dot-product unit of several groups: exact sums of a few cycles, which share a float addition."""

from amaranth.hdl import Const, Module, Signal, Value, signed

from macwright.hw.arith.accumulate import accumulate
from macwright.hw.arith.bit_heap import BitHeap
from macwright.hw.arith.target import target_of
from macwright.hw.arith.widths import range_width
from macwright.hw.pe.dot import Dot
from macwright.hw.pe.dot_lanes import Specials, add_lanes, lane_specials, split_lanes, sum_width
from macwright.hw.pe.dot_spec import DotSpec

__all__ = ["GroupedDot"]


class GroupedDot(Dot):
    """Dot products in turn: ``acc <= (0 if clear else acc) + scales * sum(a * w)``.

    A group is ``lanes`` lanes and a float; ``groups`` of them share one addition. Each sums the
    products of as many cycles exactly, a part of a block or a whole one. That sum, times the block
    scales, is added to the group's float exactly and rounded once, as in
    :class:`~macwright.hw.pe.Dot`, special values included: NaN and infinities count wherever in
    these cycles they come.

    Of the cycles with `en` = 1, `first` is 1 in every `groups`-th one, in which group 0 begins a
    sum; group g begins its own g cycles later. So one group ends a sum in each cycle: the scales
    and `clear` of a cycle belong to the sum that ends in it, and `clear` starts the group's float
    anew with that sum. `first` in another cycle, or left out, leaves open the sums under way and
    the one that ended a cycle before, and the floats that they go to, up to their next `clear`.

    `acc` shows the group's float ``spec.latency`` cycles after a sum's last operands, the next
    group's one cycle later. Throughput is ``lanes * groups`` products a cycle; `en` = 0 holds every
    register. There is no reset. A stage of ``pipeline`` holds the operands, with ``cut`` product
    the sums of the lanes; two hold both.

    Parameters
    ----------
    spec : DotSpec
        Formats and widths.

    Members
    -------
    a, w : :py:`In(groups * lanes * act.width)`, :py:`In(groups * lanes * weight.width)`
        Operands as code words one beside the other, lane 0 of group 0 in the low bits.
    a_scale, w_scale : :py:`In(scale.width)`, if `act` or `weight` is a block format
        Code word of the scale of the block whose sum ends.
    first : :py:`In(1)`
        Whether group 0 begins a sum; 1 in every `groups`-th cycle.
    clear : :py:`In(1)`
        Whether the sum that ends in this cycle starts its group's float anew.
    en : see :class:`~macwright.hw.pe.mac.Mac`
    acc : :py:`Out(acc)`
        Float of the group whose turn it is, registered, as a code word.
    """

    def elaborate(self, platform: object) -> Module:
        m, spec = Module(), self.spec
        scales = [getattr(self, n) for n in ("a_scale", "w_scale") if hasattr(self, n)]
        a, w, first, clear, *scales = self.delayed(
            m, self.a, self.w, self.first, self.clear, *scales, stage=1
        )
        first, clear, *scales = self.delayed(m, first, clear, *scales, stage=2)
        clear, *scales = self.registered(m, clear, *scales, suffix="last")
        acts = split_lanes(spec.lane.act, a, spec.macs_per_cycle)
        weights = split_lanes(spec.lane.weight, w, spec.macs_per_cycle)
        ended: list[list[Value]] = []
        for group in range(spec.groups):
            mine = slice(group * spec.lanes, (group + 1) * spec.lanes)
            values = self._sums(m, acts[mine], weights[mine], first)
            ended.append([value & first.replicate(len(value)) for value in values])
            if group + 1 < spec.groups:
                (first,) = self.registered(m, first, suffix="next")
        total = Signal(signed(len(ended[0][0])), name="group_sum")
        chosen = []
        for parts in zip(*ended, strict=True):
            any_of = parts[0]
            for part in parts[1:]:
                any_of = any_of | part
            chosen.append(any_of)
        m.d.comb += total.eq(chosen[0])
        special = _joined(spec, *chosen[1:])
        self.accumulate_float(m, total, Const(0, 1), special, clear, scales)
        return m

    def _sums(
        self, m: Module, acts: list[Value], weights: list[Value], begins: Value
    ) -> list[Value]:
        """Registers of one group: its sum; whether NaN, infinities of either sign were in it."""
        spec, target = self.spec, target_of(self.spec.target)
        special = lane_specials(m, spec, acts, weights)
        flags = [] if special.nan is None else [special.nan, special.negative]
        flags += [] if special.inf is None else [special.inf & ~special.negative]

        def lanes(heap: BitHeap, negative: bool) -> None:
            add_lanes(m, heap, spec, acts, weights, negative=negative)

        add = lanes
        if spec.product_register:
            heap = BitHeap(sum_width(spec), target=target)
            lanes(heap, False)
            lane_sum = Signal(signed(heap.width), name="lane_sum")
            m.d.comb += lane_sum.eq(heap.sum(m, adder=spec.lane_adder))
            lane_sum, *flags = self.delayed(m, lane_sum, *flags, stage=2)

            def add(heap: BitHeap, negative: bool) -> None:
                heap.add(lane_sum, negative=negative)

        low, high = (spec.macs_per_cycle * bound for bound in spec.product_range)
        total = Signal(range_width(min(0, low), max(0, high)), name="sum")
        accumulate(
            m,
            total,
            add,
            clear=begins,
            target=target,
            adder=spec.lane_adder,
            control=self.control,
        )
        sticky = []
        for number, flag in enumerate(flags):
            register = Signal(name=f"special_{number}", reset_less=True)
            with self.enabled(m):
                m.d.sync += register.eq(flag | (register & ~begins))
            sticky.append(register)
        return [total, *sticky]


def _joined(spec: DotSpec, *flags: Value) -> Specials:
    """What NaN and infinities of a whole sum make of it."""
    no = Const(0, 1)
    if not flags:
        return Specials(None, None, no)
    nan, minus, *plus = flags
    if not plus:
        return Specials(nan, None, no)
    return Specials(nan | (minus & plus[0]), (minus | plus[0]) & ~nan, minus)


DotSpec.grouped = GroupedDot
