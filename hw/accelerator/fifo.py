"""First in, first out: the buffer of a stream that is read in order."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from macwright.hw.accelerator.storage import StorageSpec, credits, packed, storage
from macwright.hw.accelerator.stream import Source, counter, sink_ports

__all__ = ["Fifo", "FifoSpec"]


@dataclass(frozen=True, kw_only=True)
class FifoSpec(StorageSpec):
    """Everything that fixes a :class:`Fifo`; see the base for its parameters.

    Examples
    --------
    >>> spec = FifoSpec(bits=4, write_lanes=2, read_lanes=8, depth=3)
    >>> spec.stored.width, spec.capacity
    (32, 12)
    """

    def create(self) -> "Fifo":
        """Build the hardware."""
        return Fifo(self)


class Fifo(wiring.Component):
    """Buffer that gives words in the order in which they came, perhaps wider or narrower ones.

    A word is there for the reader two cycles after the cycle in which the last of it was written;
    throughput is one word a cycle. A word of the memory that was taken (its last part) makes room
    two cycles later.

    Parameters
    ----------
    spec : FifoSpec
        Widths and depth.

    Members
    -------
    room, reserve, valid, data : see :func:`~macwright.hw.accelerator.stream.sink_ports`
    source : :py:`Out(Source(read))`
        Words.
    """

    def __init__(self, spec: FifoSpec) -> None:
        self.spec: Any = spec
        super().__init__(sink_ports(spec.written) | {"source": Out(Source(spec.read))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec, source = self.spec, self.source
        there = Signal(name="there")
        part, last_part = counter(m, step=there & source.ready, count=spec.parts, name="part")
        pop = Signal(name="pop")
        m.d.comb += pop.eq(there & source.ready & last_part)
        m.d.comb += self.room.eq(
            credits(m, spec, reserve=self.reserve, free=Mux(pop, spec.pack, 0))
        )
        full, word = packed(m, spec, self.valid, self.data)
        # The word at `head` is read at each edge; it is whole if it was written before this cycle.
        head = Signal(range(max(2, spec.depth)), name="head")
        after = Signal.like(head, name="head_next")
        m.d.comb += after.eq(Mux(pop, Mux(head == spec.depth - 1, 0, head + 1), head))
        level = Signal(range(spec.depth + 1), name="level")
        m.d.sync += [
            head.eq(after),
            level.eq(level + full - pop),
            there.eq(level != pop),
        ]
        data = storage(
            m, spec, valid=full, data=word, addr=after[: max(0, (spec.depth - 1).bit_length())]
        )
        m.d.comb += [
            source.valid.eq(there),
            source.data.eq(data if part is None else data.word_select(part, spec.read.width)),
        ]
        return m
