"""Multiply-accumulate unit whose one array of multipliers runs several widths."""

from dataclasses import dataclass
from typing import ClassVar

from amaranth.hdl import Module, Signal, signed, unsigned
from amaranth.lib.wiring import In

from macwright.hw.arith.accumulate import accumulate
from macwright.hw.arith.target import target_of
from macwright.hw.arith.widths import range_width
from macwright.hw.errors import RefusedInput, RefusedType
from macwright.hw.formats import IntFormat
from macwright.hw.pe.composable_sum import fusion_sum, together_sum
from macwright.hw.pe.heap_spec import ModeSpec
from macwright.hw.pe.mac import Mac
from macwright.hw.pe.modes import in_mode
from macwright.hw.pe.operating_mode import OperatingMode
from macwright.hw.pe.spec import parse_int

__all__ = ["ComposableMac", "ComposableMacSpec"]


@dataclass(frozen=True, kw_only=True)
class ComposableMacSpec(ModeSpec):
    """Everything that fixes a :class:`ComposableMac`.

    Parameters
    ----------
    act, weight : IntFormat
        Widest operands: int4, int8 or int16, the same for both.
    acc : IntFormat or None
        Accumulator, signed. None ("exact") is replaced by the narrowest one that never overflows
        for `terms` cycles in any mode.
    terms : int, default=1024
        Cycles that an exact accumulator must hold; only with ``acc=None``.
    variant : {"sum_together", "fusion"}
        "sum_together" masks one array multiplier: narrower products share its diagonal, and the
        ports do not grow. "fusion" joins small multipliers, all of which work in every mode.
    leaf : int
        Narrowest operand: 2, 4 or 8 bits, less than those of `act`.
    multiplier, en, rst, pipeline, target : see :class:`~macwright.hw.pe.heap_spec.ModeSpec`

    Examples
    --------
    >>> spec = ComposableMacSpec(variant="fusion", leaf=2)
    >>> spec.modes
    {'8x8': 1, '8x4': 2, '4x4': 4, '4x2': 8, '2x2': 16}
    >>> ComposableMacSpec().modes
    {'8x8': 1, '4x4': 2, '2x2': 4}
    """

    family: ClassVar[str] = "composable_mac"
    parsers: ClassVar = {**ModeSpec.parsers, "variant": str, "leaf": parse_int}

    variant: str = "sum_together"
    leaf: int = 2

    def check_formats(self) -> None:
        """Check the operands and the fields of the family."""
        self.check_int("act", signed=True)
        if self.act != self.weight or self.act.width not in (4, 8, 16):
            raise RefusedInput(
                "composable_mac formats must both be int4, int8 or int16, not "
                f"{self.act} and {self.weight}"
            )
        if self.variant not in ("sum_together", "fusion"):
            raise RefusedInput(
                f"composable_mac variant must be sum_together or fusion, not {self.variant!r}"
            )
        if type(self.leaf) is not int or self.leaf not in (2, 4, 8) or self.leaf >= self.act.width:
            raise RefusedInput(
                f"composable_mac leaf must be 2, 4 or 8 bits and less than {self.act.width}, not "
                f"{self.leaf!r}"
            )

    @property
    def widths(self) -> tuple[tuple[int, int], ...]:
        """Bits of activation and weight in each mode, by the number on the port `mode`."""
        pairs = [(self.act.width, self.act.width)]
        while pairs[-1] != (self.leaf, self.leaf):
            a, w = pairs[-1]
            if self.variant == "sum_together":
                pairs.append((a // 2, w // 2))
            else:
                pairs.append((a, w // 2) if a == w else (a // 2, w))
        return tuple(pairs)

    @property
    def modes(self) -> dict[str, int]:
        """Products a cycle in each mode."""
        return {f"{a}x{w}": self.products(a, w) for a, w in self.widths}

    def operating_modes(self) -> tuple[OperatingMode, ...]:
        """Modes of the unit, the widest first."""
        return self.number_modes(
            (f"{a}x{w}", IntFormat(a), IntFormat(w), self.products(a, w), 1) for a, w in self.widths
        )

    def products(self, a: int, w: int) -> int:
        """Products a cycle of operands of so many bits."""
        if self.variant == "sum_together":
            return self.act.width // a
        return self.act.width**2 // (a * w)

    @property
    def sum_range(self) -> tuple[int, int]:
        """Smallest and largest number that one cycle adds, over all modes."""
        ends = [self.mode_range(a, w) for a, w in self.widths]
        return min(low for low, _ in ends), max(high for _, high in ends)

    def mode_range(self, a: int, w: int) -> tuple[int, int]:
        """Smallest and largest number that one cycle adds in a mode."""
        if self.variant == "sum_together":
            count, most = self.products(a, w), 1 << (a + w - 2)
            return -count * (most - (1 << (max(a, w) - 1))), count * most
        # Digits come from outside and may be unlike: the top one is signed, the others are not.
        low = high = 0
        digits = [(i, j) for i in range(a // self.leaf) for j in range(w // self.leaf)]
        for i, j in digits:
            values = [
                x * y
                for x in self._digit(i == a // self.leaf - 1)
                for y in self._digit(j == w // self.leaf - 1)
            ]
            low += min(values) << (self.leaf * (i + j))
            high += max(values) << (self.leaf * (i + j))
        count = self.products(a, w)
        return count * low, count * high

    def _digit(self, top: bool) -> tuple[int, int]:
        half = 1 << (self.leaf - 1)
        return (-half, half - 1) if top else (0, 2 * half - 1)

    @property
    def name(self) -> str:
        """Name of the Verilog module and key of the cost table."""
        return self.make_name(self.variant, self.act, self.leaf, self.acc)

    def create(self) -> "ComposableMac":
        """Build the hardware."""
        return ComposableMac(self)


class ComposableMac(Mac):
    """Sum of products of a width chosen at each cycle: ``acc <= (0 if clear else acc) + sum(a*w)``.

    All operands are two's complement. With ``variant="sum_together"`` the ports hold 1, 2, 4, ...
    operands side by side, the first lowest, and operand k of `a` meets operand k of `w`.

    With ``variant="fusion"`` there are D * D leaf multipliers, D = act.width / leaf, each with a
    digit of `leaf` bits of its own from `a` and from `w`. In the mode of A x W bits the leaves
    (i, j) with equal ``i // (A / leaf)`` and ``j // (W / leaf)`` make one product: leaf (i, j) is
    to be given digit ``i % (A / leaf)`` of its activation and digit ``j % (W / leaf)`` of its
    weight, digit 0 lowest; the highest digit of an operand is signed. Copying digits to the leaves
    is up to the source, and no part of this unit or of its area; the sum of the leaves' products,
    each shifted by its digits' places, is what is added also for unlike copies.

    Latency is ``1 + pipeline`` cycles, throughput ``spec.modes`` products a cycle; `mode` may
    change at every cycle and belongs to the operands beside it. `en` = 0 holds every register.
    The sum wraps modulo ``2**acc.width``; it does not for ``spec.safe_terms`` cycles. `rst` sets
    the accumulator to 0; what is in the pipeline stays there.

    Parameters
    ----------
    spec : ComposableMacSpec
        Formats, variant and leaf.

    Members
    -------
    a, w : :py:`In(act.width)`, or with fusion :py:`In(D * D * leaf)`
        Operands; digits of leaf (i, j) from bit ``(i * D + j) * leaf``.
    mode : :py:`In(range(modes))`
        Place of the mode in ``spec.modes``. Numbers beyond give unspecified sums.
    en, clear, acc : see :class:`~macwright.hw.pe.mac.Mac`
    """

    def __init__(self, spec: ComposableMacSpec) -> None:
        if not isinstance(spec, ComposableMacSpec):
            raise RefusedType(f"ComposableMac takes a ComposableMacSpec, not {spec!r}")
        together = spec.variant == "sum_together"
        width = spec.act.width if together else spec.act.width**2 // spec.leaf
        more = {"a": In(unsigned(width)), "w": In(unsigned(width))}
        more["mode"] = In(range(len(spec.widths)))
        super().__init__(spec, acc=signed(spec.acc.width), invalid=False, more=more)  # type: ignore[union-attr]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec, target = self.spec, target_of(self.spec.target)
        ports = (self.a, self.w, self.mode, self.clear)
        a, w, mode, clear = self.delayed(m, *ports, stage=1)
        sel = in_mode(m, mode, len(spec.widths))  # type: ignore[arg-type]
        build = together_sum if spec.variant == "sum_together" else fusion_sum
        whole = Signal(signed(range_width(*spec.sum_range)), name="cycle_sum")
        m.d.comb += whole.eq(build(m, spec, a, w, sel, target=target))
        whole, clear = self.delayed(m, whole, clear, stage=2)
        accumulate(
            m,
            self.acc,
            lambda heap, negative: heap.add(whole, negative=negative),
            clear=clear,
            target=target,
            control=self.control,
        )
        return m
