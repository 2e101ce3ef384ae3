"""Compiler and ends of the temporal machine: what is refused, where tensors lie, order of words."""

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator  # pyright: ignore[reportMissingImports]
from helpers.machines import small_network

from macwright.hw.accelerator.network import (
    Concat,
    Edge,
    Network,
    Reshape,
    Table,
    TableOutput,
    Transpose,
)
from macwright.hw.accelerator.temporal.compile import compile_network
from macwright.hw.accelerator.temporal.ends import Intake, Outlet
from macwright.hw.accelerator.temporal.layouts import ResultLayout
from macwright.hw.accelerator.temporal.tensors import allocate
from macwright.hw.errors import RefusedInput
from macwright.hw.formats import parse_format


def grown(node, shape, *, fmt="uint4", source="c") -> Network:
    """The small network up to its addition, and one node more."""
    network = small_network(output=source)
    edge = Edge(name="z", format=parse_format(fmt), scale=1.0, zero=0, shape=shape)
    return replace(network, edges=(*network.edges, edge), nodes=(*network.nodes, node), output="z")


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (
            grown(Transpose(name="t", input="c", output="z", order=(0, 2, 1)), (4, 6, 7)),
            "Node t must be of a kind that a temporal machine computes, not transpose",
        ),
        (
            grown(Reshape(name="r", input="c", output="z"), (168,)),
            "Node r must keep its shape, or be read by matrix products only, .* of \\(4, 7, 6\\)",
        ),
        (
            grown(Concat(name="k", sources=("c", "c"), output="z", axis=2), (4, 7, 12)),
            "Node k must join channels in a temporal machine, not axis 2",
        ),
        (
            grown(
                Table(
                    name="l",
                    input="c",
                    outputs=(TableOutput(edge="z", codes=np.zeros((1, 16), np.int64)),),
                ),
                (4, 7, 6),
            ),
            "Node l must look up the input to be part of a temporal machine",
        ),
        (replace(small_network(), output="c"), "Output c must be read by nothing else"),
        (
            replace(
                small_network(),
                edges=(
                    replace(small_network().edge("x"), format=parse_format("e2m2fin")),
                    *small_network().edges[1:],
                ),
            ),
            "Edge x must be of integers in a temporal machine, not e2m2fin",
        ),
    ],
)
def test_what_the_machine_does_not_cover_is_refused_by_name(network, message):
    with pytest.raises(RefusedInput, match=message):
        compile_network(network, rows=4, columns=4)


def test_an_array_of_no_column_is_refused():
    with pytest.raises(RefusedInput, match="Array columns must be an integer of at least 1, not 0"):
        compile_network(small_network(), rows=4, columns=0)


def test_tensors_that_live_together_lie_apart():
    rng = random.Random(1)
    for _ in range(200):
        names = [str(k) for k in range(rng.randint(1, 9))]
        sizes = {name: rng.randint(1, 9) for name in names}
        born = {name: rng.randint(0, 9) for name in names}
        last = {name: born[name] + rng.randint(0, 4) for name in names}
        places, depth = allocate(sizes, born, last)
        for time in range(14):
            cells = [
                cell
                for name in names
                if born[name] <= time <= last[name]
                for cell in range(places[name], places[name] + sizes[name])
            ]
            assert len(cells) == len(set(cells))
            assert max(cells, default=0) < depth


@pytest.mark.parametrize("channels", [6, 7])
def test_words_of_a_position_go_to_their_planes(channels):
    network = small_network(output="a")
    edges = {edge.name: edge for edge in network.edges}
    conv = network.nodes[0]
    weights = np.zeros((4, channels, 3, 3), np.int64)
    network = replace(
        network,
        edges=(replace(edges["x"], shape=(channels, 7, 6)), edges["a"], edges["a_wide"]),
        nodes=(replace(conv, weights=weights),),
    )
    program = compile_network(network, rows=2, columns=4)
    assert program.source.lanes == {6: 3, 7: 1}[channels]
    intake: Any = Intake(program, address_bits=10, name="intake")
    words = program.source.frame_words
    found = []

    async def bench(ctx):
        for number in range(2 * words + 1):
            ctx.set(intake.active, number < 2 * words)
            ctx.set(intake.valid, 1)
            ctx.set(intake.data, number % 16)
            if ctx.get(intake.write):
                found.append((ctx.get(intake.address), ctx.get(intake.codes) & 15))
            if number < 2 * words:
                assert ctx.get(intake.ready)
                assert ctx.get(intake.done) == (number % words == words - 1)
            await ctx.tick()

    simulator = Simulator(intake)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    begin = program.address["x"]
    expected = [
        (begin + number % program.source.words * 42 + number % words // program.source.words,
         (number % 16 + 8) % 16)
        for number in range(2 * words)
    ]  # fmt: skip
    assert found == expected


@pytest.mark.parametrize(("channels", "lanes", "positions"), [(7, 3, 2), (1, 3, 4), (4, 2, 1)])
def test_results_go_out_channel_by_channel(channels, lanes, positions):
    layout = ResultLayout(
        edge="y", bits=5, base=-4, channels=channels, lanes=lanes, positions=positions
    )
    rng = random.Random(channels)
    outlet: Any = Outlet(layout, bits=6)
    codes = [[rng.randrange(16) for _ in range(channels)] for _ in range(positions)]
    found, lasts = [], []

    async def bench(ctx):
        for frame in range(2):
            for word in range(layout.words):
                for position in range(positions):
                    part = codes[position][word * lanes : (word + 1) * lanes]
                    ctx.set(outlet.write, 1)
                    ctx.set(outlet.address, word * positions + position)
                    ctx.set(outlet.codes, sum(code << 6 * k for k, code in enumerate(part)))
                    ctx.set(outlet.begin, (word, position) == (layout.words - 1, positions - 1))
                    await ctx.tick()
            ctx.set(outlet.write, 0)
            ctx.set(outlet.begin, 0)
            while len(found) < (frame + 1) * channels * positions:
                ready = rng.random() < 0.6
                ctx.set(outlet.ready, ready)
                if ready and ctx.get(outlet.valid):
                    found.append(ctx.get(outlet.data))
                    lasts.append(ctx.get(outlet.last))
                    assert ctx.get(outlet.done) == lasts[-1]
                await ctx.tick()

    simulator = Simulator(outlet)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert found == 2 * [(code - 4) % 32 for row in codes for code in row]
    assert lasts == 2 * ([0] * (channels * positions - 1) + [1])
