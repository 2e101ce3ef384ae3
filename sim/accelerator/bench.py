"""Bench of one stage of a machine, in Amaranth's simulator: random stalls at all of its ends."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from amaranth.sim import Simulator  # pyright: ignore[reportMissingImports]

__all__ = ["BenchResult", "StageBench"]

#: Cycles without a word after which a stage hangs.
PATIENCE = 2000


@dataclass
class BenchResult:
    """What a stage did.

    Attributes
    ----------
    outputs : list of list of int
        Words of each output.
    starts, arrivals : list of int
        Cycles in which a burst was reserved, and in which a word came.
    """

    outputs: list[list[int]]
    starts: list[int] = field(default_factory=list)
    arrivals: list[int] = field(default_factory=list)


@dataclass
class StageBench:
    """Feeds a stage and takes what it gives, each end as often as chance has it.

    Parameters
    ----------
    stage : component
        A stage that was not elaborated yet.
    offer, accept : float
        Probability that a word is offered, and that there is room, in a cycle.
    seed : int
        Of the chances.
    """

    stage: Any
    offer: float = 1.0
    accept: float = 1.0
    seed: int = 0

    def run(self, streams: Sequence[Sequence[int]], count: int) -> BenchResult:
        """Run until `count` words have come out.

        Parameters
        ----------
        streams : sequence of sequence of int
            Words of each input.
        count : int
            Words of each output to wait for.

        Raises
        ------
        AssertionError
            If the stage hangs, or a word comes that it had not reserved.
        """
        spec, stage = self.stage.spec, self.stage
        chance = random.Random(self.seed)
        outputs = [name for name in stage.signature.members if name.startswith("out")]
        result = BenchResult([[] for _ in outputs])
        feeders = [
            _Feeder(stage, k, words, spec.buffers[k].burst) for k, words in enumerate(streams)
        ]

        async def bench(ctx: Any) -> None:
            cycle = reserved = idle = 0
            while len(result.arrivals) < count:
                ctx.set(stage.allow, chance.random() < self.accept)
                moved = [feeder.offer(ctx, chance, self.offer) for feeder in feeders]
                if ctx.get(stage.start):
                    assert ctx.get(stage.allow), f"cycle {cycle}: start without allow"
                    result.starts.append(cycle)
                    reserved += spec.burst
                if ctx.get(stage.valid):
                    reserved -= 1
                    assert reserved >= 0, f"cycle {cycle}: a word that was not reserved"
                    result.arrivals.append(cycle)
                    for words, name in zip(result.outputs, outputs, strict=True):
                        words.append(ctx.get(getattr(stage, name)))
                idle = 0 if any(moved) or ctx.get(stage.valid) else idle + 1
                assert idle < PATIENCE, f"hangs in cycle {cycle} after {len(result.arrivals)} words"
                await ctx.tick()
                cycle += 1

        simulator = Simulator(stage)
        simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        simulator.run()
        return result


class _Feeder:
    """Writes the words of one input, a burst reserved before any of it."""

    def __init__(self, stage: Any, k: int, words: Sequence[int], burst: int) -> None:
        self.room, self.reserve = getattr(stage, f"room{k}"), getattr(stage, f"reserve{k}")
        self.valid, self.data = getattr(stage, f"valid{k}"), getattr(stage, f"in{k}")
        self.words, self.burst = words, burst
        self.next = self.reserved = 0

    def offer(self, ctx: Any, chance: random.Random, probability: float) -> bool:
        """Reserve, and write, if chance has it; returns whether a word was written."""
        more = self.reserved < len(self.words)
        reserve = bool(ctx.get(self.room)) and more and chance.random() < probability
        self.reserved += self.burst * reserve
        write = self.next < self.reserved and chance.random() < probability
        ctx.set(self.reserve, reserve)
        ctx.set(self.valid, write)
        if write:
            ctx.set(self.data, self.words[self.next])
            self.next += 1
        return write
