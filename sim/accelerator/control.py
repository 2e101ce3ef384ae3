"""Control twin of a machine: when everything happens, without any data.

Every stage begins its steps (sums of an engine, words of the others) in a fixed order, each as soon
as the step before has gone, its input is there and its consumers have room. So the cycle of a step
is the largest of a few others plus constants, and a whole machine is a system of such equations,
whose least solution is found by going over the stages, first to last, until nothing changes. It is
exact: tests hold it against the hardware, cycle by cycle.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macwright.hw.accelerator.elementwise import ConcatSpec
from macwright.hw.accelerator.machine import INPUT, MachineSpec
from macwright.hw.accelerator.rearrange import PadSpec, SliceSpec
from macwright.hw.accelerator.storage import StorageSpec
from macwright.hw.accelerator.sums import GlobalPoolSpec
from macwright.hw.accelerator.window_spec import WindowSpec
from macwright.sim.accelerator.links import Cycles, Link

__all__ = ["OUTPUT", "Control", "Timing", "buffer_names"]

#: Name of the buffer before the output, and of what reads it.
OUTPUT = "output"
#: How often the times of a stage are worked out before there is said to be no solution.
EFFORT = 100_000


@dataclass(frozen=True, kw_only=True)
class Timing:
    """When a machine does what, with frames that are offered and results that are taken at once.

    Parameters
    ----------
    interval : int
        Cycles between the ends of the last two frames.
    latency : int
        Cycles from the first word that is taken to the last that the first frame gives.
    ends : ndarray of int64, shape (frames,)
        Cycle in which the last word of each frame goes out, the first word being taken in 0.
    peaks : mapping
        Most words of the memory of each buffer, by its name, that were reserved at a time.
    """

    interval: int
    latency: int
    ends: Cycles
    peaks: Mapping[str, int]


def buffer_names(spec: MachineSpec) -> dict[str, StorageSpec]:
    """Buffers of a machine: ``<stage>.<input>``, and `OUTPUT`."""
    names: dict[str, StorageSpec] = {
        f"{stage.name}.{k}": buffer
        for stage in spec.stages
        for k, buffer in enumerate(stage.spec.buffers)
    }
    return names | {OUTPUT: spec.fifo}


@dataclass
class _Steps:
    """A stage as steps.

    Attributes
    ----------
    count, gap : int
        Steps of a frame, and cycles from one to the next at least.
    bursts : ndarray of int64
        Steps that reserve a burst.
    burst : int
        Words of it.
    delay : int
        Cycles from such a step to its first word.
    """

    name: str
    count: int
    gap: int
    bursts: Cycles
    burst: int
    delay: int
    inputs: list["Link"]
    outputs: list["Link"]


def _inside(spec: PadSpec | SliceSpec, frames: int) -> NDArray[np.bool_]:
    """Of the words of a stage those that it takes and gives."""
    channels, columns, rows = spec.counts
    frame = [
        spec.inside(channel, column, row)
        for row in range(rows)
        for column in range(columns)
        for channel in range(channels)
    ]
    return np.tile(frame, frames)


class Control:
    """Times of a machine for depths of its buffers.

    Parameters
    ----------
    spec : MachineSpec
        The machine.
    frames : int
        Frames that follow each other.
    """

    def __init__(self, spec: MachineSpec, *, frames: int = 4) -> None:
        self.spec, self.frames = spec, frames
        self.links: dict[str, Link] = {
            name: Link(name, buffer, frames) for name, buffer in buffer_names(spec).items()
        }
        self.stages: dict[str, _Steps] = {}
        self._add(INPUT, spec.frame_words, 1, None, 1, 0)
        for stage in spec.stages:
            self._add_stage(stage)
        out_words = self._add(OUTPUT, spec.out_words, 1, None, 1, 0)
        self._connect(OUTPUT, spec.output[0], out_words)
        self.links[OUTPUT].reads_words(np.arange(spec.out_words * frames))
        self.times: dict[str, Cycles] = {}
        self.run()

    def _add(
        self, name: str, count: int, gap: int, bursts: Cycles | None, burst: int, delay: int
    ) -> _Steps:
        steps = np.arange(count * self.frames) if bursts is None else bursts
        stage = _Steps(name, count, gap, steps, burst, delay, [], [])
        self.stages[name] = stage
        return stage

    def _connect(self, link: str, producer: str, stage: _Steps) -> None:
        stage.inputs.append(self.links[link])
        self.stages[producer].outputs.append(self.links[link])

    def _add_stage(self, stage: Any) -> None:
        spec, bursts = stage.spec, None
        count = spec.cycles // spec.beats
        steps = np.arange(count * self.frames)
        if isinstance(spec, GlobalPoolSpec):
            bursts = steps[steps % count >= count - spec.drain.rounds]
        if isinstance(spec, SliceSpec):
            bursts = steps[_inside(spec, self.frames)]
        added = self._add(
            stage.name, count, spec.beats, bursts, spec.burst, spec.beats - 1 + spec.latency
        )
        taken = [steps] * len(stage.inputs)
        if isinstance(spec, ConcatSpec):
            ends = np.cumsum((0, *spec.shares))
            place = steps % ends[-1]
            taken = [steps[(place >= a) & (place < b)] for a, b in pairwise(ends)]
        if isinstance(spec, PadSpec):
            taken = [steps[_inside(spec, self.frames)]]
        for k, (producer, _) in enumerate(stage.inputs):
            name = f"{stage.name}.{k}"
            self._connect(name, producer, added)
            buffer = spec.buffers[k]
            if isinstance(buffer, WindowSpec):
                self.links[name].reads_window(buffer, spec.beats)
            else:
                self.links[name].reads_words(taken[k])
            if isinstance(spec, PadSpec):
                self.links[name].waits_at(steps[::count])

    def set_depths(self, depths: Mapping[str, int | None]) -> None:
        """Change depths of buffers; None is without bound."""
        for name, depth in depths.items():
            self.links[name].depth = depth

    def run(
        self,
        *,
        limit: int | None = None,
        start: Mapping[str, Cycles] | None = None,
        effort: int = EFFORT,
    ) -> bool:
        """Solve for the times.

        Parameters
        ----------
        limit : int, optional
            Cycle beyond which it is given up.
        start : mapping, optional
            Times that nothing can be earlier than, such as those with deeper buffers.
        effort : int
            How often the times of a stage are worked out before it is given up.

        Returns
        -------
        bool
            Whether there is a solution within the limit; if not, the machine hangs, or is slower,
            or the effort did not do.
        """
        self.times = {} if start is None else dict(start)
        for link in self.links.values():
            link.wrote = link.given = None
        for stage in self.stages.values():
            if stage.name in self.times:
                self._publish(stage)
        waiting = set(self.stages)
        while waiting:
            for name in [name for name in self.stages if name in waiting]:
                stage = self.stages[name]
                waiting.discard(name)
                times = self._solve(stage)
                effort -= 1
                before = self.times.get(name)
                if before is not None and np.array_equal(times, before):
                    continue
                if effort < 0 or (limit is not None and times[-1] > limit):
                    return False
                self.times[name] = times
                self._publish(stage)
                waiting |= self._neighbours[name]
        return True

    @property
    def _neighbours(self) -> dict[str, set[str]]:
        if not hasattr(self, "_near"):
            writer = {id(link): s.name for s in self.stages.values() for link in s.outputs}
            near: dict[str, set[str]] = {name: set() for name in self.stages}
            for stage in self.stages.values():
                for link in stage.inputs:
                    near[stage.name].add(writer[id(link)])
                    near[writer[id(link)]].add(stage.name)
            self._near = near
        return self._near

    def _solve(self, stage: _Steps) -> Cycles:
        """Earliest cycles of the steps of a stage, as far as its neighbours' are known."""
        steps = stage.count * self.frames
        earliest = np.zeros(steps, np.int64)
        for link in stage.inputs:
            np.maximum(earliest, link.earliest(steps), out=earliest)
        for link in stage.outputs:
            room = link.room(len(stage.bursts))
            earliest[stage.bursts] = np.maximum(earliest[stage.bursts], room)
        ramp = np.arange(steps) * stage.gap
        return np.maximum.accumulate(earliest - ramp) + ramp

    def _publish(self, stage: _Steps) -> None:
        """Tell the neighbours."""
        times = self.times[stage.name]
        words = times[stage.bursts][:, None] + stage.delay + np.arange(stage.burst)
        for link in stage.outputs:
            link.wrote = words.reshape(-1)
        for link in stage.inputs:
            link.given = times[link.freeing] + link.after

    def postpone(self) -> None:
        """Move every step to the last cycle with which no word goes out later.

        Peaks of such times are depths with which the machine is as fast as it was, since one whose
        steps begin as soon as they can is never later than one that waits.
        """
        for stage in reversed(self.stages.values()):
            times = self.times[stage.name]
            if not stage.outputs:
                self._publish(stage)
                continue
            latest = np.full(len(times), np.inf)
            for link in stage.outputs:
                reader = self.times[self._reader[link.name]]
                limits = link.latest(len(stage.bursts) * stage.burst, reader)
                limits = limits.reshape(-1, stage.burst) - np.arange(stage.burst)
                latest[stage.bursts] = np.minimum(
                    latest[stage.bursts], limits.min(axis=1) - stage.delay
                )
            # What nothing waits for is done when it could first be.
            ramp = np.arange(len(times)) * stage.gap
            latest = np.minimum.accumulate((latest - ramp)[::-1])[::-1] + ramp
            self.times[stage.name] = np.where(np.isinf(latest), times, latest).astype(np.int64)
            self._publish(stage)

    @property
    def _reader(self) -> dict[str, str]:
        return {link.name: stage.name for stage in self.stages.values() for link in stage.inputs}

    def timing(self) -> Timing:
        """What came of the last run."""
        ends = self.times[OUTPUT].reshape(self.frames, -1)[:, -1]
        peaks = {
            link.name: link.peak(self.times[stage.name][stage.bursts])
            for stage in self.stages.values()
            for link in stage.outputs
        }
        return Timing(
            interval=int(ends[-1] - ends[-2]) if self.frames > 1 else 0,
            latency=int(ends[0]),
            ends=ends,
            peaks=peaks,
        )
