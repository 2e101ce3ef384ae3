"""Golden model of the dot-product unit."""

from collections import deque
from typing import Any

from macwright.hw.formats import BinaryFormat, BlockFormat, FloatFormat, TernaryFormat
from macwright.hw.formats.scaled import E8M0Format, FixedFormat
from macwright.sim.golden.decode import Special, decode, decode_all
from macwright.sim.golden.float_mac import add_special

__all__ = ["DotModel", "lane_codes"]


def lane_codes(vector: int, width: int, lanes: int) -> list[int]:
    """Code words of a flat vector, that of lane 0 from the low bits."""
    return [vector >> (k * width) & (2**width - 1) for k in range(lanes)]


class DotModel:
    """What :class:`~macwright.hw.pe.Dot` must do, one call of :meth:`step` a clock edge.

    Parameters
    ----------
    spec : DotSpec
        Formats and widths.

    Attributes
    ----------
    acc, invalid : int or None
        As of :class:`~macwright.sim.golden.mac.MacModel`.
    retired : tuple of int or None
        Codes ``(a, w, clear)`` that last went into the accumulator.

    Examples
    --------
    >>> from macwright.hw.pe import DotSpec
    >>> dot = DotModel(DotSpec(lanes=2))
    >>> dot.step(a=0x0302, w=0x0504, clear=1)  # 2 * 4 + 3 * 5
    >>> dot.acc
    23
    """

    def __init__(self, spec: Any) -> None:
        self.spec = spec
        self.acc: int | None = None
        self.invalid: int | None = None
        self.retired: tuple[int, int, int] | None = None
        self._elements = [_element(fmt) for fmt in (spec.act, spec.weight)]
        self._tables = [decode_all(fmt) for fmt, _ in self._elements]
        self._pipeline: deque = deque([None] * (spec.latency - 1))
        #: Accumulator and flag of the sums, that of the next turn first.
        self._sums: deque = deque([(None, None)] * spec.turns)

    def step(
        self,
        a: int,
        w: int,
        clear: int,
        en: int = 1,
        rst: int = 0,
        a_scale: int = 0,
        w_scale: int = 0,
    ) -> None:
        """Advance one clock edge; operands are flat vectors of code words."""
        if en:
            total = self._scaled(self._total(a, w), a_scale, w_scale)
            self._pipeline.append((total, (a, w, clear)))
            now = self._pipeline.popleft()
            self.acc, self.invalid = self._sums.popleft()
            if now is None:
                self.acc = self.invalid = self.retired = None
            else:
                total, vectors = now
                self.retired = vectors
                self._add(total, vectors[2])
            self._sums.append((self.acc, self.invalid))
        if rst:
            self.acc = self.invalid = 0
            self._sums = deque([(0, 0)] * self.spec.turns)

    @property
    def waiting(self) -> int | None:
        """Sum that the operands of the next step go to, without those on their way to it."""
        return self._sums[(self.spec.latency - 1) % self.spec.turns][0]

    def _add(self, total: tuple[int, int] | Special | None, clear: int) -> None:
        if total is None:
            self.acc = self.invalid = None
            return
        acc = self.spec.acc
        is_float = isinstance(acc, FloatFormat)
        if isinstance(total, Special) and not (is_float and acc.specials != "none"):
            self.acc, self.invalid = None, 1
            return
        before, self.invalid = (0, 0) if clear else (self.acc, self.invalid)
        if is_float and acc.specials != "none":
            self.invalid = 0
        if before is None:
            return
        if is_float:
            self.acc = add_special(acc, before, total, False)
        elif not isinstance(total, Special):
            number, power = total[0], total[1] - self.spec.acc_exponent
            units = number * 2**power if power >= 0 else number // 2**-power
            self.acc = (before + units) % 2**acc.width

    def _total(self, a: int, w: int) -> tuple[int, int] | Special | None:
        """Sum that is scaled and added in a cycle, None where it is open."""
        return self._sum(a, w)

    def _sum(self, a: int, w: int) -> tuple[int, int] | Special:
        """Sum of the lanes' products, as ``(n, k)`` meaning ``n * 2**k``."""
        lanes, tables = self.spec.lanes, self._tables
        acts = lane_codes(a, self.spec.act.width, lanes)
        weights = lane_codes(w, self.spec.weight.width, lanes)
        specials, products = set(), []
        for x_code, y_code in zip(acts, weights, strict=True):
            x, y = tables[0][x_code], tables[1][y_code]
            if isinstance(x, Special) or isinstance(y, Special):
                specials.add(_special_product(x, y, self._sign(0, x_code), self._sign(1, y_code)))
            else:
                places = self._place(0, x_code) + self._place(1, y_code)
                products.append((x[0] * y[0], x[1] + y[1], places))
        if specials:
            return specials.pop() if len(specials) == 1 else "nan"
        if self.spec.window is not None:
            products = self._cut(products)
        low = min(power for _, power, _ in products)
        total = sum(number * 2 ** (power - low) for number, power, _ in products)
        return total, low - sum(fraction for _, fraction in self._elements)

    def _cut(self, products: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
        """The products, cut off toward zero below the window."""
        bits = [_significand_bits(fmt) for fmt, _ in self._elements]
        product_bits = max(bits) if 1 in bits else sum(bits)
        largest = max(place for _, _, place in products)
        # Exponent of the smallest product's unit, then of the window's lowest bit.
        unit = products[0][1] - products[0][2]
        lowest = unit + largest + product_bits - self.spec.window
        cut = []
        for number, power, place in products:
            left = power - lowest
            steps = abs(number) * 2**left if left >= 0 else abs(number) // 2**-left
            cut.append((-steps if number < 0 else steps, lowest, place))
        return cut

    def _sign(self, which: int, code: int) -> bool:
        fmt = self._elements[which][0]
        if isinstance(fmt, BinaryFormat):
            return code == 0
        return bool(getattr(fmt, "signed", True)) and code >= 2 ** (fmt.width - 1)

    def _place(self, which: int, code: int) -> int:
        """Exponent of an operand above that of the smallest normal number."""
        fmt = self._elements[which][0]
        if not isinstance(fmt, FloatFormat):
            return 0
        return max(code // 2**fmt.man_bits % 2**fmt.exp_bits, 1) - 1

    def _scaled(
        self, total: tuple[int, int] | Special | None, a_scale: int, w_scale: int
    ) -> tuple[int, int] | Special | None:
        """The sum times the scales of the formats that have one."""
        if total is None:
            return None
        for fmt, code in ((self.spec.act, a_scale), (self.spec.weight, w_scale)):
            if not isinstance(fmt, BlockFormat):
                continue
            scale = _scale(fmt.scale, code)
            if isinstance(scale, Special) or total == "nan":
                total = "nan"
            elif isinstance(total, Special):
                negative = (total == "-inf") != (scale[0] < 0)
                total = "nan" if scale[0] == 0 else "-inf" if negative else "inf"
            else:
                total = total[0] * scale[0], total[1] + scale[1]
        return total


def _element(fmt: Any) -> tuple[Any, int]:
    """Format of the elements' codes, and the bits after their binary point."""
    fmt = fmt.element if isinstance(fmt, BlockFormat) else fmt
    return (fmt.integer, fmt.fraction) if isinstance(fmt, FixedFormat) else (fmt, 0)


def _scale(fmt: Any, code: int) -> tuple[int, int] | Special:
    if isinstance(fmt, E8M0Format):
        return "nan" if code == 255 else (1, code - 127)
    return decode(fmt, code)


def _significand_bits(fmt: Any) -> int:
    if isinstance(fmt, FloatFormat):
        return fmt.man_bits + 1
    return 1 if isinstance(fmt, BinaryFormat | TernaryFormat) else fmt.width


def _special_product(x: Any, y: Any, x_negative: bool, y_negative: bool) -> Special:
    if "nan" in (x, y):
        return "nan"
    if any(not isinstance(v, Special) and v[0] == 0 for v in (x, y)):
        return "nan"
    return "-inf" if x_negative != y_negative else "inf"
