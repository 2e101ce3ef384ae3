"""Window unit: a line buffer that is read as windows over the tensor."""

from typing import Any

import numpy as np
from amaranth.hdl import Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from numpy.typing import NDArray

from macwright.hw.accelerator.loops import Loop, LoopNest, number_of
from macwright.hw.accelerator.storage import credits, packed, storage
from macwright.hw.accelerator.stream import sink_ports
from macwright.hw.accelerator.window_spec import WindowSpec
from macwright.hw.arith.widths import range_width

__all__ = ["Window"]


class Window(wiring.Component):
    """Line buffer, read window by window; ``beat`` is one tap's channels, `read_lanes` of them.

    A sum begins in a cycle in which all words of its window are there and `allow` is 1, and then
    runs for ``spec.beats`` cycles without a gap; the next may follow at once. ``spec.latency``
    cycles after each beat `beat` holds its channels (the pad code beside the tensor). A sum may
    begin two cycles after its last word was written. When the last beat of a position has gone,
    what no later position needs makes room two cycles later, which is position by position, not row
    by row: kernel - 1 rows and a kernel's width are enough.

    Parameters
    ----------
    spec : WindowSpec
        Tensor and window.

    Members
    -------
    room, reserve, valid, data : see :func:`~macwright.hw.accelerator.stream.sink_ports`
    allow : :py:`In(1)`
        Whether a sum may begin.
    start, step, finish : :py:`Out(1)`
        Whether the first, any, the last beat of a sum goes in this cycle.
    beat : :py:`Out(read_lanes * bits)`
        Channels of the beat of ``spec.latency`` cycles before, registered.
    """

    def __init__(self, spec: WindowSpec) -> None:
        self.spec: Any = spec
        ports = sink_ports(spec.written)
        ports |= {"allow": In(1), "start": Out(1), "step": Out(1), "finish": Out(1)}
        super().__init__(ports | {"beat": Out(spec.read.width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        running, ready = Signal(name="running"), Signal(name="ready")
        nest = LoopNest(m, self._loops(), step=self.step)
        sum_ends = nest.ends("chunk", "column_tap", "row_tap")
        place_ends = nest.ends("pass", "fold")
        leaves = Signal(name="leaves")
        m.d.comb += [
            self.start.eq(~running & ready & self.allow),
            self.step.eq(running | self.start),
            self.finish.eq(self.step & sum_ends),
            leaves.eq(self.finish & place_ends),
        ]
        m.d.sync += running.eq(self.step & ~sum_ends)
        full, word = packed(m, spec, self.valid, self.data)
        self._flow(m, nest, leaves=leaves, full=full, ready=ready)
        size, frame = spec.depth * spec.parts, spec.height * spec.width * spec.position_words
        top, left, _, _ = spec.pads
        per_place = spec.channels // spec.read_lanes
        addr = nest.address(
            "read_addr",
            start=-(top * spec.width + left) * per_place,
            size=size,
            round_=frame * spec.parts,
        )
        split = (spec.parts - 1).bit_length()
        bits = (spec.depth - 1).bit_length()
        data = storage(m, spec, valid=full, data=word, addr=addr[split : split + bits])
        if spec.parts > 1:
            part = Signal(split, name="part", reset_less=True)
            m.d.sync += part.eq(addr[:split])
            data = data.word_select(part, spec.read.width)
        beat = Signal(spec.read.width, name="beat_reg", reset_less=True)
        m.d.sync += beat.eq(Mux(self._outside(m, nest), self._padding(), data))
        m.d.comb += self.beat.eq(beat)
        return m

    def _loops(self) -> list[Loop]:
        """Loops of a frame, the innermost first, with addresses in words that are read."""
        spec = self.spec
        place = spec.channels // spec.read_lanes
        (down, right), (row, column) = spec.stride, spec.dilation
        rows, columns = spec.outputs

        def loop(name: str, count: int, read_addr: int, **steps: int) -> Loop:
            return Loop(name=name, count=count, steps={"read_addr": read_addr, **steps})

        return [
            loop("chunk", spec.chunks, 1),
            loop("column_tap", spec.kernel[1], column * place, x=column),
            loop("row_tap", spec.kernel[0], row * spec.width * place, y=row),
            loop("pass", spec.passes, 0),
            loop("fold", spec.folds, spec.chunks),
            loop("x_out", columns, right * place, x=right),
            loop("y_out", rows, down * spec.width * place, y=down),
        ]

    def _flow(
        self, m: Module, nest: LoopNest, *, leaves: Value, full: Value, ready: Signal
    ) -> None:
        """What is there, what is still wanted, and what makes room."""
        spec = self.spec
        needs, keeps = spec.needs, spec.keeps
        # Within a row by the column; from row to row, and from frame to frame, by the row.
        want = self._growth(m, nest, needs, "want")
        less = self._growth(m, nest, needs, "want_less", minus=1)
        moving = keeps[:, -1] > keeps[:, 0]
        row = int(moving.argmax())
        free = self._growth(m, nest, keeps, "free", row=row, moving=moving)
        freed = Signal(len(free), name="freed")  # never negative
        m.d.comb += freed.eq(Mux(leaves, free, 0))
        m.d.comb += self.room.eq(
            credits(
                m,
                spec,
                reserve=self.reserve,
                free=freed * spec.pack,
                first=int(keeps[0, 0]) * spec.pack,
                ahead=spec.ahead * spec.pack,
            )
        )
        first = int(needs[0, 0])
        low, high = -(1 << (len(want) - 1)), spec.depth + spec.ahead
        spare = Signal(signed(range_width(min(low, -first), high)), name="spare", init=-first)
        written = Signal(name="written")
        # Both outcomes, as it is known late whether a position is left.
        stays, moves = (
            Signal.like(spare, name="spare_stays"),
            Signal.like(spare, name="spare_moves"),
        )
        m.d.comb += [stays.eq(spare + written), moves.eq(spare - Mux(written, less, want))]
        m.d.sync += [
            written.eq(full),
            spare.eq(Mux(leaves, moves, stays)),
            ready.eq(Mux(leaves, moves >= 0, stays >= 0)),
        ]

    def _growth(
        self,
        m: Module,
        nest: LoopNest,
        table: NDArray[np.int64],
        name: str,
        *,
        row: int = 0,
        moving: NDArray[np.bool_] | None = None,
        minus: int = 0,
    ) -> Value:
        """By how much, less `minus`, a number of every position grows to the next one.

        Within rows as in the given one, but in those alone that move.
        """
        frame = self.spec.height * self.spec.width * self.spec.position_words
        x_out, y_out = nest.index.get("x_out"), nest.index.get("y_out")
        in_row = number_of(m, x_out, [*(np.diff(table[row]) - minus), 0], f"{name}_in_row")
        if moving is not None:
            in_row = Mux(number_of(m, y_out, moving, f"{name}_moves") != 0, in_row, 0)
        ends = np.append(table[1:, 0] - table[:-1, -1], frame + table[0, 0] - table[-1, -1]) - minus
        return Mux(nest.last["x_out"], number_of(m, y_out, ends.tolist(), f"{name}_at_end"), in_row)

    def _outside(self, m: Module, nest: LoopNest) -> Value:
        """Register: whether the beat whose word the memory gives lies beside the tensor."""
        spec = self.spec
        top, left, _, _ = spec.pads
        result: Value = Const(0, 1)
        for name, start, size in (("y", -top, spec.height), ("x", -left, spec.width)):
            ends = start + sum((loop.count - 1) * loop.steps.get(name, 0) for loop in nest.loops)
            if start < 0 or ends >= size:
                position = nest.number(name, start=start)
                result = result | (position < 0) | (position >= size)
        if isinstance(result, Const):
            return result
        early = Signal(name="outside_early", reset_less=True)
        outside = Signal(name="outside", reset_less=True)
        m.d.sync += [early.eq(result), outside.eq(early)]
        return outside

    def _padding(self) -> int:
        spec = self.spec
        return sum(spec.pad_code << (lane * spec.bits) for lane in range(spec.read_lanes))
