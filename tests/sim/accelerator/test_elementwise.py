"""Stages that work word by word, buffers and requantisers, against what they compute."""

import itertools
import random
from dataclasses import replace
from fractions import Fraction

import pytest
from amaranth.sim import Simulator  # pyright: ignore[reportMissingImports]
from helpers.stages import random_drain, random_words

from macwright.hw.accelerator.elementwise import (
    Concat,
    ConcatSpec,
    Copy,
    CopySpec,
    Lookup,
    LookupSpec,
)
from macwright.hw.accelerator.fifo import FifoSpec
from macwright.hw.accelerator.requantiser import RequantiserSpec
from macwright.hw.accelerator.sums import Add, AddSpec, GlobalPool, GlobalPoolSpec
from macwright.hw.formats import FloatFormat, parse_format
from macwright.sim.accelerator.bench import StageBench
from macwright.sim.accelerator.golden import (
    add_words,
    concat_words,
    from_words,
    lookup_words,
    minifloat,
    pool_words,
    to_words,
)

#: Lanes written and read.
SIDES = [(1, 1), (1, 4), (4, 1), (2, 2), (6, 2), (4, 4)]


def check(stage, streams, want, seed):
    """The same words at full rate, and as chance has it."""
    chance = random.Random(seed)
    for offer, accept in ((1.0, 1.0), (chance.uniform(0.1, 1), chance.uniform(0.1, 1))):
        bench = StageBench(stage(), offer=offer, accept=accept, seed=seed)
        assert bench.run(streams, len(want[0])).outputs == want


def a_fifo(chance, sides, bits=5):
    written, read = sides
    return FifoSpec(
        bits=bits,
        write_lanes=written,
        read_lanes=read,
        depth=chance.choice([1, 2, 3, 8]),
        kind=chance.choice(["auto", "block", "distributed", "registers"]),
    )


@pytest.mark.parametrize("sides", [side for side in SIDES if side != (6, 2)])
def test_buffer_keeps_the_order_at_any_rate(sides):
    chance = random.Random(str(sides))
    spec = CopySpec(fifos=(a_fifo(chance, sides),), words=1)
    words = random_words(chance, count=240, width=spec.fifos[0].written.width)
    flat = from_words(words, lanes=sides[0], bits=5)
    want = [to_words(flat, lanes=sides[1], bits=5)]
    check(lambda: Copy(spec, name="copy", constants={}), [words], want, seed=1)


def test_buffer_of_four_words_and_more_runs_at_full_rate():
    # Written in cycle 0, read in cycle 2; room again in cycle 4: four words keep it busy.
    for depth, step in ((4, 1), (1, 4)):
        spec = CopySpec(
            fifos=(FifoSpec(bits=4, write_lanes=1, read_lanes=1, depth=depth),), words=1
        )
        result = StageBench(Copy(spec, name="copy", constants={})).run([list(range(16))], 16)
        assert result.arrivals == [2 + step * k for k in range(16)]


@pytest.mark.parametrize("seed", range(3))
def test_addition(seed):
    chance = random.Random(seed)
    lanes = chance.choice([1, 2, 4])
    names = ["int5", "uint5", "e2m2fin"]
    formats = (parse_format(chance.choice(names)), parse_format(chance.choice(names)))
    rounds = chance.choice([1, 3])
    drain, constants = random_drain(
        chance, results=lanes, rounds=rounds, sums=7, beats=1, outputs=chance.choice([1, 2])
    )
    fifos = tuple(a_fifo(chance, (written, lanes)) for written in (1, lanes))
    spec = AddSpec(fifos=fifos, words=12 * rounds, formats=formats, drain=drain)
    streams = [
        random_words(chance, count=spec.words * lanes // f.write_lanes, width=f.written.width)
        for f in fifos
    ]
    want = add_words(spec, constants, *streams)
    check(lambda: Add(spec, name="add", constants=constants), streams, want, seed)


@pytest.mark.parametrize("seed", range(3))
def test_pool_of_a_whole_tensor(seed):
    chance = random.Random(seed)
    lanes, positions, rounds = (
        chance.choice([1, 2]),
        chance.choice([1, 5, 6]),
        chance.choice([1, 4]),
    )
    drain, constants = random_drain(
        chance, results=lanes, rounds=rounds, sums=9, beats=1, outputs=1
    )
    fifo = a_fifo(chance, (chance.choice([1, lanes]), lanes))
    spec = GlobalPoolSpec(
        fifos=(fifo,),
        words=positions * rounds,
        format=parse_format(chance.choice(["int5", "uint5", "e2m2fin"])),
        positions=positions,
        drain=drain,
    )
    count = 3 * spec.words * lanes // fifo.write_lanes
    words = random_words(chance, count=count, width=fifo.written.width)
    want = pool_words(spec, constants, words)
    check(lambda: GlobalPool(spec, name="pool", constants=constants), [words], want, seed)


@pytest.mark.parametrize(("lanes", "channels"), [(1, 1), (2, 1), (1, 3), (2, 4)])
def test_tables(lanes, channels):
    chance = random.Random(lanes + channels)
    fifo = a_fifo(chance, (1, lanes))
    spec = LookupSpec(fifos=(fifo,), words=3 * channels, outputs=(3, 7), channels=channels)
    tables = [
        [[chance.randrange(1 << bits) for _ in range(32)] for _ in range(channels)]
        for bits in (3, 7)
    ]
    words = random_words(chance, count=24 * lanes * channels, width=5)
    want = lookup_words(spec, {"tables": tables}, words)
    check(lambda: Lookup(spec, name="table", constants={"tables": tables}), [words], want, 1)


def test_concatenation():
    chance = random.Random(9)
    fifos = tuple(a_fifo(chance, (written, 2)) for written in (1, 2, 2))
    spec = ConcatSpec(fifos=fifos, words=7 * 6, shares=(1, 3, 2))
    streams = [
        random_words(chance, count=14 * share * 2 // f.write_lanes, width=f.written.width)
        for f, share in zip(fifos, spec.shares, strict=True)
    ]
    want = concat_words(spec, *streams)
    check(lambda: Concat(spec, name="concat", constants={}), streams, want, 2)


REQUANTISERS = [
    RequantiserSpec(
        sums=6, bias=4, multiplier=3, shift=shift, zero=zero, low=low, high=high, bits=5
    )
    for shift in (0, 1, 4, 10, 16)
    for zero, (low, high) in itertools.product((0, -3), ((-16, 15), (0, 9)))
]
REQUANTISERS += [replace(spec, fraction=2) for spec in REQUANTISERS[::3]]


#: Format, and bounds in its levels: all of it, without negative numbers, on one side of 0.
MINIFLOATS = {
    "e2m1fn": [(-12, 12), (0, 12), (2, 8)],
    "e3m2fn": [(-112, 112), (0, 96), (-48, -3)],
    "e2m0fin": [(-4, 4), (0, 4)],
    "e1m2fin": [(-7, 7), (0, 5)],
    "e4m3fn": [(-229376, 229376), (0, 6144)],
}
REQUANTISERS += [
    RequantiserSpec(
        sums=6, bias=4, multiplier=3, shift=shift, zero=zero, low=low, high=high,
        bits=fmt.width, minifloat=fmt,
    )
    for name, bounds in MINIFLOATS.items()
    if isinstance(fmt := parse_format(name), FloatFormat)
    for shift, zero in ((0, 0), (1, 0), (2, -2), (6, 0), (16, 1))
    for low, high in bounds
]  # fmt: skip


def wanted(spec, total, scale):
    """Code of the result, from numbers without an end to their bits."""
    known = {"scale": scale, "shift": spec.shift, "zero": spec.zero}
    if spec.minifloat is not None:
        return minifloat(spec.minifloat, total, ends=(spec.low, spec.high), **known)
    exact = Fraction(total * scale, 1 << spec.shift) + spec.zero
    return max(spec.low, min(spec.high, round(exact))) % (1 << spec.bits)


@pytest.mark.parametrize("spec", REQUANTISERS, ids=lambda spec: f"{spec.name}_{spec.low}")
def test_requantiser_on_every_sum(spec):
    dut = spec.create()
    inputs = [(x, b, s) for x in range(-32, 32) for b in (-8, 0, 3) for s in (0, 1, 5, 7)]

    async def bench(ctx):
        for k in range(len(inputs) + spec.latency):
            if k >= spec.latency:
                x, b, s = inputs[k - spec.latency]
                want = wanted(spec, x * 2**spec.fraction + b, s)
                assert ctx.get(dut.y) == want, (x, b, s)
            if k < len(inputs):
                x, b, s = inputs[k]
                ctx.set(dut.x, x)
                ctx.set(dut.bias, b)
                ctx.set(dut.scale, s)
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
