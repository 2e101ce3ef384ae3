"""Sums whose parts are shifted and signed as the mode says: sum first, shift after."""

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, unsigned

from macwright.hw.arith.bit_heap import BitHeap
from macwright.hw.arith.target import Target
from macwright.hw.arith.widths import range_width

__all__ = ["Join", "Part", "any_mode", "combine", "in_mode", "shape_of"]


@dataclass(frozen=True)
class Part:
    """A number and, for each mode, its smallest and largest value."""

    value: Value
    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Join:
    """How a number joins another.

    Parameters
    ----------
    shift : int
        By how many bits it is shifted in the modes that `shifted` flags.
    shifted, minus : sequence of bool
        One flag a mode: whether it is shifted, and whether it is subtracted; never if absent.
    """

    shift: int
    shifted: Sequence[bool]
    minus: Sequence[bool] | None = None


def shape_of(ranges: Sequence[tuple[int, int]]) -> Shape:
    """Smallest shape that holds the numbers of all modes."""
    low, high = min(r[0] for r in ranges), max(r[1] for r in ranges)
    return Shape(range_width(low, high), True) if low < 0 else unsigned(max(1, high.bit_length()))


def in_mode(m: Module, mode: Value, count: int) -> list[Value]:
    """For each mode, whether it is the one: one bit each."""
    flags = []
    for k in range(count):
        bit = Signal(name=f"mode_{k}")
        m.d.comb += bit.eq(mode == k)
        flags.append(bit)
    return flags


def any_mode(sel: Sequence[Value], flags: Sequence[bool]) -> Value:
    """Whether the mode is one of those flagged: one bit, a constant where it can be."""
    if all(flags):
        return Const(1, 1)
    chosen = [bit for bit, flag in zip(sel, flags, strict=True) if flag]
    return Cat(*chosen).any() if chosen else Const(0, 1)


def combine(
    m: Module,
    sel: Sequence[Value],
    low: Part,
    high: Part,
    join: Join,
    *,
    target: Target,
    name: str,
) -> Part:
    """``low + (-1)**minus * high * 2**(shift if shifted else 0)``.

    Parameters
    ----------
    m : Module
        Where the logic goes.
    sel : sequence of Value
        Which mode it is, as of :func:`in_mode`.
    low, high : Part
        Numbers.
    join : Join
        How `high` joins `low` in each mode.
    target : Target
        What the adders are made of.
    name : str
        Name of the signal.
    """
    shift, shifted = join.shift, join.shifted
    minus = [False] * len(sel) if join.minus is None else join.minus
    ranges = []
    for (a, b), (c, d), far, neg in zip(low.ranges, high.ranges, shifted, minus, strict=True):
        c, d = (c << shift, d << shift) if far else (c, d)
        c, d = (-d, -c) if neg else (c, d)
        ranges.append((a + c, b + d))
    moved = move(m, sel, high.value, shift=shift, shifted=shifted, name=f"{name}_moved")
    total = Signal(shape_of(ranges), name=name)
    heap = BitHeap(len(total), target=target)
    heap.add(low.value)
    add_signed_if(m, heap, moved, any_mode(sel, minus), name=f"{name}_signed")
    m.d.comb += total.eq(heap.sum(m))
    return Part(total, tuple(ranges))


def move(
    m: Module, sel: Sequence[Value], value: Value, *, shift: int, shifted: Sequence[bool], name: str
) -> Value:
    """The value, shifted left in the modes flagged."""
    if not any(shifted):
        return value
    far = Cat(Const(0, shift), value)
    far = far.as_signed() if value.shape().signed else far
    if all(shifted):
        return far
    moved = Signal(far.shape(), name=name)
    m.d.comb += moved.eq(Mux(any_mode(sel, shifted), far, value))
    return moved


def add_signed_if(
    m: Module, heap: BitHeap, value: Value, minus: Value, *, name: str, shift: int = 0
) -> None:
    """Add ``-value`` if `minus`, else `value`, times ``2**shift``."""
    if isinstance(minus, Const):
        heap.add(value, shift=shift, negative=bool(minus.value))
        return
    extra = not value.shape().signed
    flipped = Signal(Shape(len(value) + extra, True), name=name)
    bits = value ^ minus.replicate(len(value))
    m.d.comb += flipped.eq(Cat(bits, minus) if extra else bits)
    heap.add(flipped, shift=shift)
    heap.add_bit(minus, shift)
