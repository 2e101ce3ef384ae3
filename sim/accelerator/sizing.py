"""Depths of a machine's buffers: the least with which it loses no cycle."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from macwright.hw.accelerator.machine import MachineSpec
from macwright.hw.accelerator.storage import StorageSpec
from macwright.hw.errors import RefusedInput
from macwright.sim.accelerator.control import OUTPUT, Control, Timing, buffer_names

__all__ = ["Sizing", "size_buffers", "with_depths"]

#: Frames that overlap while depths are chosen, and while the choice is checked.
FRAMES, CHECKED = 4, 6
#: Bits of a buffer that is not worth a trial, and work of a trial before it is given up.
SMALL, EFFORT = 256, 500


@dataclass(frozen=True, kw_only=True)
class Sizing:
    """What was found.

    Parameters
    ----------
    depths : dict
        Words of the memory of each buffer.
    unbounded : Timing
        Times and peaks without bounds.
    timing : Timing
        Times with those depths, checked over more frames.
    runs : int
        How often the control model was solved.
    """

    depths: dict[str, int]
    unbounded: Timing
    timing: Timing
    runs: int


class _Search:
    """Depths, and trials of others."""

    def __init__(self, spec: MachineSpec) -> None:
        self.spec, self.buffers, self.runs = spec, buffer_names(spec), 0
        self.control = Control(spec, frames=FRAMES)
        self.control.set_depths(dict.fromkeys(self.buffers))
        self.control.run()
        self.unbounded = self.control.timing()
        self.limit = int(self.unbounded.ends[-1]) + self.unbounded.interval
        self.base = dict(self.control.times)
        self.control.postpone()
        self.late = self.control.timing().peaks
        peaks = self.unbounded.peaks
        self.depths = {n: max(_least(b), peaks[n]) for n, b in self.buffers.items()}

    def keeps_rate(self, changed: Mapping[str, int]) -> bool:
        """Whether the machine loses no cycle with other depths of some buffers.

        If so, its times become those that less deep buffers cannot be earlier than.
        """
        self.runs += 1
        control = self.control
        control.set_depths({**self.depths, **changed})
        if not control.run(limit=self.limit, start=self.base, effort=EFFORT):
            return False
        ends = control.timing().ends
        if (np.diff(ends)[-2:] != self.unbounded.interval).any():
            return False
        self.base = dict(control.times)
        return True

    def lessen(self, name: str) -> None:
        """Make one buffer as shallow as it can be, in steps of growing and then falling size."""
        low, step = _least(self.buffers[name]), 1
        late = max(low, self.late[name])
        if late < self.depths[name] and self.keeps_rate({name: late}):
            self.depths[name] = late
        while self.depths[name] > low:
            depth = max(low, self.depths[name] - step)
            if self.keeps_rate({name: depth}):
                self.depths[name] = depth
                step *= 2
            elif step == 1:
                return
            else:
                low, step = max(low, depth + 1), max(1, step // 4)


def size_buffers(
    spec: MachineSpec, *, progress: Callable[[int, int], None] | None = None
) -> Sizing:
    """Depths with which frames follow each other as fast as with unbounded buffers.

    The start is what the buffers hold at most when every step comes as early as it can. Then one
    buffer after the other is made less deep, the largest first, as long as no cycle is lost; what
    it holds when every step comes as late as it can is a good guess.

    Parameters
    ----------
    spec : MachineSpec
        The machine; its depths do not matter.
    progress : callable, optional
        Called with buffers done and all buffers.

    Raises
    ------
    ValueError
        If the machine is slower than its slowest stage even without bounds, or the depths found do
        not hold over more frames.
    """
    search = _Search(spec)
    if search.unbounded.interval != spec.interval:
        raise RefusedInput(
            f"Frames of {spec.name} must follow each other every {spec.interval} cycles, not "
            f"{search.unbounded.interval}"
        )
    bits = {n: search.depths[n] * b.stored.width for n, b in search.buffers.items()}
    for done, name in enumerate(sorted(bits, key=lambda n: (-bits[n], n))):
        if bits[name] > SMALL:
            search.lessen(name)
        if progress:
            progress(done + 1, len(bits))
    joint = Control(with_depths(spec, search.depths), frames=CHECKED).timing()
    if joint.interval != spec.interval:
        raise RefusedInput(
            f"Frames of {spec.name} must keep {spec.interval} cycles over {CHECKED} frames, not "
            f"{joint.interval}"
        )
    return Sizing(depths=search.depths, unbounded=search.unbounded, timing=joint, runs=search.runs)


def _least(buffer: StorageSpec) -> int:
    """Least depth that a buffer can be made with."""
    return int(getattr(buffer, "least_depth", -(-buffer.burst // buffer.pack)))


def with_depths(spec: MachineSpec, depths: dict[str, int]) -> MachineSpec:
    """The machine with other depths of its buffers."""
    stages = []
    for stage in spec.stages:
        new = [
            replace(buffer, depth=depths[f"{stage.name}.{k}"])
            for k, buffer in enumerate(stage.spec.buffers)
        ]
        changed: dict[str, Any] = (
            {"window": new[0]} if hasattr(stage.spec, "window") else {"fifos": tuple(new)}
        )
        stages.append(replace(stage, spec=replace(stage.spec, **changed)))
    return replace(spec, stages=tuple(stages), fifo=replace(spec.fifo, depth=depths[OUTPUT]))
