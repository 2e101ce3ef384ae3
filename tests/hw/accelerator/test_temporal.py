"""Parts of the temporal machine, simulated: sums leave when they must, rounding is exact."""

import random
from fractions import Fraction
from typing import Any

import pytest
from amaranth.sim import Simulator  # pyright: ignore[reportMissingImports]

from macwright.hw.accelerator.temporal.array import ArraySpec, TemporalArray
from macwright.hw.accelerator.temporal.lane import LaneSpec
from macwright.hw.pe import spec_from_fields


def array_spec(rows: int, columns: int, pipeline: int) -> ArraySpec:
    fields = {"act": "uint5", "weight": "int4", "acc": "int20", "pipeline": pipeline}
    unit = spec_from_fields("int_mac", fields)
    return ArraySpec(unit=unit, rows=rows, columns=columns)


def code(numbers, bits: int) -> int:
    return sum((n & (1 << bits) - 1) << bits * i for i, n in enumerate(numbers))


def schedule(spec: ArraySpec, *, broadcast: bool, rng: random.Random):
    """Control of every cycle, and the sums of each row of each tile, from the definition."""
    cycles, sums, before = [], [], 0
    valid, total = 0, []
    for _ in range(12):
        valid, steps = rng.randint(1, spec.rows), rng.randint(1, 3)
        total = [[0] * spec.columns for _ in range(valid)]
        clear_at = len(cycles)
        for _ in range(steps):
            taps = rng.randint(1, spec.columns)
            length = valid + taps - 1 if broadcast else max(valid, taps)
            words = [[rng.randrange(32) for _ in range(spec.columns)] for _ in range(length)]
            weights = [[rng.randint(-8, 7) for _ in range(spec.columns)] for _ in range(taps)]
            for r in range(valid):
                for c in range(spec.columns):
                    for tap, w in enumerate(weights):
                        a = words[r + tap][c] if broadcast else words[r][tap]
                        total[r][c] += a * w[c]
            idle = [[0] * spec.columns] * (length - taps)
            for i, (word, w) in enumerate(zip(words, weights + idle, strict=True)):
                cycles.append({"word": code(word, 5), "weights": code(w, 4), "first": i == 0})
        # Those of the tile before leave, a row a cycle.
        cycles += [{}] * (clear_at + before - len(cycles))
        before = valid
        cycles[clear_at] |= {"clear": 1}
        if sums:
            cycles[clear_at] |= {"drain": 1, "valid": len(sums[-1][1])}
            sums[-1] = (clear_at, sums[-1][1])
        sums.append((None, total))
    sums[-1] = (len(cycles), total)
    cycles.append({"clear": 1, "drain": 1, "valid": valid})
    return cycles, sums


@pytest.mark.parametrize(("rows", "columns"), [(1, 2), (3, 2), (2, 5), (4, 4)])
@pytest.mark.parametrize("pipeline", [0, 2])
@pytest.mark.parametrize("broadcast", [False, True])
def test_sums_of_each_row_leave_in_their_cycle(rows, columns, pipeline, broadcast):
    spec = array_spec(rows, columns, pipeline)
    cycles, sums = schedule(spec, broadcast=broadcast, rng=random.Random(rows * 10 + pipeline))
    expected = {
        start + 2 + row + pipeline: code(total, spec.sums)
        for start, tile in sums
        for row, total in enumerate(tile)
    }
    array: Any = TemporalArray(spec)
    found = {}

    async def bench(ctx):
        ctx.set(array.broadcast, broadcast)
        leaves = False
        for cycle in range(len(cycles) + rows + pipeline + 4):
            if leaves:
                found[cycle] = ctx.get(array.x)
            control = cycles[cycle] if cycle < len(cycles) else {}
            for name in ("word", "weights", "first", "clear", "drain", "valid"):
                ctx.set(getattr(array, name), int(control.get(name, 0)))
            leaves = ctx.get(array.leaves)
            await ctx.tick()

    simulator = Simulator(array)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert found == expected


def test_units_that_can_stall_are_refused():
    unit = spec_from_fields("int_mac", {"act": "uint8", "en": True})
    with pytest.raises(ValueError, match="must have unsigned activations and neither enable nor"):
        ArraySpec(unit=unit, rows=2, columns=2)
    with pytest.raises(ValueError, match="must have unsigned activations"):
        ArraySpec(unit=spec_from_fields("int_mac", {}), rows=2, columns=2)


@pytest.mark.parametrize(("shifts", "fraction"), [((0, 3), 0), ((5,), 2), ((3, 4, 9), 1)])
def test_lanes_round_as_fractions_do(shifts, fraction):
    spec = LaneSpec(sums=10, bias=9, fraction=fraction, multiplier=6, shifts=shifts, zero=8, bits=8)
    rng = random.Random(sum(shifts))
    cases = []
    for _ in range(400):
        low, high = sorted(rng.randrange(256) for _ in range(2))
        cases.append(
            {
                "x": rng.randint(-512, 511),
                "bias": rng.randint(-256, 255),
                "scale": rng.choice([1, 8, 16, 63, rng.randrange(64)]),
                "shift": rng.randrange(len(shifts)),
                "zero": rng.randint(-128, 127),
                "low": low,
                "high": high,
            }
        )
    lane: Any = spec.create()

    async def bench(ctx):
        for case in cases:
            for name, number in case.items():
                ctx.set(getattr(lane, name), number)
            for _ in range(spec.latency):
                await ctx.tick()
            total = case["x"] * 2**fraction + case["bias"]
            exact = Fraction(total * case["scale"], 1 << shifts[case["shift"]])
            level = round(exact + case["zero"])  # of a fraction: a tie to the even integer
            assert ctx.get(lane.y) == min(max(level, case["low"]), case["high"]), case

    simulator = Simulator(lane)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


def test_shifts_that_do_not_rise_are_refused():
    with pytest.raises(ValueError, match="Shifts of a lane must rise"):
        LaneSpec(sums=10, bias=9, fraction=0, multiplier=6, shifts=(3, 3), zero=8, bits=8)
