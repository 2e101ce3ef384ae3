"""Drain: results of all processing elements, captured and requantised a few at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from macwright.hw.accelerator.library import Unit
from macwright.hw.accelerator.requantiser import RequantiserSpec
from macwright.hw.accelerator.rom import Rom
from macwright.hw.accelerator.stream import check_count
from macwright.hw.errors import RefusedInput

__all__ = ["Drain", "DrainSpec"]


@dataclass(frozen=True, kw_only=True)
class DrainSpec:
    """Everything that fixes a :class:`Drain` but its constants.

    Parameters
    ----------
    results : int
        Sums that come at a time.
    lanes : int
        Sums of a word that goes out; they divide `results`.
    rounds : int
        After how many times the channels begin anew.
    sums : int
        Bits of a sum, signed.
    outputs : tuple of RequantiserSpec
        One for each format that is wanted; they have one width of bias. Empty: the sums themselves
        go out.
    """

    results: int
    lanes: int
    rounds: int
    sums: int
    outputs: tuple[RequantiserSpec, ...]

    def __post_init__(self) -> None:
        for name in ("results", "lanes", "rounds", "sums"):
            check_count(f"Drain {name}", getattr(self, name))
        if self.results % self.lanes:
            raise RefusedInput(
                f"Lanes of a drain must divide its {self.results} results, not be {self.lanes}"
            )
        if len({(output.bias, output.fraction) for output in self.outputs}) > 1:
            raise RefusedInput("Outputs of a drain must have biases of one width and unit")
        if any(output.sums != self.sums for output in self.outputs):
            raise RefusedInput(f"Outputs of a drain must take sums of {self.sums} bits")

    @property
    def words(self) -> int:
        """Words that go out for the results that come at a time, one a cycle."""
        return self.results // self.lanes

    @property
    def channels(self) -> int:
        """Channels of a round."""
        return self.results * self.rounds

    @property
    def latency(self) -> int:
        """Cycles from the one that has results to the one that has the first word."""
        return int(self.words > 1) + self.requantising

    @property
    def requantising(self) -> int:
        """Cycles of the slowest requantiser; words of the others wait for its."""
        return max((output.latency for output in self.outputs), default=0)

    @property
    def constant_bits(self) -> int:
        """Bits of the constants of a channel."""
        return sum(output.multiplier for output in self.outputs if output.constant is None) + (
            self.outputs[0].bias if self.outputs else 0
        )


class Drain(wiring.Component):
    """Captures results and sends them on, `lanes` requantised ones a cycle.

    Results are taken in a cycle where `take` is 1, which it may be every ``spec.words`` cycles.
    The words follow one a cycle, the first ``spec.latency`` cycles later; nothing stalls.

    Parameters
    ----------
    spec : DrainSpec
        Widths.
    name : str
        Beginning of the name of its memory.
    bias : sequence of int, length channels
        Of each channel, where the outputs have any.
    multipliers : sequence of sequences of int, length channels each
        For each output whose multiplier is no constant.

    Members
    -------
    take : :py:`In(1)`
        Whether there are results.
    x : :py:`In(results * sums)`
        Results, the first in the lowest bits.
    valid : :py:`Out(1)`
        Whether there is a word for each output.
    data0, data1 ... : :py:`Out(lanes * bits)`
        The words.
    """

    def __init__(
        self,
        spec: DrainSpec,
        *,
        name: str,
        bias: Sequence[int] = (),
        multipliers: Sequence[Sequence[int]] = (),
    ) -> None:
        self.spec: Any = spec
        self.name, self.bias, self.multipliers = name, bias, multipliers
        columns = [bias, *multipliers]
        wanted = [bool(spec.outputs and spec.outputs[0].bias)]
        wanted += [True for output in spec.outputs if output.constant is None]
        lengths = [spec.channels if here else 0 for here in wanted]
        if [len(column) for column in columns] != lengths:
            raise RefusedInput(
                f"Constants of {name} must be {lengths} numbers, not {[len(c) for c in columns]}"
            )
        widths = [output.bits for output in spec.outputs] or [spec.sums]
        ports: dict[str, Any] = {"take": In(1), "x": In(spec.results * spec.sums)}
        ports |= {"valid": Out(1)}
        super().__init__(
            ports | {f"data{k}": Out(spec.lanes * bits) for k, bits in enumerate(widths)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        valid, word = self._serialised(m)
        sums = [word.word_select(lane, spec.sums).as_signed() for lane in range(spec.lanes)]
        if not spec.outputs:
            m.d.comb += [self.valid.eq(valid), self.data0.eq(word)]
            return m
        constants = self._constants(m, valid) if spec.constant_bits else []
        words: list[list[Value]] = [[] for _ in spec.outputs]
        for lane, x in enumerate(sums):
            offset = lane * spec.constant_bits
            for k, output in enumerate(spec.outputs):
                unit = Unit(output)
                m.submodules[f"requantiser{k}_{lane}"] = unit
                port = unit.component
                m.d.comb += port.x.eq(x)
                if output.bias:
                    bias = constants[lane * spec.constant_bits :][: output.bias]
                    m.d.comb += port.bias.eq(bias)
                    offset += output.bias if k == 0 else 0
                if output.constant is None:
                    m.d.comb += port.scale.eq(constants[offset : offset + output.multiplier])
                    offset += output.multiplier
                words[k].append(port.y)
        for k, (output, lanes) in enumerate(zip(spec.outputs, words, strict=True)):
            word = Cat(*lanes)
            for stage in range(spec.requantising - output.latency):
                later = Signal(len(word), name=f"data{k}_{stage + 1}", reset_less=True)
                m.d.sync += later.eq(word)
                word = later
            m.d.comb += getattr(self, f"data{k}").eq(word)
        for stage in range(spec.requantising):
            after = Signal(name=f"valid_{stage + 1}")
            m.d.sync += after.eq(valid)
            valid = after
        m.d.comb += self.valid.eq(valid)
        return m

    def _serialised(self, m: Module) -> tuple[Value, Value]:
        """Whether there is a word of sums, and the word."""
        spec = self.spec
        if spec.words == 1:
            return self.take, self.x
        width = spec.lanes * spec.sums
        held = Signal(spec.results * spec.sums, name="held", reset_less=True)
        left = Signal(range(spec.words + 1), name="left")
        m.d.sync += [
            held.eq(Mux(self.take, self.x, held[width:])),
            left.eq(Mux(self.take, spec.words, left - left.any())),
        ]
        return left.any(), held[:width]

    def _constants(self, m: Module, valid: Value) -> Value:
        """Constants of the word's channels, which a memory holds in the order of the words."""
        spec = self.spec
        widths = [spec.outputs[0].bias] if spec.outputs[0].bias else []
        widths += [output.multiplier for output in spec.outputs if output.constant is None]
        columns = ([self.bias] if spec.outputs[0].bias else []) + list(self.multipliers)
        words = []
        for start in range(0, spec.channels, spec.lanes):
            word, place = 0, 0
            for channel in range(start, start + spec.lanes):
                for width, column in zip(widths, columns, strict=True):
                    word |= (int(column[channel]) & ((1 << width) - 1)) << place
                    place += width
            words.append(word)
        rom = Rom(words, width=spec.lanes * spec.constant_bits, name=f"{self.name}_constants")
        m.submodules.constants = rom
        # The memory is read for the next word while this one goes in.
        index = Signal(range(max(2, len(words))), name="word_index")
        after = Signal.like(index, name="word_index_next")
        m.d.comb += after.eq(Mux(valid, Mux(index == len(words) - 1, 0, index + 1), index))
        m.d.sync += index.eq(after)
        m.d.comb += rom.addr.eq(after)
        return rom.data
