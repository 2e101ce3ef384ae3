"""Engine: all that computes one layer whose results are sums or maxima over windows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring

from macwright.hw.accelerator.array import MacArray, MacArraySpec, Reducer, ReducerSpec
from macwright.hw.accelerator.describe import describe_array, describe_drain, describe_window
from macwright.hw.accelerator.drain import Drain, DrainSpec
from macwright.hw.accelerator.library import Part
from macwright.hw.accelerator.storage import StorageSpec
from macwright.hw.accelerator.stream import connect_sink, delayed, stage_ports
from macwright.hw.accelerator.window import Window
from macwright.hw.accelerator.window_spec import WindowSpec
from macwright.hw.errors import RefusedInput

__all__ = ["Engine", "EngineSpec"]


@dataclass(frozen=True, kw_only=True)
class EngineSpec:
    """Everything that fixes an :class:`Engine` but its constants.

    Parameters
    ----------
    window : WindowSpec
        What is read.
    array : MacArraySpec or ReducerSpec
        What computes.
    drain : DrainSpec
        What sends on.
    """

    window: WindowSpec
    array: MacArraySpec | ReducerSpec
    drain: DrainSpec

    def __post_init__(self) -> None:
        if self.array.words != self.window.read:
            raise RefusedInput(
                f"Array must take the words of the window, {self.window.read}, not "
                f"{self.array.words}"
            )
        if (self.array.results, self.array.sums) != (self.drain.results, self.drain.sums):
            raise RefusedInput(
                f"Drain must take {self.array.results} results of {self.array.sums} bits, not "
                f"{self.drain.results} of {self.drain.sums}"
            )
        rounds = self.window.folds * self.window.passes
        if rounds != self.drain.rounds:
            raise RefusedInput(f"Drain must have {rounds} rounds, not {self.drain.rounds}")
        if isinstance(self.array, MacArraySpec) and self.array.steps != rounds * self.beats:
            raise RefusedInput(
                f"Array must have {rounds * self.beats} steps, not {self.array.steps}"
            )
        if self.drain.words > self.beats:
            raise RefusedInput(
                f"Drain must have {-(-self.drain.results // self.beats)} lanes or more to send "
                f"{self.drain.results} results in {self.beats} cycles, not {self.drain.lanes}"
            )

    @property
    def beats(self) -> int:
        """Cycles of a sum."""
        return self.window.beats

    @property
    def cycles(self) -> int:
        """Cycles of a frame."""
        return self.window.sums * self.beats

    @property
    def buffers(self) -> tuple[StorageSpec, ...]:
        """Buffer of each input."""
        return (self.window,)

    @property
    def burst(self) -> int:
        """Words that are reserved, and come, for each `start`."""
        return self.drain.words

    @property
    def latency(self) -> int:
        """Cycles from the last beat of a sum to its first word."""
        return self.window.latency - 2 + self.array.latency + self.drain.latency


class Engine(wiring.Component):
    """A layer: window, array of processing elements, drain.

    A frame takes ``spec.cycles`` cycles where input and room are there: positions x folds x passes
    sums of ``spec.beats`` beats, that is ``(groups / G) M (N / P) (K / S)``. A sum begins when its
    window is there and all consumers have room for its words, which come one a cycle,
    ``spec.latency`` cycles after its last beat.

    Parameters
    ----------
    spec : EngineSpec
        Parts.
    name : str
        Beginning of the names of its modules.
    constants : mapping
        Arguments of :class:`MacArray` and :class:`Drain`: `weights`, `bias`, `multipliers`.

    Members
    -------
    see :func:`~macwright.hw.accelerator.stream.stage_ports`
    """

    def __init__(self, spec: EngineSpec, *, name: str, constants: Mapping[str, Any]) -> None:
        self.spec: Any = spec
        self.name, self.constants = name, constants
        macs = isinstance(spec.array, MacArraySpec)
        weights = {"weights": constants["weights"]} if macs else {}
        self.array: Any = (
            MacArray(spec.array, name=name, **weights) if macs else Reducer(spec.array)
        )
        rest = {k: v for k, v in constants.items() if k != "weights"}
        self.drain: Any = Drain(spec.drain, name=name, **rest)
        widths = [spec.drain.lanes * o.bits for o in spec.drain.outputs]
        widths = widths or [spec.drain.lanes * spec.drain.sums]
        super().__init__(stage_ports([spec.window.written], widths))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec, array, drain = self.spec, self.array, self.drain
        window: Any = Window(spec.window)
        for part, what, text in (
            (window, "window", describe_window(spec.window)),
            (array, "array", describe_array(spec.array)),
            (drain, "drain", describe_drain(spec.drain)),
        ):
            # A drain that only passes on has no clock, and is no module of its own.
            whole = part is not drain or drain.spec.latency
            name = f"{self.name}_{what}"
            m.submodules[what] = Part(part, name=name, header=text) if whole else part
        connect_sink(m, self, 0, window)
        # The array takes a step two cycles before its channels.
        early = spec.window.latency - 2
        m.d.comb += [
            window.allow.eq(self.allow),
            self.start.eq(window.start),
            array.start.eq(delayed(m, window.start, early, "start")),
            array.step.eq(delayed(m, window.step, early, "step")),
            array.data.eq(window.beat),
            drain.take.eq(delayed(m, window.finish, early + array.spec.latency, "finish")),
            drain.x.eq(array.x),
            self.valid.eq(drain.valid),
        ]
        for k in range(max(1, len(spec.drain.outputs))):
            m.d.comb += getattr(self, f"out{k}").eq(getattr(drain, f"data{k}"))
        return m
