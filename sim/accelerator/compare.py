"""A machine in a folder beside its network, on images, bit by bit."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from macwright.hw.accelerator.temporal.program import SETTLED_FRAMES
from macwright.hw.errors import ToolError
from macwright.sim.accelerator.built import BuiltMachine, Run
from macwright.sim.accelerator.difference import first_difference
from macwright.sim.accelerator.integer_network import IntegerModel
from macwright.sim.simulators import find_simulator

__all__ = ["Comparison", "compare_images"]

#: Images for which it is not worth to compile.
FEW = 4
_Levels = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A machine beside its network.

    Parameters
    ----------
    images : int
        Images compared, all equal if there is no difference.
    simulator : str
        Its name.
    interval : int or None
        Cycles between the last two frames of a run; None of so few that they may not follow each
        other as later ones do: one, or with weights from outside three.
    latency : int
        Cycles from the first word of the first frame to its last result.
    predicted_interval, predicted_latency : int
        What the machine was said to take.
    difference : str or None
        The first difference, naming image, layer, channel and position.
    """

    images: int
    simulator: str
    interval: int | None
    latency: int
    predicted_interval: int
    predicted_latency: int
    difference: str | None


def compare_images(
    folder: Path,
    levels: _Levels,
    *,
    simulator: str | None = None,
    stalls: bool = False,
    seed: int = 1,
    jobs: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Comparison:
    """Simulate a machine on images and compare its results with its network's, bit by bit.

    Parameters
    ----------
    folder : Path
        What `macwright build` wrote; the files are simulated as they are.
    levels : ndarray of int64, shape (images, *shape of the input)
        Levels of the input.
    simulator : {"icarus", "verilator"}, optional
        By default Verilator for more than a few images, else the first that is installed.
    stalls : bool
        Whether words are offered and taken in random cycles only.
    seed : int
        Of the stalls.
    jobs : int, optional
        Processes; as many as cores if absent.
    progress : callable, optional
        Called with ``("simulation", images done, images)``.
    """
    machine = BuiltMachine(folder, simulator or _default_simulator(len(levels)))
    expected = IntegerModel(machine.network).run(levels)
    jobs = min(jobs or len(os.sched_getaffinity(0)), len(levels))
    # Parts of several frames, as frames overlap; small enough for progress and an early stop.
    settled = 2 if machine.record.bus is None else SETTLED_FRAMES
    size = max(settled, min(16, -(-len(levels) // jobs)))
    starts = range(0, len(levels), size)
    share = 0.6 if stalls else 1.0

    def part(start: int) -> Run:
        frames = levels[start : start + size]
        chances = {"offer": share, "accept": share, "memory": share}
        return machine.run(frames, **chances, seed=seed + start)[0]

    runs: dict[int, Run] = {}
    wrong: int | None = None
    with ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(part, start): start for start in starts}
        for done in as_completed(running):
            start = running[done]
            if done.cancelled():
                continue
            runs[start] = run = done.result()
            if progress:
                progress("simulation", min(len(runs) * size, len(levels)), len(levels))
            equal = (run.levels == expected[start : start + size]).reshape(len(run.levels), -1)
            if not equal.all():
                bad = start + int(np.argmin(equal.all(axis=1)))
                wrong = bad if wrong is None else min(wrong, bad)
                for other in running:
                    other.cancel()
    first = runs[min(runs)]
    ends = list(first.ends)
    return Comparison(
        images=len(levels) if wrong is None else wrong,
        simulator=machine.tool.name,
        interval=ends[-1] - ends[-2] if len(ends) >= settled else None,
        latency=ends[0],
        predicted_interval=machine.record.interval,
        predicted_latency=machine.record.latency,
        difference=None if wrong is None else _difference(machine, levels[wrong], wrong),
    )


def _default_simulator(images: int) -> str | None:
    """Verilator for many images, where it is installed: it compiles long and runs fast."""
    if images <= FEW:
        return None
    try:
        return find_simulator("verilator").name
    except ToolError:
        return None


def _difference(machine: BuiltMachine, levels: _Levels, image: int) -> str:
    """Where the words of a machine first differ from its network."""
    probed = BuiltMachine(machine.folder, machine.tool.name, probed=True)
    run, words = probed.run(levels[None])
    traced = IntegerModel(probed.network).trace(levels[None])
    return first_difference(probed.network, probed.record, words, run.levels, traced, image)
