"""Stages that work word by word: what they have in common, tables, copies, concatenation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring

from macwright.hw.accelerator.describe import describe_buffer, describe_drain
from macwright.hw.accelerator.fifo import FifoSpec
from macwright.hw.accelerator.library import Part
from macwright.hw.accelerator.rom import Rom
from macwright.hw.accelerator.storage import StorageSpec
from macwright.hw.accelerator.stream import check_count, connect_sink, counter, stage_ports
from macwright.hw.errors import RefusedInput

__all__ = [
    "Concat",
    "ConcatSpec",
    "Copy",
    "CopySpec",
    "Lookup",
    "LookupSpec",
    "WordSpec",
    "WordStage",
]


@dataclass(frozen=True, kw_only=True)
class WordSpec:
    """What stages that take a word at a time have in common.

    Parameters
    ----------
    fifos : tuple of FifoSpec
        Buffer of each input.
    words : int
        Words of a frame, of each input unless said otherwise.
    """

    fifos: tuple[FifoSpec, ...]
    words: int

    burst = 1
    beats = 1

    def __post_init__(self) -> None:
        check_count("Words of a frame", self.words)

    @property
    def buffers(self) -> tuple[StorageSpec, ...]:
        """Buffer of each input."""
        return self.fifos

    @property
    def lanes(self) -> int:
        """Channels of a word."""
        return self.fifos[0].read_lanes

    @property
    def cycles(self) -> int:
        """Cycles of a frame."""
        return self.words


class WordStage(wiring.Component):
    """Base of the stages that take a word at a time: their buffers."""

    def __init__(self, spec: Any, *, name: str, outputs: Sequence[int]) -> None:
        self.spec: Any = spec
        self.name = name
        super().__init__(stage_ports([fifo.written for fifo in spec.fifos], outputs))

    def sources(self, m: Module) -> list[Any]:
        """Ends of the buffers that are read."""
        result = []
        for k, spec in enumerate(self.spec.fifos):
            fifo: Any = spec.create()
            name, header = f"{self.name}_fifo{k}", describe_buffer(spec)
            m.submodules[f"fifo{k}"] = Part(fifo, name=name, header=header)
            connect_sink(m, self, k, fifo)
            result.append(fifo.source)
        return result

    def fired(self, m: Module, sources: Sequence[Any], condition: Value) -> Signal:
        """Whether a word of each is taken in this cycle: when all are there and it may be."""
        fire = Signal(name="fire")
        m.d.comb += fire.eq(condition)
        for source in sources:
            m.d.comb += source.ready.eq(fire)
        return fire

    def drained(self, m: Module, drain: Any, take: Value, sums: Sequence[Value]) -> None:
        """Send sums on through a drain, one cycle later."""
        spec = self.spec.drain
        m.submodules.drain = Part(drain, name=f"{self.name}_drain", header=describe_drain(spec))
        taken = Signal(name="taken")
        held = Signal(drain.x.shape(), name="sums", reset_less=True)
        m.d.sync += [taken.eq(take), held.eq(Cat(*sums))]
        m.d.comb += [drain.take.eq(taken), drain.x.eq(held), self.valid.eq(drain.valid)]
        for k in range(len(spec.outputs)):
            m.d.comb += getattr(self, f"out{k}").eq(getattr(drain, f"data{k}"))


@dataclass(frozen=True, kw_only=True)
class LookupSpec(WordSpec):
    """Everything that fixes a :class:`Lookup` but its tables.

    Parameters
    ----------
    fifos, words : see the base
        One input.
    outputs : tuple of int
        Bits of a channel of each output.
    channels : int
        Channels that have a table of their own; 1 if all have the same.
    """

    outputs: tuple[int, ...]
    channels: int = 1

    latency = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels % self.lanes and self.channels != 1:
            raise RefusedInput(f"Channels of tables must be a multiple of {self.lanes} lanes")


class Lookup(WordStage):
    """Looks up every channel in a table: ``out <= table[in]``.

    A word is taken when it is there and all consumers have room; it comes one cycle later.

    Parameters
    ----------
    spec : LookupSpec
        Widths.
    name : str
        Beginning of the names of its memories.
    constants : mapping
        `tables`: for each output, for each channel with a table of its own, the code words.
    """

    def __init__(self, spec: LookupSpec, *, name: str, constants: Any) -> None:
        self.tables = constants["tables"]
        super().__init__(spec, name=name, outputs=[spec.lanes * bits for bits in spec.outputs])

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        ((source),) = sources = self.sources(m)
        fire = self.fired(m, sources, source.valid & self.allow)
        m.d.comb += self.start.eq(fire)
        m.d.sync += self.valid.eq(fire)
        own = spec.channels > 1
        turns = spec.channels // spec.lanes if own else 1
        index, _ = counter(m, step=fire, count=turns, name="channel")
        bits = spec.fifos[0].bits
        for k, (width, tables) in enumerate(zip(spec.outputs, self.tables, strict=True)):
            words = []
            for lane in range(spec.lanes):
                chosen = [tables[lane + turn * spec.lanes if own else 0] for turn in range(turns)]
                text = f"{self.name}_table{k}" + (f"_{lane}" if own else "")
                flat = [int(code) for table in chosen for code in table]
                rom = Rom(flat, width=width, name=text)
                m.submodules[f"table{k}_{lane}"] = rom
                code = source.data.word_select(lane, bits)
                m.d.comb += rom.addr.eq(code if index is None else Cat(code, index))
                words.append(rom.data)
            m.d.comb += getattr(self, f"out{k}").eq(Cat(*words))
        return m


@dataclass(frozen=True, kw_only=True)
class CopySpec(WordSpec):
    """Everything that fixes a :class:`Copy`: one input."""

    latency = 0


class Copy(WordStage):
    """Gives each word to all of its consumers, in the cycle in which it is taken.

    Parameters
    ----------
    spec : CopySpec
        Widths.
    name : str
        Unused; stages have names.
    constants : mapping
        Empty.
    """

    def __init__(self, spec: CopySpec, *, name: str, constants: Any) -> None:
        super().__init__(spec, name=name, outputs=[spec.fifos[0].read.width])

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ((source),) = sources = self.sources(m)
        fire = self.fired(m, sources, source.valid & self.allow)
        m.d.comb += [self.start.eq(fire), self.valid.eq(fire), self.out0.eq(source.data)]
        return m


@dataclass(frozen=True, kw_only=True)
class ConcatSpec(WordSpec):
    """Everything that fixes a :class:`Concat`.

    Parameters
    ----------
    fifos, words : see the base
        Inputs, which are read in words of equal lanes; words of a frame of the result.
    shares : tuple of int
        Words of each input at a position.
    """

    shares: tuple[int, ...]

    latency = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.shares) != len(self.fifos) or len({f.read for f in self.fifos}) != 1:
            raise RefusedInput("Concatenation must have inputs that are read in equal words")
        if self.words % sum(self.shares):
            raise RefusedInput(f"Words of a frame must be a multiple of {sum(self.shares)}")


class Concat(WordStage):
    """Joins streams along the channels: at each position the words of each input in turn.

    A word is taken, and given, when it is there and all consumers have room.

    Parameters
    ----------
    spec : ConcatSpec
        Widths.
    name : str
        Unused; stages have names.
    constants : mapping
        Empty.
    """

    def __init__(self, spec: ConcatSpec, *, name: str, constants: Any) -> None:
        super().__init__(spec, name=name, outputs=[spec.fifos[0].read.width])

    def elaborate(self, platform: object) -> Module:
        m = Module()
        sources, shares = self.sources(m), self.spec.shares
        fire = Signal(name="fire")
        index, _ = counter(m, step=fire, count=sum(shares), name="word")
        owner = [k for k, share in enumerate(shares) for _ in range(share)]
        with m.Switch(index if index is not None else 0):
            for k, source in enumerate(sources):
                with m.Case(*[place for place, of in enumerate(owner) if of == k]):
                    m.d.comb += [
                        fire.eq(source.valid & self.allow),
                        source.ready.eq(fire),
                        self.out0.eq(source.data),
                    ]
        m.d.comb += [self.start.eq(fire), self.valid.eq(fire)]
        return m
