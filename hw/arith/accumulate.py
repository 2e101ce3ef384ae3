"""Accumulators: a register, the sum of it and new terms in one bit heap, a cheap clear."""

from collections.abc import Callable
from dataclasses import dataclass

from amaranth.hdl import Module, ResetSignal, Signal, Value

from macwright.hw.arith.bit_heap import BitHeap
from macwright.hw.arith.target import Target

__all__ = ["Control", "accumulate", "accumulate_carry_save"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Control:
    """What a register listens to besides the clock.

    Parameters
    ----------
    en : Value or None
        Clock enable.
    rst : bool
        Whether the domain's reset sets it to 0.
    """

    en: Value | None = None
    rst: bool = False

    @property
    def reset(self) -> Value | None:
        """The reset, if it is reset."""
        return ResetSignal() if self.rst else None


_ALWAYS = Control()


def accumulate(
    m: Module,
    out: Signal,
    add: Callable[[BitHeap, bool], None],
    *,
    clear: Value,
    target: Target,
    adder: str = "ripple",
    invert: bool = False,
    control: Control = _ALWAYS,
) -> None:
    """``out <= (0 if clear else out) + terms``, modulo two to the width of `out`.

    Parameters
    ----------
    m : Module
        Where the logic goes.
    out : Signal
        Accumulator; this function drives it.
    add : callable
        ``add(heap, negative)`` adds the terms to a heap, or subtracts them.
    clear : Value
        Whether the terms start a new sum.
    target : Target
        What the adders and the register are made of.
    adder : str
        As in :meth:`BitHeap.sum`.
    invert : bool
        Keep the complement of the sum in the register and subtract the terms from it
        (``~(x + p) == ~x - p``): most partial products of a Baugh-Wooley array are then NAND
        gates, not AND gates. The port reads the complement output of the register.
    control : Control
        Clock enable and reset.
    """
    width = len(out)
    data = Signal(width, name="acc_next")
    q, qn = target.register(m, data, name="acc_reg", en=control.en, rst=control.reset, ones=invert)
    heap = BitHeap(width, target=target)
    for k in range(width):
        # Both are one NAND or NOR gate where the register has a complement output.
        heap.add_bit(~(qn[k] & ~clear) if invert else ~(qn[k] | clear), k)
    add(heap, invert)
    m.d.comb += [out.eq(qn if invert else q), data.eq(heap.sum(m, adder=adder))]


def accumulate_carry_save(
    m: Module,
    out: Signal,
    carry: Signal,
    add: Callable[[BitHeap, bool], None],
    *,
    clear: Value,
    target: Target,
    control: Control = _ALWAYS,
) -> None:
    """Two registers whose sum is the accumulator: no carry runs from one end to the other.

    ``out + carry <= (0 if clear else out + carry) + terms``; parameters as in :func:`accumulate`.
    """
    width = len(out)
    heap = BitHeap(width, target=target)
    data = []
    for port, name in ((out, "acc"), (carry, "carry")):
        after = Signal(width, name=f"{name}_next")
        q, qn = target.register(m, after, name=f"{name}_reg", en=control.en, rst=control.reset)
        for k in range(width):
            heap.add_bit(~(qn[k] | clear), k)
        m.d.comb += port.eq(q)
        data.append(after)
    add(heap, False)
    first, second = heap.carry_save(m)
    m.d.comb += [data[0].eq(first), data[1].eq(second)]
