"""Vectors for the bench of the bit-serial unit: those of any unit, and whole dot products."""

import random
from typing import Any

from macwright.sim.bench.ports import PortDriver, controls, corners, limits, sums

__all__ = ["TESTS", "controls", "corners", "limits", "products", "sums"]

#: What a bench file runs, in this order.
TESTS = ("corners", "sums", "controls", "limits", "products")


async def products(dut: Any, spec: Any) -> None:
    """Dot products with weights of every width, digit by digit from the top."""
    driver = PortDriver(dut, spec)
    await driver.start()
    for bits in range(1, spec.weight.width + 1):
        steps = -(-bits // spec.step)
        acts = [random.choice([driver.random_data()["a"], 0]) for _ in range(4)]
        for step in range(steps):
            for k, a in enumerate(acts):
                first = k == 0
                await driver.step(
                    a=a,
                    w=driver.random_data()["w"],
                    sign=int(step == 0),
                    shift=int(first and step > 0),
                    clear=int(first and step == 0),
                )
