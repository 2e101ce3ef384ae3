"""Golden model of the dot product by bit planes."""

from typing import Any

from macwright.sim.golden.decode import decode
from macwright.sim.golden.ports import PortModel, fields

__all__ = ["BitplaneDotModel"]


class BitplaneDotModel(PortModel):
    """What :class:`~macwright.hw.pe.BitplaneDot` must do.

    Examples
    --------
    >>> from macwright.hw.pe import BitplaneDotSpec
    >>> dot = BitplaneDotModel(BitplaneDotSpec(lanes=1))
    >>> dot.cycle_sum(a=0x05_05_05_05_05_05_05_05, w=0xFD, mode=0)  # 5 * -3
    -15
    >>> dot.cycle_sum(a=0x05_05_05_05_07_07_07_07, w=0xFD, mode=1)  # 5 * -1 + 7 * -3
    -26
    """

    def __init__(self, spec: Any) -> None:
        super().__init__(spec)
        self.planes = spec.weight.width
        self.slots = spec.lanes * self.planes
        self.data = {"a": self.slots * spec.act.width, "w": self.slots}
        self.controls = {"mode": range(self.planes.bit_length())}

    def _factors(self, mode: int) -> list[int]:
        """What a bit of each plane of a lane stands for."""
        bits = self.planes // 2**mode
        factors = [2**k for k in range(bits)]
        if bits > 1:
            factors[-1] = -factors[-1]
        return factors * 2**mode

    def cycle_sum(self, *, a: int, w: int, mode: int) -> int:  # type: ignore[override]
        """Sum over all slots of activation, weight bit, and what the bit stands for."""
        acts = fields(a, self.spec.act.width, self.slots)
        bits = fields(w, 1, self.slots)
        factors = self._factors(mode) * self.spec.lanes
        return sum(
            f * int(decode(self.spec.act, x)[0])
            for x, bit, f in zip(acts, bits, factors, strict=True)
            if bit
        )

    def extremes(self) -> list[dict[str, int]]:
        """Inputs with the largest and smallest sums of each mode."""
        act = self.spec.act
        ends = {1: int(act.max), -1: int(act.min)}
        vectors = []
        for mode in self.controls["mode"]:
            for sign in (1, -1):
                a = w = 0
                for slot, factor in enumerate(self._factors(mode) * self.spec.lanes):
                    value = ends[sign if factor > 0 else -sign]
                    a += value % 2**act.width * 2 ** (slot * act.width)
                    # An unsigned activation is never negative: leave the weight's bit out.
                    w += 2**slot if sign * factor * value > 0 else 0
                vectors.append({"a": a, "w": w, "mode": mode})
        return vectors
