"""Buffers in the control twin of a machine: when words are there, and when room is."""

import numpy as np
from numpy.typing import NDArray

from macwright.hw.accelerator.storage import StorageSpec
from macwright.hw.accelerator.window_spec import WindowSpec

__all__ = ["Cycles", "Link"]

#: Cycles of steps, or steps and words themselves, in order.
Cycles = NDArray[np.int64]


class Link:
    """A buffer between two stages: which step waits for which word, and which makes room.

    Parameters
    ----------
    name : str
        Name of the buffer.
    spec : StorageSpec
        The buffer.
    frames : int
        Frames that follow each other.
    """

    def __init__(self, name: str, spec: StorageSpec, frames: int) -> None:
        self.name, self.spec, self.frames = name, spec, frames
        self.depth: int | None = spec.depth
        self.steps: Cycles  # steps of the reader that need something new
        self.need: Cycles  # words of the memory that must have been written for them
        self.lag = 0  # cycles from the write to the step
        self.freeing: Cycles  # steps of the reader that make room
        self.freed: Cycles  # written words that were given back after each
        self.after = 0  # cycles from the step to the one in which there is room
        self.first = 0
        self.wrote: Cycles | None = None
        self.given: Cycles | None = None

    def reads_window(self, spec: WindowSpec, beats: int) -> None:
        """The reader is an engine."""
        per_place = spec.folds * spec.passes
        frame = spec.height * spec.width * spec.position_words
        base = np.arange(self.frames)[:, None] * frame
        needs, keeps = spec.needs.reshape(-1), spec.keeps.reshape(-1)
        places = len(needs) * self.frames
        self.steps = np.arange(places) * per_place
        self.need = (base + needs).reshape(-1)
        self.lag = 2
        self.freeing = self.steps + per_place - 1
        after = np.append(keeps[1:], frame + keeps[0])
        self.freed = (base + after).reshape(-1) * spec.pack
        self.after = beats + 1
        self.first = int(keeps[0]) * spec.pack

    def reads_words(self, steps: Cycles) -> None:
        """The reader takes a word with each of these steps."""
        spec, count = self.spec, len(steps)
        self.steps = steps
        self.need = np.arange(count) // spec.parts + 1
        self.lag = 2
        self.freeing = steps[spec.parts - 1 :: spec.parts]
        self.freed = (np.arange(len(self.freeing)) + 1) * spec.pack
        self.after = 2

    def waits_at(self, steps: Cycles) -> None:
        """The reader waits at these steps, too, for the word that it takes next."""
        taken = self.steps
        self.steps = np.union1d(taken, steps)
        self.need = np.searchsorted(taken, self.steps) // self.spec.parts + 1

    def earliest(self, steps: int) -> Cycles:
        """For each step of the reader the first cycle in which its words are there."""
        assert self.wrote is not None
        result = np.zeros(steps, np.int64)
        complete = self.wrote[self.spec.pack - 1 :: self.spec.pack]
        result[self.steps] = complete[self.need - 1] + self.lag
        return result

    def room(self, bursts: int) -> Cycles | int:
        """For each burst of the writer the first cycle in which there is room for it."""
        if self.given is None or self.depth is None:
            return 0
        capacity = self.depth * self.spec.pack + self.first
        wanted = (np.arange(bursts) + 1) * self.spec.burst - capacity
        place = np.searchsorted(self.freed, wanted)
        result = np.zeros(bursts, np.int64)
        late = wanted > 0
        result[late] = self.given[np.minimum(place[late], len(self.given) - 1)]
        return result

    def latest(self, written: int, reader: Cycles) -> NDArray[np.float64]:
        """For each written word the last cycle in which the reader's steps do not wait for it."""
        needed = np.maximum.accumulate(self.need)
        word = np.arange(-(-written // self.spec.pack)) + 1
        place = np.searchsorted(needed, word)
        limits = np.full(len(word) + 1, np.inf)
        known = place < len(needed)
        limits[:-1][known] = reader[self.steps[place[known]]] - self.lag
        limits = np.minimum.accumulate(limits[::-1])[::-1][:-1]
        return np.repeat(limits, self.spec.pack)[:written]

    def peak(self, reserved: Cycles) -> int:
        """Most words of the memory that are reserved at a time."""
        assert self.given is not None
        before = np.searchsorted(self.given, reserved, side="right")
        freed = np.where(before, self.freed[np.maximum(before, 1) - 1], 0) + self.first
        total = (np.arange(len(reserved)) + 1) * self.spec.burst
        return int(-(-(total - freed).max() // self.spec.pack))
