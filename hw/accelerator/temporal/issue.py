"""Walks through the steps of a pass: addresses, taps and the control of the array."""

from typing import Any

from amaranth.hdl import Const, Module, Mux, Shape, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from macwright.hw.accelerator.rom import Rom
from macwright.hw.accelerator.temporal.microcode import Microcode

__all__ = ["Issue"]


class Issue(wiring.Component):
    """From a word of the program to what happens in each cycle.

    The first step begins in the cycle after `begin`; its address is there one cycle later. The
    sums of the last tile are cleared in the cycle after the last step's.

    Parameters
    ----------
    code : Microcode
        Program.
    rows : int
        Of the array.
    name : str
        Beginning of the names of its memories.

    Members
    -------
    begin : :py:`In(1)`
        A pass begins.
    program : :py:`In(pass_layout)`
        Word of the pass, from `begin` until its results are written.
    final : :py:`In(1)`
        Whether it is the last pass: the program begins anew after it. As `program`.
    read, weight : Out
        Addresses of activations and weights.
    row_weight : Out
        Address of weights of rows 1, 2 and so on, of connected layers, one cycle after `weight`.
    outside, part, tap : Out
        One cycle after the address: whether the word is outside of the input, what is taken of its
        codes, and whether there are weights.
    first, clear, drain, valid : Out
        Control of the array, two cycles after the address.
    following : :py:`In(1)`, free : :py:`Out(1)`
        Where weights come from outside: whether those of two words of output channels are there,
        and whether those of one are used up.
    """

    def __init__(self, code: Microcode, *, rows: int, name: str) -> None:
        self.code, self.rows, self.name = code, rows, name
        self.stream = code.program.weight_stream
        self.depth = self.stream.depth if self.stream else len(code.weight_words)
        self.step_rom = Rom(
            code.step_words,
            width=Shape.cast(code.step_layout).width,
            name=f"{name}_steps",
            style="auto",
        )
        super().__init__(
            {
                "begin": In(1),
                "program": In(code.pass_layout),
                "final": In(1),
                "read": Out(code.address_bits),
                "weight": Out(range(max(2, self.depth))),
                "row_weight": Out(max(1, (code.row_depth - 1).bit_length())),
                "outside": Out(1),
                "part": Out(2),
                "tap": Out(1),
                "first": Out(1),
                "clear": Out(1),
                "drain": Out(1),
                "valid": Out(rows.bit_length()),
                **({"following": In(1), "free": Out(1)} if self.stream else {}),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        self._m = m
        m.submodules.steps = self.step_rom
        self._tiles()
        self._fetch()
        self._walk()
        self._outputs()
        return m

    def _register(self, name: str, shape: Any, *, reset: bool = False) -> Signal:
        return Signal(shape, name=name, reset_less=not reset)

    def _tiles(self) -> None:
        """Which tile it is, and which comes next."""
        m, word = self._m, self.program
        layout: Any = self.code.pass_layout
        self.running = self._register("running", 1, reset=True)
        self.waited: Value = Const(0, 1)
        self.cycles_left = self._register("cycles_left", max(
            self.code.step_layout["whole"].width, self.code.step_layout["last"].width
        ))  # fmt: skip
        self.step_ends, self.tile_ends = Signal(name="step_ends"), Signal(name="tile_ends")
        self.word_ends, self.pass_ends = Signal(name="word_ends"), Signal(name="pass_ends")
        self.ends = self._register("ends", 1)
        left = {
            name: self._register(f"{name}_left", layout[name].width)
            for name in ("tiles", "groups", "words")
        }
        group_ends = Signal(name="group_ends")
        done: Value = self.running & (self.cycles_left == 0)
        if self.stream:
            # The last step of a word of output channels goes on until weights of the next come.
            last_tile = self.ends & (left["tiles"] == 0) & (left["groups"] == 0)
            waits = last_tile & (left["words"] != 0) & ~self.following
            self.waited = self._register("waited", 1, reset=True)
            m.d.sync += self.waited.eq(done & waits)
            done = done & ~waits
        m.d.comb += [
            self.step_ends.eq(done),
            self.tile_ends.eq(self.step_ends & self.ends),
            group_ends.eq(self.tile_ends & (left["tiles"] == 0)),
            self.word_ends.eq(group_ends & (left["groups"] == 0)),
            self.pass_ends.eq(self.word_ends & (left["words"] == 0)),
        ]
        fresh = {
            "tiles": self.begin | group_ends,
            "groups": self.begin | self.word_ends,
            "words": self.begin,
        }
        counts = {"tiles": self.tile_ends, "groups": group_ends, "words": self.word_ends}
        following = {}
        for name, register in left.items():
            after = Signal(register.shape(), name=f"{name}_next")
            m.d.comb += after.eq(Mux(fresh[name], word[name], register - counts[name]))
            m.d.sync += register.eq(after)
            following[name] = after
        self.last_next = following["tiles"] == 0
        self.final_next = Signal(name="final_next")
        m.d.comb += self.final_next.eq(
            self.last_next & (following["groups"] == 0) & (following["words"] == 0)
        )
        whole = Mux(word.largest, 1, self.rows)
        self.rows_now = Signal(self.rows.bit_length(), name="rows_now")
        m.d.comb += self.rows_now.eq(Mux(left["tiles"] == 0, word.last, whole))
        self.load = Signal(name="load")
        m.d.comb += self.load.eq(self.begin | (self.step_ends & ~self.pass_ends))
        with m.If(self.begin):
            m.d.sync += self.running.eq(1)
        with m.Elif(self.pass_ends):
            m.d.sync += self.running.eq(0)

    def _fetch(self) -> None:
        """Steps, one ahead of what is done."""
        m, rom = self._m, self.step_rom
        pointer = self._register("step_pointer", len(rom.addr), reset=True)
        base = self._register("step_base", len(rom.addr), reset=True)
        record = Signal(self.code.step_layout, name="record")
        m.d.comb += [record.as_value().eq(rom.data), rom.addr.eq(pointer)]
        after = Signal(len(rom.addr), name="step_after")
        m.d.comb += after.eq(pointer + 1)
        self.step: Any = Signal(self.code.step_layout, name="step", reset_less=True)
        self.cycle = self._register("cycle", len(self.cycles_left))
        with m.If(self.load):
            m.d.sync += [
                self.step.eq(record),
                self.ends.eq(record.ends),
                self.cycle.eq(0),
                self.cycles_left.eq(Mux(self.last_next, record.last, record.whole)),
                pointer.eq(Mux(record.ends & ~self.final_next, base, after)),
            ]
            with m.If(record.ends & self.final_next):
                m.d.sync += base.eq(after)
        with m.Elif((self.cycles_left != 0) if self.stream else Const(1)):
            m.d.sync += [
                self.cycle.eq(self.cycle + 1),
                self.cycles_left.eq(self.cycles_left - 1),
            ]
        # The program begins anew long after the last step.
        with m.If(self.pass_ends & self.final):
            m.d.sync += [pointer.eq(0), base.eq(0)]

    def _walk(self) -> None:
        """Places of the input: of the tile, of this cycle's word, and of the next tile."""
        m, word = self._m, self.program
        bits = self.code.place_bits
        shapes = {
            "row": signed(bits),
            "column": signed(bits),
            "place": self.code.address_bits,
            "at": len(word.width),
        }
        tile, now, saved = (
            {name: self._register(f"{what}_{name}", shape) for name, shape in shapes.items()}
            for what in ("tile", "word", "kept")
        )
        word_place = self._register("plane_place", self.code.address_bits)
        place_next = Signal(self.code.address_bits, name="plane_place_next")
        m.d.comb += place_next.eq(
            Mux(self.begin, word.first, word_place + Mux(self.word_ends, word.plane, 0))
        )
        m.d.sync += word_place.eq(place_next)
        wraps = Signal(name="wraps")
        m.d.comb += wraps.eq(now["at"] == word.width)
        position = {
            "row": now["row"] + Mux(wraps, word.down, 0),
            "column": Mux(wraps, word.column, now["column"] + word.right),
            "place": now["place"] + Mux(wraps, word.next_line, word.right),
            "at": Mux(wraps, 0, now["at"] + 1),
        }
        beside = {
            "row": now["row"],
            "column": now["column"] + word.gap,
            "place": now["place"] + word.gap,
            "at": now["at"] + 1,
        }
        origin = {"row": word.row, "column": word.column, "place": place_next, "at": 0}
        is_last = Signal(name="is_last_row")
        m.d.comb += is_last.eq((self.cycle == self.rows_now - 1) & ~self.waited)
        dense = ~(word.depthwise | word.largest)
        for name, shape in shapes.items():
            after = Signal(shape, name=f"after_{name}")
            begins = Signal(shape, name=f"begins_{name}")
            m.d.comb += [
                after.eq(position[name]),
                begins.eq(Mux(is_last, after, saved[name])),
            ]
            with m.If(is_last):
                m.d.sync += saved[name].eq(after)
            with m.If(self.begin | self.word_ends):
                m.d.sync += [tile[name].eq(origin[name]), now[name].eq(origin[name])]
            with m.Elif(self.tile_ends):
                m.d.sync += [tile[name].eq(begins), now[name].eq(begins)]
            with m.Elif(self.load):
                m.d.sync += now[name].eq(tile[name])
            with m.Else():
                m.d.sync += now[name].eq(Mux(dense, after, beside[name]))
        row, column = Signal(signed(bits + 1), name="row"), Signal(signed(bits + 1), name="column")
        m.d.comb += [
            row.eq(now["row"] + self.step.down),
            column.eq(now["column"] + self.step.right),
        ]
        self.address = Signal(self.code.address_bits, name="address")
        m.d.comb += self.address.eq(now["place"] + self.step.offset)
        # Where nothing is wanted an address may be beyond the memory, whose words there are unknown
        # to a simulator: times a weight of 0 they would stay so.
        self.is_outside = (
            (row < 0)
            | (row >= word.height_in)
            | (column < 0)
            | (column >= word.width_in)
            | (self.address >= self.code.program.depth)
        )

    def _outputs(self) -> None:
        """Addresses in the next cycle, the rest behind them; weights of a tile again and again."""
        m = self._m
        begins_tile = self._register("begins_tile", 1)
        has_sums = self._register("has_sums", 1, reset=True)
        flush = self._register("flush", 1, reset=True)
        before = self._register("rows_before", len(self.rows_now))
        m.d.sync += flush.eq(self.pass_ends)
        with m.If(self.load):
            m.d.sync += begins_tile.eq(self.begin | self.tile_ends)
        with m.If(self.begin):
            m.d.sync += has_sums.eq(0)
        with m.Elif(self.tile_ends):
            m.d.sync += [has_sums.eq(1), before.eq(self.rows_now)]
        first, tap = Signal(name="first_now"), Signal(name="tap_now")
        clear, drain = Signal(name="clear_now"), Signal(name="drain_now")
        m.d.comb += [
            first.eq(self.running & (self.cycle == 0)),
            clear.eq((first & begins_tile) | flush),
            drain.eq(clear & has_sums),
            tap.eq(self.running & (self.cycle < self.step.taps) & ~self.waited),
        ]
        read = self._register("read_reg", self.code.address_bits)
        m.d.sync += read.eq(self.address)
        m.d.comb += self.read.eq(read)
        tap_read = self._later(tap, 1, "tap")
        ends = [
            self._later(s, 1, n) for s, n in ((self.tile_ends, "tile"), (self.word_ends, "word"))
        ]
        weight, base = (
            self._register(name, len(self.weight), reset=True)
            for name in ("weight_at", "weight_base")
        )
        following = Signal(len(self.weight), name="weight_after")
        used = tap_read & ~self.program.largest
        after = Mux(weight == self.depth - 1, 0, weight + 1) if self.stream else weight + 1
        m.d.comb += [following.eq(Mux(used, after, weight)), self.weight.eq(weight)]
        again = ends[0] & ~ends[1] & ~self.program.connected
        m.d.sync += weight.eq(Mux(again, base, following))
        with m.If(ends[1]):
            m.d.sync += base.eq(following)
        restart = self._later(self.pass_ends & self.final, 2, "restart")
        if self.stream:  # a ring has no beginning
            m.d.comb += self.free.eq(ends[1])
        else:
            with m.If(restart):
                m.d.sync += [weight.eq(0), base.eq(0)]
        row_weight = self._register("row_weight_at", len(self.row_weight), reset=True)
        step_row = self._later(tap_read & self.program.connected, 1, "tap_row")
        with m.If(step_row):
            m.d.sync += row_weight.eq(row_weight + 1)
        with m.If(self._later(restart, 1, "restart_rows")):
            m.d.sync += row_weight.eq(0)
        m.d.comb += self.row_weight.eq(row_weight)
        m.d.comb += [
            self.outside.eq(self._later(self.is_outside, 2, "outside")),
            self.part.eq(self._later(self.step.part, 2, "part")),
            self.tap.eq(self._later(tap_read, 1, "tap_word")),
            self.first.eq(self._later(first, 3, "first")),
            self.clear.eq(self._later(clear, 3, "clear")),
            self.drain.eq(self._later(drain, 3, "drain", reset=True)),
            self.valid.eq(self._later(before, 3, "valid")),
        ]

    def _later(self, value: Value, cycles: int, name: str, *, reset: bool = False) -> Value:
        """A value so many cycles later."""
        for stage in range(cycles):
            register = self._register(f"{name}_{stage}", len(value), reset=reset)
            self._m.d.sync += register.eq(value)
            value = register
        return value
