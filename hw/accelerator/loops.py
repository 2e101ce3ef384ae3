"""Nested loops as hardware: counters, and numbers that are linear in them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal, Value, signed

from macwright.hw.accelerator.stream import counter
from macwright.hw.arith.widths import range_width

__all__ = ["Loop", "LoopNest", "number_of"]


@dataclass(frozen=True, kw_only=True)
class Loop:
    """One loop: how often, and by how much each number grows with every turn.

    Parameters
    ----------
    name : str
        What it counts.
    count : int
        Turns.
    steps : dict
        Growth of numbers, by their names; 0 where absent.
    """

    name: str
    count: int
    steps: dict[str, int] = field(default_factory=dict)


class LoopNest:
    """Counters of nested loops, the innermost first, that make one turn a step, over and over.

    Parameters
    ----------
    m : Module
        Where the hardware goes.
    loops : sequence of Loop
        The innermost first.
    step : Value
        Whether a turn is made in this cycle.
    """

    def __init__(self, m: Module, loops: Sequence[Loop], *, step: Value) -> None:
        self.m, self.step = m, step
        self.loops = [loop for loop in loops if loop.count > 1]
        self.index: dict[str, Signal] = {}
        self.last: dict[str, Value] = {loop.name: Const(1, 1) for loop in loops}
        for loop in self.loops:
            self.index[loop.name], self.last[loop.name] = counter(
                m, step=step, count=loop.count, name=loop.name
            )
            step = self._also(step, self.last[loop.name], f"{loop.name}_wrap")
        #: Whether this step is the last of all.
        self.wrap = step

    def _also(self, first: Value, second: Value, name: str) -> Value:
        both = Signal(name=name)
        self.m.d.comb += both.eq(first & second)
        return both

    def ends(self, *names: str) -> Value:
        """Whether all of these loops are at their last turn."""
        result: Value = Const(1, 1)
        for name in names:
            result = result & self.last[name]
        return result

    def _growths(self, name: str, turn: int) -> list[int]:
        """Growth of a number when the k-th loop steps and those inside start anew; then of all."""
        inner, growths = 0, []
        for loop in self.loops:
            growths.append(loop.steps.get(name, 0) - inner)
            inner += (loop.count - 1) * loop.steps.get(name, 0)
        return [*growths, turn - inner]

    def _chosen(self, growths: Sequence[int], shape: Any, name: str) -> Signal:
        """Growth of this step: that of the innermost loop that is not at its last turn."""
        chosen = Signal(shape, name=name)
        value: Any = growths[-1]
        for loop, growth in reversed(list(zip(self.loops, growths, strict=False))):
            value = Mux(self.last[loop.name], value, growth)
        self.m.d.comb += chosen.eq(value)
        return chosen

    def number(self, name: str, *, start: int) -> Signal:
        """Register of a number that begins at `start`, with every round anew."""
        low = high = start
        for loop in self.loops:
            reach = (loop.count - 1) * loop.steps.get(name, 0)
            low, high = low + min(reach, 0), high + max(reach, 0)
        growths = self._growths(name, 0)
        most = [low, high, *growths]
        shape = signed(range_width(min(most), max(most)))
        register = Signal(shape, name=name, init=start)
        with self.m.If(self.step):
            self.m.d.sync += register.eq(register + self._chosen(growths, shape, f"{name}_step"))
        return register

    def address(self, name: str, *, start: int, size: int, round_: int) -> Signal:
        """Register of a number modulo `size`, which grows by `round_` with every round.

        It is what it should be one cycle later than the counters, since its growth goes through a
        register.
        """
        register = Signal(range(max(2, size)), name=name, init=start % size)
        growths = [growth % size for growth in self._growths(name, round_)]
        if not any(growths):
            return register
        bits = len(register)
        chosen = self._chosen(growths, range(max(2, size)), f"{name}_step")
        growth = Signal(bits, name=f"{name}_growth")
        self.m.d.sync += growth.eq(Mux(self.step, chosen, 0))
        total: Value = register + growth
        if size & (size - 1):
            # Both sums at once; the one that went around is right where it is not negative.
            around = Signal(signed(bits + 1), name=f"{name}_growth_around", init=-size)
            self.m.d.sync += around.eq(Mux(self.step, chosen, 0) - size)
            other = Signal(signed(bits + 2), name=f"{name}_around")
            self.m.d.comb += other.eq(register + around)
            total = Mux(other < 0, total, other)
        self.m.d.sync += register.eq(total)
        return register


def number_of(m: Module, index: Signal | None, numbers: Sequence[int], name: str) -> Value:
    """Number that belongs to an index: the commonest one unless it is listed."""
    numbers = [int(number) for number in numbers]
    usual = max(sorted(set(numbers)), key=numbers.count)
    shape = signed(range_width(min(numbers), max(numbers)))
    if index is None or len(set(numbers)) == 1:
        return Const(usual, shape)
    result = Signal(shape, name=name, init=usual)
    others: dict[int, list[int]] = {}
    for place, number in enumerate(numbers):
        if number != usual:
            others.setdefault(number, []).append(place)
    with m.Switch(index):
        for number, places in others.items():
            with m.Case(*places):
                m.d.comb += result.eq(number)
    return result
