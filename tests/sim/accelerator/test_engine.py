"""Engines against what they compute: random shapes, constants and stalls."""

import random
from itertools import chain

import pytest
from helpers.stages import random_drain, random_engine, random_words

from macwright.hw.accelerator.array import MacArraySpec
from macwright.hw.accelerator.engine import Engine, EngineSpec
from macwright.hw.accelerator.window_spec import WindowSpec
from macwright.hw.formats import IntFormat
from macwright.hw.pe import IntMacSpec
from macwright.sim.accelerator.bench import StageBench
from macwright.sim.accelerator.golden import engine_words

FRAMES = 3


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["mac", "dot", "max", "sum"])
def test_engine_computes_its_layer_at_any_rate(kind, seed):
    chance = random.Random(f"{kind}{seed}")
    spec, constants = random_engine(chance, kind)
    width, count = spec.window.written.width, spec.window.written_words
    frames = [random_words(chance, count=count, width=width) for _ in range(FRAMES)]
    expected = [engine_words(spec, constants, words) for words in frames]
    want = [list(chain(*parts)) for parts in zip(*expected, strict=True)]
    rates = (1.0, 1.0), (chance.uniform(0.1, 1), chance.uniform(0.1, 1))
    for offer, accept in rates:
        stage = Engine(spec, name="layer", constants=constants)
        bench = StageBench(stage, offer=offer, accept=accept, seed=seed)
        assert bench.run([list(chain(*frames))], len(want[0])).outputs == want


def test_sums_follow_each_other_without_a_gap_when_all_is_there():
    window = WindowSpec(
        bits=4, write_lanes=2, read_lanes=2, depth=200, height=5, width=4, channels=2,
        kernel=(3, 3), pads=(1, 1, 1, 1), passes=2,
    )  # fmt: skip
    unit = IntMacSpec(act=IntFormat(4, signed=False), weight=IntFormat(4), pipeline=2)
    array = MacArraySpec(unit=unit, pe=4, simd=2, groups=1, steps=18)
    chance = random.Random(5)
    drain, constants = random_drain(chance, results=4, rounds=2, sums=32, beats=9, outputs=1)
    constants["weights"] = random_words(chance, count=18, width=32)
    spec = EngineSpec(window=window, array=array, drain=drain)
    words = random_words(chance, count=3 * 20, width=8)
    result = StageBench(Engine(spec, name="layer", constants=constants)).run(
        [words], 3 * window.sums * drain.words
    )
    assert spec.cycles == 20 * 2 * 9
    # Positions x (outputs / PE) x (K / SIMD), from the first sum on; it waits for two rows.
    assert result.starts == [result.starts[0] + 9 * k for k in range(3 * window.sums)]
    assert result.arrivals[0] == result.starts[0] + spec.beats - 1 + spec.latency


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"array": {"pe": 2}}, r"Drain must take 2 results of 32 bits, not 4 of 32"),
        ({"array": {"steps": 9}}, r"Array must have 18 steps, not 9"),
        ({"window": {"kernel": (1, 1)}}, r"Array must have 2 steps, not 18"),
        ({"window": {"passes": 1}}, r"Drain must have 1 rounds, not 2"),
        ({"array": {"simd": 1}}, r"Array must take the words of the window"),
    ],
)
def test_parts_that_do_not_fit_are_refused(change, message):
    window = {
        "bits": 4, "write_lanes": 2, "read_lanes": 2, "depth": 200, "height": 5, "width": 4,
        "channels": 2, "kernel": (3, 3), "passes": 2,
    }  # fmt: skip
    unit = IntMacSpec(act=IntFormat(4, signed=False), weight=IntFormat(4))
    array = {"unit": unit, "pe": 4, "simd": 2, "groups": 1, "steps": 18}
    drain, _ = random_drain(random.Random(1), results=4, rounds=2, sums=32, beats=9, outputs=1)
    with pytest.raises(ValueError, match=message):
        EngineSpec(
            window=WindowSpec(**(window | change.get("window", {}))),
            array=MacArraySpec(**(array | change.get("array", {}))),
            drain=drain,
        )
