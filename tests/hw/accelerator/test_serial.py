"""Serial line: bytes there and back, at clocks that differ, and breaks."""

# Amaranth makes members at run time.
# pyright: reportAttributeAccessIssue=false

import itertools

import pytest
from amaranth.hdl import Module
from amaranth.sim import Simulator  # pyright: ignore[reportMissingImports]

from macwright.hw.accelerator.serial import SerialReceiver, SerialShellSpec, SerialTransmitter
from macwright.hw.errors import RefusedInput


def line_of(data, bit):
    """Levels of the line, a sample a cycle, of 8N1 bytes whose bits take so many cycles."""
    samples, time = [], 0.0
    for byte in data:
        for level in (0, *(byte >> k & 1 for k in range(8)), 1):
            time += bit
            samples += [level] * (round(time) - len(samples))
    return samples


def received(samples, divisor):
    """Bytes that a receiver makes of samples, and the samples at which a break was seen."""
    receiver = SerialReceiver(divisor)
    found, breaks = [], []

    async def bench(ctx):
        for index, level in enumerate([*samples, *[1] * (4 * divisor)]):
            ctx.set(receiver.line, level)
            await ctx.tick()
            if ctx.get(receiver.valid):
                found.append(ctx.get(receiver.data))
            if ctx.get(receiver.held):
                breaks.append(index)

    simulator = Simulator(receiver)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return found, breaks


@pytest.mark.parametrize(("divisor", "bit"), [(4, 4), (5, 5), (16, 16), (16, 15.5), (81, 82.6)])
def test_every_byte_is_received_also_from_a_clock_that_differs(divisor, bit):
    data = list(range(0, 256, 1 if divisor < 9 else 5))
    assert received(line_of(data, bit), divisor) == (data, [])


def test_noise_is_no_byte_and_a_break_is_said_until_it_ends():
    noise = [1, 1, 0, 0, 1, *[1] * 40]
    low = [0] * 30 * 16
    found, breaks = received([*noise, *line_of([7], 16), *low, *[1] * 32, *line_of([9], 16)], 16)
    assert found == [7, 9]
    start = len(noise) + 160
    assert breaks[0] < start + 10 * 16 + 4
    assert breaks[-1] >= start + len(low)
    assert breaks == list(range(breaks[0], breaks[-1] + 1))


def test_a_byte_without_its_stop_bit_is_dropped():
    samples = line_of([0x55], 16)[:-16] + [0] * 16 + [1] * 32 + line_of([3], 16)
    assert received(samples, 16) == ([3], [])


@pytest.mark.parametrize("divisor", [4, 7])
def test_what_is_sent_is_received(divisor):
    sender, receiver, m = SerialTransmitter(divisor), SerialReceiver(divisor), Module()
    m.submodules += [sender, receiver]
    m.d.comb += receiver.line.eq(sender.line)
    data, found, cycles = [0, 255, 0x5A, 1, 128], [], []

    async def bench(ctx):
        sent, cycle = 0, 0
        while len(found) < len(data):
            ctx.set(sender.valid, int(sent < len(data)))
            ctx.set(sender.data, data[min(sent, len(data) - 1)])
            took = sent < len(data) and ctx.get(sender.ready)
            await ctx.tick()
            cycle += 1
            sent += int(took)
            if ctx.get(receiver.valid):
                found.append(ctx.get(receiver.data))
                cycles.append(cycle)

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert found == data
    # One cycle between bytes, in which the next is taken.
    assert {b - a for a, b in itertools.pairwise(cycles)} == {10 * divisor + 1}


def test_a_line_that_is_faster_than_the_clock_is_refused():
    with pytest.raises(RefusedInput, match="Cycles of a bit must be an integer of at least 4"):
        SerialShellSpec(machine="net", in_bytes=1, out_bytes=2, frame_words=9, divisor=3)
