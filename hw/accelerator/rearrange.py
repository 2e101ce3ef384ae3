"""Stages that leave words out, or put constant ones in: slices and pads."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from amaranth.hdl import Const, Module, Signal, Value
from amaranth.lib import wiring

from macwright.hw.accelerator.elementwise import WordSpec, WordStage
from macwright.hw.accelerator.loops import Loop, LoopNest
from macwright.hw.errors import RefusedInput

__all__ = ["Pad", "PadSpec", "Slice", "SliceSpec"]

#: Of words along the channels, columns and rows: the words of a frame in their order.
AXES = ("channel", "column", "row")


@dataclass(frozen=True, kw_only=True)
class SliceSpec(WordSpec):
    """Everything that fixes a :class:`Slice`.

    Parameters
    ----------
    fifos, words : see the base
        One input.
    counts : tuple of int
        Words of the input along the channels, columns and rows.
    chosen : tuple of tuple of int
        Which of them are kept along each, increasing.
    """

    counts: tuple[int, int, int]
    chosen: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]

    latency = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if prod(self.counts) != self.words:
            raise RefusedInput(f"Words of a slice must be {prod(self.counts)}, not {self.words}")
        for count, chosen in zip(self.counts, self.chosen, strict=True):
            if not chosen or not set(chosen) <= set(range(count)):
                raise RefusedInput(f"Words that are kept must be some of {count}, not {chosen}")

    def inside(self, *index: int) -> bool:
        """Whether the word at this channel, column and row is kept."""
        return all(place in chosen for place, chosen in zip(index, self.chosen, strict=True))


class Slice(WordStage):
    """Passes on the words that are kept, each in the cycle in which it is taken.

    A word is taken when it is there and, if it is kept, all consumers have room.

    Parameters
    ----------
    spec : SliceSpec
        Which are kept.
    name : str
        Unused; stages have names.
    constants : mapping
        Empty.
    """

    def __init__(self, spec: SliceSpec, *, name: str, constants: Any) -> None:
        super().__init__(spec, name=name, outputs=[spec.fifos[0].read.width])

    def elaborate(self, platform: object) -> wiring.Component | Module:
        m = Module()
        ((source),) = sources = self.sources(m)
        step = Signal(name="step")
        nest = _counters(m, self.spec.counts, step)
        keep = _chosen(m, nest, self.spec.counts, self.spec.chosen)
        fire = self.fired(m, sources, source.valid & (self.allow | ~keep))
        m.d.comb += [step.eq(fire), self.start.eq(fire & keep), self.valid.eq(fire & keep)]
        m.d.comb += self.out0.eq(source.data)
        return m


@dataclass(frozen=True, kw_only=True)
class PadSpec(WordSpec):
    """Everything that fixes a :class:`Pad`.

    Parameters
    ----------
    fifos, words : see the base
        One input; words of a frame of the result.
    counts : tuple of int
        Words of the result along the channels, columns and rows.
    before, taken : tuple of int
        Constant words before those of the input, and how many of these, along each.
    code : int
        Code of the constant channels.
    """

    counts: tuple[int, int, int]
    before: tuple[int, int, int]
    taken: tuple[int, int, int]
    code: int

    latency = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if prod(self.counts) != self.words:
            raise RefusedInput(f"Words of a pad must be {prod(self.counts)}, not {self.words}")
        for count, before, taken in zip(self.counts, self.before, self.taken, strict=True):
            if before < 0 or taken < 1 or before + taken > count:
                raise RefusedInput(
                    f"Words of the input must be some of {count}, not {taken} after {before}"
                )

    @property
    def ranges(self) -> tuple[tuple[int, ...], ...]:
        """Words along each axis that are those of the input."""
        ends = zip(self.before, self.taken, strict=True)
        return tuple(tuple(range(before, before + taken)) for before, taken in ends)

    def inside(self, *index: int) -> bool:
        """Whether the word at this channel, column and row is one of the input."""
        return all(place in part for place, part in zip(index, self.ranges, strict=True))


class Pad(WordStage):
    """Gives the words of its input with constant ones around them.

    A word is given when all consumers have room and, if it is one of the input, that is there. The
    first of a frame waits for the frame's first word, so that no frame begins before it comes.

    Parameters
    ----------
    spec : PadSpec
        Where.
    name : str
        Unused; stages have names.
    constants : mapping
        Empty.
    """

    def __init__(self, spec: PadSpec, *, name: str, constants: Any) -> None:
        super().__init__(spec, name=name, outputs=[spec.fifos[0].read.width])

    def elaborate(self, platform: object) -> wiring.Component | Module:
        m = Module()
        spec = self.spec
        ((source),) = self.sources(m)
        fire = Signal(name="fire")
        nest = _counters(m, spec.counts, fire)
        inside = _chosen(m, nest, spec.counts, spec.ranges)
        first = Signal(name="first")
        m.d.comb += first.eq(_none_of(nest))
        m.d.comb += fire.eq(self.allow & (source.valid | ~(inside | first)))
        m.d.comb += [source.ready.eq(fire & inside), self.start.eq(fire), self.valid.eq(fire)]
        bits = spec.fifos[0].bits
        word = sum(spec.code << (lane * bits) for lane in range(spec.lanes))
        m.d.comb += self.out0.eq(Const(word, spec.lanes * bits))
        with m.If(inside):
            m.d.comb += self.out0.eq(source.data)
        return m


def _counters(m: Module, counts: Sequence[int], step: Value) -> LoopNest:
    loops = [Loop(name=name, count=count) for name, count in zip(AXES, counts, strict=True)]
    return LoopNest(m, loops, step=step)


def _chosen(
    m: Module, nest: LoopNest, counts: Sequence[int], chosen: Sequence[Sequence[int]]
) -> Signal:
    """Whether each counter is at one of its numbers."""
    result = Signal(name="chosen")
    value: Value = Const(1, 1)
    for name, count, numbers in zip(AXES, counts, chosen, strict=True):
        if len(numbers) < count:
            flag = Signal(name=f"{name}_chosen")
            with m.Switch(nest.index[name]), m.Case(*numbers):
                m.d.comb += flag.eq(1)
            value = value & flag
    m.d.comb += result.eq(value)
    return result


def _none_of(nest: LoopNest) -> Value:
    """Whether all counters are at 0."""
    value: Value = Const(1, 1)
    for index in nest.index.values():
        value = value & (index == 0)
    return value
