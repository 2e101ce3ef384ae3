"""Grouped bars as an SVG picture."""

from collections.abc import Mapping, Sequence
from html import escape

__all__ = ["bars"]

_COLOURS = ("#4c78a8", "#f58518", "#54a24b", "#e45756", "#72b7b2")
_WIDTH, _PANEL, _LEFT, _TOP, _BOTTOM = 900, 250, 56, 44, 40


def bars(
    title: str, panels: Mapping[str, Mapping[str, Sequence[float | None]]], groups: Sequence[str]
) -> str:
    """Text of a picture with a panel of grouped bars for each quantity, a line at 1.

    Parameters
    ----------
    title : str
        Above everything.
    panels : mapping of str to mapping of str to sequence of float or None
        For each panel the series by name, one value for each group; None has no bar.
    groups : sequence of str
        Names under the groups.
    """
    height = _TOP + len(panels) * (_PANEL + _BOTTOM)
    names = list(dict.fromkeys(name for series in panels.values() for name in series))
    colours = dict(zip(names, _COLOURS, strict=False))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img" aria-label="{escape(title)}">',
        "<style>text { font: 12px system-ui, sans-serif; fill: #171c24; }</style>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="18" font-weight="600">{escape(title)}</text>',
    ]
    for place, name in enumerate(names):
        x = _LEFT + place * 190
        parts.append(f'<rect x="{x}" y="27" width="10" height="10" fill="{colours[name]}"/>')
        parts.append(f'<text x="{x + 15}" y="36">{escape(name)}</text>')
    for row, (panel, series) in enumerate(panels.items()):
        top = _TOP + row * (_PANEL + _BOTTOM)
        parts += _panel(panel, series, groups, colours, top)
    return "\n".join([*parts, "</svg>", ""])


def _panel(
    name: str,
    series: Mapping[str, Sequence[float | None]],
    groups: Sequence[str],
    colours: Mapping[str, str],
    top: int,
) -> list[str]:
    most = max(value for values in series.values() for value in values if value is not None)
    unit, base = (_PANEL - 30) / most, top + _PANEL
    parts = [f'<text x="{_LEFT}" y="{top + 18}">{escape(name)}</text>']
    for tick in range(int(most) + 1):
        y, colour = base - tick * unit, "#171c24" if tick == 1 else "#d5d9e0"
        parts.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - 10}" y1="{y:.1f}" y2="{y:.1f}" stroke="{colour}"/>'
        )
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick}</text>')
    step = (_WIDTH - 10 - _LEFT) / len(groups)
    width = 0.8 * step / len(series)
    for column, group in enumerate(groups):
        left = _LEFT + (column + 0.1) * step
        middle = left + 0.4 * step
        parts.append(
            f'<text x="{middle:.1f}" y="{base + 16}" text-anchor="middle">{escape(group)}</text>'
        )
        for place, (key, values) in enumerate(series.items()):
            value = values[column]
            if value is None:
                continue
            x, high = left + place * width, value * unit
            parts.append(
                f'<rect x="{x:.1f}" y="{base - high:.1f}" width="{width - 2:.1f}" '
                f'height="{high:.1f}" fill="{colours[key]}">'
                f"<title>{escape(f'{group}, {key}: {value:.2f}')}</title></rect>"
            )
    return parts
