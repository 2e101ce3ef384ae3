"""Cycles of a temporal machine whose weights come from memory outside of it.

The machine is that of :mod:`macwright.costmodel.system.temporal_cycles`; each pass takes a cycle
more (:data:`macwright.hw.accelerator.temporal.program.STREAM_OVERHEAD`), fully connected layers
use one row, and two things are waited for:

* A pass begins when the weights of its first word of output channels are there.
* The last step of a word goes on until those of the next word are there, too.

Bursts are asked for one a cycle, in order, as soon as the ring has room for them; weights of a word
make room in the cycle after its last one. The memory takes an address in each cycle; the first beat
of a burst comes so many cycles after its address, or after the beats of the bursts before, and a
beat in each cycle. Machines that are simulated with such a memory take these cycles, and no other.
"""

from dataclasses import dataclass, field

from macwright.hw.accelerator.temporal.program import FRAME_OVERHEAD, SETTLED_FRAMES, Program
from macwright.hw.accelerator.temporal.weight_stream import WeightStreamSpec
from macwright.hw.errors import RefusedInput

__all__ = ["LATENCY", "streamed_frames"]

#: Cycles from an address to the first beat that are assumed where nothing else is said: 0.4 us at
#: 100 MHz.
LATENCY = 40


def streamed_frames(program: Program, stages: int, *, latency: int = LATENCY) -> tuple[int, int]:
    """Cycles of the first frame, and those between frames that follow each other later on.

    The first one begins with the first address, and no weights.

    Parameters
    ----------
    program : Program
        One whose weights come over a bus.
    stages : int
        Register stages of the unit before its accumulator.
    latency : int
        Cycles from the address of a burst to its first beat, at least 1.

    Raises
    ------
    RefusedInput
        If the machine has its weights, or the latency is below 1.
    """
    if program.weight_stream is None:
        raise RefusedInput("Machine must have a bus for its weights, whose frames are asked for")
    if type(latency) is not int or latency < 1:
        raise RefusedInput(f"Latency of a memory must be at least 1 cycle, not {latency!r}")
    loader = _Loader(program.weight_stream, latency)
    ends = [0]
    for _ in range(SETTLED_FRAMES):
        ends.append(_frame(program, stages, loader, ends[-1]))
    return ends[1], ends[-1] - ends[-2]


@dataclass
class _Loader:
    """When each word of weights is there.

    Attributes
    ----------
    asked, taken : int
        Cycles of the last address and the last beat.
    freed : list of (int, int)
        Words that were freed by the cycle in which they make room.
    """

    spec: WeightStreamSpec
    latency: int
    asked: int = -1
    taken: int = -1 << 60
    words: int = 0
    freed: list[tuple[int, int]] = field(default_factory=lambda: [(0, -1 << 60)])
    _at: int = 0
    _there: list[int] = field(default_factory=list)
    _first: int = 0
    _burst: int = 0

    def there(self, words: int) -> int:
        """Cycle from which on so many words, of all frames, have come."""
        while self.words < words:
            self._ask()
        # Earlier ones are not asked about again.
        del self._there[: words - 1 - self._first]
        self._first = words - 1
        return self._there[0]

    def free(self, words: int, cycle: int) -> None:
        """So many words, of all frames, are used up in a cycle."""
        self.freed.append((words, cycle))

    def _ask(self) -> None:
        spec = self.spec
        size = spec.last_words if self._burst == spec.bursts - 1 else spec.burst_words
        self._burst = (self._burst + 1) % spec.bursts
        while self.freed[self._at][0] < self.words + size - spec.depth:
            self._at += 1
        room = self.freed[self._at][1] + 1
        self.asked = max(self.asked + 1, room)
        # The address is there in the cycle after it was decided.
        first = max(self.asked + 1 + self.latency, self.taken + 1)
        ends = range(first + spec.word_beats - 1, first + size * spec.word_beats, spec.word_beats)
        self._there += [end + 1 for end in ends]
        self.taken = ends[-1]
        self.words += size


def _frame(program: Program, stages: int, loader: _Loader, start: int) -> int:
    """Cycle in which the frame after one may begin that begins in a cycle."""
    now = start + program.source.cycles
    used = loader.freed[-1][0]
    for layer in program.passes:
        needed, issue = layer.word_weights, layer.issue_cycles(program.rows)
        if needed:
            now = max(now, loader.there(used + needed))
        end = now + 1
        words = layer.tiling(program.rows).words
        for word in range(words):
            end += issue // words
            if needed and word < words - 1:
                end = max(end, loader.there(used + 2 * needed))
            used += needed
            if needed:
                loader.free(used, end + 1)
        now = end + layer.cycles(program.rows, stages) - issue
    return now + program.result.channels * program.result.positions + FRAME_OVERHEAD
