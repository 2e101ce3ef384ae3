"""The parts of report.html that Python writes: headline figures and tables."""

import json
from html import escape
from pathlib import PurePath
from typing import Any

from macwright.dse.accuracy.standard_error import decimals, with_error
from macwright.dse.report.axis import human
from macwright.dse.report.certainty import alike, fp32_accuracy, fp32_error, predicted_text
from macwright.dse.report.data import ReportedPoint, Run, Uniform
from macwright.dse.report.words import (
    cost_label,
    is_loss,
    is_percent,
    knee,
    metric_label,
    status_text,
)

__all__ = [
    "flat_items",
    "info_html",
    "later_rows",
    "points_html",
    "sequential_html",
    "tiles_html",
    "title",
    "units_html",
]

#: Rows of the table of points that the page begins with.
FIRST = 200


def title(run: Run) -> str:
    """Return what was explored on what, as text."""
    model = run.info.get("model", "network")
    if isinstance(model, dict):
        model = model.get("name") or model.get("path") or model.get("file") or "network"
    return f"{PurePath(str(model)).stem} on {run.info.get('technology', 'unknown technology')}"


def tiles_html(run: Run) -> str:
    """Return the headline figures as groups of a description list."""
    tiles = []
    base = fp32_accuracy(run)
    if base is not None:
        images = run.info.get("evaluation_samples")
        note = f"{images:,} evaluation samples" if isinstance(images, int) else ""
        text = with_error(base, fp32_error(run))
        tiles.append((f"FP32 {metric_label(run)}", text, escape(note)))
        tiles.extend(_near_tile(run, base))
    best = knee(run.points, run.objective)
    if best is not None:
        tiles.append(("Knee of the front", _button(best), _point_note(run, best)))
    proved = sum(point.status == "optimal" for point in run.points)
    others = len(run.points) - proved
    note = "every point" if not others else f"{others} with a stated gap"
    if run.whole:
        note += f"; all {run.whole:,} of the front: whole_front.csv"
    tiles.append(("Proved optimal", f"{proved} of {len(run.points)}", note))
    names = {choice.unit for point in run.points for choice in point.choices}
    passed = {row["unit"] for row in run.units if row["unit"] in names and _passed(row)}
    tiles.append(("Units on the front", f"{len(names)}", _checks(run, len(passed))))
    return "".join(
        f'<div><dt>{escape(name)}</dt><dd><div class="big">{value}</div>'
        f'<div class="note">{note}</div></dd></div>'
        for name, value, note in tiles
    )


def _checks(run: Run, passed: int) -> str:
    """Return how the units on the front were checked, in words."""
    checks = run.info.get("verification")
    done = checks if isinstance(checks, dict) else {}
    said = [
        f"{done[key]} {words}"
        for key, words in (("hashed", "match their Verilog hash"), ("simulated", "simulated"))
        if isinstance(done.get(key), int)
    ]
    return escape(", ".join([*said, f"{passed} with a passed bench on record"]))


def _passed(row: dict[str, str]) -> bool:
    text = row.get("bench", "").lower()
    return "pass" in text and "fail" not in text


def _button(point: ReportedPoint) -> str:
    return f'<button type="button" data-select="{point.number}">Point {point.number}</button>'


def _point_note(run: Run, point: ReportedPoint) -> str:
    cost = (
        f"{human(point.costs[run.objective])} {escape(cost_label(run, run.objective, unit=False))}"
    )
    return cost if point.accuracy is None else f"{_measured(point)} at {cost}"


def _near_tile(run: Run, base: float) -> list[tuple[str, str, str]]:
    """Return the cheapest measured point within half a percentage point of FP32, if any."""
    if not is_percent(run) or is_loss(run):
        return []

    def cheapest(items: tuple[Any, ...]) -> Any:
        good = [i for i in items if i.accuracy is not None and i.accuracy >= base - 0.5]
        good = [i for i in good if run.objective in i.costs]
        return min(good, key=lambda item: item.costs[run.objective], default=None)

    point: ReportedPoint | None = cheapest(run.points)
    uniform: Uniform | None = cheapest(run.uniforms)
    if point is None:
        return []
    note = _point_note(run, point)
    if uniform is not None and uniform.costs[run.objective] > 0:
        share = point.costs[run.objective] / uniform.costs[run.objective]
        note = f"{share:.0%} of the cost of uniform {escape(uniform.name)}, the cheapest that does"
    return [("Cheapest within 0.5 of FP32", _button(point), note)]


def points_html(run: Run) -> str:
    """Return the table of points and uniform formats, with a button for rows that follow later."""
    heads, points, uniforms = _point_table(run)
    rows = [
        f'<tr data-row="{point.number}"><th scope="row">{_button(point)}</th>{_cells(cells)}</tr>'
        for point, cells in points[:FIRST]
    ]
    if len(points) > FIRST:
        rows.append(
            f'<tr id="later"><td colspan="{len(heads)}"><button type="button"></button>'
            "<noscript>The others are in front.csv.</noscript></td></tr>"
        )
    for uniform, cells in uniforms:
        rows.append(f'<tr><th scope="row">uniform {escape(uniform.name)}</th>{_cells(cells)}</tr>')
    return _table(heads, rows, first_number=2)


def later_rows(run: Run) -> list[tuple[ReportedPoint, list[str]]]:
    """Return the points that the table of points does not begin with, and their cells."""
    return _point_table(run)[1][FIRST:]


def _point_table(
    run: Run,
) -> tuple[list[str], list[tuple[ReportedPoint, list[str]]], list[tuple[Uniform, list[str]]]]:
    """Heads, and the cells after the first of each point and uniform format."""
    metric = metric_label(run)
    heads = ["Point", "Status", "Predicted loss", f"Predicted {metric}", f"Measured {metric}"]
    exact = any(point.exact is not None for point in run.points)
    heads += [f"Exact {metric}"] if exact else []
    heads += [cost_label(run, name, unit=False) for name in run.columns]
    clocks = any(point.clock for point in run.points)
    types = any(point.unit_types is not None for point in run.points)
    shared = any(point.shared_area_time is not None for point in run.points)
    heads += ["Unit types"] if types else []
    heads += ["Area \N{MULTIPLICATION SIGN} time on one shared array"] if shared else []
    heads += ["Clock"] if clocks else []
    items = (*run.points, *run.uniforms)
    equal = any(alike(run, item) for item in items)
    heads += ["Within the standard error of"] if equal else []
    heads += ["Weight bits", "Activation bits"]
    arrays = any(point.array for point in run.points)
    heads += ["Array"] if arrays else []
    best = knee(run.points, run.objective)
    points, uniforms = [], []
    for point in run.points:
        extra = " (knee)" if point is best else ""
        cells = [status_text(point) + extra, human(point.loss)]
        cells += [predicted_text(run, point.predicted, point), _measured(point)]
        cells += [_exact(point)] if exact else []
        cells += [human(point.costs[name]) for name in run.columns]
        cells += [_count(point.unit_types)] if types else []
        cells += [_human(point.shared_area_time)] if shared else []
        cells += [point.clock] if clocks else []
        cells += [", ".join(alike(run, point))] if equal else []
        cells += [_fixed(point.weight_bits), _fixed(point.activation_bits)]
        cells += [point.array] if arrays else []
        points.append((point, cells))
    for uniform in run.uniforms:
        cells = ["for comparison", "" if uniform.loss is None else human(uniform.loss)]
        predicted = predicted_text(run, uniform.predicted, uniform)
        cells += [predicted, _measured(uniform), *[""] * exact]
        cells += [human(uniform.costs[n]) if n in uniform.costs else "" for n in run.columns]
        cells += [""] * (types + shared + clocks)
        cells += [", ".join(alike(run, uniform))] if equal else []
        cells += ["", "", *[""] * arrays]
        uniforms.append((uniform, cells))
    return heads, points, uniforms


def sequential_html(run: Run) -> str:
    """Return the section that compares the joint choice with the best sequential one, if any."""
    if not run.sequential:
        return ""
    cost, metric = cost_label(run, run.objective), metric_label(run)
    heads = [cost, "Loss, formats first", "Loss, joint", "Less", "Joint point"]
    heads += [f"Predicted {metric}, formats first", f"Predicted {metric}, joint"]
    rows = []
    for row in run.sequential:
        before, after = float(row["predicted_loss"]), float(row["joint_predicted_loss"])
        names = ("predicted_accuracy", "joint_predicted_accuracy")
        cells = [human(before), human(after), f"{1 - after / before:.0%}" if before else "0%"]
        cells += [
            row["joint_point"],
            *(predicted_text(run, _float(row.get(name))) for name in names),
        ]
        head = human(float(row[run.objective]))
        rows.append(f'<tr><th scope="row" class="number">{head}</th>{_cells(cells)}</tr>')
    return (
        '<section class="card wide" aria-labelledby="sequential-title">'
        '<h2 id="sequential-title">Formats and hardware together, or one after the other</h2>'
        "<p>Formats first: points of the front of loss against bit operations, each with the "
        f"hardware that has the least {escape(cost_label(run, run.objective, unit=False))} within "
        "the same limits. Joint: the proved best at that cost.</p>"
        '<div class="scroll tall" role="region" aria-labelledby="sequential-title" tabindex="0">'
        f"{_table(heads, rows, first_number=0)}</div></section>"
    )


def _float(text: str | None) -> float | None:
    return float(text) if text else None


def _measured(point: ReportedPoint | Uniform) -> str:
    return "" if point.accuracy is None else with_error(point.accuracy, point.standard_error)


def _exact(point: ReportedPoint) -> str:
    return "" if point.exact is None else f"{point.exact:.{decimals(point.standard_error)}f}"


def _fixed(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _count(value: int | None) -> str:
    return "" if value is None else str(value)


def _human(value: float | None) -> str:
    return "" if value is None else human(value)


def _cells(cells: list[str]) -> str:
    kinds = ["", *[' class="number"'] * (len(cells) - 1)]
    return "".join(
        f"<td{kind}>{escape(text)}</td>" for kind, text in zip(kinds, cells, strict=True)
    )


def _table(heads: list[str], rows: list[str], *, first_number: int) -> str:
    head = "".join(
        f'<th scope="col"{" class=number" if i >= first_number else ""}>{escape(h)}</th>'
        for i, h in enumerate(heads)
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def units_html(run: Run) -> str:
    """Return the cost table with its provenance, in the columns that have any figure."""
    names = {name for point in run.points for choice in point.choices for name in choice.rows}
    columns = [c for c in (run.units[0] if run.units else {}) if any(row[c] for row in run.units)]
    # What is long and the same for all units is said once.
    common = {c: run.units[0][c] for c in columns if len({row[c] for row in run.units}) == 1}
    common = {c: text for c, text in common.items() if len(text) > 20 or c == "technology"}
    last = [c for c in ("source", "bench", "verilog_sha256", "flow") if c in columns]
    columns = [c for c in columns if c not in (*last, *common, "unit")]
    columns += [c for c in last if c not in common]
    rows = []
    for row in run.units:
        used = "yes" if row["unit"] in names else "no"
        cells = "".join(_unit_cell(name, row[name]) for name in columns)
        head = f'<th scope="row"><code>{escape(row["unit"])}</code></th>'
        rows.append(f'<tr data-used="{used}">{head}{cells}</tr>')
    heads = "".join(
        f'<th scope="col"{" class=number" if name in _FIGURES else ""}>'
        f"{escape(name.replace('_', ' '))}</th>"
        for name in ("unit", *columns)
    )
    facts = "".join(
        f"<dt>{escape(name.replace('_', ' '))}</dt><dd>{escape(text)}</dd>"
        for name, text in common.items()
    )
    return (
        f'<div class="scroll tall" role="region" aria-labelledby="units-title" tabindex="0">'
        f'<table id="units"><thead><tr>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
        f'</div><dl class="facts">{facts}</dl>'
    )


_FIGURES = {
    "area",
    "luts",
    "carries",
    "ffs",
    "dsps",
    "delay_ns",
    "fmax_mhz",
    "energy_fj_per_mac",
    "glitch_factor",
    "leakage_nw",
    "macs_per_cycle",
    "depth",
}


def _unit_cell(name: str, value: str) -> str:
    text = escape(value)
    if name.endswith("sha256"):
        return f'<td><code title="{text}">{escape(value[:12])}</code></td>'
    if name in _FIGURES:
        return f'<td class="number">{text}</td>'
    return f'<td class="wrap">{text}</td>' if len(value) > 28 else f"<td>{text}</td>"


#: Of run.json, what differs between two runs of the same command.
_RUN_ONLY = {"seconds", "cost_sources"}


def info_html(run: Run) -> str:
    """Return what run.json says of inputs, options, versions and checks as a description list.

    Times and cache hits stay in run.json, so that the same command gives the same page.
    """
    items = []
    for key, value in run.info.items():
        if key in _RUN_ONLY:
            continue
        for name, text in flat_items(str(key), value):
            items.append(f"<dt>{escape(name.replace('_', ' '))}</dt><dd>{escape(text)}</dd>")
    return f'<dl class="facts">{"".join(items)}</dl>'


def flat_items(name: str, value: Any) -> list[tuple[str, str]]:
    """Names and texts of a value of run.json, those inside it one by one."""
    if isinstance(value, dict):
        return [
            pair for key, inner in value.items() for pair in flat_items(f"{name}: {key}", inner)
        ]
    if isinstance(value, list):
        return [(name, ", ".join(v if isinstance(v, str) else json.dumps(v) for v in value))]
    return [(name, value if isinstance(value, str) else json.dumps(value))]
