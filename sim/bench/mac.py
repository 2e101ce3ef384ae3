"""Vectors for the benches of the multiply-accumulate units."""

import itertools
import random
from fractions import Fraction
from typing import Any

from macwright.hw.formats import FloatFormat
from macwright.sim.bench.driver import Driver
from macwright.sim.golden import Special, decode, legal_codes

__all__ = ["controls", "corners", "limits", "pairs", "sums"]

#: Operand bits up to which `pairs` is exhaustive.
EXHAUSTIVE_BITS = 16
#: Cycles that `limits` may spend on one end of the accumulator.
LONGEST = 1 << 18


async def corners(dut: Any, spec: Any) -> None:
    """Every pair of extreme operands, with every combination of `clear` and `en`."""
    driver = Driver(dut, spec)
    await driver.start()
    codes = corner_codes(spec.act), corner_codes(spec.weight)
    for a, w, clear in itertools.product(*codes, (1, 0)):
        if spec.en:
            await driver.step(a=a, w=w, clear=clear, en=0)
            await driver.step(en=1)
        else:
            await driver.step(a=a, w=w, clear=clear)


async def pairs(dut: Any, spec: Any) -> None:
    """Every pair of operands, up to 8 x 8 bits; random pairs beyond.

    Sums run on along each row, so that every product meets other accumulators.
    """
    driver = Driver(dut, spec)
    await driver.start()
    acts, weights = legal_codes(spec.act), legal_codes(spec.weight)
    if spec.act.width + spec.weight.width > EXHAUSTIVE_BITS:
        acts, weights = random.choices(acts, k=128), random.choices(weights, k=128)
    for a in acts:
        await driver.step(a=a, w=weights[0], clear=1)
        for w in weights[1:]:
            # Nothing is promised of a sum that met a NaN: start again.
            await driver.step(w=w, clear=int(driver.model.invalid == 1))


async def sums(dut: Any, spec: Any) -> None:
    """One long sum of random finite products, so that narrow accumulators wrap."""
    driver = Driver(dut, spec)
    await driver.start()
    acts, weights = finite_codes(spec.act), finite_codes(spec.weight)
    await driver.step(a=0, w=0, clear=1)
    for _ in range(4_000):
        await driver.step(a=random.choice(acts), w=random.choice(weights), clear=0)


async def controls(dut: Any, spec: Any) -> None:
    """Random operands with `clear`, `en` and `rst` in every order."""
    driver = Driver(dut, spec)
    await driver.start()
    acts, weights = legal_codes(spec.act), legal_codes(spec.weight)
    chance = {"en": 0.7, "rst": 0.1}
    for _ in range(3_000):
        flags = {k: int(random.random() < p) for k, p in chance.items() if getattr(spec, k)}
        clear = int(random.random() < 0.2)
        await driver.step(a=random.choice(acts), w=random.choice(weights), clear=clear, **flags)


async def limits(dut: Any, spec: Any) -> None:
    """The largest and smallest products, to the accumulator's end and one over it.

    An end that is more than `LONGEST` products away is left out and said so in the log.
    """
    driver = Driver(dut, spec)
    await driver.start()
    low, high = spec.product_range
    # The spec says how many products fit; what they sum to is the golden model's affair.
    for product, pick in ((high, max), (low, min)):
        if product == 0:
            continue
        a, w = pick(
            itertools.product(finite_corners(spec.act), finite_corners(spec.weight)),
            key=lambda pair: _value(spec.act, pair[0]) * _value(spec.weight, pair[1]),
        )
        count = _fitting(spec.acc, product)
        if count > LONGEST:
            dut._log.info("limits: %d products of %s are too many to run", count, product)
            continue
        await driver.step(a=a, w=w, clear=1)
        for again in (count - 1, 1 + spec.pipeline):
            if again:
                await driver.step(clear=0)
                await driver.repeat(again - 1)


def corner_codes(fmt: Any) -> list[int]:
    """Codes of the extremes, zeros, ones, subnormals and special values of a format."""
    legal = legal_codes(fmt)
    if len(legal) <= 8:
        return list(legal)
    half = 2 ** (fmt.width - 1)
    picks = {0, 1, half - 1, half, half + 1, 2 * half - 1}
    if isinstance(fmt, FloatFormat):
        normal = 2**fmt.man_bits
        top = (2**fmt.exp_bits - 1) * normal
        magnitudes = (normal - 1, normal, top - 1, top, half - 2)
        picks.update(m + s for m in magnitudes for s in (0, half))
    return sorted(picks & set(legal))


def finite_corners(fmt: Any) -> list[int]:
    """Those of `corner_codes` that are numbers."""
    return [code for code in corner_codes(fmt) if not isinstance(decode(fmt, code), Special)]


def finite_codes(fmt: Any) -> list[int]:
    """Codes that are numbers."""
    return [code for code in legal_codes(fmt) if not isinstance(decode(fmt, code), Special)]


def _value(fmt: Any, code: int) -> Fraction:
    number, power = decode(fmt, code)
    return int(number) * Fraction(2) ** int(power)


def _fitting(acc: Any, product: int) -> int:
    """Number of equal products that the accumulator holds."""
    signed = getattr(acc, "signed", True)
    if product > 0:
        return (2 ** (acc.width - signed) - 1) // product
    return 2 ** (acc.width - 1) // -product
