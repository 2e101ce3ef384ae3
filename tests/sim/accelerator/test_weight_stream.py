# Amaranth makes members at run time.
# pyright: reportAttributeAccessIssue=false
"""Weights from outside: bits, cycles to the cycle, bursts that AXI4 allows, registers."""

from dataclasses import replace

import numpy as np
import pytest
from amaranth.sim import Simulator  # pyright: ignore[reportMissingImports]
from helpers.bus_memory import BASE, BusMemory
from helpers.machines import run_streams, small_network, stem_network
from helpers.random_network import networks, random_levels
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from macwright.costmodel.system.weight_streaming import streamed_frames
from macwright.hw.accelerator.network import Network
from macwright.hw.accelerator.temporal import weight_stream
from macwright.hw.accelerator.temporal.compile import compile_network
from macwright.hw.accelerator.temporal.machine import TemporalMachine
from macwright.hw.accelerator.temporal.registers import REGISTERS, Registers
from macwright.hw.accelerator.temporal.spec import TemporalSpec
from macwright.hw.accelerator.temporal.weight_stream import WeightStreamSpec
from macwright.hw.errors import RefusedInput
from macwright.hw.pe import IntMacSpec
from macwright.sim.accelerator.golden import to_words
from macwright.sim.accelerator.integer_network import IntegerModel

FRAMES = 5


def wide_network() -> Network:
    """Fully connected layers, whose weights are used once: the bus decides."""
    return stem_network((3, 3), (1, 1), ((1, 1), (1, 1)))


def run(network, rows, columns, bus_bits, *, split=1, pipeline=1, **memory):
    """What a machine gives for frames, and its cycles, each beside what they should be."""
    program = compile_network(network, rows=rows, columns=columns, split=split, bus_bits=bus_bits)
    spec = TemporalSpec(name="machine", program=program, unit=IntMacSpec(pipeline=pipeline))
    _ = spec.array  # refuses what an array cannot have
    source, result = network.edge(network.input), network.edge(network.output)
    levels = random_levels(network, FRAMES, seed=rows)
    words = to_words(
        np.moveaxis(source.codes(levels), 1, -1),
        lanes=program.source.lanes, bits=program.source.bits,
    )  # fmt: skip
    codes = np.moveaxis(result.codes(IntegerModel(network).run(levels)), 1, -1)
    wanted = to_words(codes, lanes=1, bits=program.result.bits)
    stream = program.weight_stream
    assert stream is not None
    outside = BusMemory(stream.beats(spec.code.weight_words), bus_bits, **memory)
    machine = TemporalMachine(spec)
    seen = run_streams(machine, words, len(wanted), look=lambda ctx: outside(ctx, machine))
    ends = [seen.given[k] for k in seen.lasts]
    latency = memory.get("latency", 0) + 1
    return (
        (seen.words, wanted),
        ((ends[0] - seen.taken[0] + 1, ends[-1] - ends[-2]), streamed_frames(
            program, pipeline, latency=latency)),
        outside,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("network", "rows", "columns", "latency", "burst"),
    [
        (small_network, 4, 4, 33, 8),
        (wide_network, 2, 3, 0, 8),
        (wide_network, 8, 8, 33, 64),
        (wide_network, 4, 20, 5, 16),
    ],
)
def test_bits_and_every_cycle(monkeypatch, network, rows, columns, latency, burst):
    monkeypatch.setattr(weight_stream, "BURST_BYTES", burst)
    (words, wanted), (cycles, model), _ = run(network(), rows, columns, 32, latency=latency)
    assert words == wanted
    assert cycles == model


def test_bits_where_the_memory_stalls_and_units_split_weights(monkeypatch):
    monkeypatch.setattr(weight_stream, "BURST_BYTES", 16)
    for split, seed in ((1, 0), (2, 1)):
        (words, wanted), _, _ = run(
            wide_network(), 2, 4, 32, split=split, latency=9, ready=0.3, valid=0.4, seed=seed
        )
        assert words == wanted


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(st.data(), st.sampled_from([(1, 4), (2, 3), (4, 4), (3, 5)]), st.integers(0, 60))
def test_random_networks_to_the_cycle(data, size, latency):
    network = data.draw(networks(acts=("uint4", "int4", "int8"), steps=("conv", "depthwise")))
    try:
        (words, wanted), (cycles, model), _ = run(network, size[0], size[1], 32, latency=latency)
    except RefusedInput:
        assume(False)
        return
    assert words == wanted
    assert cycles == model


def test_bursts_are_as_long_as_they_may_be_and_follow_each_other():
    _, _, outside = run(wide_network(), 4, 4, 32)
    beats = len(outside.beats)
    assert outside.asked[0] == (0, 128)
    frame = outside.asked[: -(-beats // 128)]
    assert [first for first, _ in frame] == list(range(0, beats, 128))
    assert sum(count for _, count in frame) == beats
    assert outside.asked[len(frame)][0] == 0  # the next frame


def test_less_data_than_weights_take_is_waited_for():
    _, (cycles, _), outside = run(wide_network(), 4, 20, 32)
    assert cycles[1] == len(outside.beats)  # a beat a cycle, and nothing else


def test_words_are_a_power_of_two_of_beats():
    spec = WeightStreamSpec(bus_bits=64, word_bits=160, frame_words=100, most=30)
    assert (spec.word_beats, spec.burst_words, spec.bursts, spec.last_words) == (4, 16, 7, 4)
    assert spec.depth == 76
    assert spec.beats([1 | 2 << 64 | 3 << 128]) == [1, 2, 3, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bus_bits": 48}, "one of 32, 64, 128, 256, 512, not 48"),
        ({"word_bits": 40000}, "fit a burst of 32768 bits to be streamed, not be 40000"),
    ],
)
def test_a_bus_that_cannot_be_is_refused(change, message):
    spec = WeightStreamSpec(bus_bits=64, word_bits=64, frame_words=10, most=3)
    with pytest.raises(RefusedInput, match=message):
        replace(spec, **change)


def test_cycles_are_those_of_a_streamed_machine_only():
    network = small_network()
    with pytest.raises(RefusedInput, match="must have a bus"):
        streamed_frames(compile_network(network, rows=2, columns=2), 1)
    with pytest.raises(RefusedInput, match="at least 1 cycle, not 0"):
        streamed_frames(compile_network(network, rows=2, columns=2, bus_bits=32), 1, latency=0)


def test_an_error_of_the_bus_is_kept_in_the_status():
    network = small_network()
    program = compile_network(network, rows=2, columns=2, bus_bits=32)
    spec = TemporalSpec(name="machine", program=program)
    stream = program.weight_stream
    assert stream is not None
    outside = BusMemory(stream.beats(spec.code.weight_words), 32)
    machine, read = TemporalMachine(spec), []

    async def bench(ctx):
        for cycle in range(60):
            outside(ctx, machine)
            ctx.set(machine.m_axi_rresp, 2 * (cycle == 40))
            ctx.set(machine.s_axil_araddr, REGISTERS["status"])
            ctx.set(machine.s_axil_arvalid, 1)
            ctx.set(machine.s_axil_rready, 1)
            if ctx.get(machine.s_axil_rvalid):
                read.append(ctx.get(machine.s_axil_rdata))
            await ctx.tick()

    simulator = Simulator(machine)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert read[0] == 0
    assert read[-1] == 2
    assert read == sorted(read)


def test_registers():
    part, answers = Registers(), []

    async def write(ctx, address, word, strobe=15):
        ctx.set(part.s_axil_awaddr, address)
        ctx.set(part.s_axil_wdata, word)
        ctx.set(part.s_axil_wstrb, strobe)
        ctx.set(part.s_axil_awvalid, 1)
        ctx.set(part.s_axil_wvalid, 1)
        await ctx.tick()
        ctx.set(part.s_axil_awvalid, 0)
        ctx.set(part.s_axil_wvalid, 0)
        assert ctx.get(part.s_axil_bvalid)
        await ctx.tick()  # the answer waits for whoever takes it
        assert ctx.get(part.s_axil_bvalid)
        answers.append(ctx.get(part.s_axil_bresp))
        ctx.set(part.s_axil_bready, 1)
        await ctx.tick()
        ctx.set(part.s_axil_bready, 0)
        assert not ctx.get(part.s_axil_bvalid)

    async def read(ctx, address):
        ctx.set(part.s_axil_araddr, address)
        ctx.set(part.s_axil_arvalid, 1)
        await ctx.tick()
        ctx.set(part.s_axil_arvalid, 0)
        assert ctx.get(part.s_axil_rvalid)
        word = ctx.get(part.s_axil_rdata), ctx.get(part.s_axil_rresp)
        ctx.set(part.s_axil_rready, 1)
        await ctx.tick()
        ctx.set(part.s_axil_rready, 0)
        return word

    async def frame(ctx, cycles):
        for cycle in range(cycles):
            ctx.set(part.takes, cycle in (0, 1))
            ctx.set(part.ends, cycle == cycles - 1)
            await ctx.tick()
        ctx.set(part.takes, 0)
        ctx.set(part.ends, 0)

    async def bench(ctx):
        await write(ctx, REGISTERS["base"], BASE)
        await write(ctx, REGISTERS["control"], 1)
        assert (ctx.get(part.base), ctx.get(part.run)) == (BASE, 1)
        await write(ctx, REGISTERS["control"], 0, strobe=1)
        await write(ctx, REGISTERS["frames"], 7)
        assert answers == [0, 0, 2, 2]
        assert await read(ctx, REGISTERS["control"]) == (1, 0)
        await frame(ctx, 9)
        await frame(ctx, 5)
        assert await read(ctx, REGISTERS["frames"]) == (2, 0)
        assert await read(ctx, REGISTERS["cycles"]) == (5, 0)
        ctx.set(part.takes, 1)
        await ctx.tick()
        ctx.set(part.takes, 0)
        assert await read(ctx, REGISTERS["status"]) == (1, 0)
        assert await read(ctx, 28) == (0, 2)

    simulator = Simulator(part)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
