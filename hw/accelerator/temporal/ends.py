"""Ends of the temporal machine: frames into the activation memory, results out of theirs."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from macwright.hw.accelerator.ram import Ram
from macwright.hw.accelerator.rom import Rom
from macwright.hw.accelerator.stream import counter
from macwright.hw.accelerator.temporal.layouts import ResultLayout
from macwright.hw.accelerator.temporal.program import Program

__all__ = ["Intake", "Outlet"]


class Intake(wiring.Component):
    """Words of a frame, through a table for each lane, to their places in memory.

    A word is written one cycle after it was taken. All of a position's words come one after the
    other, and are a plane of positions apart. Of joined words one is written for each window that
    ends in a column, the columns after the input too, in which none is taken. Where words have
    several rows, those above are kept in a memory of a line.

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
    active : :py:`In(1)`
        A frame comes in.
    valid : :py:`In(1)`, data : In, ready : :py:`Out(1)`
        Stream.
    done : :py:`Out(1)`
        The last word is taken, or the last column is done.
    write, address, codes : Out
        To the memory.
    """

    def __init__(self, program: Program, *, address_bits: int, name: str) -> None:
        self.program, self.name = program, name
        source = program.source
        super().__init__(
            {
                "active": In(1),
                "valid": In(1),
                "data": In(source.lanes * source.bits),
                "ready": Out(1),
                "done": Out(1),
                "write": Out(1),
                "address": Out(address_bits),
                "codes": Out(source.stacked * source.joined * source.lanes * program.lane_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        source = self.program.source
        step, beside = Signal(name="step"), Signal(name="beside")
        _, word_last = counter(m, step=step, count=source.words, name="word")
        column, row_ends = counter(
            m, step=step & word_last, count=source.width + source.beyond, name="column"
        )
        row, row_last = counter(
            m, step=step & word_last & row_ends, count=source.height + source.below, name="row"
        )
        at = Const(0) if column is None else column
        line = Const(0) if row is None else row
        m.d.comb += [
            beside.eq((at >= source.width) | (line >= source.height)),
            self.ready.eq(self.active & ~beside),
            step.eq(self.active & (beside | self.valid)),
            self.done.eq(step & word_last & row_ends & row_last),
        ]
        m.d.comb += self.codes.eq(self._codes(m, step, at, line))
        # The first columns end no window of their row.
        skipped = source.joined - 1 - source.before
        writes = Signal(name="writes")
        begun = at >= skipped if skipped else 1
        m.d.comb += writes.eq(step & begun & (at < skipped + source.windows))
        plane = (source.height + source.below) * source.windows
        place = Signal(len(self.address), name="place", init=self._begin)
        with m.If(self.done):
            m.d.sync += place.eq(self._begin)
        with m.Elif(writes):
            back = (source.words - 1) * plane - 1
            m.d.sync += place.eq(Mux(word_last, place - back, place + plane))
        address = Signal(len(self.address), name="address_reg", reset_less=True)
        write = Signal(name="write_reg")
        m.d.sync += [address.eq(place), write.eq(writes)]
        m.d.comb += [self.address.eq(address), self.write.eq(write)]
        return m

    @property
    def _begin(self) -> int:
        return self.program.address[self.program.source.tensor]

    def _codes(self, m: Module, step: Value, column: Value, row: Value) -> Value:
        """Codes of the word that is written, one cycle after it was taken."""
        source, bits = self.program.source, self.program.lane_bits
        looked = []
        for lane in range(source.lanes):
            rom = Rom(source.tables[lane].tolist(), width=bits, name=f"{self.name}_table{lane}")
            m.submodules[f"table{lane}"] = rom
            m.d.comb += rom.addr.eq(self.data.word_select(lane, source.bits))
            looked.append(rom.data)
        if source.joined == 1:
            return Cat(looked)
        size, rows = source.lanes * bits, source.stacked
        was = {
            name: Signal(name=f"was_{name}") for name in ("step", "after", "below", "first", "top")
        }
        m.d.sync += [
            was["step"].eq(step),
            was["after"].eq(column >= source.width),
            was["below"].eq(row >= source.height),
            was["first"].eq(column == 0),
            was["top"].eq(row == 0),
        ]
        pad = Const(source.pad, bits).replicate(source.lanes)
        taken, now = Signal(size, name="taken_codes"), Signal(rows * size, name="column_codes")
        m.d.comb += taken.eq(Mux(was["below"], pad, Cat(looked)))
        above = self._above(m, taken, was, column, pad) if rows > 1 else Const(0, 0)
        m.d.comb += now.eq(Mux(was["after"], pad.replicate(rows), Cat(taken, above)))
        before = Signal((source.joined - 1) * rows * size, name="before_codes", reset_less=True)
        rest = Mux(was["first"], pad.replicate(rows * (source.joined - 1)), before)
        window = Cat(rest, now)
        with m.If(was["step"]):
            m.d.sync += before.eq(window[rows * size :])
        # Columns of the lowest row come first, then those of the row above.
        columns = [window[k * rows * size :][: rows * size] for k in range(source.joined)]
        return Cat(each[r * size :][:size] for r in range(rows) for each in columns)

    def _above(
        self, m: Module, taken: Value, was: dict[str, Signal], column: Value, pad: Value
    ) -> Value:
        """Codes of a column in the rows above, the nearest first."""
        source, size = self.program.source, len(taken)
        rows = source.stacked - 1
        m.submodules.line = line = Ram(max(2, source.width), width=rows * size)
        at = Signal(len(line.write_addr), name="was_column", reset_less=True)
        m.d.sync += at.eq(column)
        above = Signal(rows * size, name="above_codes")
        m.d.comb += [
            line.addr.eq(column),
            above.eq(Mux(was["top"], pad.replicate(rows), line.data)),
            line.write.eq(was["step"] & ~was["after"]),
            line.write_addr.eq(at),
            line.write_data.eq(Cat(taken, above)),
        ]
        return above


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

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layout = self.layout
        m.submodules.memory = memory = Ram(self.depth, width=layout.lanes * self.bits)
        m.d.comb += [
            memory.write.eq(self.write),
            memory.write_addr.eq(self.address),
            memory.write_data.eq(self.codes),
        ]
        # Words of memory: read one ahead.
        fetch, load = Signal(name="fetch"), Signal(name="load")
        _, word_last = counter(m, step=load, count=layout.words, name="word")
        place = Signal(range(max(2, self.depth)), name="place")
        after = Signal(len(place), name="place_after")
        back = (layout.words - 1) * layout.positions - 1
        m.d.comb += [
            after.eq(Mux(word_last, place - back, place + layout.positions)),
            memory.addr.eq(Mux(load, after, place)),
        ]
        with m.If(load):
            m.d.sync += place.eq(after)
        with m.If(self.done):
            m.d.sync += place.eq(0)
        # Lanes of a word: one goes out after the other.
        rest = layout.channels - (layout.words - 1) * layout.lanes
        shift = Signal(layout.lanes * self.bits, name="word_shift", reset_less=True)
        lanes_left = Signal(range(max(2, layout.lanes)), name="lanes_left", reset_less=True)
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
                shift.eq(memory.data),
                lanes_left.eq(Mux(word_last, rest - 1, layout.lanes - 1)),
                full.eq(1),
            ]
        with m.Elif(step):
            m.d.sync += [shift.eq(shift >> self.bits), lanes_left.eq(lanes_left - 1)]
            with m.If(self.done):
                m.d.sync += full.eq(0)
        return m
