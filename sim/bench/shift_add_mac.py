"""Vectors for the bench of the shift-add unit: those of any unit, and whole groups."""

from typing import Any

from macwright.sim.bench.ports import PortDriver, controls, corners, limits, sums

__all__ = ["TESTS", "controls", "corners", "groups", "limits", "sums"]

#: What a bench file runs, in this order.
TESTS = ("corners", "sums", "controls", "limits", "groups")


async def groups(dut: Any, spec: Any) -> None:
    """Groups one after another, random and with the largest and smallest sums, all taken."""
    driver = PortDriver(dut, spec)
    await driver.start()
    extremes = driver.model.extremes()
    for number in range(8):
        for cycle in range(spec.group):
            flags = {"clear": int(cycle == 0)}
            if spec.scale is not None:
                flags |= {"take": int(cycle == 0 and number > 0), "start": int(number in (1, 5))}
            data = driver.random_data()
            if number in (2, 3):
                data = {k: v for k, v in extremes[number - 2].items() if k in data}
            if number == 4 and "zero" in data:
                data = {**extremes[1], "zero": 2 ** (spec.zero.width - spec.zero.signed) - 1}
                data = {k: data[k] for k in driver.model.data}
            await driver.step(**data, **flags)
    await driver.step(clear=1, **({"take": 1} if spec.scale is not None else {}))
    for _ in range(spec.pipeline):
        await driver.step(clear=1)
