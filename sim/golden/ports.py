"""What the golden models of the units with packed operands and modes have in common."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import Any

__all__ = ["PortModel", "fields", "signed_value"]


def signed_value(code: int, width: int) -> int:
    """Two's complement number of a code word."""
    return code - 2**width if code >= 2 ** (width - 1) else code


def fields(word: int, width: int, count: int) -> list[int]:
    """Fields of so many bits in a word, the lowest first."""
    return [word // 2 ** (k * width) % 2**width for k in range(count)]


class PortModel(ABC):
    """What a unit with an accumulator must do, one call of :meth:`step` a clock edge.

    Parameters
    ----------
    spec : UnitSpec
        Formats and widths.

    Attributes
    ----------
    data, controls : dict
        Bits of each data port; for each control port the values that it may have.
    legal : dict
        Codes of the data ports that do not have all.
    acc : int or None
        Accumulator as an unsigned code word; None where the contract leaves it open.
    outputs : tuple of str
        Ports to check; each has an attribute like `acc`.
    retired : dict or None
        Inputs that last went into the accumulator.
    """

    data: dict[str, int]
    controls: dict[str, range]
    outputs: tuple[str, ...] = ("acc",)

    def __init__(self, spec: Any) -> None:
        self.spec = spec
        self.acc: int | None = None
        self.retired: dict[str, int] | None = None
        self.legal: dict[str, Sequence[int]] = {}
        self._pipeline: deque = deque([None] * spec.pipeline)
        self._last: tuple[dict[str, int], int] | None = None

    def step(self, *, clear: int, en: int = 1, rst: int = 0, **inputs: int) -> None:
        """Advance one clock edge; inputs are unsigned code words."""
        if en:
            self._pipeline.append({**inputs, "clear": clear})
            self.retired = self._pipeline.popleft()
            if self.retired is None:
                self._forget()
            else:
                self._add(**self.retired)
        if rst:
            self._reset()

    def _forget(self) -> None:
        """Something unknown went into the accumulator."""
        self.acc = None

    def _reset(self) -> None:
        self.acc = 0

    def _add(self, *, clear: int, **inputs: int) -> None:
        """Take the sum of one cycle into the accumulator."""
        if self._last is None or self._last[0] != inputs:
            self._last = inputs, self.cycle_sum(**inputs)
        before = 0 if clear else self.acc
        if before is not None:
            self.acc = (before + self._last[1]) % 2**self.spec.acc.width

    @abstractmethod
    def cycle_sum(self, **inputs: int) -> int:
        """Number that one cycle adds."""

    @abstractmethod
    def extremes(self) -> list[dict[str, int]]:
        """Inputs with the largest and smallest sums of each mode."""
