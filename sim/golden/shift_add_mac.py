"""Golden model of the shift-add unit: every product dequantised, nothing saved for later."""

from typing import Any

from macwright.hw.formats import ApotFormat, FloatFormat, PotFormat
from macwright.sim.golden.decode import Special, decode, legal_codes
from macwright.sim.golden.ports import PortModel

__all__ = ["ShiftAddMacModel", "weight_value"]


def weight_value(fmt: Any, code: int) -> int:
    """Number that a weight's code stands for.

    Examples
    --------
    >>> from macwright.hw.formats import parse_format
    >>> weight_value(parse_format("pot4"), 0b1011), weight_value(parse_format("apot4"), 0b0011)
    (-4, 10)
    """
    if not isinstance(fmt, PotFormat | ApotFormat):
        return int(decode(fmt, code)[0])
    sign, rest = divmod(code, 2 ** (fmt.width - 1))
    if isinstance(fmt, PotFormat):
        size = 2 ** (rest - 1) if rest else 0
    else:
        size = 0
        for choices in reversed(fmt.terms):
            rest, chosen = divmod(rest, len(choices))
            size += choices[chosen]
    return -size if sign else size


class ShiftAddMacModel(PortModel):
    """What :class:`~macwright.hw.pe.ShiftAddMac` must do.

    The products of a group are kept and each is dequantised by itself when the group is taken.

    Attributes
    ----------
    total : int or None
        Sum of the scaled groups as an unsigned code word; None where it is left open.
    invalid, total_invalid : int or None
        Sticky flags of a NaN or infinity; None where they are left open.
    """

    def __init__(self, spec: Any) -> None:
        super().__init__(spec)
        self.data = {"a": spec.act.width, "w": spec.weight.width}
        self.controls: dict[str, Any] = {}
        self.total: int | None = None
        self.invalid: int | None = None
        self.total_invalid: int | None = None
        self._group: list[tuple[int, int]] | None = None
        if spec.scale is not None:
            self.outputs = ("acc", "total")
            self.data["scale"] = spec.scale.width
            self.controls = {"take": range(2), "start": range(2)}
        if spec.zero is not None:
            self.data["zero"] = spec.zero.width
        self.legal = {"w": legal_codes(spec.weight)}
        if isinstance(spec.act, FloatFormat) and spec.act.specials != "none":
            flags = {"acc": "invalid", "total": "total_invalid"}
            self.outputs += tuple(flags[name] for name in self.outputs)
            numbers = (c for c in legal_codes(spec.act) if not isinstance(decode(spec.act, c), str))
            self.legal["a"] = tuple(numbers)

    def _act(self, code: int) -> int | None:
        """Activation in units of the format's smallest number; None if it is no number."""
        value = decode(self.spec.act, code)
        if isinstance(value, Special):
            return None
        if not isinstance(self.spec.act, FloatFormat):
            return int(value[0])
        smallest = decode(self.spec.act, 1)[1]
        return int(value[0]) * 2 ** (int(value[1]) - int(smallest))

    def cycle_sum(self, *, a: int, w: int, **others: int) -> int:  # type: ignore[override]
        """Product; 0 if there is none."""
        return (self._act(a) or 0) * weight_value(self.spec.weight, w)

    def _add(self, *, clear: int, **inputs: int) -> None:
        if self.spec.scale is not None and inputs["take"]:
            self._take(inputs["start"], inputs["scale"], inputs.get("zero", 0))
        super()._add(clear=clear, **inputs)
        if clear:
            self._group, self.invalid = [], 0
        number = self._act(inputs["a"])
        if number is None:
            self.acc, self.invalid, self._group = None, 1, None
        if self._group is not None and number is not None:
            self._group.append((number, weight_value(self.spec.weight, inputs["w"])))
            # The sum of the activations may wrap: no total is promised of this group.
            if len(self._group) > self.spec.group:
                self._group = None

    def _take(self, start: int, scale: int, zero: int) -> None:
        if start or self.total_invalid == 0:
            self.total_invalid = self.invalid
        elif self.total_invalid is None and self.invalid:
            self.total_invalid = 1
        before = 0 if start else self.total
        if before is None or self._group is None:
            self.total = None
            return
        z = 0 if self.spec.zero is None else int(decode(self.spec.zero, zero)[0])
        dequantised = sum(scale * a * (w - z) for a, w in self._group)
        self.total = (before + dequantised) % 2**self.spec.total.width

    def _forget(self) -> None:
        self.acc = self.total = self._group = self.invalid = self.total_invalid = None

    def _reset(self) -> None:
        self.acc = self.total = self.invalid = self.total_invalid = 0
        self._group = []

    def extremes(self) -> list[dict[str, int]]:
        """Inputs with the largest and smallest products; the largest scale, zero point 0."""
        spec = self.spec
        others = dict.fromkeys((*self.data, *self.controls), 0)
        if spec.scale is not None:
            others["scale"] = 2**spec.scale.width - 1
        acts = self.legal.get("a") or range(2**spec.act.width)
        ends = {pick(acts, key=lambda a: self._act(a) or 0) for pick in (min, max)}
        pairs = sorted(
            ((a, w) for a in ends for w in legal_codes(spec.weight)),
            key=lambda pair: self.cycle_sum(a=pair[0], w=pair[1]),
        )
        return [{**others, "a": a, "w": w} for a, w in (pairs[-1], pairs[0])]
