"""Golden model of the requantiser, in exact fractions."""

import math
from collections import deque
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from macwright.hw.formats import IntFormat
from macwright.sim.golden.decode import decode
from macwright.sim.golden.ports import signed_value

__all__ = ["RequantModel"]


class RequantModel:
    """What :class:`~macwright.hw.pe.Requant` must do, one call of :meth:`step` a clock edge.

    Attributes
    ----------
    y : int or None
        Result as an unsigned code word; None where the contract leaves it open.

    Examples
    --------
    >>> from macwright.hw.pe import RequantSpec
    >>> model = RequantModel(RequantSpec(bias=False))
    >>> [model.result(x=x, scale=1, shift=1) for x in (1, 3, 300)]
    [0, 2, 127]
    """

    outputs = ("y",)

    def __init__(self, spec: Any) -> None:
        self.spec = spec
        self.acc: int | None = None
        self.y: int | None = None
        self.retired: dict[str, int] | None = None
        self.controls: dict[str, range] = {}
        self.legal: dict[str, Sequence[int]] = {}
        if not isinstance(spec.weight, IntFormat):  # neither negative nor infinite nor NaN
            self.legal["scale"] = range(int(spec.weight.encode(spec.weight.max)) + 1)
        self.data = {"x": spec.act.width, "scale": spec.weight.width}
        self.data |= {"bias": spec.act.width} if spec.bias else {}
        self.data |= {"shift": spec.shift_bits} if isinstance(spec.weight, IntFormat) else {}
        self.data |= {"zero": spec.acc.width} if spec.zero else {}
        self._pipeline: deque = deque([None] * spec.pipeline)

    def step(self, *, en: int = 1, rst: int = 0, **inputs: int) -> None:
        """Advance one clock edge; inputs are unsigned code words."""
        if en:
            self._pipeline.append(dict(inputs))
            self.retired = self._pipeline.popleft()
            known = self.retired is not None
            self.y = self.result(**self.retired) % 2**self.spec.acc.width if known else None  # type: ignore[arg-type]
        if rst:
            self.y = 0

    def result(self, *, x: int, scale: int, bias: int = 0, shift: int = 0, zero: int = 0) -> int:
        """Result as a number."""
        spec = self.spec
        total = signed_value(x, spec.act.width) + signed_value(bias, spec.act.width)
        number, power = decode(spec.weight, scale)
        exact = total * int(number) * Fraction(2) ** (int(power) - shift)
        half_up = spec.rounding == "half_up"
        rounded = math.floor(exact + Fraction(1, 2)) if half_up else round(exact)
        rounded += int(decode(spec.acc, zero)[0])
        return max(int(spec.acc.min), min(int(spec.acc.max), rounded))
