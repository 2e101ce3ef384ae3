"""The picture of a run: report.html, and the front alone as SVG."""

import re
from html import escape
from importlib import resources
from pathlib import Path
from string import Template

from macwright.dse.report.chart import figure, height
from macwright.dse.report.data import Run, load_run
from macwright.dse.report.energy import energy_html
from macwright.dse.report.lead import lead_html
from macwright.dse.report.parts import (
    info_html,
    points_html,
    sequential_html,
    tiles_html,
    title,
    units_html,
)
from macwright.dse.report.script import page_data
from macwright.dse.report.words import cost_label
from macwright.hw.errors import RefusedInput
from macwright.hw.files import write_atomic

__all__ = ["write_front_svg", "write_report"]

#: Colours in light and in dark surroundings.
_COLOURS = {
    "page": ("#f4f5f7", "#0d1117"),
    "card": ("#ffffff", "#161b22"),
    "ink": ("#171c24", "#e6eaf0"),
    "muted": ("#596373", "#9ba6b4"),
    "rule": ("#e3e6eb", "#2b323c"),
    "line": ("#b9c0ca", "#465060"),
    "front": ("#0a62c2", "#5ba8ff"),
    "uniform": ("#ad5700", "#eda04d"),
    "knee": ("#bf1a5e", "#ff7aab"),
    "good": ("#17724a", "#4fc68e"),
    "warn": ("#8f5f00", "#e2b33f"),
    "float": ("#7637d6", "#b795f5"),
    "low": ("#0b766c", "#3fc6b6"),
    "other": ("#7c6212", "#d7b74c"),
    "strip": ("#cfdcee", "#2d4663"),
    "strip2": ("#e1e9f4", "#223549"),
    "selected": ("#eaf2fc", "#1b2a3d"),
}


def write_report(run_dir: str | Path) -> Path:
    """Write report.html into a run directory, from the run's other files alone.

    The page is one file that asks no network for anything, and the same files give the same bytes.

    Parameters
    ----------
    run_dir : str or Path
        Folder as ``macwright dse`` leaves it.

    Returns
    -------
    Path
        The written file.

    Raises
    ------
    ValueError
        If a file of the run is missing or malformed.
    OSError
        If a file cannot be read or written.
    """
    folder = Path(run_dir)
    run = load_run(folder)
    colours = "".join(
        f"--{name}: light-dark({light}, {dark}); " for name, (light, dark) in _COLOURS.items()
    )
    chart = Template(_asset("chart.css")).substitute({name: f"var(--{name})" for name in _COLOURS})
    parts = {
        "title": escape(title(run)),
        "lead": lead_html(run),
        "tiles": tiles_html(run),
        "options": "".join(
            f'<option value="{escape(name)}">{escape(cost_label(run, name))}</option>'
            for name in run.columns
        ),
        "figures": "".join(_figures(run, name) for name in run.columns),
        "points": points_html(run),
        "sequential": sequential_html(run) + energy_html(folder),
        "units": units_html(run),
        "run": info_html(run),
        "data": page_data(run),
        "style": f":root {{ color-scheme: light dark; {colours}}}\n{chart}{_asset('report.css')}",
        "script": _asset("report.js"),
    }
    # One pass: text of the run that looks like a placeholder stays text.
    page = re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], _asset("report.html"))
    path = folder / "report.html"
    write_atomic(path, page)
    return path


def write_front_svg(run_dir: str | Path, path: str | Path, *, cost: str | None = None) -> Path:
    """Write the front of a run directory as one SVG picture, light or dark as its reader likes.

    Parameters
    ----------
    run_dir : str or Path
        Folder as ``macwright dse`` leaves it.
    path : str or Path
        The picture.
    cost : str, optional
        Cost column on the horizontal axis; the run's objective by default.

    Raises
    ------
    ValueError
        If a file of the run is missing or malformed, or it has no such cost.
    OSError
        If a file cannot be read or written.
    """
    run = load_run(Path(run_dir))
    column = cost or run.objective
    if column not in run.columns:
        raise RefusedInput(f"the cost must be one of {', '.join(run.columns)}, not {column}")
    width = 960
    high = height(run, column, width=width, beside=True) + 34
    style = Template(_asset("chart.css"))
    light = style.substitute({name: pair[0] for name, pair in _COLOURS.items()})
    dark = style.substitute({name: pair[1] for name, pair in _COLOURS.items()})
    frame = f'<rect class="sheet" x=".5" y=".5" width="{width - 1}" height="{high - 1}" rx="10"/>'
    name = f'<text class="title" x="16" y="27">{escape(title(run))}</text>'
    inside = figure(run, column, width=width, beside=True, interactive=False)
    sheet = ".sheet {{ fill: {}; stroke: {}; }}\n"
    picture = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {high}" width="{width}" '
        f'height="{high}" role="img" aria-label="Front of {escape(title(run))}">\n<style>\n'
        f"{sheet.format(_COLOURS['card'][0], _COLOURS['rule'][0])}{light}"
        f"@media (prefers-color-scheme: dark) {{\n"
        f"{sheet.format(_COLOURS['card'][1], _COLOURS['rule'][1])}{dark}}}\n</style>\n"
        f'{frame}{name}<g transform="translate(0 32)">{inside}</g>\n</svg>\n'
    )
    write_atomic(Path(path), picture)
    return Path(path)


def _asset(name: str) -> str:
    return resources.files("macwright.dse.report").joinpath("template", name).read_text("utf-8")


def _figures(run: Run, column: str) -> str:
    hidden = "" if column == run.objective else " hidden"
    pictures = []
    for kind, width in (("broad", 780), ("narrow", 400)):
        high = height(run, column, width=width, beside=False)
        inside = figure(run, column, width=width, beside=False, interactive=True)
        pictures.append(
            f'<svg class="{kind}" viewBox="0 0 {width} {high}" role="group" '
            f'aria-label="Front over {escape(cost_label(run, column))}">{inside}</svg>'
        )
    return f'<div class="figure" data-column="{escape(column)}"{hidden}>{"".join(pictures)}</div>'
