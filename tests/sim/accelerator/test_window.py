# Amaranth makes members at run time.
# pyright: reportAttributeAccessIssue=false
"""Windows against padded arrays of NumPy, beat by beat."""

import random
from itertools import chain
from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator  # pyright: ignore[reportMissingImports]
from helpers.stages import WRONG_SHAPES, random_window, random_words

from macwright.hw.accelerator.window import Window
from macwright.hw.accelerator.window_spec import WindowSpec
from macwright.sim.accelerator.golden import from_words, window_beats

FRAMES = 3


def drawn(chance: random.Random) -> WindowSpec:
    while True:
        lanes, folds = chance.choice([1, 2, 3, 4]), chance.choice([1, 1, 2, 3])
        try:
            spec = random_window(
                chance,
                channels=lanes * folds * chance.choice([1, 2]),
                lanes=lanes,
                bits=chance.choice([1, 3, 8]),
                folds=folds,
                passes=chance.choice([1, 2]),
            )
        except ValueError as error:
            if not any(text in str(error) for text in WRONG_SHAPES):
                raise
            continue
        if spec.sums * spec.beats <= 600:
            return spec


def run(spec: WindowSpec, words: list[int], count: int, rates: tuple[float, float]) -> list[int]:
    """Beats of a window that is filled and read as chance has it."""
    dut, chance, beats = Window(spec), random.Random(7), []

    async def bench(ctx):
        stepped = written = reserved = idle = place = 0
        pending = [0] * (spec.latency - 1)
        while len(beats) < count:
            ctx.set(dut.allow, chance.random() < rates[1])
            reserve = ctx.get(dut.room) and reserved < len(words) and chance.random() < rates[0]
            reserved += spec.burst if reserve else 0
            write = written < reserved and chance.random() < rates[0]
            ctx.set(dut.reserve, int(reserve))
            ctx.set(dut.valid, write)
            if write:
                ctx.set(dut.data, words[written])
                written += 1
            pending.append(stepped)
            if pending.pop(0):
                beats.append(ctx.get(dut.beat))
            stepped = ctx.get(dut.step)
            assert ctx.get(dut.start) == (stepped and place == 0)
            assert ctx.get(dut.finish) == (stepped and place == spec.beats - 1)
            assert stepped or not place, "a gap within a sum"
            place = (place + stepped) % spec.beats
            idle = 0 if stepped or write else idle + 1
            assert idle < 300, f"{spec} hangs after {len(beats)} beats"
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return beats


@pytest.mark.parametrize("seed", range(12))
def test_window_gives_every_tap_of_every_position(seed):
    chance = random.Random(seed)
    spec = drawn(chance)
    count, width = spec.written_words, spec.written.width
    frames = [random_words(chance, count=count, width=width) for _ in range(FRAMES)]
    want = []
    for words in frames:
        want += window_beats(spec, from_words(words, lanes=spec.write_lanes, bits=spec.bits))
    for rates in ((1.0, 1.0), (chance.uniform(0.1, 1), chance.uniform(0.1, 1))):
        assert run(spec, list(chain(*frames)), len(want), rates) == want


def test_less_than_the_least_depth_is_refused_for_it_would_hang():
    fields: dict[str, Any] = {
        "bits": 4,
        "write_lanes": 1,
        "read_lanes": 2,
        "height": 5,
        "width": 6,
        "channels": 4,
    }
    fields |= {"kernel": (3, 3), "pads": (1, 1, 1, 1)}
    least = WindowSpec(**fields, depth=1000).least_depth
    # Two rows and three positions, of two words each.
    assert least == 2 * (2 * 6 + 3)
    with pytest.raises(ValueError, match=f"must be at least {least} words, not {least - 1}"):
        WindowSpec(**fields, depth=least - 1)
    short = WindowSpec(**fields, depth=least)
    object.__setattr__(short, "depth", least - 1)
    words = random_words(random.Random(1), count=short.written_words, width=4)
    with pytest.raises(AssertionError, match="hangs"):
        run(short, words, short.sums * short.beats, (1.0, 1.0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernel": (8, 3)}, r"Window must fit into its padded tensor of 5 x 6"),
        ({"read_lanes": 3}, r"Lanes of a buffer must divide those of its other side"),
        ({"folds": 3}, r"Folds times lanes must divide the 4 channels of a window, not be 3 x 2"),
        ({"pad_code": 16}, r"Pad code must have 4 bits, not be 16"),
        ({"burst": 7}, r"Words of a burst must divide the 60 of a tensor, not be 7"),
        ({"stride": (0, 1)}, r"Window stride must be an integer of at least 1, not 0"),
        ({"pads": (0, 0, -1, 0)}, r"Pads of a window must be an integer of at least 0, not -1"),
    ],
)
def test_what_cannot_be_is_refused(change, message):
    fields: dict[str, Any] = {
        "bits": 4,
        "write_lanes": 2,
        "read_lanes": 2,
        "height": 5,
        "width": 6,
        "channels": 4,
    }
    with pytest.raises(ValueError, match=message):
        WindowSpec(**(fields | {"kernel": (3, 3), "depth": 1000} | change))


def test_needs_and_keeps_against_sets_of_taps():
    chance = random.Random(11)
    for _ in range(50):
        spec = drawn(chance)
        rows, columns = spec.outputs
        taps = []
        for y in range(rows):
            for x in range(columns):
                inside = [
                    (r * spec.width + c)
                    for r in y * spec.stride[0]
                    - spec.pads[0]
                    + np.arange(spec.kernel[0]) * spec.dilation[0]
                    for c in x * spec.stride[1]
                    - spec.pads[1]
                    + np.arange(spec.kernel[1]) * spec.dilation[1]
                    if 0 <= r < spec.height and 0 <= c < spec.width
                ]
                taps.append(inside)
        needs = spec.needs.reshape(-1) // spec.position_words
        keeps = spec.keeps.reshape(-1) // spec.position_words
        for place, inside in enumerate(taps):
            assert needs[place] >= max(inside, default=0) + 1
            later = [tap for more in taps[place:] for tap in more]
            assert keeps[place] <= min(later, default=spec.height * spec.width)
