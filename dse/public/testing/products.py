"""What one cycle adds, by brute force: products of what the formats decode."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from macwright.hw.formats import FloatFormat
from macwright.hw.formats.block import BlockFormat
from macwright.hw.pe.spec import UnitSpec
from macwright.testing.vectors import CONTROLS, input_widths

__all__ = ["exact_products"]

#: Fields with which a cycle adds something else than products, and the value without effect.
_OTHERWISE = {"drop": 0, "window": None, "scale": None, "modes": None, "products": None}


def exact_products(spec: UnitSpec) -> Callable[..., Fraction | None] | None:
    """Number that one cycle adds, in units of the accumulator's last place, by port codes.

    Returns
    -------
    callable or None
        None for units that add something else than the products of their lanes.
    """
    act, weight, acc = (getattr(spec, name, None) for name in ("act", "weight", "acc"))
    plain = all(getattr(spec, name, value) == value for name, value in _OTHERWISE.items())
    blocks = isinstance(act, BlockFormat) or isinstance(weight, BlockFormat)
    if act is None or weight is None or acc is None:
        return None
    if isinstance(acc, FloatFormat) or blocks or not plain:
        return None
    if _ports(spec) != {"a", "w"}:
        return None
    lanes = getattr(spec, "lanes", 1)
    unit = Fraction(2) ** getattr(spec, "acc_exponent", 0)

    def added(*, a: int, w: int) -> Fraction | None:
        total = Fraction(0)
        for lane in range(lanes):
            x, y = (
                float(fmt.decode((word >> (lane * fmt.width)) % (1 << fmt.width)))
                for fmt, word in ((act, a), (weight, w))
            )
            if not np.isfinite(x) or not np.isfinite(y):
                return None
            total += Fraction(x) * Fraction(y) / unit
        return total

    return added


def _ports(spec: UnitSpec) -> set[str]:
    component = spec.create()
    component._MustUse__used = True  # it was made for its ports
    return set(input_widths(component)) - set(CONTROLS)
