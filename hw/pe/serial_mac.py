"""Dot product with bit-serial weights of any width."""

from dataclasses import dataclass
from typing import Any, ClassVar

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, signed, unsigned
from amaranth.lib.wiring import In

from macwright.hw.arith.bit_heap import BitHeap
from macwright.hw.arith.target import target_of
from macwright.hw.arith.widths import range_width
from macwright.hw.errors import RefusedInput, RefusedType
from macwright.hw.formats import IntFormat
from macwright.hw.pe.heap_spec import ModeSpec
from macwright.hw.pe.mac import Mac
from macwright.hw.pe.modes import add_signed_if, shape_of
from macwright.hw.pe.operating_mode import OperatingMode
from macwright.hw.pe.spec import parse_int

__all__ = ["SerialMac", "SerialMacSpec"]


@dataclass(frozen=True, kw_only=True)
class SerialMacSpec(ModeSpec):
    """Everything that fixes a :class:`SerialMac`.

    Parameters
    ----------
    act : IntFormat
        Activations, 1 to 16 bits.
    weight : IntFormat
        Widest weights, signed, 1 to 16 bits; all narrower ones run as well.
    acc : IntFormat or None
        Accumulator, signed. None ("exact") is replaced by the narrowest one that never overflows
        for sums of `terms` products of every lane with the widest weights.
    terms : int, default=1024
        Products of a lane that an exact accumulator must hold; only with ``acc=None``.
    lanes : int
        1 to 64.
    step : {1, 2}
        Weight bits of a lane in each cycle.
    multiplier, en, rst, pipeline, target : see :class:`~macwright.hw.pe.heap_spec.ModeSpec`

    Examples
    --------
    >>> spec = SerialMacSpec()
    >>> spec.name, spec.modes["w8"], spec.modes["w3"]
    ('serial_mac_16_int8_int8_s2_int32', 4.0, 8.0)
    """

    family: ClassVar[str] = "serial_mac"
    parsers: ClassVar = {**ModeSpec.parsers, "lanes": parse_int, "step": parse_int}

    lanes: int = 16
    step: int = 2

    def check_formats(self) -> None:
        """Check the operands and the fields of the family."""
        self.check_int("act")
        self.check_int("weight", signed=True)
        if type(self.step) is not int or self.step not in (1, 2):
            raise RefusedInput(f"serial_mac step must be 1 or 2, not {self.step!r}")

    def steps(self, bits: int) -> int:
        """Passes over the activations that weights of so many bits take."""
        return -(-bits // self.step)

    @property
    def modes(self) -> dict[str, float]:
        """Products a cycle for each width of weights."""
        return {f"w{b}": self.lanes / self.steps(b) for b in range(1, self.weight.width + 1)}

    def operating_modes(self) -> tuple[OperatingMode, ...]:
        """Modes of the unit, the widest first; weights of one bit only if there are no others."""
        narrowest = min(1, self.weight.width - 1)
        return self.number_modes(
            (f"w{b}", self.act, IntFormat(b), self.lanes, self.steps(b))
            for b in range(self.weight.width, narrowest, -1)
        )

    @property
    def macs_per_cycle(self) -> float:
        """Products a cycle with the widest weights; see `modes` for the others."""
        return self.lanes / self.steps(self.weight.width)

    @property
    def sum_range(self) -> tuple[int, int]:
        """Smallest and largest sum of one product of each lane, with the widest weights."""
        # An odd width runs as the next even one, of which the range is not used.
        ends = [
            self.lanes * int(a * w)
            for a in (self.act.min, self.act.max)
            for w in (self.weight.min, self.weight.max)
        ]
        low, high = min(ends), max(ends)
        digit = self.digit_range
        return min(low, digit[0]), max(high, digit[1])

    @property
    def digit_range(self) -> tuple[int, int]:
        """Smallest and largest number that one cycle adds."""
        low, high = -(1 << (self.step - 1)), (1 << self.step) - 1
        ends = [int(a) * d for a in (self.act.min, self.act.max) for d in (low, high)]
        return self.lanes * min(ends), self.lanes * max(ends)

    @property
    def name(self) -> str:
        """Name of the Verilog module and key of the cost table."""
        return self.make_name(self.lanes, self.act, self.weight, f"s{self.step}", self.acc)

    def create(self) -> "SerialMac":
        """Build the hardware."""
        return SerialMac(self)


class SerialMac(Mac):
    """Sum with weight digits: ``acc <= (0 if clear, acc << step if shift, else acc) + sum(a*d)``.

    In each cycle every lane takes an activation and a digit of `step` bits of its weight. A digit
    is unsigned, or two's complement where `sign` is 1. A dot product runs digit by digit from the
    top: all its terms, `lanes` at a time, with their highest digits (`sign` = 1, the first with
    `clear`), then all again with the next digits (the first with `shift`), and so on. So the width
    of the weights, 1 to ``weight.width``, is the number of passes: chosen at run time, and no
    product is shifted by itself. With two bits a step, weights of odd width are sign-extended.

    Latency is ``1 + pipeline`` cycles; throughput `lanes` digits a cycle, that is
    ``spec.modes`` products; each pass reads the activations again, `lanes` of them a cycle.
    `en` = 0 holds every register. The sum wraps modulo ``2**acc.width``; a dot product with
    ``spec.safe_terms`` products a lane does not, nor do its partial sums. `clear` wins over
    `shift`. `rst` sets the accumulator to 0; what is in the pipeline stays there.

    Parameters
    ----------
    spec : SerialMacSpec
        Formats, lanes and step.

    Members
    -------
    a : :py:`In(lanes * act.width)`
        Activation of lane i from bit ``i * act.width``.
    w : :py:`In(lanes * step)`
        Weight digit of lane i from bit ``i * step``.
    shift, sign : :py:`In(1)`
        Whether the sum so far moves up by a digit first; whether the digits are signed.
    en, clear, acc : see :class:`~macwright.hw.pe.mac.Mac`
    """

    def __init__(self, spec: SerialMacSpec) -> None:
        if not isinstance(spec, SerialMacSpec):
            raise RefusedType(f"SerialMac takes a SerialMacSpec, not {spec!r}")
        more = {
            "a": In(unsigned(spec.lanes * spec.act.width)),
            "w": In(unsigned(spec.lanes * spec.step)),
            "shift": In(1),
            "sign": In(1),
        }
        super().__init__(spec, acc=signed(spec.acc.width), invalid=False, more=more)  # type: ignore[union-attr]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec, target = self.spec, target_of(self.spec.target)
        ports = (self.a, self.w, self.sign, self.shift, self.clear)
        a, w, sign, shift, clear = self.delayed(m, *ports, stage=1)
        total = Signal(signed(range_width(*spec.digit_range)), name="digit_sum")
        heap = BitHeap(len(total), target=target)
        for place in range(spec.step - 1):
            heap.add(self._plane(m, a, w, place), shift=place)
        top = spec.step - 1
        add_signed_if(m, heap, self._plane(m, a, w, top), sign, name="top", shift=top)  # type: ignore[arg-type]
        m.d.comb += total.eq(heap.sum(m))
        total, shift, clear = self.delayed(m, total, shift, clear, stage=2)
        width = spec.acc.width
        q = self.state(m, self.acc)
        before, after = Signal(width, name="before"), Signal(width, name="acc_next")
        m.d.comb += before.eq(Mux(shift, Cat(Const(0, spec.step), q), q) & ~clear.replicate(width))
        final = BitHeap(width, target=target)
        final.add(before)
        final.add(total)
        m.d.comb += after.eq(final.sum(m))
        with self.enabled(m):
            m.d.sync += q.eq(after)
        return m

    def _plane(self, m: Module, a: Any, w: Any, place: int) -> Value:
        """Sum over the lanes of the activations whose digit has a bit in a place."""
        spec, width = self.spec, self.spec.act.width
        ends = (min(0, spec.lanes * int(spec.act.min)), spec.lanes * int(spec.act.max))
        total = Signal(shape_of([ends]), name=f"plane_{place}")
        heap = BitHeap(len(total), target=target_of(spec.target))
        for lane in range(spec.lanes):
            bit = w[lane * spec.step + place]
            gated = Signal(Shape(width, spec.act.signed), name=f"gated_{lane}_{place}")
            m.d.comb += gated.eq(a.word_select(lane, width) & bit.replicate(width))
            heap.add(gated)
        m.d.comb += total.eq(heap.sum(m))
        return total
