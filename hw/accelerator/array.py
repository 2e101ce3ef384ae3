"""Arrays of processing elements: what turns the beats of a window into sums."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from macwright.hw.accelerator.levels import code_of_order, level_of, order_of
from macwright.hw.accelerator.library import Unit
from macwright.hw.accelerator.rom import Rom
from macwright.hw.accelerator.stream import Words, check_count, counter, delayed
from macwright.hw.errors import RefusedInput

__all__ = ["MacArray", "MacArraySpec", "Reducer", "ReducerSpec"]


@dataclass(frozen=True, kw_only=True)
class MacArraySpec:
    """Everything that fixes a :class:`MacArray` but its weights.

    Parameters
    ----------
    unit : UnitSpec
        Multiply-accumulate unit, of one lane or (`dot`) several, with neither enable nor reset.
    pe, simd, groups : int
        Sums of a group at a time, products of each in a cycle, groups at a time.
    steps : int
        Beats after which the weights begin anew.
    """

    unit: Any
    pe: int
    simd: int
    groups: int
    steps: int

    def __post_init__(self) -> None:
        for name in ("pe", "simd", "groups", "steps"):
            check_count(f"Array {name}", getattr(self, name))
        if self.unit.en or self.unit.rst:
            raise RefusedInput(
                f"Units of an array must have neither enable nor reset, unlike {self.unit.name}"
            )
        if self.simd % self.lanes:
            raise RefusedInput(
                f"Products a cycle must be a multiple of the unit's {self.lanes}, not {self.simd}"
            )

    @property
    def lanes(self) -> int:
        """Products of a unit in a cycle."""
        return int(getattr(self.unit, "lanes", 1))

    @property
    def words(self) -> Words:
        """Words of activations."""
        return Words(lanes=self.groups * self.simd, bits=self.unit.act.width)

    @property
    def results(self) -> int:
        """Sums at a time."""
        return self.pe * self.groups

    @property
    def sums(self) -> int:
        """Bits of a sum."""
        return int(self.unit.acc.width)

    @property
    def levels(self) -> int:
        """Levels of adders that join the units of a sum, each with a register."""
        return (self.simd // self.lanes - 1).bit_length()

    @property
    def latency(self) -> int:
        """Cycles from a beat's step to the one in which the sums hold its products."""
        return 2 + int(self.unit.latency) + self.levels


class MacArray(wiring.Component):
    """Matrix-vector products: each of `groups` x `pe` sums takes `simd` products a beat.

    Two cycles after a `step`, `data` has the channels of the beat; all units of a group see the
    same ones, each with weights of its own, from a memory that is read in step. `start` marks the
    first beat of a sum. Sums are whole ``spec.latency`` cycles after their last step, for one cycle
    at least. Between sums the units go on, but what they compute then belongs to no sum.

    Parameters
    ----------
    spec : MacArraySpec
        Unit and folding.
    name : str
        Beginning of the name of the memory.
    weights : sequence of int
        Words of weights in the order of the steps: code words, product by product, sum by sum,
        group by group, the first in the lowest bits.

    Members
    -------
    start, step : :py:`In(1)`
        As the window gives them.
    data : :py:`In(groups * simd * act.width)`
        Channels.
    x : :py:`Out(groups * pe * acc.width)`
        Sums, registered.
    """

    def __init__(self, spec: MacArraySpec, *, name: str, weights: Sequence[int]) -> None:
        self.spec: Any = spec
        if len(weights) != spec.steps:
            raise RefusedInput(f"Weights of {name} must be {spec.steps} words, not {len(weights)}")
        self.name, self.weights = name, weights
        super().__init__(
            {
                "start": In(1),
                "step": In(1),
                "data": In(spec.words.width),
                "x": Out(spec.results * spec.sums),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        clear = delayed(m, self.start, 2, "clear")
        index, _ = counter(m, step=self.step, count=spec.steps, name="weight_addr")
        width = spec.results * spec.simd * spec.unit.weight.width
        m.submodules.weights = rom = Rom(self.weights, width=width, name=f"{self.name}_weights")
        if index is not None:
            m.d.comb += rom.addr.eq(index)
        # The memory is slow: its words go to a register first.
        weights = Signal(width, name="weights_reg", reset_less=True)
        m.d.sync += weights.eq(rom.data)
        sums = []
        for result in range(spec.results):
            parts = [
                self._unit(m, clear, weights, result, first)
                for first in range(0, spec.simd, spec.lanes)
            ]
            sums.append(self._joined(m, parts, result))
        m.d.comb += self.x.eq(Cat(*sums))
        return m

    def _unit(self, m: Module, clear: Value, weights: Value, result: int, first: int) -> Value:
        """One unit: its accumulator."""
        spec = self.spec
        unit = Unit(spec.unit)
        m.submodules[f"pe{result}_{first}"] = unit
        port, group = unit.component, result // spec.pe
        act, weight = spec.unit.act.width, spec.unit.weight.width
        lane = group * spec.simd + first
        a = self.data[lane * act : (lane + spec.lanes) * act]
        place = (result * spec.simd + first) * weight
        w = weights[place : place + spec.lanes * weight]
        m.d.comb += [port.a.eq(a), port.w.eq(w), port.clear.eq(clear)]
        return port.acc

    def _joined(self, m: Module, parts: list[Value], result: int) -> Value:
        """Sum of the units' sums: a tree with a register after each level."""
        level = 0
        while len(parts) > 1:
            after = []
            for k in range(0, len(parts), 2):
                total = Signal(
                    signed(self.spec.sums), name=f"sum{result}_{level}_{k // 2}", reset_less=True
                )
                m.d.sync += total.eq(sum(parts[k + 1 : k + 2], parts[k]))
                after.append(total)
            parts, level = after, level + 1
        return parts[0]


@dataclass(frozen=True, kw_only=True)
class ReducerSpec:
    """Everything that fixes a :class:`Reducer`.

    Parameters
    ----------
    operation : {"max", "sum"}
        What is made of the channels' levels.
    lanes : int
        Channels at a time.
    format : Format
        Of the channels: an operand's, of integers or a minifloat.
    sums : int
        Bits of a result, signed.
    """

    operation: str
    lanes: int
    format: Any
    sums: int

    #: Cycles from a beat's step to the one in which the results hold it.
    latency = 3

    def __post_init__(self) -> None:
        for name in ("lanes", "sums"):
            check_count(f"Reducer {name}", getattr(self, name))
        if self.operation not in ("max", "sum"):
            raise RefusedInput(f"Reducer operation must be max or sum, not {self.operation!r}")

    @property
    def words(self) -> Words:
        """Words that come in."""
        return Words(lanes=self.lanes, bits=self.format.width)

    @property
    def results(self) -> int:
        """Results at a time."""
        return self.lanes


class Reducer(wiring.Component):
    """Code of the largest level, or sum of the levels, of each channel of a window.

    The ports and their times are those of :class:`MacArray`.

    Parameters
    ----------
    spec : ReducerSpec
        Operation and widths.

    Members
    -------
    start, step, data, x : see :class:`MacArray`
    """

    def __init__(self, spec: ReducerSpec) -> None:
        self.spec: Any = spec
        super().__init__(
            {
                "start": In(1),
                "step": In(1),
                "data": In(spec.words.width),
                "x": Out(spec.lanes * spec.sums),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        clear = delayed(m, self.start, 2, "clear")
        results = []
        for lane, code in enumerate(spec.words.split(self.data)):
            wide = Signal(spec.sums, name=f"x{lane}")
            if spec.operation == "sum":
                result = Signal(signed(spec.sums), name=f"result{lane}", reset_less=True)
                level = level_of(m, code, spec.format, f"level{lane}")
                m.d.sync += result.eq(Mux(clear, 0, result) + level)
                m.d.comb += wide.eq(result)
            else:
                order = order_of(code, spec.format)
                result = Signal(order.shape(), name=f"result{lane}", reset_less=True)
                with m.If(clear | (order > result)):
                    m.d.sync += result.eq(order)
                m.d.comb += wide.eq(code_of_order(result, spec.format))
            results.append(wide)
        m.d.comb += self.x.eq(Cat(*results))
        return m
