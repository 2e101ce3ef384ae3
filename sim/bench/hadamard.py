"""Vectors for the bench of the Hadamard transform."""

import random
from typing import Any

from macwright.sim.bench.ports import PortDriver

__all__ = ["controls", "corners", "numbers", "points"]


async def points(dut: Any, spec: Any) -> None:
    """A number alone in each place, and 0 elsewhere: every entry of the matrix."""
    driver = PortDriver(dut, spec)
    await driver.start()
    for place in range(spec.points):
        await driver.step(a=_word(spec, [int(i == place) for i in range(spec.points)]))
    await _drain(driver)


async def corners(dut: Any, spec: Any) -> None:
    """The largest and the smallest result in each place."""
    driver = PortDriver(dut, spec)
    await driver.start()
    low, high = int(spec.act.min), int(spec.act.max)
    for place in range(spec.points):
        minus = [(i & place).bit_count() % 2 for i in range(spec.points)]
        await driver.step(a=_word(spec, [low if m else high for m in minus]))
        await driver.step(a=_word(spec, [high if m else low for m in minus]))
    await _drain(driver)


async def numbers(dut: Any, spec: Any) -> None:
    """Random numbers of every size."""
    driver = PortDriver(dut, spec)
    await driver.start()
    for _ in range(500):
        await driver.step(a=_random(spec))
    await _drain(driver)


async def controls(dut: Any, spec: Any) -> None:
    """Random numbers with `en` and `rst` in every order."""
    driver = PortDriver(dut, spec)
    await driver.start()
    chance = {"en": 0.7, "rst": 0.1}
    for _ in range(500):
        flags = {k: int(random.random() < p) for k, p in chance.items() if getattr(spec, k)}
        await driver.step(a=_random(spec), **flags)


async def _drain(driver: PortDriver) -> None:
    for _ in range(driver.spec.pipeline):
        await driver.step()


def _random(spec: Any) -> int:
    sizes = [random.randint(1, spec.act.width) for _ in range(spec.points)]
    return _word(spec, [random.getrandbits(size) for size in sizes])


def _word(spec: Any, numbers: list[int]) -> int:
    width = spec.act.width
    return sum(number % 2**width << (i * width) for i, number in enumerate(numbers))
