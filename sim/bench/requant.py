"""Vectors for the bench of the requantiser."""

import itertools
import random
from typing import Any

from macwright.hw.formats import IntFormat
from macwright.sim.bench.ports import PortDriver
from macwright.sim.golden import Special, decode

__all__ = ["controls", "corners", "numbers", "ties"]


async def corners(dut: Any, spec: Any) -> None:
    """Extreme sums, biases, scales, shifts and zero points against each other, sampled."""
    driver = PortDriver(dut, spec)
    await driver.start()
    ports = {name: _ends(bits) for name, bits in driver.model.data.items()}
    ports["scale"] = [code for code in ports["scale"] if _usable(spec, code)]
    vectors = list(itertools.product(*ports.values()))
    for values in random.sample(vectors, k=min(1_500, len(vectors))):
        await driver.step(**dict(zip(ports, values, strict=True)))
    await _drain(driver)


async def ties(dut: Any, spec: Any) -> None:
    """Small sums by a half, a quarter, ...: every other one is a tie; no bias, no zero point."""
    driver = PortDriver(dut, spec)
    await driver.start()
    none = {name: 0 for name in ("bias", "zero") if name in driver.model.data}
    for power in range(1, 4):
        for x in range(-40, 40):
            await driver.step(x=x % 2**spec.act.width, **_power(spec, power), **none)
    await _drain(driver)


async def numbers(dut: Any, spec: Any) -> None:
    """Random numbers of every size."""
    driver = PortDriver(dut, spec)
    await driver.start()
    for _ in range(4_000):
        await driver.step(**_random(driver))
    await _drain(driver)


async def controls(dut: Any, spec: Any) -> None:
    """Random numbers with `en` and `rst` in every order."""
    driver = PortDriver(dut, spec)
    await driver.start()
    chance = {"en": 0.7, "rst": 0.1}
    for _ in range(1_500):
        flags = {k: int(random.random() < p) for k, p in chance.items() if getattr(spec, k)}
        await driver.step(**_random(driver), **flags)


async def _drain(driver: PortDriver) -> None:
    for _ in range(driver.spec.pipeline):
        await driver.step()


def _ends(bits: int) -> list[int]:
    return sorted({0, 1, 2 ** (bits - 1) - 1, 2 ** (bits - 1), 2**bits - 1})


def _usable(spec: Any, code: int) -> bool:
    """Whether a scale is a number and not negative."""
    number = decode(spec.weight, code)
    return not isinstance(number, Special) and int(number[0]) >= 0


def _power(spec: Any, power: int) -> dict[str, int]:
    """Scale and shift that divide by a power of two."""
    if isinstance(spec.weight, IntFormat):
        more = random.randrange(min(spec.weight.width, 2**spec.shift_bits - power))
        return {"scale": 2**more, "shift": power + more}
    return {"scale": max(0, spec.weight.bias - power) * 2**spec.weight.man_bits}


def _random(driver: PortDriver) -> dict[str, int]:
    """Code words: sums of every bit length, scales that are numbers."""
    spec, data = driver.spec, {}
    for name, bits in driver.model.data.items():
        data[name] = random.getrandbits(bits)
        if name in ("x", "bias"):
            size = random.getrandbits(random.randint(1, bits - 1))
            data[name] = random.choice((size, -size)) % 2**bits
    if isinstance(spec.weight, IntFormat):
        return data
    fmt = spec.weight
    # Near one, where results are neither 0 nor saturated; or any at all.
    wanted = fmt.bias + random.randint(-24, 6)
    wanted = wanted if random.random() < 0.7 else random.getrandbits(fmt.exp_bits)
    exponent = min(max(0, wanted), 2**fmt.exp_bits - 1)
    data["scale"] = exponent * 2**fmt.man_bits + random.getrandbits(fmt.man_bits)
    return data if _usable(spec, data["scale"]) else {**data, "scale": 0}
