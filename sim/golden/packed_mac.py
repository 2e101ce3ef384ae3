"""Golden model of the units that share one multiplication."""

from collections.abc import Sequence
from typing import Any, overload

from macwright.sim.golden.decode import decode, legal_codes
from macwright.sim.golden.ports import PortModel, fields

__all__ = ["LaneCodes", "PackedMacModel"]


class LaneCodes(Sequence[int]):
    """Words of so many codes side by side, each one that its format has, without making them all.

    Examples
    --------
    >>> from macwright.hw.formats import parse_format
    >>> codes = LaneCodes(parse_format("int2sym"), 2)
    >>> [f"{code:04b}" for code in codes]
    ['0000', '0001', '0011', '0100', '0101', '0111', '1100', '1101', '1111']
    >>> 0b1101 in codes, 0b1001 in codes
    (True, False)
    """

    def __init__(self, fmt: Any, lanes: int) -> None:
        self.width, self.lanes, self.codes = fmt.width, lanes, legal_codes(fmt)

    def __len__(self) -> int:
        return len(self.codes) ** self.lanes

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[int]: ...
    def __getitem__(self, index: int | slice) -> int | Sequence[int]:
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        word = 0
        for lane in range(self.lanes):
            index, digit = divmod(index, len(self.codes))
            word += self.codes[digit] * 2 ** (lane * self.width)
        return word

    def __contains__(self, word: object) -> bool:
        if not isinstance(word, int) or not 0 <= word < 2 ** (self.width * self.lanes):
            return False
        return all(code in self.codes for code in fields(word, self.width, self.lanes))


class PackedMacModel(PortModel):
    """What :class:`~macwright.hw.pe.PackedMac` must do.

    Examples
    --------
    >>> from macwright.hw.pe import PackedMacSpec
    >>> mac = PackedMacModel(PackedMacSpec())
    >>> mac.step(a=0x80, w=0x78, clear=1)  # -128 times -8 and 7
    >>> [code - 2**32 * (code >= 2**31) for code in fields(mac.acc, 32, 2)]
    [1024, -896]
    """

    def __init__(self, spec: Any) -> None:
        super().__init__(spec)
        act, weight = spec.act, spec.weight
        self.data = {"a": act.width, "w": spec.products * weight.width}
        self.controls = {}
        for name, fmt, lanes in (("a", act, 1), ("w", weight, spec.products)):
            if fmt.symmetric:
                self.legal[name] = LaneCodes(fmt, lanes)

    def products(self, a: int, w: int) -> list[int]:
        """What one cycle adds to each accumulator."""
        weight, count = self.spec.weight, self.spec.products
        x = int(decode(self.spec.act, a)[0])
        return [x * int(decode(weight, code)[0]) for code in fields(w, weight.width, count)]

    def cycle_sum(self, *, a: int, w: int) -> int:  # type: ignore[override]
        """Number of the largest magnitude that one cycle adds to an accumulator."""
        return max(self.products(a, w), key=abs)

    def _add(self, *, clear: int, **inputs: int) -> None:
        width, count = self.spec.acc.width, self.spec.products
        if self.acc is None and not clear:
            return
        before = [0] * count if clear else fields(self.acc or 0, width, count)
        sums = [x + y for x, y in zip(before, self.products(**inputs), strict=True)]
        self.acc = sum(total % 2**width * 2 ** (k * width) for k, total in enumerate(sums))

    def extremes(self) -> list[dict[str, int]]:
        """Inputs with the largest and the smallest product in every accumulator."""
        act, weight = self.spec.act, self.spec.weight
        inputs_of = {}
        for x in (int(act.min), int(act.max)):
            for y in (int(weight.min), int(weight.max)):
                lanes = range(self.spec.products)
                w = sum(y % 2**weight.width * 2 ** (k * weight.width) for k in lanes)
                inputs_of[x * y] = {"a": x % 2**act.width, "w": w}
        return [inputs_of[max(inputs_of)], inputs_of[min(inputs_of)]]
