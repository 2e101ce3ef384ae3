"""Dot-product unit: several products a cycle, one compressor tree, one accumulator."""

from dataclasses import replace
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, signed, unsigned
from amaranth.lib.wiring import Component, In, Out

from macwright.hw.arith.bit_heap import BitHeap
from macwright.hw.arith.float_add import FLOAT_CUTS, FloatTerm, add_float
from macwright.hw.arith.normalise import normalise
from macwright.hw.arith.target import target_of
from macwright.hw.errors import RefusedType
from macwright.hw.formats import BlockFormat, FloatFormat, IntFormat
from macwright.hw.pe.dot_lanes import (
    Specials,
    add_lanes,
    lane_specials,
    split_lanes,
    sum_width,
    windowed_sum,
)
from macwright.hw.pe.dot_spec import DotSpec
from macwright.hw.pe.mac import Mac
from macwright.hw.pe.operand import has_specials, lsb_exponent
from macwright.hw.pe.product import split
from macwright.hw.pe.spec import builds

__all__ = ["Dot", "DotSpec"]

#: Where registers cut the addition to so many sums in turn: one register fewer, as `acc` is one.
_CUTS: dict[int, tuple[str, ...]] = {
    1: (),
    2: ("added",),
    3: ("aligned", "added"),
    4: FLOAT_CUTS,
}


@builds(DotSpec)
class Dot(Mac):
    """Dot product: ``acc <= (0 if clear else acc) + scales * sum(a[k] * w[k] for k in lanes)``.

    The lanes' sum is exact, unless `window` is given. Then every product is the integer product
    of the significands (of `product_bits` bits, subnormals with a leading zero) times two to the
    sum of the exponents (of subnormals and zero: the smallest normal one's); with the largest of
    these sums of all lanes, `largest`, every product is cut off toward zero to a multiple of
    ``2**(largest + product_bits - window)`` smallest products, and these are summed exactly.

    An integer or fixed-point accumulator takes that sum as it is, in units of
    ``2**spec.acc_exponent``, and wraps; it does not for ``spec.safe_terms`` products. A float
    accumulator adds it, times the block scales, to the accumulator exactly and rounds once, to
    nearest even; a sum of lanes that is 0 counts as positive zero, all else (overflow,
    subnormals, NaN and infinity) is as in :class:`~macwright.hw.pe.FloatMac`. A lane with NaN, or
    infinity times zero, lanes with infinities of either sign, a NaN among the scales and zero
    scale times infinity give NaN. A fixed-point accumulator, and a float without NaN, has the
    flag `invalid` of :class:`~macwright.hw.pe.MinifloatMac` instead.

    With ``sums`` over 1 as many independent sums take turns: the operands of a cycle, and their
    `clear`, belong to the sum that was added to `sums` cycles before (of those with `en` = 1), and
    `acc` shows that sum after them.

    Latency is ``1 + pipeline`` cycles, with ``sums`` over 1 as many more, and throughput `lanes`
    products a cycle; `en` = 0 holds every register.
    Reset and pipeline: see :class:`~macwright.hw.pe.int_mac.IntMac`.

    Parameters
    ----------
    spec : DotSpec
        Formats and widths.

    Members
    -------
    a, w : :py:`In(lanes * act.width)`, :py:`In(lanes * weight.width)`
        Operands as code words one beside the other, lane 0 in the low bits.
    a_scale, w_scale : :py:`In(scale.width)`, if `act` or `weight` is a block format
        Code word of the block's scale.
    en, clear : see :class:`~macwright.hw.pe.mac.Mac`
    acc : :py:`Out(acc)`
        Accumulator, registered; a code word if it is a float.
    acc_carry : :py:`Out(acc)`, if ``spec.adder`` is "carry_save"
        Second part of the accumulator, registered: the sum is ``acc + acc_carry``.
    invalid : :py:`Out(1)`, if an operand may be NaN or infinity and the accumulator may not
        Sticky flag, registered.
    """

    def __init__(self, spec: DotSpec) -> None:
        if not isinstance(spec, DotSpec):
            raise RefusedType(f"Dot takes a DotSpec, not {spec!r}")
        self.spec: Any = spec
        acc = signed(spec.acc.width)
        if isinstance(spec.acc, FloatFormat):
            acc = unsigned(spec.acc.width)
        elif isinstance(spec.acc, IntFormat):
            acc = Shape(spec.acc.width, spec.acc.signed)
        count = spec.macs_per_cycle
        ports = {"a": In(count * spec.act.width), "w": In(count * spec.weight.width)}
        for name, fmt in (("a_scale", spec.act), ("w_scale", spec.weight)):
            ports |= {name: In(fmt.scale.width)} if isinstance(fmt, BlockFormat) else {}
        ports |= {"first": In(1)} if spec.groups > 1 else {}
        ports |= {"clear": In(1), "acc": Out(acc)} | ({"en": In(1)} if spec.en else {})
        ports |= {"invalid": Out(1)} if spec.may_be_special and not has_specials(spec.acc) else {}
        ports |= {"acc_carry": Out(acc)} if spec.adder == "carry_save" else {}
        Component.__init__(self, ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        scales = [getattr(self, n) for n in ("a_scale", "w_scale") if hasattr(self, n)]
        a, w, clear, *scales = self.delayed(m, self.a, self.w, self.clear, *scales, stage=1)
        acts = split_lanes(spec.lane.act, a, spec.lanes)
        weights = split_lanes(spec.lane.weight, w, spec.lanes)
        special = lane_specials(m, spec, acts, weights)
        target = target_of(spec.target)
        is_float = isinstance(spec.acc, FloatFormat)
        if not is_float and spec.window is None and not spec.product_register:

            def add(heap: BitHeap, negative: bool) -> None:
                add_lanes(m, heap, spec, acts, weights, negative=negative)

            invert = spec.target.startswith("asic") and spec.lane.is_integer
            invert &= spec.multiplier == "baugh_wooley"
            self.accumulate(m, add, clear=clear, target=target, invert=invert)
            self._flag(m, special.nan, special.inf, clear)
            return m
        total, shift, special, clear, scales = self._sum(m, acts, weights, special, clear, scales)
        if is_float:
            self.accumulate_float(m, total, shift, special, clear, scales)
            return m
        if spec.window is not None:
            # What is cut off here is 0: no product has bits below the smallest.
            low = spec.window - spec.lane.product_bits
            wide = total << shift
            total = wide >> low if low >= 0 else Cat(Const(0, -low), wide).as_signed()

        def add(heap: BitHeap, negative: bool) -> None:
            moved = Signal(signed(len(total)), name="moved")
            m.d.comb += moved.eq(total)
            heap.add(moved)

        self.accumulate(m, add, clear=clear, target=target)
        self._flag(m, special.nan, special.inf, clear)
        return m

    def accumulate_float(
        self,
        m: Module,
        total: Value,
        shift: Value,
        special: Specials,
        clear: Value,
        scales: list[Value],
    ) -> None:
        """Add an exact sum times the scales to a float accumulator, or to that whose turn it is."""
        spec = self.spec
        term = self._scaled(m, total, shift, special, scales)
        if spec.turns > 1:
            term, clear = self._registered_term(m, term, clear)
        acc = self.state(m, self.acc)
        before = Signal(len(acc), name="before")
        m.d.comb += before.eq(acc & ~clear.replicate(len(acc)))
        target = target_of(spec.target)
        adder = "ripple" if spec.turns == 1 else spec.adder

        def cut(place: str, values: list[Value]) -> list[Value]:
            inside = place in _CUTS[spec.turns]
            return self._registered(m, values, place) if inside else values

        with self.enabled(m):
            m.d.sync += acc.eq(
                add_float(m, spec.acc, before, term, target=target, adder=adder, cut=cut)
            )
        self._flag(m, term.nan, term.inf, clear)

    def _registered(self, m: Module, values: list[Value], place: str) -> list[Value]:
        """The values one enabled cycle later; constants as they are."""
        behind: list[Value] = []
        for number, value in enumerate(values):
            if not isinstance(value, Const):
                register = Signal(value.shape(), name=f"{place}_{number}", reset_less=True)
                with self.enabled(m):
                    m.d.sync += register.eq(value)
                value = register
            behind.append(value)
        return behind

    def _registered_term(self, m: Module, term: FloatTerm, clear: Value) -> tuple[FloatTerm, Value]:
        no = Const(0, 1)
        bias = self.spec.acc.bias
        values = [term.sign, term.exponent + bias, term.significand, clear]
        values += [no if x is None else x for x in (term.nan, term.inf)]
        sign, exponent, significand, clear, nan, inf = self._registered(m, values, "term")
        nan, inf = (None if a is None else b for a, b in ((term.nan, nan), (term.inf, inf)))
        changed = replace(term, sign=sign, exponent=exponent, significand=significand, bias=bias)
        return replace(changed, nan=nan, inf=inf), clear

    def _sum(
        self,
        m: Module,
        acts: list[Value],
        weights: list[Value],
        special: Specials,
        clear: Value,
        scales: list[Value],
    ) -> tuple[Value, Value, Specials, Value, list[Value]]:
        """Lanes' sum and what goes with it, behind the pipeline's last stage."""
        spec, shift = self.spec, Const(0, 1)
        total = Signal(signed(sum_width(spec)), name="lane_sum")
        if spec.window is None:
            heap = BitHeap(len(total), target=target_of(spec.target))
            add_lanes(m, heap, spec, acts, weights, negative=False)
            m.d.comb += total.eq(heap.sum(m, adder=spec.lane_adder))
        else:
            value, shift = windowed_sum(m, spec, acts, weights)
            m.d.comb += total.eq(value)
        no = Const(0, 1)
        flags = [no if x is None else x for x in (special.nan, special.inf)]
        total, shift, clear, nan, inf, negative, *scales = self.delayed(
            m, total, shift, clear, *flags, special.negative, *scales, stage=2
        )
        special = Specials(
            None if special.nan is None else nan, None if special.inf is None else inf, negative
        )
        return total, shift, special, clear, scales

    def _scaled(
        self, m: Module, total: Value, shift: Value, special: Specials, scales: list[Value]
    ) -> FloatTerm:
        """The lanes' sum times the scales as a term for the floating-point adder."""
        spec, minus = self.spec, total[-1]
        magnitude = Signal(len(total), name="magnitude")
        m.d.comb += magnitude.eq(Mux(minus, -total, total))
        sign, nan, inf = Mux(special.negative, 1, minus), special.nan, special.inf
        if inf is not None:
            sign = Mux(inf, special.negative, minus)
        least = spec.unit_exponent
        low, high = least, least + len(total) - 1
        if spec.window is not None:
            least += spec.lane.product_bits - spec.window
            high = least + spec.lane.top_shift + len(total) - 1
        exponent: Value = shift
        formats = [fmt.scale for fmt in spec.blocks]
        for fmt, code in zip(formats, scales, strict=True):
            if not isinstance(fmt, FloatFormat):
                bad = code.all()
                exponent, least = exponent + code, least - 127
                low, high = low - 127, high + 127
            else:
                part = split(fmt, code)
                bad, sign = part.special, sign ^ part.sign
                product = Signal(len(magnitude) + fmt.man_bits + 1, name="scaled")
                m.d.comb += product.eq(magnitude * part.significand)
                exponent, magnitude = exponent + part.shift, product
                span = (1 << fmt.exp_bits) + fmt.man_bits
                low, high = low + lsb_exponent(fmt), high + lsb_exponent(fmt) + span
                least += lsb_exponent(fmt)
                if inf is not None:
                    bad = bad | (inf & ~part.significand.any())
            nan = bad if nan is None else nan | bad
        significand, zeros = normalise(m, magnitude)
        least += len(magnitude) - 1
        wide = max(abs(low), abs(high), abs(least)) + (1 << (len(zeros) + 1)) + 512
        leading = Signal(signed(wide.bit_length() + 1), name="leading")
        m.d.comb += leading.eq(exponent - zeros + least)
        positive = ~magnitude.any()
        if inf is not None:
            inf = (inf & ~nan)[0] if nan is not None else inf
            positive = positive & ~inf
        sign = (sign & ~positive)[0]
        nan = None if nan is None else nan[0]
        return FloatTerm(sign, leading, significand, nan, inf, low, high)

    def _flag(self, m: Module, nan: Value | None, inf: Value | None, clear: Value) -> None:
        """Sticky flag, if there is one."""
        if hasattr(self, "invalid"):
            special = Const(0, 1) if nan is None else nan
            special = special if inf is None else special | inf
            invalid = self.state(m, self.invalid)
            with self.enabled(m):
                m.d.sync += invalid.eq(special | (invalid & ~clear))
