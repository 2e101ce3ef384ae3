"""Machine: the stages of a network, their buffers, and AXI4-Stream ends."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from importlib.metadata import version
from operator import and_
from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from macwright.hw.accelerator.describe import describe_buffer
from macwright.hw.accelerator.elementwise import (
    Concat,
    ConcatSpec,
    Copy,
    CopySpec,
    Lookup,
    LookupSpec,
)
from macwright.hw.accelerator.engine import Engine, EngineSpec
from macwright.hw.accelerator.fifo import FifoSpec
from macwright.hw.accelerator.library import Library, Part
from macwright.hw.accelerator.rearrange import Pad, PadSpec, Slice, SliceSpec
from macwright.hw.accelerator.stream import Words, check_count, counter
from macwright.hw.accelerator.sums import Add, AddSpec, GlobalPool, GlobalPoolSpec
from macwright.hw.errors import RefusedInput

__all__ = ["INPUT", "Machine", "MachineSpec", "Stage", "machine_library"]

#: Name of the machine's input among the producers of streams.
INPUT = "input"

#: Component of each kind of stage.
COMPONENTS: dict[type, Any] = {
    AddSpec: Add,
    ConcatSpec: Concat,
    CopySpec: Copy,
    EngineSpec: Engine,
    GlobalPoolSpec: GlobalPool,
    LookupSpec: Lookup,
    PadSpec: Pad,
    SliceSpec: Slice,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Stage:
    """One stage of a machine.

    Parameters
    ----------
    name : str
        Name: word characters.
    spec : spec of a stage
        What it is.
    inputs : tuple of (str, int)
        Where the words of each input come from: a stage before it, or `INPUT`, and which of its
        outputs.
    constants : mapping
        Weights, biases, multipliers, tables; see the component.
    """

    name: str
    spec: Any
    inputs: tuple[tuple[str, int], ...]
    constants: Mapping[str, Any] = field(default_factory=dict)

    def create(self, prefix: str = "") -> Any:
        """Build the hardware; the names of its modules begin with the prefix."""
        name = f"{prefix}{self.name}"
        return COMPONENTS[type(self.spec)](self.spec, name=name, constants=self.constants)


@dataclass(frozen=True, kw_only=True, eq=False)
class MachineSpec:
    """Everything that fixes a :class:`Machine`.

    Parameters
    ----------
    name : str
        Name of the top module, and beginning of those of the others.
    words : Words
        Words that come in.
    frame_words : int
        How many of them are a frame.
    stages : tuple of Stage
        In an order in which each comes after those it reads.
    output : (str, int)
        Stage, and which of its outputs, whose words go out.
    fifo : FifoSpec
        Buffer before the output.
    out_words : int
        Words of a frame that go out.
    """

    name: str
    words: Words
    frame_words: int
    stages: tuple[Stage, ...]
    output: tuple[str, int]
    fifo: FifoSpec
    out_words: int

    def __post_init__(self) -> None:
        check_count("Words of a frame", self.frame_words)
        check_count("Words of a result", self.out_words)
        known = {INPUT}
        for stage in self.stages:
            if len(stage.inputs) != len(stage.spec.buffers):
                raise RefusedInput(
                    f"Stage {stage.name} must have {len(stage.spec.buffers)} inputs, not "
                    f"{len(stage.inputs)}"
                )
            for producer, _ in stage.inputs:
                if producer not in known:
                    raise RefusedInput(
                        f"Stage {stage.name} must read stages before it, not {producer!r}"
                    )
            if stage.name in known:
                raise RefusedInput(f"Stages must have different names, not two {stage.name}")
            known.add(stage.name)
        if self.output[0] not in known - {INPUT}:
            raise RefusedInput(f"Output must come from a stage, not {self.output[0]!r}")
        idle = known - {p for stage in self.stages for p, _ in stage.inputs} - {self.output[0]}
        if idle:
            raise RefusedInput(f"Stage {min(idle)} must be read by another or be the output")

    @property
    def interval(self) -> int:
        """Cycles of a frame that the slowest stage, or an end, needs."""
        return max(self.frame_words, self.out_words, *(s.spec.cycles for s in self.stages))


class Machine(wiring.Component):
    """A whole network: frames in, results out, both as AXI4-Stream.

    Every stage computes as soon as its input is there and its consumers have room; frames follow
    each other without a gap, one every ``spec.interval`` cycles if the buffers are deep enough.
    ``tlast`` of the input is not looked at: the machine counts. Words are as wide as their
    channels, filled up with zeros to whole bytes.

    Parameters
    ----------
    spec : MachineSpec
        Stages.

    Members
    -------
    s_axis_tdata, s_axis_tvalid, s_axis_tlast : In; s_axis_tready : Out
        Frames.
    m_axis_tdata, m_axis_tvalid, m_axis_tlast : Out; m_axis_tready : In
        Results; `tlast` marks the last word of a frame.
    """

    def __init__(self, spec: MachineSpec) -> None:
        self.spec: Any = spec
        super().__init__(
            {
                "s_axis_tdata": In(whole_bytes(spec.words.width)),
                "s_axis_tvalid": In(1),
                "s_axis_tlast": In(1),
                "s_axis_tready": Out(1),
                "m_axis_tdata": Out(whole_bytes(spec.fifo.read.width)),
                "m_axis_tvalid": Out(1),
                "m_axis_tlast": Out(1),
                "m_axis_tready": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        parts = {stage.name: stage.create(f"{spec.name}_") for stage in spec.stages}
        for stage in spec.stages:
            part = parts[stage.name]
            header = f"{stage.name}: {stage_text(stage)}"
            m.submodules[stage.name] = Part(part, name=part.name, header=header)
        last: Any = spec.fifo.create()
        name, header = f"{spec.name}_output_fifo", describe_buffer(spec.fifo)
        m.submodules.output_fifo = Part(last, name=name, header=header)
        rooms: dict[str, list[Value]] = {INPUT: [], **{name: [] for name in parts}}
        taken = Signal(name="taken")
        for stage in spec.stages:
            for k, (producer, output) in enumerate(stage.inputs):
                sink = {
                    key: getattr(parts[stage.name], f"{key}{k}")
                    for key in ("room", "reserve", "valid", "in")
                }
                self._link(m, rooms, parts.get(producer), producer, output, sink, taken)
        sink = {"room": last.room, "reserve": last.reserve, "valid": last.valid, "in": last.data}
        self._link(m, rooms, parts[spec.output[0]], *spec.output, sink, taken)
        for name, part in parts.items():
            m.d.comb += part.allow.eq(reduce(and_, rooms[name]))
        m.d.comb += [
            self.s_axis_tready.eq(reduce(and_, rooms[INPUT])),
            taken.eq(self.s_axis_tready & self.s_axis_tvalid),
            self.m_axis_tdata.eq(last.source.data),
            self.m_axis_tvalid.eq(last.source.valid),
            last.source.ready.eq(self.m_axis_tready),
        ]
        step = Signal(name="sent")
        m.d.comb += step.eq(last.source.valid & self.m_axis_tready)
        _, ends = counter(m, step=step, count=spec.out_words, name="out_word")
        m.d.comb += self.m_axis_tlast.eq(ends)
        return m

    def _link(
        self,
        m: Module,
        rooms: dict[str, list[Value]],
        part: Any,
        producer: str,
        output: int,
        sink: dict[str, Value],
        taken: Value,
    ) -> None:
        """Connect a producer (None: the input of the machine) to a buffer."""
        rooms[producer].append(sink["room"])
        if part is None:
            data = self.s_axis_tdata[: self.spec.words.width]
            start = valid = taken
        else:
            start, valid, data = part.start, part.valid, getattr(part, f"out{output}")
        m.d.comb += [
            sink["reserve"].eq(start),
            sink["valid"].eq(valid),
            sink["in"].eq(data),
        ]


def whole_bytes(bits: int) -> int:
    """Bits of so many whole bytes as hold `bits`."""
    return -(-bits // 8) * 8


def stage_text(stage: Stage) -> str:
    """What a stage is, for the comment above its module."""
    spec = stage.spec
    kind = COMPONENTS[type(spec)].__name__.lower()
    return (
        f"{kind}, reads {', '.join(name for name, _ in stage.inputs)}; {spec.cycles} cycles a "
        f"frame.\nThe first word of a burst of {spec.burst} comes {spec.latency} cycles after the "
        f"last beat of {spec.beats}.\nMade by macwright {version('macwright')}."
    )


def machine_library(spec: MachineSpec) -> Library:
    """All modules and memories of a machine as Verilog, the top module the last of them."""
    library = Library(spec.name)
    header = (
        f"{spec.name}: {len(spec.stages)} stages, a frame of {spec.frame_words} words every "
        f"{spec.interval} cycles.\nMade by macwright {version('macwright')}."
    )
    library.add(spec.name, Machine(spec), header)
    library.finish()
    return library
