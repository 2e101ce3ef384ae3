"""Golden models of the multiply-accumulate units."""

from abc import ABC, abstractmethod
from collections import deque
from typing import Any

from macwright.sim.golden.decode import Special, decode_all

__all__ = ["IntMacModel", "MacModel", "MinifloatMacModel"]


class MacModel(ABC):
    """What a multiply-accumulate unit must do, one call of :meth:`step` a clock edge.

    Parameters
    ----------
    spec : UnitSpec
        Formats and widths.

    Attributes
    ----------
    acc : int or None
        Accumulator as an unsigned code word; None where the contract leaves it open.
    invalid : int or None
        Sticky flag of a NaN or infinity; None where the contract leaves it open.
    retired : tuple of int or None
        Codes ``(a, w, clear)`` that last went into the accumulator.
    """

    def __init__(self, spec: Any) -> None:
        self.spec = spec
        self.acc: int | None = None
        self.invalid: int | None = None
        self.retired: tuple[int, int, int] | None = None
        self._acts, self._weights = decode_all(spec.act), decode_all(spec.weight)
        self._pipeline: deque = deque([None] * spec.pipeline)

    def step(self, a: int, w: int, clear: int, en: int = 1, rst: int = 0) -> None:
        """Advance one clock edge.

        Parameters
        ----------
        a, w : int
            Operands as unsigned code words, also where the format is signed.
        clear, en, rst : int
            Controls; a unit without one gets the default.
        """
        if en:
            self._pipeline.append((a, w, clear))
            self.retired = self._pipeline.popleft()
            if self.retired is None:
                self.acc = self.invalid = None
            else:
                self._add(*self.retired)
        if rst:
            self.acc = self.invalid = 0

    @abstractmethod
    def _add(self, a: int, w: int, clear: int) -> None:
        """Take one product into the accumulator."""


class IntMacModel(MacModel):
    """What :class:`~macwright.hw.pe.IntMac` must do.

    Examples
    --------
    >>> from macwright.hw.formats import IntFormat
    >>> from macwright.hw.pe import IntMacSpec
    >>> mac = IntMacModel(IntMacSpec(acc=IntFormat(16)))
    >>> mac.step(a=0x80, w=0x80, clear=1)
    >>> mac.step(a=0x80, w=0x7F, clear=0)
    >>> mac.acc
    128
    """

    def _add(self, a: int, w: int, clear: int) -> None:
        x, y = self._acts[a], self._weights[w]
        before = 0 if clear else self.acc
        if before is not None:
            self.acc = (before + int(x[0]) * int(y[0])) % 2**self.spec.acc.width


class MinifloatMacModel(MacModel):
    """What :class:`~macwright.hw.pe.MinifloatMac` with a fixed-point accumulator must do.

    Examples
    --------
    >>> from macwright.hw.pe import MinifloatMacSpec
    >>> mac = MinifloatMacModel(MinifloatMacSpec())
    >>> mac.step(a=0x01, w=0x01, clear=1)
    >>> mac.acc, mac.invalid
    (1, 0)
    >>> mac.step(a=0x7F, w=0x00, clear=0)  # NaN
    >>> mac.acc, mac.invalid
    (None, 1)
    """

    def _add(self, a: int, w: int, clear: int) -> None:
        x, y = self._acts[a], self._weights[w]
        if isinstance(x, Special) or isinstance(y, Special):
            self.acc, self.invalid = None, 1
            return
        before, self.invalid = (0, 0) if clear else (self.acc, self.invalid)
        if before is None:
            return
        number, power = x[0] * y[0], x[1] + y[1] - self.spec.acc_exponent
        # Python's // and >> round down; what is dropped is cut off toward zero.
        units = abs(number) * 2**power if power >= 0 else abs(number) // 2**-power
        self.acc = (before + (units if number >= 0 else -units)) % 2**self.spec.acc.width
