"""The front as SVG: measured and predicted accuracy, and predicted loss, over one cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TypeVar

from macwright.dse.report.axis import Axis, Labels, human, text_width
from macwright.dse.report.certainty import fp32_accuracy, fp32_error
from macwright.dse.report.data import ReportedPoint, Run, Uniform
from macwright.dse.report.words import (
    cost_label,
    is_loss,
    knee,
    metric_label,
    point_title,
    uniform_title,
)

__all__ = ["figure", "height"]

FONT = 12.0
#: Points of a panel from which on one mark stands for all in a square of so many pixels.
MANY, SQUARE = 500, 6.0

_Item = TypeVar("_Item")


@dataclass(frozen=True, kw_only=True)
class _Box:
    left: float
    top: float
    right: float
    bottom: float


def figure(run: Run, column: str, *, width: int, beside: bool, interactive: bool) -> str:
    """Return the inside of an SVG picture and, as a comment-free string, nothing else.

    Parameters
    ----------
    run : Run
        What to draw.
    column : str
        Cost on the horizontal axis.
    width : int
        Pixels; the height follows (see `height`).
    beside : bool
        Panels side by side instead of one above the other.
    interactive : bool
        Marks get ids, roles and names for the page's script; otherwise a plain title each.
    """
    names = ["accuracy", "loss"] if any(p.accuracy is not None for p in run.points) else ["loss"]
    legend, used = _legend(run, width)
    parts = [legend]
    top = 8 + used
    full = height(run, column, width=width, beside=beside)
    count = len(names) if beside else 1
    wide = (width - 16) / count
    tall = (full - top) / (1 if beside else len(names))
    for index, name in enumerate(names):
        column_at, row_at = (index, 0) if beside else (0, index)
        box = _Box(
            left=16 + column_at * wide + 44,
            top=top + row_at * tall + 34,
            right=16 + (column_at + 1) * wide - 14,
            bottom=top + (row_at + 1) * tall - 46,
        )
        parts.append(_panel(run, column, name, box, interactive=interactive))
    return "".join(parts)


def height(run: Run, column: str, *, width: int, beside: bool) -> int:
    """Return the height in pixels that `figure` fills."""
    panels = 2 if any(p.accuracy is not None for p in run.points) and not beside else 1
    each = 340 if beside else 300 if width > 500 else 285
    return round(8 + _legend(run, width)[1] + panels * each)


def _legend(run: Run, width: int) -> tuple[str, float]:
    entries = []
    if any(point.status == "optimal" for point in run.points):
        entries.append(('<circle class="front" cx="6" cy="-4" r="4.5"/>', "front, proved optimal"))
    if any(point.status != "optimal" for point in run.points):
        entries.append(('<circle class="open" cx="6" cy="-4" r="4.5"/>', "front, gap stated"))
    if any(point.predicted is not None for point in run.points):
        entries.append(('<path class="predicted" d="M0 -4H12"/>', "front, predicted"))
    if run.uniforms:
        entries.append((_diamond(6, -4), "uniform formats"))
    entries.append(('<circle class="knee" cx="6" cy="-4" r="6"/>', "knee"))
    x, y, parts = 16.0, 18.0, []
    for mark, text in entries:
        wide = 18 + text_width(text, FONT)
        if x + wide > width - 8 and x > 16:
            x, y = 16.0, y + 20
        parts.append(
            f'<g transform="translate({x:.1f} {y:.1f})">{mark}'
            f'<text class="muted" x="18">{text}</text></g>'
        )
        x += wide + 14
    return "".join(parts), y + 4


def _diamond(x: float, y: float) -> str:
    return f'<path class="uniform" d="M{x:.1f} {y - 6.5:.1f}l6.5 6.5l-6.5 6.5l-6.5-6.5z"/>'


def _beyond(x: float, y: float, *, down: bool) -> str:
    sign = 1 if down else -1
    return f'<path class="uniform" d="M{x - 5.5:.1f} {y - 4 * sign:.1f}h11l-5.5 {8 * sign}z"/>'


def _accuracy_limit(run: Run) -> float:
    """Return the worst metric that the panel shows; worse uniform points are drawn at its edge."""
    sign = -1 if is_loss(run) else 1
    front = [sign * p.accuracy for p in run.points if p.accuracy is not None]
    base = fp32_accuracy(run)
    best = max([*front, sign * base] if base is not None else front)
    reach = max(1.15 * (best - min(front)), 0.02 * abs(best))
    return sign * (best - reach)


def _panel(run: Run, column: str, name: str, box: _Box, *, interactive: bool) -> str:
    front = [p for p in run.points if name == "loss" or p.accuracy is not None]
    uniforms = [
        u
        for u in run.uniforms
        if column in u.costs and (u.loss if name == "loss" else u.accuracy) is not None
    ]

    def value(item: ReportedPoint | Uniform) -> float:
        return getattr(item, name)

    costs = [item.costs[column] for item in (*run.points, *uniforms)]
    x = Axis(costs, box.left, box.right, log=min(costs) > 0 and max(costs) > 4 * min(costs))
    values = [value(p) for p in front]
    base = fp32_accuracy(run) if name == "accuracy" else None
    if name == "loss":
        y = Axis([*values, *(value(u) for u in uniforms)], box.bottom, box.top, log=True)
    else:
        edge = _accuracy_limit(run)
        seen = [value(u) for u in uniforms if (value(u) - edge) * (edge - value(front[0])) < 0]
        y = Axis(
            [*values, *seen, edge, *([base] if base is not None else [])],
            box.bottom,
            box.top,
            log=False,
            around=None if base is None else (base, fp32_error(run) or 0.01 * abs(base) or 1.0),
        )
    parts = [_frame(run, column, name, box, x, y)]
    labels = Labels(box.left + 2, box.top - 4, box.right + 10, box.bottom - 2, size=FONT - 1)
    if base is not None:
        parts.append(f'<path class="base" d="M{box.left:.1f} {y(base):.1f}H{box.right:.1f}"/>')
        text = f"FP32 {base:.4g}"
        labels.boxes.append((box.left, y(base) - 1, box.right, y(base) + 1))
        spot = (box.left + 4, y(base) - 5)
        parts.append(f'<text class="muted small" x="{spot[0]:.1f}" y="{spot[1]:.1f}">{text}</text>')
        labels.boxes.append(
            (spot[0], spot[1] - FONT, spot[0] + text_width(text, FONT), spot[1] + 2)
        )
    marks = _marks(front, [(x(p.costs[column]), y(value(p))) for p in front])
    front, places = [group[0] for group, _ in marks], [place for _, place in marks]
    for px, py in [*places, *((x(u.costs[column]), y(value(u))) for u in uniforms)]:
        labels.reserve(px, py, 5.5)
    if name == "loss":
        parts.append(_line("line", places, step=True))
    else:
        known = [(x(p.costs[column]), p.predicted) for p in run.points if p.predicted is not None]
        inside = [(px, y(value)) for px, value in known if y.inside(value)]
        inside = [place for _, place in _marks(inside, inside)]
        kind, through = ("predicted", inside) if inside else ("line", places)
        parts.append(_line(kind, through, step=False))
    texts = []
    best = knee(run.points, run.objective)
    for group, (px, py) in marks:
        if best in group:
            parts.append(f'<circle class="knee" cx="{px:.1f}" cy="{py:.1f}" r="8"/>')
            texts.append(_label(labels, "knee", px, py, "knee-text", gap=11))
    for uniform in uniforms:
        px, py = x(uniform.costs[column]), y(value(uniform))
        outside = name == "accuracy" and not y.inside(value(uniform))
        shape = _beyond(px, py, down=not is_loss(run)) if outside else _diamond(px, py)
        said = f"{uniform.name} {value(uniform):.3g}" if outside else uniform.name
        parts.append(
            _named(shape, uniform_title(run, uniform, column), interactive, "uniform-mark")
        )
        texts.append(_label(labels, said, px, py, "uniform-text"))
    if name == "accuracy":
        for point, (px, _) in zip(front, places, strict=True):
            if point.standard_error:
                ends = [y(value(point) + sign * point.standard_error) for sign in (-1, 1)]
                parts.append(f'<path class="error" d="M{px:.1f} {ends[0]:.1f}V{ends[1]:.1f}"/>')
    for (point, *others), (px, py) in marks:
        kind = "front" if point.status == "optimal" else "open"
        dot = f'<circle class="{kind}" cx="{px:.1f}" cy="{py:.1f}" r="4.5"/>'
        parts.append(
            _named(
                dot,
                point_title(run, point, column),
                interactive,
                "mark",
                [point.number, *(other.number for other in others)],
            )
        )
    return f'<g class="panel">{"".join(parts)}{"".join(texts)}</g>'


def _marks(
    items: list[_Item], places: list[tuple[float, float]]
) -> list[tuple[list[_Item], tuple[float, float]]]:
    """Items that a mark stands for, and the place of the first; itself alone where they are few."""
    if len(items) <= MANY:
        return [([item], place) for item, place in zip(items, places, strict=True)]
    squares: dict[tuple[int, int], tuple[list[_Item], tuple[float, float]]] = {}
    for item, (x, y) in zip(items, places, strict=True):
        square = int(x // SQUARE), int(y // SQUARE)
        squares.setdefault(square, ([], (x, y)))[0].append(item)
    return list(squares.values())


def _label(labels: Labels, text: str, x: float, y: float, kind: str, *, gap: float = 9) -> str:
    spot = labels.place(text, x, y, gap=gap)
    if spot is None:
        return ""
    return f'<text class="{kind} small" x="{spot[0]:.1f}" y="{spot[1]:.1f}">{escape(text)}</text>'


def _line(kind: str, places: list[tuple[float, float]], *, step: bool) -> str:
    ordered = sorted(places)
    path = f"M{ordered[0][0]:.1f} {ordered[0][1]:.1f}"
    for x, y in ordered[1:]:
        path += f"H{x:.1f}V{y:.1f}" if step else f"L{x:.1f} {y:.1f}"
    return f'<path class="{kind}" d="{path}"/>'


def _named(
    shape: str, title: str, interactive: bool, kind: str, numbers: Sequence[int] = ()
) -> str:
    said = escape(title)
    if not interactive:
        return f"<g><title>{said}</title>{shape}</g>"
    if not numbers:
        return f'<g class="{kind}" role="img" aria-label="{said}">{shape}</g>'
    also = f' data-also="{" ".join(map(str, numbers[1:]))}"' if len(numbers) > 1 else ""
    return (
        f'<g class="{kind}" role="button" tabindex="-1" data-point="{numbers[0]}"{also} '
        f'aria-label="{said}">{shape}</g>'
    )


def _tick(axis: Axis, tick: float) -> str:
    """Text of a tick: its value, or its difference to that of the axis."""
    if axis.around is None:
        return human(tick)
    difference = tick - axis.around[0]
    sign = "" if abs(difference) < 1e-9 else "+" if difference > 0 else "\N{MINUS SIGN}"
    return sign + (human(abs(difference)) if sign else "0")


def _frame(run: Run, column: str, name: str, box: _Box, x: Axis, y: Axis) -> str:
    if name == "loss":
        title, note = "Predicted loss", "mean squared logit change"
    else:
        images = run.info.get("evaluation_samples")
        title = f"Measured {metric_label(run)}"
        note = f"{images:,} evaluation samples" if isinstance(images, int) else ""
        if y.around is not None:
            note = "difference to FP32"
    parts = [
        f'<text class="title" x="{box.left - 44:.1f}" y="{box.top - 14:.1f}">{escape(title)}</text>'
    ]
    shift = 1.06 * text_width(title, 14) + 8
    if box.left - 44 + shift + text_width(note, FONT) < box.right + 14:
        parts.append(
            f'<text class="muted small" x="{box.left - 44 + shift:.1f}" '
            f'y="{box.top - 14:.1f}">{escape(note)}</text>'
        )
    for tick in y.ticks(6):
        at = y(tick)
        parts.append(f'<path class="rule" d="M{box.left:.1f} {at:.1f}H{box.right:.1f}"/>')
        parts.append(
            f'<text class="muted small end" x="{box.left - 6:.1f}" y="{at + 4:.1f}">'
            f"{_tick(y, tick)}</text>"
        )
    for tick in x.ticks(6):
        at = x(tick)
        parts.append(f'<path class="rule" d="M{at:.1f} {box.bottom:.1f}v5"/>')
        parts.append(
            f'<text class="muted small mid" x="{at:.1f}" y="{box.bottom + 18:.1f}">'
            f"{human(tick)}</text>"
        )
    parts.append(f'<path class="axis" d="M{box.left:.1f} {box.bottom:.1f}H{box.right:.1f}"/>')
    parts.append(
        f'<text class="muted small mid" x="{(box.left + box.right) / 2:.1f}" '
        f'y="{box.bottom + 35:.1f}">'
        f"{escape(cost_label(run, column))}</text>"
    )
    return "".join(parts)
