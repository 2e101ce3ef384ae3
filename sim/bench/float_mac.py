"""Vectors for the bench of the multiply-accumulate unit with a floating-point accumulator."""

import math
import random
from typing import Any

from macwright.hw.formats import FloatFormat
from macwright.sim.bench.driver import Driver
from macwright.sim.bench.mac import EXHAUSTIVE_BITS, controls, corners, finite_codes
from macwright.sim.golden import Special, decode, legal_codes

__all__ = ["TESTS", "cancellation", "controls", "corners", "ends", "pairs", "rounding", "sums"]

#: What a bench file runs, in this order.
TESTS = ("corners", "pairs", "sums", "controls", "rounding", "cancellation", "ends")


async def pairs(dut: Any, spec: Any) -> None:
    """Every pair of operands, up to 8 x 8 bits; random pairs beyond. Sums run on along rows."""
    driver = Driver(dut, spec)
    await driver.start()
    acts, weights = legal_codes(spec.act), legal_codes(spec.weight)
    if spec.act.width + spec.weight.width > EXHAUSTIVE_BITS:
        acts, weights = random.choices(acts, k=100), random.choices(weights, k=100)
    for a in acts:
        await driver.step(a=a, w=weights[0], clear=1)
        for w in weights[1:]:
            await driver.step(w=w, clear=int(_stuck(driver)))


async def sums(dut: Any, spec: Any) -> None:
    """Long sums of random finite products, all sizes, then small ones only."""
    driver = Driver(dut, spec)
    await driver.start()
    for share in (1.0, 0.3, 0.1):
        acts, weights = _smallest(spec.act, share), _smallest(spec.weight, share)
        await driver.step(a=acts[0], w=weights[0], clear=1)
        for _ in range(1_000):
            a, w = random.choice(acts), random.choice(weights)
            await driver.step(a=a, w=w, clear=int(_stuck(driver)))


async def rounding(dut: Any, spec: Any) -> None:
    """A large product, then equal smaller ones, ties to even among them; then any two in a row."""
    driver = Driver(dut, spec)
    await driver.start()
    acts, weights = finite_codes(spec.act), finite_codes(spec.weight)
    few = _round_codes(spec.act), _round_codes(spec.weight)
    for _ in range(300):
        await driver.step(a=random.choice(acts), w=random.choice(weights), clear=1)
        a, w = (random.choice(codes) for codes in few)
        for _ in range(6):
            await driver.step(a=a, w=w, clear=int(_stuck(driver)))
    # Of every distance as many: random products of wide formats are mostly too far apart to meet.
    for distance in range(spec.acc.man_bits + 4):
        for _ in range(100):
            first, second = _apart(spec, acts, weights, distance)
            await driver.step(a=first[0], w=first[1], clear=1)
            await driver.step(a=second[0], w=second[1], clear=int(_stuck(driver)))


async def cancellation(dut: Any, spec: Any) -> None:
    """A few products and then the same with the other sign, in another order."""
    driver = Driver(dut, spec)
    await driver.start()
    acts, weights = finite_codes(spec.act), finite_codes(spec.weight)
    for _ in range(200):
        terms = [(random.choice(acts), random.choice(weights)) for _ in range(5)]
        for k, (a, w) in enumerate(terms):
            await driver.step(a=a, w=w, clear=int(k == 0 or _stuck(driver)))
        random.shuffle(terms)
        for a, w in terms:
            a, w = _negated(spec, a, w)
            await driver.step(a=a, w=w, clear=int(_stuck(driver)))


async def ends(dut: Any, spec: Any) -> None:
    """The largest products of either sign until the sum stops growing, or for 64 cycles."""
    driver = Driver(dut, spec)
    await driver.start()
    a = max(finite_codes(spec.act), key=lambda code: _size(spec.act, code))
    w = max(finite_codes(spec.weight), key=lambda code: _size(spec.weight, code))
    largest = [(a, w), _negated(spec, a, w)]
    for first, other in (largest, largest[::-1]):
        await driver.step(a=first[0], w=first[1], clear=1)
        for _ in range(64):
            await driver.step(clear=0)
        for _ in range(4):
            await driver.step(a=other[0], w=other[1])


def _apart(
    spec: Any, acts: list[int], weights: list[int], distance: int
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Two products whose exponents differ by so much, in either order; as near as found quickly."""

    def pick() -> tuple[int, tuple[int, int]]:
        a, w = random.choice(acts), random.choice(weights)
        return math.frexp(_size(spec.act, a) * _size(spec.weight, w))[1], (a, w)

    exponent, first = pick()
    others = [pick() for _ in range(24)]
    second = min(others, key=lambda other: abs(abs(other[0] - exponent) - distance))[1]
    return first, second


def _stuck(driver: Driver) -> bool:
    """Whether the sum is none any more, so that nothing could be seen of what follows."""
    acc = driver.model.acc
    unknown = acc is None and driver.model.invalid == 1
    return unknown or (acc is not None and isinstance(decode(driver.spec.acc, acc), Special))


def _size(fmt: Any, code: int) -> float:
    value = decode(fmt, code)
    return -1.0 if isinstance(value, str) else abs(value[0] * 2.0 ** value[1])


def _smallest(fmt: Any, share: float) -> list[int]:
    codes = sorted(finite_codes(fmt), key=lambda code: _size(fmt, code))
    return codes[: max(4, int(share * len(codes)))]


def _round_codes(fmt: Any) -> list[int]:
    """Codes with at most two bits set in the significand: halves of last places."""
    codes = finite_codes(fmt)
    few = [c for c in codes if bin(abs(int(decode(fmt, c)[0]))).count("1") in (1, 2)]
    return few or codes


def _negated(spec: Any, a: int, w: int) -> tuple[int, int]:
    """Operands of the product with the other sign, as far as the formats have one."""
    for fmt, first in ((spec.weight, False), (spec.act, True)):
        if isinstance(fmt, FloatFormat):
            code = (a if first else w) ^ (1 << (fmt.width - 1))
            if not isinstance(decode(fmt, code), Special):
                return (code, w) if first else (a, code)
    return a, w
