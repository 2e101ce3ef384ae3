"""Ends of the temporal machine: frames into the activation memory, results out of theirs."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from macwright.hw.accelerator.rom import Rom
from macwright.hw.accelerator.stream import counter
from macwright.hw.accelerator.temporal.program import Program, ResultLayout

__all__ = ["Intake", "Outlet"]


class Intake(wiring.Component):
    """Words of a frame, through a table for each lane, to their places in memory.

    A word is written one cycle after it was taken. All of a position's words come one after the
    other, and are a plane of positions apart.

    Parameters
    ----------
    program : Program
        Program.
    address_bits : int
        Bits of an address.
    name : str
        Beginning of the names of its tables.

    Members
    -------
    take : :py:`In(1)`, data : In
        A word is taken.
    last : :py:`Out(1)`
        Whether it is the last of a frame.
    write, address, codes : Out
        To the memory.
    """

    def __init__(self, program: Program, *, address_bits: int, name: str) -> None:
        self.program, self.name = program, name
        source = program.source
        super().__init__(
            {
                "take": In(1),
                "data": In(source.lanes * source.bits),
                "last": Out(1),
                "write": Out(1),
                "address": Out(address_bits),
                "codes": Out(source.lanes * program.lane_bits),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        program, source = self.program, self.program.source
        for lane in range(source.lanes):
            rom = Rom(
                source.tables[lane].tolist(),
                width=program.lane_bits,
                name=f"{self.name}_table{lane}",
            )
            m.submodules[f"table{lane}"] = rom
            m.d.comb += [
                rom.addr.eq(self.data.word_select(lane, source.bits)),
                self.codes.word_select(lane, program.lane_bits).eq(rom.data),
            ]
        _, word_last = counter(m, step=self.take, count=source.words, name="word")
        _, position_last = counter(
            m, step=self.take & word_last, count=source.positions, name="position"
        )
        m.d.comb += self.last.eq(word_last & position_last)
        begin = program.address[source.tensor]
        place = Signal(len(self.address), name="place", init=begin)
        back = (source.words - 1) * source.positions - 1
        with m.If(self.take):
            m.d.sync += place.eq(place + source.positions)
            with m.If(word_last):
                m.d.sync += place.eq(Mux(self.last, begin, place - back))
        address = Signal(len(self.address), name="address_reg", reset_less=True)
        write = Signal(name="write_reg")
        m.d.sync += [address.eq(place), write.eq(self.take)]
        m.d.comb += [self.address.eq(address), self.write.eq(write)]
        return m


class Outlet(wiring.Component):
    """Memory of the results, and their way out: channel by channel, position by position.

    Parameters
    ----------
    layout : ResultLayout
        What the results are.
    bits : int
        Bits of a code that is written.

    Members
    -------
    write, address, codes : In
        To the memory.
    begin : :py:`In(1)`
        All is written: send it.
    done : :py:`Out(1)`
        The last of it is taken.
    data, valid, last : Out; ready : :py:`In(1)`
        Stream.
    """

    def __init__(self, layout: ResultLayout, *, bits: int) -> None:
        self.layout, self.bits = layout, bits
        self.depth = layout.words * layout.positions
        super().__init__(
            {
                "write": In(1),
                "address": In(max(1, (self.depth - 1).bit_length())),
                "codes": In(layout.lanes * bits),
                "begin": In(1),
                "done": Out(1),
                "data": Out(layout.bits),
                "valid": Out(1),
                "last": Out(1),
                "ready": In(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        layout = self.layout
        m.submodules.memory = memory = Memory(
            shape=unsigned(layout.lanes * self.bits), depth=self.depth, init=[]
        )
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            write.addr.eq(self.address), write.data.eq(self.codes), write.en.eq(self.write),
            read.en.eq(1),
        ]  # fmt: skip
        # Words of memory: read one ahead.
        fetch, load = Signal(name="fetch"), Signal(name="load")
        _, word_last = counter(m, step=load, count=layout.words, name="word")
        place = Signal(range(max(2, self.depth)), name="place")
        after = Signal(len(place), name="place_after")
        back = (layout.words - 1) * layout.positions - 1
        m.d.comb += [
            after.eq(Mux(word_last, place - back, place + layout.positions)),
            read.addr.eq(Mux(load, after, place)),
        ]
        with m.If(load):
            m.d.sync += place.eq(after)
        with m.If(self.done):
            m.d.sync += place.eq(0)
        # Lanes of a word: one goes out after the other.
        rest = layout.channels - (layout.words - 1) * layout.lanes
        shift = Signal(layout.lanes * self.bits, name="word_shift", reset_less=True)
        lanes_left = Signal(range(layout.lanes), name="lanes_left", reset_less=True)
        full = Signal(name="full")
        step = Signal(name="sent")
        empties = Signal(name="empties")
        m.d.comb += [
            step.eq(full & self.ready),
            empties.eq(step & (lanes_left == 0)),
            self.valid.eq(full),
            self.data.eq(shift[: self.bits] + layout.base),
        ]
        _, sent_all = counter(
            m, step=step, count=layout.channels * layout.positions, name="sent_count"
        )
        m.d.comb += [self.last.eq(sent_all), self.done.eq(step & sent_all)]
        m.d.comb += load.eq(fetch | (empties & ~sent_all))
        # The last word is written with `begin`, read in the next cycle and loaded after it.
        begun = Signal(name="begun")
        m.d.sync += [begun.eq(self.begin), fetch.eq(begun)]
        with m.If(load):
            m.d.sync += [
                shift.eq(read.data),
                lanes_left.eq(Mux(word_last, rest - 1, layout.lanes - 1)),
                full.eq(1),
            ]
        with m.Elif(step):
            m.d.sync += [shift.eq(shift >> self.bits), lanes_left.eq(lanes_left - 1)]
            with m.If(self.done):
                m.d.sync += full.eq(0)
        return m
