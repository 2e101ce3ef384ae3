"""The picture of a run: report.html, and the front alone as SVG."""

from html import escape
from pathlib import Path
from string import Template

from macwright.dse.report.chart import figure, height
from macwright.dse.report.data import Run, load_run
from macwright.dse.report.energy import energy_html
from macwright.dse.report.heat import heat_html
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
from macwright.dse.report.style import COLOURS, asset, page
from macwright.dse.report.words import cost_label
from macwright.hw.errors import RefusedInput
from macwright.hw.files import write_atomic

__all__ = ["write_front_svg", "write_report"]


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
    parts = {
        "lead": lead_html(run),
        "tiles": tiles_html(run),
        "options": "".join(
            f'<option value="{escape(name)}">{escape(cost_label(run, name))}</option>'
            for name in run.columns
        ),
        "figures": "".join(_figures(run, name) for name in run.columns),
        "points": points_html(run),
        "sequential": heat_html(run) + sequential_html(run) + energy_html(folder),
        "units": units_html(run),
        "run": info_html(run),
        "data": page_data(run),
        "script": asset("report.js"),
    }
    path = folder / "report.html"
    write_atomic(path, page("report.html", title(run), parts, scripts=True))
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
    style = Template(asset("chart.css"))
    light = style.substitute({name: pair[0] for name, pair in COLOURS.items()})
    dark = style.substitute({name: pair[1] for name, pair in COLOURS.items()})
    frame = f'<rect class="sheet" x=".5" y=".5" width="{width - 1}" height="{high - 1}" rx="10"/>'
    name = f'<text class="title" x="16" y="27">{escape(title(run))}</text>'
    inside = figure(run, column, width=width, beside=True, interactive=False)
    sheet = ".sheet {{ fill: {}; stroke: {}; }}\n"
    picture = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {high}" width="{width}" '
        f'height="{high}" role="img" aria-label="Front of {escape(title(run))}">\n<style>\n'
        f"{sheet.format(COLOURS['card'][0], COLOURS['rule'][0])}{light}"
        f"@media (prefers-color-scheme: dark) {{\n"
        f"{sheet.format(COLOURS['card'][1], COLOURS['rule'][1])}{dark}}}\n</style>\n"
        f'{frame}{name}<g transform="translate(0 32)">{inside}</g>\n</svg>\n'
    )
    write_atomic(Path(path), picture)
    return Path(path)


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
