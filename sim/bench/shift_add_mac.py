"""Vectors for the bench of the shift-add unit: those of any unit, and whole groups."""

import random
from typing import Any

from macwright.sim.bench.ports import LONGEST, PortDriver, controls, corners, limits, sums
from macwright.sim.golden import Special, decode, legal_codes

__all__ = ["controls", "corners", "groups", "limits", "specials", "sums", "totals"]


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


async def totals(dut: Any, spec: Any) -> None:
    """Groups with the largest and smallest sums, until their total wraps, then random ones.

    An end that is more than `LONGEST` cycles away is left out and said so in the log.
    """
    driver = PortDriver(dut, spec)
    await driver.start()
    for vector in driver.model.extremes():
        value = vector["scale"] * spec.group * abs(driver.model.cycle_sum(**vector))
        count = 2 ** (spec.total.width - 1) // value + 2 if value else 0
        if not 0 < count * spec.group <= LONGEST:
            dut._log.info("totals: %d groups of %s are not run", count, value)
            continue
        for number in range(count + 8):
            for cycle in range(spec.group):
                # Nothing is known of the group before the first.
                flags = {"take": int(cycle == 0 and number > 0), "start": int(number == 1)}
                data = driver.random_data() if number >= count else vector
                data = {name: data[name] for name in driver.model.data}
                await driver.step(**data, **flags, clear=int(cycle == 0))
    await driver.step(take=0)


async def specials(dut: Any, spec: Any) -> None:
    """Short groups with NaN and infinity in some of them, taken or not, with every control."""
    driver = PortDriver(dut, spec)
    await driver.start()
    wrong = [code for code in legal_codes(spec.act) if isinstance(decode(spec.act, code), Special)]
    chance = {"en": 0.8, "rst": 0.02}
    for _ in range(1_500):
        flags = {k: int(random.random() < p) for k, p in chance.items() if getattr(spec, k)}
        data = driver.random_data()
        if random.random() < 0.1:
            data["a"] = random.choice(wrong)
        clear = int(random.random() < 0.3)
        await driver.step(**data, **driver.random_controls(), clear=clear, **flags)
