"""Dot product by weight bit planes: each summed first, shifted and signed once."""

from dataclasses import dataclass
from typing import Any, ClassVar

from amaranth.hdl import Module, Shape, Signal, unsigned
from amaranth.lib.wiring import In

from macwright.hw.arith.accumulate import accumulate
from macwright.hw.arith.bit_heap import BitHeap
from macwright.hw.arith.target import target_of
from macwright.hw.errors import RefusedInput, RefusedType
from macwright.hw.formats import IntFormat
from macwright.hw.pe.heap_spec import ModeSpec
from macwright.hw.pe.mac import Mac
from macwright.hw.pe.modes import Join, Part, combine, in_mode, shape_of
from macwright.hw.pe.operating_mode import OperatingMode
from macwright.hw.pe.spec import parse_int

__all__ = ["BitplaneDot", "BitplaneDotSpec"]


@dataclass(frozen=True, kw_only=True)
class BitplaneDotSpec(ModeSpec):
    """Everything that fixes a :class:`BitplaneDot`.

    Parameters
    ----------
    act : IntFormat
        Activations, 1 to 16 bits.
    weight : IntFormat
        Widest weights: int2, int4, int8 or int16. There is a bit plane for each bit.
    acc : IntFormat or None
        Accumulator, signed. None ("exact") is replaced by the narrowest one that never overflows
        for `terms` cycles in any mode.
    terms : int, default=1024
        Cycles that an exact accumulator must hold; only with ``acc=None``.
    lanes : int
        1 to 64.
    multiplier, en, rst, pipeline, target : see :class:`~macwright.hw.pe.heap_spec.ModeSpec`

    Examples
    --------
    >>> spec = BitplaneDotSpec(lanes=32)
    >>> spec.name, spec.modes
    ('bitplane_dot_32_int8_int8_int32', {'w8': 32, 'w4': 64, 'w2': 128, 'w1': 256})
    """

    family: ClassVar[str] = "bitplane_dot"
    parsers: ClassVar = {**ModeSpec.parsers, "lanes": parse_int}

    lanes: int = 16

    def check_formats(self) -> None:
        """Check the operands and the fields of the family."""
        self.check_int("act")
        self.check_int("weight", signed=True)
        if self.weight.width not in (2, 4, 8, 16):
            raise RefusedInput(
                f"bitplane_dot weight format must be int2, int4, int8 or int16, not {self.weight}"
            )

    @property
    def weight_bits(self) -> tuple[int, ...]:
        """Bits of a weight in each mode, by the number on the port `mode`."""
        planes = self.weight.width
        return tuple(planes >> k for k in range(planes.bit_length()))

    @property
    def modes(self) -> dict[str, int]:
        """Products a cycle in each mode."""
        return {f"w{b}": self.lanes * self.weight.width // b for b in self.weight_bits}

    def operating_modes(self) -> tuple[OperatingMode, ...]:
        """Modes of the unit with weights of two bits or more, the widest first."""
        return self.number_modes(
            (f"w{b}", self.act, IntFormat(b), self.modes[f"w{b}"], 1)
            for b in self.weight_bits
            if b > 1
        )

    @property
    def macs_per_cycle(self) -> int:
        """Products a cycle with the widest weights; see `modes` for the others."""
        return self.lanes

    @property
    def sum_range(self) -> tuple[int, int]:
        """Smallest and largest number that one cycle adds, over all modes."""
        least, most = int(self.act.min), int(self.act.max)
        lows, highs = [], []
        for bits in self.weight_bits:
            # Weights of one bit are 0 and 1. Planes may have different activations.
            up, down = ((1 << (bits - 1)) - 1, 1 << (bits - 1)) if bits > 1 else (1, 0)
            count = self.lanes * self.weight.width // bits
            lows.append(count * (up * least - down * most))
            highs.append(count * (up * most - down * least))
        return min(lows), max(highs)

    @property
    def name(self) -> str:
        """Name of the Verilog module and key of the cost table."""
        return self.make_name(self.lanes, self.act, self.weight, self.acc)

    def create(self) -> "BitplaneDot":
        """Build the hardware."""
        return BitplaneDot(self)


class BitplaneDot(Mac):
    """Dot product by bit planes: ``acc <= (0 if clear else acc) + sum(a * w)``.

    With P weight bit planes a lane takes, at each cycle, one weight of P bits, two of P/2, ...,
    or P of one bit. Weights are two's complement; those of one bit are 0 and 1 (a sum with
    weights -1 and 1 is twice that sum less the sum of the activations). Every plane has an
    activation of its own: ``sum over lanes and planes of a[lane, plane] * w[lane, plane] * c``
    with c = ``2**k`` for bit k of a weight, negative for its highest.

    Activation bandwidth: the planes of one weight are to be given the same activation, so that a
    lane consumes 1, 2, 4, ... P different ones a cycle (`lanes` * P * `act.width` bits in the
    last mode); copying them is up to the source, and no part of this unit or of its area.

    Latency is ``1 + pipeline`` cycles, throughput ``spec.modes`` products a cycle; `mode` may
    change at every cycle and belongs to the operands beside it. `en` = 0 holds every register.
    The sum wraps modulo ``2**acc.width``; it does not for ``spec.safe_terms`` cycles. `rst` sets
    the accumulator to 0; what is in the pipeline stays there.

    Parameters
    ----------
    spec : BitplaneDotSpec
        Formats and lanes.

    Members
    -------
    a : :py:`In(lanes * P * act.width)`
        Activation of plane p of lane i from bit ``(i * P + p) * act.width``.
    w : :py:`In(lanes * P)`
        Weights of lane i from bit ``i * P``, the first lowest.
    mode : :py:`In(range(modes))`
        0: weights of P bits, 1: of P/2, and so on. Numbers beyond give unspecified sums.
    en, clear, acc : see :class:`~macwright.hw.pe.mac.Mac`
    """

    def __init__(self, spec: BitplaneDotSpec) -> None:
        if not isinstance(spec, BitplaneDotSpec):
            raise RefusedType(f"BitplaneDot takes a BitplaneDotSpec, not {spec!r}")
        slots = spec.lanes * spec.weight.width
        more = {
            "a": In(unsigned(slots * spec.act.width)),
            "w": In(unsigned(slots)),
            "mode": In(range(len(spec.weight_bits))),
        }
        super().__init__(spec, acc=Shape(spec.acc.width, True), invalid=False, more=more)  # type: ignore[union-attr]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        ports = (self.a, self.w, self.mode, self.clear)
        a, w, mode, clear = self.delayed(m, *ports, stage=1)
        target = target_of(spec.target)
        planes = [self._plane(m, a, w, p) for p in range(spec.weight.width)]
        *values, mode, clear = self.delayed(
            m, *(part.value for part in planes), mode, clear, stage=2
        )
        parts = [Part(v, p.ranges) for v, p in zip(values, planes, strict=True)]
        sel = in_mode(m, mode, len(spec.weight_bits))
        first, step = parts, 1
        while len(first) > 1:
            pairs = []
            for k in range(0, len(first), 2):
                # Plane step * (k + 2) - 1 is the highest of `high`.
                top = step * (k + 2)
                pairs.append(
                    combine(
                        m,
                        sel,
                        first[k],
                        first[k + 1],
                        Join(
                            step,
                            shifted=[bits > step for bits in spec.weight_bits],
                            minus=[
                                step == 1 and bits > 1 and top % bits == 0
                                for bits in spec.weight_bits
                            ],
                        ),
                        target=target,
                        name=f"sum_{step}_{k}",
                    )
                )
            first, step = pairs, 2 * step
        whole = first[0].value
        accumulate(
            m,
            self.acc,
            lambda heap, negative: heap.add(whole, negative=negative),
            clear=clear,
            target=target,
            control=self.control,
        )
        return m

    def _plane(self, m: Module, a: Any, w: Any, plane: int) -> Part:
        """Sum over the lanes of the activations whose weight has a bit in a plane."""
        spec = self.spec
        width, planes = spec.act.width, spec.weight.width
        ends = (min(0, spec.lanes * int(spec.act.min)), spec.lanes * int(spec.act.max))
        total = Signal(shape_of([ends]), name=f"plane_{plane}")
        heap = BitHeap(len(total), target=target_of(spec.target))
        for lane in range(spec.lanes):
            slot = lane * planes + plane
            gated = Signal(Shape(width, spec.act.signed), name=f"gated_{slot}")
            m.d.comb += gated.eq(a.word_select(slot, width) & w[slot].replicate(width))
            heap.add(gated)
        m.d.comb += total.eq(heap.sum(m))
        return Part(total, (ends,) * len(spec.weight_bits))
