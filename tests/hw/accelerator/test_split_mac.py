"""Unit whose weight word is split, simulated against sums of products in integers."""

import random
from typing import Any

import pytest
from amaranth.sim import Simulator  # pyright: ignore[reportMissingImports]

from macwright.hw.accelerator.temporal.split_mac import SplitMacSpec
from macwright.hw.formats import IntFormat


def operands(rng: random.Random, spec: SplitMacSpec, weights: int):
    """Activations and weights of a cycle, ends of the ranges more often than not."""
    least, most = int(spec.act.min), int(spec.act.max)
    half = 1 << spec.weight.width // weights - 1
    acts = [rng.choice([least, most, rng.randint(least, most)]) for _ in range(weights)]
    chosen = [rng.choice([-half, half - 1, rng.randint(-half, half - 1)]) for _ in range(weights)]
    return acts, chosen


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("act", "weight", "split"), [(8, 8, 2), (8, 8, 4), (5, 4, 2), (3, 12, 4)])
@pytest.mark.parametrize("pipeline", [0, 1, 2])
def test_sums_of_all_modes_are_those_of_integers(signed, act, weight, split, pipeline):
    spec = SplitMacSpec(
        act=IntFormat(act, signed=signed), weight=IntFormat(weight), acc=IntFormat(24),
        split=split, pipeline=pipeline,
    )  # fmt: skip
    rng = random.Random(act * weight + split)
    unit: Any = spec.create()

    async def bench(ctx):
        for mode, weights in enumerate(spec.splits):
            total, due = 0, []
            for cycle in range(200 + pipeline):
                acts, chosen = operands(rng, spec, weights)
                clear = cycle == 0 or rng.random() < 0.1
                bits = weight // weights
                word = sum((w & (1 << bits) - 1) << bits * i for i, w in enumerate(chosen))
                digits = [acts[digit * weights // split] for digit in range(split)]
                total = (0 if clear else total) + sum(
                    a * w for a, w in zip(acts, chosen, strict=True)
                )
                due.append(total)
                ctx.set(unit.mode, mode)
                ctx.set(unit.w, word)
                ctx.set(unit.a, sum((a & (1 << act) - 1) << act * i for i, a in enumerate(digits)))
                ctx.set(unit.clear, clear)
                await ctx.tick()
                if cycle >= pipeline:
                    assert ctx.get(unit.acc) == due[cycle - pipeline], (weights, cycle)

    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


def test_words_that_cannot_be_split_are_refused():
    fields: dict[str, Any] = {"act": IntFormat(8), "acc": IntFormat(24)}
    with pytest.raises(ValueError, match="must be cut into 2 or 4 of at least 2 bits, not int6"):
        SplitMacSpec(weight=IntFormat(6), split=4, **fields)
    with pytest.raises(ValueError, match="Weights and sums of a split unit must be signed"):
        SplitMacSpec(weight=IntFormat(8, signed=False), **fields)
    with pytest.raises(ValueError, match="pipeline must be at most 2, not 3"):
        SplitMacSpec(weight=IntFormat(8), pipeline=3, **fields)
