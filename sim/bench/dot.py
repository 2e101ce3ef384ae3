"""Vectors for the bench of the dot-product unit."""

import itertools
import random
from typing import Any

from macwright.hw.formats import BlockFormat, FloatFormat
from macwright.sim.bench.driver import Driver
from macwright.sim.bench.grouped import driver_of
from macwright.sim.bench.mac import LONGEST, corner_codes, finite_codes, finite_corners
from macwright.sim.golden import Special, decode, legal_codes

__all__ = ["cancellation", "controls", "corners", "lanes", "limits", "sums"]


async def corners(dut: Any, spec: Any) -> None:
    """Extreme operands, the same and mixed in all lanes, special values included."""
    driver = driver_of(dut, spec)
    await driver.start()
    acts, weights = corner_codes(spec.lane.act), corner_codes(spec.lane.weight)
    pairs = list(itertools.product(acts, weights))
    for a, w in pairs if len(pairs) <= 300 else random.sample(pairs, 300):
        vectors = _pack_both(spec, [a] * spec.macs_per_cycle, [w] * spec.macs_per_cycle)
        for clear in (1, 0):
            await _in_all_sums(driver, clear=clear, **vectors, **_scales(spec))
    for _ in range(300):
        await driver.step(clear=int(_stuck(driver)), **_vectors(spec, acts, weights))


async def lanes(dut: Any, spec: Any) -> None:
    """One lane after the other, the others zero (or the same), with every bit of its operands."""
    driver = driver_of(dut, spec)
    await driver.start()
    acts, weights = finite_codes(spec.lane.act), finite_codes(spec.lane.weight)
    scales = _scales(spec)
    count = spec.macs_per_cycle
    for lane in range(count):
        for _ in range(40):
            a, w = [0] * count, [0] * count
            a[lane], w[lane] = random.choice(acts), random.choice(weights)
            vectors = _pack_both(spec, a, w)
            await driver.step(clear=int(_stuck(driver)), **vectors, **scales)


async def sums(dut: Any, spec: Any) -> None:
    """Long sums of random finite operands of all sizes, then of small ones with a large one."""
    driver = driver_of(dut, spec)
    await driver.start()
    everything = finite_codes(spec.lane.act), finite_codes(spec.lane.weight)
    for _ in range(600):
        clear = int(_stuck(driver) or random.random() < 0.02)
        await driver.step(clear=clear, **_vectors(spec, *everything))
    few = _smallest(spec.lane.act), _smallest(spec.lane.weight)
    for _ in range(400):
        acts, weights = random.choice((few[0], everything[0])), few[1]
        clear = int(_stuck(driver) or random.random() < 0.05)
        await driver.step(clear=clear, **_vectors(spec, acts, weights))


async def controls(dut: Any, spec: Any) -> None:
    """Random operands with `clear`, `en` and `rst` in every order."""
    driver = driver_of(dut, spec)
    await driver.start()
    acts, weights = legal_codes(spec.lane.act), legal_codes(spec.lane.weight)
    finite = finite_codes(spec.lane.act), finite_codes(spec.lane.weight)
    chance = {"en": 0.7, "rst": 0.1}
    for _ in range(800):
        flags = {k: int(random.random() < p) for k, p in chance.items() if getattr(spec, k)}
        if spec.groups > 1 and random.random() < 0.01:
            flags["first"] = 1  # out of turn, three times of four
        codes = (acts, weights) if random.random() < 0.2 else finite
        clear = int(random.random() < 0.2)
        await driver.step(clear=clear, **_vectors(spec, *codes), **flags)


async def cancellation(dut: Any, spec: Any) -> None:
    """Sums that are taken back, by operands of the other sign, in the same and in other lanes."""
    driver = driver_of(dut, spec)
    await driver.start()
    acts, weights = finite_codes(spec.lane.act), finite_codes(spec.lane.weight)
    count = spec.macs_per_cycle
    for _ in range(150):
        a, w = ([random.choice(codes) for _ in range(count)] for codes in (acts, weights))
        scales = _scales(spec, special=0.0)
        for clear, lane_codes_of_w in ((1, w), (0, [_negated(spec, c) for c in w])):
            shift = random.randrange(count)
            vectors = _pack_both(
                spec, a[shift:] + a[:shift], lane_codes_of_w[shift:] + lane_codes_of_w[:shift]
            )
            await _in_all_sums(driver, clear=clear, **vectors, **scales)
        half = [_negated(spec, c) if k % 2 else c for k, c in enumerate(w)]
        vectors = _pack_both(spec, a, half)
        for _ in range(spec.groups):
            await driver.step(clear=int(_stuck(driver)), **vectors, **scales)


async def limits(dut: Any, spec: Any) -> None:
    """The largest products in all lanes: to the accumulator's end and over it, or for 40 cycles."""
    driver = driver_of(dut, spec)
    await driver.start()
    pairs = list(itertools.product(finite_corners(spec.lane.act), finite_corners(spec.lane.weight)))
    for sign in (1, -1):
        a, w = max(pairs, key=lambda pair: sign * _product(spec, *pair))
        most = sign * _product(spec, a, w) / 2.0 ** _unit(spec)
        if most <= 0:
            continue
        count = 40
        if not isinstance(spec.acc, FloatFormat):
            signed = getattr(spec.acc, "signed", True)
            count = int(2 ** (spec.acc.width - signed) // (most * spec.lanes))
        if count > LONGEST:
            dut._log.info("limits: %d cycles are too many to run", count)
            continue
        vectors = _pack_both(spec, [a] * spec.macs_per_cycle, [w] * spec.macs_per_cycle)
        await _in_all_sums(driver, clear=1, **vectors, **_scales(spec, special=0.0))
        await _in_all_sums(driver, clear=0)
        if count > 2:
            await driver.repeat((count - 2) * spec.turns)
        for _ in range(1 + spec.latency):
            await driver.step(clear=0)


async def _in_all_sums(driver: Driver, **inputs: int) -> None:
    """The same operands for each of the sums that take turns."""
    for _ in range(driver.spec.turns):
        await driver.step(**inputs)


def _unit(spec: Any) -> int:
    """Exponent of the smallest product, block scales and binary points left out."""
    powers = []
    for fmt in (spec.lane.act, spec.lane.weight):
        powers.append(min(int(decode(fmt, code)[1]) for code in finite_codes(fmt)))
    return sum(powers)


def _product(spec: Any, a: int, w: int) -> float:
    x, y = decode(spec.lane.act, a), decode(spec.lane.weight, w)
    return int(x[0]) * int(y[0]) * 2.0 ** (int(x[1]) + int(y[1]))


def _pack(fmt: Any, codes: list[int]) -> int:
    """Flat vector, lane 0 in the low bits."""
    return sum(code << (k * fmt.width) for k, code in enumerate(codes))


def _pack_both(spec: Any, a: list[int], w: list[int]) -> dict[str, int]:
    return {"a": _pack(spec.act, a), "w": _pack(spec.weight, w)}


def _vectors(spec: Any, acts: Any, weights: Any) -> dict[str, int]:
    """Random operands and scales."""
    a = _pack(spec.act, [random.choice(acts) for _ in range(spec.macs_per_cycle)])
    w = _pack(spec.weight, [random.choice(weights) for _ in range(spec.macs_per_cycle)])
    return {"a": a, "w": w, **_scales(spec)}


def _scales(spec: Any, special: float = 0.02) -> dict[str, int]:
    """Random scales: most near one, some anywhere, NaN with probability `special`."""
    scales = {}
    for name, fmt in (("a_scale", spec.act), ("w_scale", spec.weight)):
        if not isinstance(fmt, BlockFormat):
            continue
        scale = fmt.scale
        if random.random() < special:
            scales[name] = 2**scale.width - 1
        elif isinstance(scale, FloatFormat):
            scales[name] = random.choice(finite_codes(scale))
        else:
            near = random.random() < 0.8
            scales[name] = 127 + random.randint(-4, 4) if near else random.randrange(255)
    return scales


def _stuck(driver: Driver) -> bool:
    """Whether the sum is unknown or none, so that nothing could be seen of what follows."""
    acc, fmt = driver.model.waiting, driver.spec.acc
    if acc is None:
        return True
    return isinstance(fmt, FloatFormat) and isinstance(decode(fmt, acc), Special)


def _smallest(fmt: Any) -> list[int]:
    def size(code: int) -> float:
        number, power = decode(fmt, code)
        return abs(int(number) * 2.0 ** int(power))

    codes = sorted(finite_codes(fmt), key=size)
    return codes[: max(4, len(codes) // 6)]


def _negated(spec: Any, code: int) -> int:
    """Code of the weight with the other sign, if there is one."""
    fmt = spec.lane.weight
    if isinstance(fmt, FloatFormat):
        other = code ^ (1 << (fmt.width - 1))
    else:
        other = 1 - code if fmt.width == 1 else -code % 2**fmt.width
    return code if isinstance(decode(fmt, other), Special) else other
