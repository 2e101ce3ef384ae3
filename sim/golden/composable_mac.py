"""Golden model of the composable unit."""

from typing import Any

from macwright.sim.golden.ports import PortModel, fields, signed_value

__all__ = ["ComposableMacModel"]


class ComposableMacModel(PortModel):
    """What :class:`~macwright.hw.pe.ComposableMac` must do.

    Examples
    --------
    >>> from macwright.hw.pe import ComposableMacSpec
    >>> model = ComposableMacModel(ComposableMacSpec())
    >>> model.cycle_sum(a=0x2F, w=0x53, mode=1)  # -1 * 3 + 2 * 5
    7
    """

    def __init__(self, spec: Any) -> None:
        super().__init__(spec)
        width, self.leaf = spec.act.width, spec.leaf
        self.count = width // spec.leaf
        self.fusion = spec.variant == "fusion"
        bits = self.count**2 * self.leaf if self.fusion else width
        self.data = {"a": bits, "w": bits}
        self.widths = [tuple(map(int, name.split("x"))) for name in spec.modes]
        self.controls = {"mode": range(len(self.widths))}

    def cycle_sum(self, *, a: int, w: int, mode: int) -> int:  # type: ignore[override]
        """Sum of the products of a mode."""
        if self.fusion:
            return sum(x * y * p for x, y, p in self._leaves(a, w, mode))
        size = self.widths[mode][0]
        count = self.spec.act.width // size
        acts, weights = fields(a, size, count), fields(w, size, count)
        return sum(
            signed_value(x, size) * signed_value(y, size)
            for x, y in zip(acts, weights, strict=True)
        )

    def _leaves(self, a: int, w: int, mode: int) -> list[tuple[int, int, int]]:
        """Digits of each leaf as numbers, and what their product counts."""
        size = [bits // self.leaf for bits in self.widths[mode]]
        products = []
        leaves = self.count**2
        digits = zip(fields(a, self.leaf, leaves), fields(w, self.leaf, leaves), strict=True)
        for place, pair in enumerate(digits):
            where = [place // self.count % size[0], place % self.count % size[1]]
            x, y = (
                signed_value(digit, self.leaf) if at == top - 1 else digit
                for digit, at, top in zip(pair, where, size, strict=True)
            )
            products.append((x, y, 2 ** (self.leaf * sum(where))))
        return products

    def extremes(self) -> list[dict[str, int]]:
        """Inputs with the largest and smallest sums of each mode."""
        vectors = []
        for mode, (bits, _) in enumerate(self.widths):
            if not self.fusion:
                least = sum(2 ** (k + bits - 1) for k in range(0, self.spec.act.width, bits))
                most = 2**self.spec.act.width - 1 - least
                vectors += [{"a": least, "w": least, "mode": mode}]
                vectors += [{"a": least, "w": most, "mode": mode}]
                continue
            codes = range(2**self.leaf)
            for pick in (max, min):
                a = w = 0
                for place in range(self.count**2):
                    at = place * self.leaf
                    x, y = pick(
                        ((x, y) for x in (0, *_ends(codes)) for y in (0, *_ends(codes))),
                        key=lambda pair: self.cycle_sum(
                            a=pair[0] << at, w=pair[1] << at, mode=mode
                        ),
                    )
                    a, w = a | x << at, w | y << at
                vectors.append({"a": a, "w": w, "mode": mode})
        return vectors


def _ends(codes: range) -> tuple[int, ...]:
    """Largest and smallest digits, signed or not."""
    half = len(codes) // 2
    return half - 1, half, 2 * half - 1
