"""Array of the temporal machine: weights and control move down, words come to all rows."""

from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from macwright.hw.accelerator.library import Unit
from macwright.hw.accelerator.stream import Words, check_count
from macwright.hw.accelerator.temporal.split_mac import SplitMacSpec
from macwright.hw.errors import RefusedInput
from macwright.hw.pe import IntMacSpec

__all__ = ["ArraySpec", "TemporalArray"]


@dataclass(frozen=True, kw_only=True)
class ArraySpec:
    """Everything that fixes a :class:`TemporalArray`.

    Parameters
    ----------
    unit : IntMacSpec or SplitMacSpec
        Unit of each PE, with unsigned activations and neither enable nor reset.
    rows, columns : int
        PEs.
    own : int
        Rows after the first that can have weights of their own.
    """

    unit: IntMacSpec | SplitMacSpec
    rows: int
    columns: int
    own: int = 0

    def __post_init__(self) -> None:
        check_count("Array rows", self.rows)
        check_count("Array columns", self.columns)
        if self.unit.en or self.unit.rst or self.unit.act.signed:
            raise RefusedInput(
                "Units of a temporal machine must have unsigned activations and neither enable nor "
                f"reset, unlike {self.unit.name}"
            )

    @property
    def splits(self) -> tuple[int, ...]:
        """Weights that a unit uses in a cycle in each mode."""
        return self.unit.splits if isinstance(self.unit, SplitMacSpec) else (1,)

    @property
    def acts(self) -> Words:
        """Words of activations."""
        return Words(lanes=self.columns, bits=self.unit.act.width)

    @property
    def weights(self) -> Words:
        """Words of weights."""
        return Words(lanes=self.columns, bits=self.unit.weight.width)

    @property
    def sums(self) -> int:
        """Bits of a sum."""
        return int(self.unit.acc.width)

    @property
    def count(self) -> int:
        """Bits of a number of rows."""
        return self.rows.bit_length()


class TemporalArray(wiring.Component):
    """R by C units; row r does what row 0 did r cycles before, with another word.

    In each cycle row 0 is given weights and control, and all rows see a word. A row with `first`
    keeps the word and uses its channels one after the other, in this and the following cycles,
    each with all weights of its cycle (dense), of parts of the word at once where units use several
    weights; or each column always uses its channel of the word
    (`broadcast`). `clear` begins new sums. `drain` comes with it where the sums before are to
    leave: row r's, for r below `valid`, are at `x` ``2 + r + pipeline`` cycles later; the next
    `drain` comes `valid` cycles later or more. Idle cycles have weights of 0.

    With `connected`, rows 1, 2 and so on use weights of their own instead of those of the row
    above: row r's come ``r`` cycles after those of row 0.

    Parameters
    ----------
    spec : ArraySpec
        Unit and size.

    Members
    -------
    word, weights : In
        Activations and weights, the first column in the lowest bits.
    first, clear, drain, broadcast : :py:`In(1)`
        Control of row 0; `broadcast` holds until all is drained.
    mode : :py:`In(range(splits))`
        Where units split weights: which of ``spec.splits``; holds as `broadcast`.
    connected : :py:`In(1)`, own_weights : :py:`In(own * weights)`
        Where there are own weights: those of row 1, then of row 2, and so on; `connected` holds.
    valid : :py:`In(count)`
        Rows to drain, with `drain`.
    leaves : :py:`Out(1)`
        A row's sums will be at `x` in the next cycle.
    x : :py:`Out(columns * sums)`
        Sums, registered.
    """

    def __init__(self, spec: ArraySpec) -> None:
        self.spec: Any = spec
        ports = {name: In(1) for name in ("first", "clear", "drain", "broadcast")}
        own = {"connected": In(1), "own_weights": In(spec.own * spec.weights.width)}
        super().__init__(
            ports
            | {
                "word": In(spec.acts.width),
                "weights": In(spec.weights.width),
                "valid": In(spec.count),
                "leaves": Out(1),
                "x": Out(spec.columns * spec.sums),
            }
            | (own if spec.own else {})
            | ({"mode": In(range(len(spec.splits)))} if len(spec.splits) > 1 else {})
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        word = Signal(spec.acts.width, name="word_reg", reset_less=True)
        m.d.sync += word.eq(self.word)
        enables = self._drained(m)
        weights, first, clear = self.weights, self.first, self.clear
        rows = []
        for row in range(spec.rows):
            if 1 <= row <= spec.own:
                own = self.own_weights.word_select(row - 1, spec.weights.width)
                weights = Mux(self.connected, own, weights)
            held = Signal(spec.acts.width, name=f"kept{row}", reset_less=True)
            below = Signal(spec.weights.width, name=f"weights{row}", reset_less=True)
            begins = Signal(name=f"first{row}", reset_less=True)
            clears = Signal(name=f"clear{row}", reset_less=True)
            m.d.sync += [
                held.eq(Mux(first, self.word, held >> spec.acts.bits)),
                below.eq(weights),
                begins.eq(first),
                clears.eq(clear),
            ]
            sums = self._row(m, row, held, word, below, clears)
            rows.append(Mux(enables[row], Cat(*sums), 0))
            weights, first, clear = below, begins, clears
        m.d.comb += self.leaves.eq(Cat(*enables).any())
        x = Signal(spec.columns * spec.sums, name="x_reg", reset_less=True)
        m.d.sync += x.eq(reduce(or_, rows))
        m.d.comb += self.x.eq(x)
        return m

    def _row(
        self, m: Module, row: int, held: Value, word: Value, weights: Value, clear: Value
    ) -> list[Value]:
        """Units of a row: their sums."""
        spec, sums = self.spec, []
        own, dense = spec.acts.split(word), self._dense(m, row, spec.acts.split(held))
        for column, weight in enumerate(spec.weights.split(weights)):
            unit = Unit(spec.unit)
            m.submodules[f"pe{row}_{column}"] = unit
            port = unit.component
            m.d.comb += [
                port.a.eq(Cat(Mux(self.broadcast, own[column], act) for act in dense)),
                port.w.eq(weight),
                port.clear.eq(clear),
            ]
            if len(spec.splits) > 1:
                m.d.comb += port.mode.eq(self.mode)
            total = Signal(signed(spec.sums), name=f"sum{row}_{column}")
            m.d.comb += total.eq(port.acc)
            sums.append(total)
        return sums

    def _dense(self, m: Module, row: int, lanes: list[Value]) -> list[Value]:
        """Channels that a row uses in a cycle: one, or one for each digit of a weight."""
        splits, digits = self.spec.splits, self.spec.splits[-1]
        result: list[Value] = []
        for digit in range(digits):
            places = [digit * split // digits * (len(lanes) // split) for split in splits]
            if len(set(places)) == 1:
                result.append(lanes[places[0]])
                continue
            chosen = Signal(len(lanes[0]), name=f"dense{row}_{digit}")
            with m.Switch(self.mode):
                for number, place in enumerate(places):
                    with m.Case(number) if number + 1 < len(places) else m.Default():
                        m.d.comb += chosen.eq(lanes[place])
            result.append(chosen)
        return result

    def _drained(self, m: Module) -> list[Value]:
        """Whether the sums of each row leave in this cycle."""
        spec = self.spec
        drain, valid = self.drain, self.valid
        for stage in range(spec.unit.pipeline):
            later, count = (
                Signal(name=f"drain_p{stage}"),
                Signal(spec.count, name=f"valid_p{stage}"),
            )
            m.d.sync += [later.eq(drain), count.eq(valid)]
            drain, valid = later, count
        # A sum leaves in the cycle in which it is cleared. Rows that are not valid never do: the
        # wave ends before them, also where the next one begins before it would have come there.
        there = Signal(spec.rows, name="rows_there", reset_less=True)
        with m.If(drain):
            m.d.sync += there.eq(Cat(valid > row for row in range(spec.rows)))
        enables: list[Value] = []
        for row in range(spec.rows):
            wave = Signal(name=f"drains{row}")
            m.d.sync += wave.eq(drain if row == 0 else enables[-1] & there[row])
            enables.append(wave)
        return enables
