"""Golden model of the Hadamard transform."""

from collections import deque
from collections.abc import Sequence
from typing import Any

from macwright.sim.golden.ports import fields, signed_value

__all__ = ["HadamardModel"]


class HadamardModel:
    """What :class:`~macwright.hw.pe.hadamard.Hadamard` must do, one call of `step` a clock edge.

    Every result is summed by itself, from the definition.

    Attributes
    ----------
    y : int or None
        Results as an unsigned word; None where the contract leaves it open.

    Examples
    --------
    >>> from macwright.hw.pe.hadamard import HadamardSpec
    >>> HadamardModel(HadamardSpec(points=2)).results([5, -3])
    [2, 8]
    """

    outputs = ("y",)

    def __init__(self, spec: Any) -> None:
        self.spec = spec
        self.acc: int | None = None
        self.y: int | None = None
        self.retired: dict[str, int] | None = None
        self.controls: dict[str, range] = {}
        self.legal: dict[str, Sequence[int]] = {}
        self.data = {"a": spec.points * spec.act.width}
        self._pipeline: deque = deque([None] * spec.pipeline)

    def step(self, *, en: int = 1, rst: int = 0, **inputs: int) -> None:
        """Advance one clock edge; inputs are unsigned code words."""
        if en:
            self._pipeline.append(dict(inputs))
            self.retired = self._pipeline.popleft()
            self.y = None if self.retired is None else self._word(self.retired["a"])
        if rst:
            self.y = 0

    def results(self, numbers: Sequence[int]) -> list[int]:
        """Transform of numbers."""
        return [
            sum(-x if (i & j).bit_count() % 2 else x for i, x in enumerate(numbers))
            for j in range(len(numbers))
        ]

    def _word(self, a: int) -> int:
        width, points = self.spec.act.width, self.spec.points
        numbers = [signed_value(code, width) for code in fields(a, width, points)]
        bits = self.spec.acc.width
        return sum(
            result % 2**bits * 2 ** (j * bits) for j, result in enumerate(self.results(numbers))
        )
