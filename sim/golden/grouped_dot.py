"""Golden model of the dot-product unit of several groups."""

from typing import Any

from macwright.sim.golden.decode import Special
from macwright.sim.golden.dot import DotModel

__all__ = ["GroupedDotModel"]

#: An exact number ``(n, k)``, which is ``n * 2**k``, or what is none.
_Sum = tuple[int, int] | Special


class GroupedDotModel(DotModel):
    """What :class:`~macwright.hw.pe.GroupedDot` must do, one call of :meth:`step` a clock edge.

    Parameters
    ----------
    spec : DotSpec
        Formats and widths.

    Attributes
    ----------
    acc, invalid, retired
        As of :class:`~macwright.sim.golden.dot.DotModel`; `retired` of the sum's last cycle.

    Examples
    --------
    >>> from macwright.hw.pe import DotSpec
    >>> spec = DotSpec.from_fields({"lanes": 1, "groups": 2, "acc": "fp32"})
    >>> dot = GroupedDotModel(spec)
    >>> for cycle in range(7):  # group 0 ends 3 * 4 + 3 * 4 in cycle 1, its second sum in cycle 3
    ...     dot.step(a=0x0503, w=0x0504, clear=int(cycle < 3), first=int(cycle % 2 == 0))
    ...     print(dot.acc if dot.acc is None else hex(dot.acc))
    None
    None
    None
    None
    0x41c00000
    0x42480000
    0x42400000
    """

    def __init__(self, spec: Any) -> None:
        super().__init__(spec)
        #: Group that begins a sum in this cycle, and the cycles of each group's sum.
        self._turn: int | None = None
        self._cycles: list[list[_Sum] | None] = [None] * spec.groups

    def step(
        self,
        a: int,
        w: int,
        clear: int,
        en: int = 1,
        rst: int = 0,
        a_scale: int = 0,
        w_scale: int = 0,
        first: int = 0,
    ) -> None:
        """Advance one clock edge; operands are flat vectors of code words."""
        if en:
            self._count(first)
        super().step(a, w, clear, en, rst, a_scale, w_scale)

    def _count(self, first: int) -> None:
        due = self._turn is not None and self._turn + 1 == self.spec.groups
        if bool(first) != due:
            # The sums under way have another length, and the next one's begin chose the last.
            self._cycles = [None] * self.spec.groups
            if self._pipeline[-1] is not None:
                self._pipeline[-1] = (None, self._pipeline[-1][1])
        if first:
            self._turn = 0
        else:
            self._turn = None if self._turn is None or due else self._turn + 1

    def _total(self, a: int, w: int) -> _Sum | None:
        """Sum of the group that ends one in this cycle."""
        if self._turn is None:
            return None
        groups, lanes = self.spec.groups, self.spec.lanes
        for group in range(groups):
            part = self._sum(
                a >> (group * lanes * self.spec.act.width),
                w >> (group * lanes * self.spec.weight.width),
            )
            cycles = self._cycles[group]
            if group == self._turn:
                self._cycles[group] = [part]
            elif cycles is not None:
                cycles.append(part)
        ended = self._cycles[(self._turn + 1) % groups]
        return None if ended is None else _joined(ended)


def _joined(parts: list[_Sum]) -> _Sum:
    """Exact sum of numbers, NaN and infinities."""
    specials = {part for part in parts if isinstance(part, str)}
    if specials:
        return specials.pop() if len(specials) == 1 else "nan"
    numbers = [part for part in parts if not isinstance(part, str)]
    low = min(power for _, power in numbers)
    return sum(number * 2 ** (power - low) for number, power in numbers), low
