"""Stages that sum words and requantise the sums: additions, pooling of a whole tensor."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib.memory import Memory

from macwright.hw.accelerator.drain import Drain, DrainSpec
from macwright.hw.accelerator.elementwise import WordSpec, WordStage
from macwright.hw.accelerator.levels import level_of
from macwright.hw.accelerator.stream import check_count, counter, delayed
from macwright.hw.errors import RefusedInput

__all__ = ["Add", "AddSpec", "GlobalPool", "GlobalPoolSpec"]


@dataclass(frozen=True, kw_only=True)
class AddSpec(WordSpec):
    """Everything that fixes an :class:`Add`.

    Parameters
    ----------
    fifos, words : see the base
        Two inputs.
    formats : tuple of Format
        Of the channels of each input: an operand's, of integers or a minifloat.
    drain : DrainSpec
        What sends the sums on.
    """

    formats: tuple[Any, Any]
    drain: DrainSpec

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.fifos) != 2 or self.fifos[0].read_lanes != self.fifos[1].read_lanes:
            raise RefusedInput(
                "Addition must have two inputs that are read in words of equal lanes"
            )
        if (self.drain.results, self.drain.lanes) != (self.lanes, self.lanes):
            raise RefusedInput(f"Drain of an addition must have {self.lanes} lanes")

    @property
    def latency(self) -> int:
        """Cycles from a word that is taken to the one that comes."""
        return 2 + self.drain.latency


class Add(WordStage):
    """Adds two streams channel by channel and requantises each sum.

    A word is taken of both when both are there and all consumers have room; throughput is one word
    a cycle, latency ``spec.latency``.

    Parameters
    ----------
    spec : AddSpec
        Widths.
    name : str
        Beginning of the names of its modules.
    constants : mapping
        `bias` and `multipliers`, see :class:`~macwright.hw.accelerator.drain.Drain`.
    """

    def __init__(self, spec: AddSpec, *, name: str, constants: Any) -> None:
        self.drain: Any = Drain(spec.drain, name=name, **constants)
        widths = [spec.lanes * output.bits for output in spec.drain.outputs]
        super().__init__(spec, name=name, outputs=widths)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        first, second = sources = self.sources(m)
        fire = self.fired(m, sources, first.valid & second.valid & self.allow)
        m.d.comb += self.start.eq(fire)
        sums = []
        for lane in range(self.spec.lanes):
            total = Signal(signed(self.spec.drain.sums), name=f"sum{lane}")
            terms = []
            for k, (source, fmt) in enumerate(zip(sources, self.spec.formats, strict=True)):
                code = Signal(fmt.width, name=f"code{k}_{lane}", reset_less=True)
                m.d.sync += code.eq(source.data.word_select(lane, fmt.width))
                terms.append(level_of(m, code, fmt, f"term{k}_{lane}"))
            m.d.comb += total.eq(terms[0] + terms[1])
            sums.append(total)
        self.drained(m, self.drain, delayed(m, fire, 1, "fire"), sums)
        return m


@dataclass(frozen=True, kw_only=True)
class GlobalPoolSpec(WordSpec):
    """Everything that fixes a :class:`GlobalPool`.

    Parameters
    ----------
    fifos, words : see the base
        One input.
    format : Format
        Of its channels: an operand's, of integers or a minifloat.
    positions : int
        Positions of the tensor.
    drain : DrainSpec
        What sends the sums on.
    """

    format: Any
    positions: int
    drain: DrainSpec

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("Positions of a pool", self.positions)
        if self.words != self.positions * self.drain.rounds or self.drain.lanes != self.lanes:
            raise RefusedInput(
                f"Drain of a pool must have {self.words // self.positions} rounds of {self.lanes} "
                f"lanes, not {self.drain.rounds} of {self.drain.lanes}"
            )

    @property
    def latency(self) -> int:
        """Cycles from a word that is taken to the one that comes."""
        return 2 + self.drain.latency


class GlobalPool(WordStage):
    """Sums each channel over all positions and requantises the sums.

    Words are taken one a cycle; those of the last position only when all consumers have room, and
    each gives a word ``spec.latency`` cycles later.

    Parameters
    ----------
    spec : GlobalPoolSpec
        Widths.
    name : str
        Beginning of the names of its modules.
    constants : mapping
        `bias` and `multipliers`, see :class:`~macwright.hw.accelerator.drain.Drain`.
    """

    def __init__(self, spec: GlobalPoolSpec, *, name: str, constants: Any) -> None:
        self.drain: Any = Drain(spec.drain, name=name, **constants)
        widths = [spec.lanes * output.bits for output in spec.drain.outputs]
        super().__init__(spec, name=name, outputs=widths)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        ((source),) = sources = self.sources(m)
        fire = Signal(name="step")
        rounds, positions = spec.drain.rounds, spec.positions
        index, round_ends = counter(m, step=fire, count=rounds, name="channel")
        position, last = counter(m, step=fire & round_ends, count=positions, name="position")
        m.d.comb += fire.eq(self.fired(m, sources, source.valid & (self.allow | ~Cat(last))))
        m.d.comb += self.start.eq(fire & last)
        # The buffer's memory is slow: its words go to registers first, and what belongs to them.
        first = Signal(name="first", reset_less=True)
        m.d.sync += first.eq(1 if position is None else position == 0)
        fired, ended = delayed(m, fire, 1, "step"), delayed(m, fire & last, 1, "last_step")
        width = spec.lanes * spec.drain.sums
        m.submodules.sums = memory = Memory(shape=unsigned(width), depth=rounds, init=[])
        read, write = memory.read_port(domain="comb"), memory.write_port()
        sums = []
        for lane in range(spec.lanes):
            total = Signal(signed(spec.drain.sums), name=f"sum{lane}")
            before = read.data.word_select(lane, spec.drain.sums).as_signed()
            code = Signal(spec.format.width, name=f"code{lane}", reset_less=True)
            m.d.sync += code.eq(source.data.word_select(lane, spec.format.width))
            level = level_of(m, code, spec.format, f"level{lane}")
            m.d.comb += total.eq(Mux(first, 0, before) + level)
            sums.append(total)
        m.d.comb += [write.en.eq(fired), write.data.eq(Cat(*sums))]
        if index is not None:
            place = Signal.like(index, name="place", reset_less=True)
            m.d.sync += place.eq(index)
            m.d.comb += [read.addr.eq(place), write.addr.eq(place)]
        self.drained(m, self.drain, ended, sums)
        return m
