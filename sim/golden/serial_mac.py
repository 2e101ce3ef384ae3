"""Golden model of the unit with bit-serial weights."""

from typing import Any

from macwright.sim.golden.decode import decode
from macwright.sim.golden.ports import PortModel, fields, signed_value

__all__ = ["SerialMacModel"]


class SerialMacModel(PortModel):
    """What :class:`~macwright.hw.pe.SerialMac` must do.

    Examples
    --------
    >>> from macwright.hw.pe import SerialMacSpec
    >>> mac = SerialMacModel(SerialMacSpec(lanes=1))
    >>> mac.step(a=5, w=0b10, sign=1, shift=0, clear=1)  # 5 * int4 -5 = 0b1011
    >>> mac.step(a=5, w=0b11, sign=0, shift=1, clear=0)
    >>> mac.acc - 2**32
    -25
    """

    def __init__(self, spec: Any) -> None:
        super().__init__(spec)
        self.data = {"a": spec.lanes * spec.act.width, "w": spec.lanes * spec.step}
        self.controls = {"sign": range(2), "shift": range(2)}

    def cycle_sum(self, *, a: int, w: int, sign: int, shift: int = 0) -> int:  # type: ignore[override]
        """Sum of activations times digits."""
        spec = self.spec
        acts = fields(a, spec.act.width, spec.lanes)
        digits = fields(w, spec.step, spec.lanes)
        return sum(
            int(decode(spec.act, x)[0]) * (signed_value(d, spec.step) if sign else d)
            for x, d in zip(acts, digits, strict=True)
        )

    def _add(self, *, clear: int, **inputs: int) -> None:
        if not clear and inputs["shift"] and self.acc is not None:
            self.acc *= 2**self.spec.step
        super()._add(clear=clear, **inputs)

    def extremes(self) -> list[dict[str, int]]:
        """Inputs with the largest and smallest sums, with and without sign."""
        spec, extreme = self.spec, []
        ends = [int(spec.act.min) % 2**spec.act.width, int(spec.act.max)]
        ones = [sum(2 ** (k * n) for k in range(spec.lanes)) for n in (spec.act.width, spec.step)]
        for sign in (0, 1):
            vectors = [
                {"a": x * ones[0], "w": d * ones[1], "sign": sign, "shift": 0}
                for x in ends
                for d in range(2**spec.step)
            ]
            vectors.sort(key=lambda vector: self.cycle_sum(**vector))
            extreme += [vectors[-1], vectors[0]]
        return extreme
