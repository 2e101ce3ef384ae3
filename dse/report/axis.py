"""Axes and labels of the report's charts: positions in pixels, ticks, text that never overlaps."""

import math
from collections.abc import Sequence

__all__ = ["Axis", "Labels", "human", "text_width", "tick_texts"]


def human(value: float) -> str:
    """Return a number with three significant digits and a unit prefix, for people.

    Examples
    --------
    >>> human(0.00321), human(1234567.0), human(12.0), human(0.0)
    ('0.00321', '1.23 M', '12', '0')
    """
    if value == 0:
        return "0"
    for factor, prefix in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= factor * 0.9995:
            return f"{value / factor:.3g}" + prefix
    if abs(value) < 1e-3:
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    return f"{value:.3g}"


def tick_texts(ticks: Sequence[float]) -> list[str]:
    """Texts of ticks with as many digits as tell them apart.

    Examples
    --------
    >>> tick_texts([0.5, 1000.0]), tick_texts([92.75, 92.8, 92.85])
    (['0.5', '1 k'], ['92.75', '92.80', '92.85'])
    """
    texts, digits = [human(tick) for tick in ticks], 0
    while len({*texts}) < len({*ticks}):
        texts, digits = [f"{tick:,.{digits}f}" for tick in ticks], digits + 1
    return texts


def text_width(text: str, size: float) -> float:
    """Return a generous estimate of a text's width in a sans-serif font of `size` pixels."""
    return (
        sum(0.36 if c in "iljtf.,:;|!'() " else 0.92 if c in "mwMW%@" else 0.62 for c in text)
        * size
    )


class Axis:
    """One axis: linear, logarithmic, or of differences to a value.

    Parameters
    ----------
    values : sequence of float
        What must fit; a logarithmic axis looks at the positive ones only.
    start, end : float
        Pixels of the low and of the high end (end < start for an axis that points up).
    log : bool
        Logarithmic, base 10. Values of zero or less are drawn at the low end.
    around : (float, float), optional
        A value, and the difference to it up to which the axis is about linear; beyond, it is
        logarithmic on both sides (inverse hyperbolic sine).
    """

    def __init__(
        self,
        values: Sequence[float],
        start: float,
        end: float,
        *,
        log: bool,
        around: tuple[float, float] | None = None,
    ) -> None:
        self.around = around
        shown = [v for v in values if v > 0] if log else list(values)
        self.log = log and bool(shown)
        scaled = [self._scale(v) for v in shown] or [0.0, 1.0]
        low, high = min(scaled), max(scaled)
        # Room around the outermost marks; one value alone gets a range too.
        room = 0.05 * (high - low) or (0.15 if self.log else abs(high) * 0.1 or 1.0)
        self.low, self.high = low - room, high + room
        self._start, self._end = start, end

    def _scale(self, value: float) -> float:
        if self.around is not None:
            center, unit = self.around
            return math.asinh((value - center) / unit)
        return math.log10(value) if self.log else value

    def inside(self, value: float) -> bool:
        """Return whether a value is between the ends."""
        return self.low <= self._scale(value) <= self.high

    def __call__(self, value: float) -> float:
        """Return the pixel of a value; values beyond an end are drawn at that end."""
        scaled = self.low if self.log and value <= 0 else self._scale(value)
        part = (min(max(scaled, self.low), self.high) - self.low) / (self.high - self.low)
        return self._start + part * (self._end - self._start)

    def ticks(self, most: int = 6) -> list[float]:
        """Return round values inside the axis, as many as fit but not over `most`."""
        candidates = self._log_ticks() if self.log else []
        if self.around is not None:
            candidates = self._difference_ticks(*self.around)
        good = [ticks for ticks in candidates if 2 <= len(ticks) <= most]
        if not good and self.around is not None:
            return [self.around[0]]
        return max(good, key=len) if good else self._linear_ticks(most)

    def _log_ticks(self) -> list[list[float]]:
        decades = range(math.floor(self.low), math.ceil(self.high) + 1)
        result = []
        for step in (4, 3, 2, 1):
            result.append([10.0**d for d in decades if d % step == 0])
        for mantissas in ((1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
            result.append([m * 10.0**d for d in decades for m in mantissas])
        return [[v for v in ticks if self.low <= math.log10(v) <= self.high] for ticks in result]

    def _difference_ticks(self, center: float, unit: float) -> list[list[float]]:
        """Round differences on both sides, from about the unit on; and none at all."""
        first = math.floor(math.log10(unit))
        result = []
        for mantissas in ((1,), (1, 3), (1, 2, 5)):
            steps = [m * 10.0**d for d in range(first, first + 7) for m in mantissas]
            steps = [step for step in steps if step >= 0.7 * unit]
            ticks = [center - step for step in reversed(steps)] + [center]
            ticks += [center + step for step in steps]
            result.append([tick for tick in ticks if self.inside(tick)])
        return result

    def _linear_ticks(self, most: int) -> list[float]:
        low, high = (10.0**self.low, 10.0**self.high) if self.log else (self.low, self.high)
        raw = (high - low) / most
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
        first = math.ceil(low / step - 1e-9)
        count = math.floor(high / step + 1e-9) - first + 1
        return [round((first + i) * step, 12) for i in range(count)]


class Labels:
    """Places texts where nothing else is: marks are reserved first, then each text in turn.

    Parameters
    ----------
    left, top, right, bottom : float
        Pixels of the area that no text leaves.
    size : float
        Height of the font in pixels.
    """

    def __init__(
        self, left: float, top: float, right: float, bottom: float, *, size: float
    ) -> None:
        self._area = (left, top, right, bottom)
        self._size = size
        self.boxes: list[tuple[float, float, float, float]] = []

    def reserve(self, x: float, y: float, radius: float) -> None:
        """Keep texts off a mark."""
        self.boxes.append((x - radius, y - radius, x + radius, y + radius))

    def place(self, text: str, x: float, y: float, *, gap: float = 9) -> tuple[float, float] | None:
        """Return left end and baseline of a text beside the mark at (x, y); None without room."""
        width, height = text_width(text, self._size), self._size
        for far in (gap, gap + 7, gap + 15):
            for left, middle in (
                (x + far, y),
                (x + far * 0.7, y - far * 0.7 - height / 2),
                (x + far * 0.7, y + far * 0.7 + height / 2),
                (x - width / 2, y - far - height / 2),
                (x - width / 2, y + far + height / 2),
                (x - far - width, y),
                (x - far * 0.7 - width, y - far * 0.7 - height / 2),
                (x - far * 0.7 - width, y + far * 0.7 + height / 2),
            ):
                box = (left - 1, middle - height / 2 - 1, left + width + 1, middle + height / 2 + 1)
                if self._free(box):
                    self.boxes.append(box)
                    return left, middle + height * 0.36
        return None

    def _free(self, box: tuple[float, float, float, float]) -> bool:
        inside = (
            box[0] >= self._area[0]
            and box[1] >= self._area[1]
            and box[2] <= self._area[2]
            and box[3] <= self._area[3]
        )
        return inside and not any(
            box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in self.boxes
        )
