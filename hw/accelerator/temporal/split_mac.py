"""Multiply-accumulate unit whose weight word is one weight, two of half its bits, or four."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from macwright.hw.accelerator.stream import check_count
from macwright.hw.arith.accumulate import accumulate
from macwright.hw.arith.bit_heap import BitHeap
from macwright.hw.arith.target import target_of
from macwright.hw.arith.widths import range_width
from macwright.hw.errors import RefusedInput
from macwright.hw.formats import IntFormat
from macwright.hw.pe.modes import Join, Part, any_mode, combine, in_mode

__all__ = ["SplitMac", "SplitMacSpec"]


@dataclass(frozen=True, kw_only=True)
class SplitMacSpec:
    """Everything that fixes a :class:`SplitMac`.

    Parameters
    ----------
    act, weight, acc : IntFormat
        Activations of either sign, and signed widest weights and sums.
    split : int
        Most weights in a word: 2 or 4.
    pipeline : int
        Register stages before the accumulator: 0 for none, 1 for operands, 2 for their sum, too.
    target : str
        Technology whose primitives may be used.
    """

    act: IntFormat
    weight: IntFormat
    acc: IntFormat
    split: int = 2
    pipeline: int = 0
    target: str = "generic"

    en, rst = False, False

    def __post_init__(self) -> None:
        if self.split not in (2, 4) or self.weight.width % self.split or self.leaf < 2:
            raise RefusedInput(
                "Weights of a split unit must be cut into 2 or 4 of at least 2 bits, not "
                f"{self.weight} into {self.split}"
            )
        if not (self.weight.signed and self.acc.signed):
            raise RefusedInput(
                f"Weights and sums of a split unit must be signed, not {self.weight} and {self.acc}"
            )
        check_count("Split unit pipeline", self.pipeline, least=0)
        if self.pipeline > 2:
            raise RefusedInput(f"Split unit pipeline must be at most 2, not {self.pipeline}")

    @property
    def leaf(self) -> int:
        """Bits of the narrowest weight."""
        return self.weight.width // self.split

    @property
    def splits(self) -> tuple[int, ...]:
        """Weights in a word in each mode."""
        return (1, 2, 4)[: self.split.bit_length()]

    @property
    def sum_bits(self) -> int:
        """Bits of the sum of a word's products, signed."""
        most = max(-int(self.act.min), int(self.act.max))
        width = self.weight.width
        return max(
            range_width(-n * most << width // n - 1, n * most << width // n - 1)
            for n in self.splits
        )

    @property
    def name(self) -> str:
        """Name of the Verilog module."""
        text = f"split_mac_{self.act}_{self.weight}_x{self.split}_{self.acc}"
        text += f"_p{self.pipeline}" if self.pipeline else ""
        return text if self.target == "generic" else f"{text}_{self.target}"

    def create(self) -> "SplitMac":
        """Build the hardware."""
        return SplitMac(self)


class SplitMac(wiring.Component):
    """``acc <= (0 if clear else acc) + sum(a[i] * w[i])`` over the weights of a word.

    The word `w` is one weight of its whole width, two of half of it, or four of a quarter, the
    first in the lowest bits, as `mode` says. It has `split` digits, and `a` an activation for each
    of them: those of digits of one weight must be equal. Latency is ``1 + pipeline`` cycles,
    throughput a word a cycle; `mode` holds while there are operands.

    Parameters
    ----------
    spec : SplitMacSpec
        Formats and splits.

    Members
    -------
    a : :py:`In(split * act.width)`
        Activations of the digits, that of the lowest digit in the lowest bits.
    w : :py:`In(weight.width)`
        Weights.
    mode : :py:`In(range(splits))`
        Place of the number of weights in ``spec.splits``.
    clear : :py:`In(1)`
        Whether the products of this cycle begin a new sum.
    acc : :py:`Out(acc)`
        Accumulator, registered.
    """

    def __init__(self, spec: SplitMacSpec) -> None:
        self.spec: Any = spec
        super().__init__(
            {
                "a": In(spec.split * spec.act.width),
                "w": In(spec.weight.width),
                "mode": In(range(len(spec.splits))),
                "clear": In(1),
                "acc": Out(signed(spec.acc.width)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m, spec = Module(), self.spec
        a, w, clear = (
            self._registered(m, value, spec.pipeline >= 1) for value in (self.a, self.w, self.clear)
        )
        sel = in_mode(m, self.mode, len(spec.splits))
        total = self._products(m, a, w, sel)
        total, clear = (self._registered(m, v, spec.pipeline >= 2) for v in (total, clear))
        accumulate(
            m,
            self.acc,
            lambda heap, negative: heap.add(total, negative=negative),
            clear=clear,
            target=target_of(spec.target),
        )
        return m

    def _registered(self, m: Module, value: Any, wanted: bool) -> Any:
        if not wanted:
            return value
        register = Signal(value.shape(), name=f"{value.name}_reg", reset_less=True)
        m.d.sync += register.eq(value)
        return register

    def _products(self, m: Module, a: Value, w: Value, sel: list[Value]) -> Signal:
        """Sum of the products of a word.

        Digits multiply without sign, and neighbours are joined, shifted where they are of one
        weight. Partial products of a sign are complemented; one constant a mode makes up for them.
        """
        spec, target = self.spec, target_of(self.spec.target)
        bits, leaf, digits = spec.act.width, spec.leaf, spec.split
        constants = [0] * len(sel)
        parts = []
        for d in range(digits):
            # In each mode, how many digits a weight has, and the place of this one.
            each = [digits // split for split in spec.splits]
            tops = [d % n == n - 1 for n in each]
            heap = BitHeap(bits + leaf + 1, target=target)
            for p in range(bits):
                for q in range(leaf):
                    a_sign = spec.act.signed and p == bits - 1
                    minus = [a_sign != (top and q == leaf - 1) for top in tops]
                    bit = a[d * bits + p] & w[d * leaf + q]
                    product = Signal(name=f"pp_{d}_{p}_{q}")
                    m.d.comb += product.eq(bit ^ any_mode(sel, minus))
                    heap.add_bit(product, p + q)
                    for k, n in enumerate(each):
                        constants[k] -= minus[k] << p + q + leaf * (d % n)
            most = ((1 << bits) - 1) * ((1 << leaf) - 1) + (1 << bits + leaf - 1)
            value = Signal(most.bit_length(), name=f"digit_{d}")
            m.d.comb += value.eq(heap.sum(m))
            parts.append(Part(value, ((0, most),) * len(sel)))
        step = 1
        while len(parts) > 1:
            parts = [
                combine(
                    m, sel, low, high,
                    Join(step * leaf, shifted=[digits // split > step for split in spec.splits]),
                    target=target, name=f"join_{step}_{k}",
                )
                for k, (low, high) in enumerate(zip(parts[::2], parts[1::2], strict=True))
            ]  # fmt: skip
            step *= 2
        heap = BitHeap(spec.sum_bits, target=target)
        heap.add(parts[0].value)
        for k in range(heap.width):
            flags = [bool(constant >> k & 1) for constant in constants]
            if any(flags):
                heap.add_bit(any_mode(sel, flags), k)
        total = Signal(signed(heap.width), name="word_sum")
        m.d.comb += total.eq(heap.sum(m))
        return total
