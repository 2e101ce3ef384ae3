"""Vectors for the bench of the units that share one multiplication: those of any, and lanes."""

import itertools
import math
import random
from typing import Any

from macwright.sim.bench.mac import corner_codes
from macwright.sim.bench.ports import PortDriver, controls, corners, limits, sums
from macwright.sim.golden import legal_codes

__all__ = ["controls", "corners", "lanes", "limits", "sums"]

#: Operand bits up to which `lanes` is exhaustive; beyond, so many vectors of corners.
EXHAUSTIVE_BITS, MOST_CORNERS = 16, 6_000


async def lanes(dut: Any, spec: Any) -> None:
    """Every activation with every weight in every place, up to 16 bits; beyond, the corners.

    What one product borrows from the next must not depend on what either is. Sums run on, so that
    the borrow meets other accumulators.
    """
    driver = PortDriver(dut, spec)
    await driver.start()
    exhaustive = spec.act.width + spec.products * spec.weight.width <= EXHAUSTIVE_BITS
    pick = legal_codes if exhaustive else corner_codes
    choices = [pick(spec.act), *[pick(spec.weight)] * spec.products]
    vectors = itertools.product(*choices)
    if not exhaustive and math.prod(map(len, choices)) > MOST_CORNERS:
        vectors = (tuple(map(random.choice, choices)) for _ in range(MOST_CORNERS))
    width = spec.weight.width
    for k, (a, *codes) in enumerate(vectors):
        w = sum(code << (i * width) for i, code in enumerate(codes))
        await driver.step(a=a, w=w, clear=int(k == 0))
