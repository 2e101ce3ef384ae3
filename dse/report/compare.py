"""Two runs of one network in a page: both fronts in one picture, and what differs in settings."""

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path

from macwright.dse.accuracy.standard_error import with_error
from macwright.dse.report.axis import Axis, human, text_width, tick_texts
from macwright.dse.report.data import ReportedPoint, Run, load_run
from macwright.dse.report.parts import flat_items
from macwright.dse.report.style import page
from macwright.dse.report.words import cost_label, is_loss, metric_label, point_title
from macwright.dse.run.info import read_info
from macwright.hw.errors import RefusedInput
from macwright.hw.files import write_atomic

__all__ = ["beaten", "differences", "write_comparison"]

#: Parts of run.json that say what was asked for and of what; the rest came of it.
_ASKED = ("technology", "liberty", "stands_for", "losses", "calibration_samples", "fixed_formats")
_ASKED += ("options", "settings", "versions")
#: What stands for a setting that one of the runs has not.
ABSENT = "not given"
_WIDTH, _HEIGHT = 780, 420
_LEFT, _TOP, _RIGHT, _BOTTOM = 66.0, 58.0, 766.0, 374.0
_FONT = 12.0


def write_comparison(run_a: str | Path, run_b: str | Path) -> Path:
    """Write compare.html into the first of two runs, from the files of both alone.

    Parameters
    ----------
    run_a, run_b : str or Path
        Folders as ``macwright dse`` leaves them.

    Returns
    -------
    Path
        The written file, which asks no network for anything.

    Raises
    ------
    RefusedInput
        If the runs are of different models, data, metrics or cost measures, if neither measured
        accuracies nor losses of one kind compare them, or a file of a run is malformed.
    OSError
        If a file cannot be read or written.
    """
    folders = Path(run_a), Path(run_b)
    if folders[0].resolve() == folders[1].resolve():
        raise RefusedInput(f"Runs to compare must be two, not {folders[0]} twice")
    for folder in folders:
        read_info(folder, needed=("model_sha256", "objective"))
    runs = load_run(folders[0]), load_run(folders[1])
    _check(runs)
    value = _value(runs)
    names = _names(folders)
    parts = {
        "lead": escape(_lead(runs, names, value)),
        "figure": _figure(runs, names, value),
        "settings": _settings(runs, names),
        "points": _points(runs, names),
    }
    title = f"{names[0]} and {names[1]}: {runs[0].info.get('model', 'network')}"
    path = folders[0] / "compare.html"
    write_atomic(path, page("compare.html", title, parts, scripts=False))
    return path


def _check(runs: tuple[Run, Run]) -> None:
    """Refuse runs whose fronts say nothing of each other."""
    texts = {
        "model": [f"{r.info.get('model', '?')} ({r.info['model_sha256'][:12]})" for r in runs],
        "evaluation data": [str(r.info.get("data_sha256"))[:12] for r in runs],
        "metric": [metric_label(r) for r in runs],
        "cost measure": [cost_label(r, r.objective) for r in runs],
    }
    for what, (first, second) in texts.items():
        if first != second:
            raise RefusedInput(
                f"Runs to compare must have the same {what}, not {first} and {second}"
            )


def _value(runs: tuple[Run, Run]) -> str:
    """What points are compared by: `accuracy` where both runs measured any, else `loss`."""
    if all(run.measured for run in runs):
        return "accuracy"
    first, second = (json.dumps(run.info.get("losses")) for run in runs)
    if first != second:
        raise RefusedInput(
            "Runs to compare must have measured accuracies or losses measured alike, not losses "
            f"by {first} and {second}"
        )
    return "loss"


def _shown(run: Run, value: str) -> tuple[ReportedPoint, ...]:
    return run.measured if value == "accuracy" else run.points


def beaten(run: Run, other: Run, value: str) -> int:
    """Points of a run that one of another beats: at most the cost, at least as good, and not both.

    Parameters
    ----------
    run, other : Run
        With the same objective.
    value : {"accuracy", "loss"}
        What points are compared by; points without an accuracy count in neither run.

    Returns
    -------
    int
        From 0 to the number of points with that value.
    """
    sign = -1.0 if value == "accuracy" and not is_loss(run) else 1.0

    def place(one_run: Run, point: ReportedPoint) -> tuple[float, float]:
        return point.costs[one_run.objective], sign * getattr(point, value)

    others = [place(other, point) for point in _shown(other, value)]
    count = 0
    for point in _shown(run, value):
        cost, worth = place(run, point)
        count += any(c <= cost and w <= worth and (c, w) != (cost, worth) for c, w in others)
    return count


def differences(run_a: Run, run_b: Run) -> list[tuple[str, str, str]]:
    """Name and both values of each setting that differs; an absent one is `ABSENT`."""
    tables = [
        dict(
            pair
            for key in _ASKED
            if run.info.get(key) is not None
            for pair in flat_items(key, run.info[key])
        )
        for run in (run_a, run_b)
    ]
    names = list(dict.fromkeys([*tables[0], *tables[1]]))
    first, second = tables
    rows = [(name, first.get(name, ABSENT), second.get(name, ABSENT)) for name in names]
    return [row for row in rows if row[1] != row[2]]


def _names(folders: tuple[Path, Path]) -> tuple[str, str]:
    """Names of the folders, with so much of their paths that they differ."""
    first, second = (folder.resolve() for folder in folders)
    for count in range(1, 1 + max(len(first.parts), len(second.parts))):
        names = "/".join(first.parts[-count:]), "/".join(second.parts[-count:])
        if names[0] != names[1]:
            return names
    raise AssertionError("two folders of one path")


def _lead(runs: tuple[Run, Run], names: tuple[str, str], value: str) -> str:
    said = "measured points" if value == "accuracy" else "points"
    texts = []
    for mine, its in ((0, 1), (1, 0)):
        count = len(_shown(runs[mine], value))
        lost = beaten(runs[mine], runs[its], value)
        verb = "is" if lost == 1 else "are"
        texts.append(
            f"Of {count} {said} of {names[mine]}, {lost} {verb} beaten by one of {names[its]}."
        )
    by = metric_label(runs[0]) if value == "accuracy" else "predicted loss"
    texts.append(f"Compared in {cost_label(runs[0], runs[0].objective)} and {by}.")
    errors = [point.standard_error for run in runs for point in run.measured]
    known = [error for error in errors if error is not None]
    if value == "accuracy":
        size = f"up to {max(known):.2g}; smaller differences may be noise" if known else "not known"
        texts.append(f"Standard errors of measured values are {size}.")
    return " ".join(texts)


def _figure(runs: tuple[Run, Run], names: tuple[str, str], value: str) -> str:
    column = runs[0].objective
    shown = [_shown(run, value) for run in runs]
    costs = [point.costs[column] for points in shown for point in points]
    values = [getattr(point, value) for points in shown for point in points]
    x = Axis(costs, _LEFT, _RIGHT, log=min(costs) > 0 and max(costs) > 4 * min(costs))
    y = Axis(values, _BOTTOM, _TOP, log=value == "loss")
    title = "Predicted loss" if value == "loss" else f"Measured {metric_label(runs[0])}"
    parts = [f'<text class="title" x="16" y="44">{escape(title)}</text>']
    for tick, text in zip(y.ticks(), tick_texts(y.ticks()), strict=True):
        parts.append(
            f'<path class="rule" d="M{_LEFT} {y(tick):.1f}H{_RIGHT}"/>'
            f'<text class="muted small end" x="{_LEFT - 6}" y="{y(tick) + 4:.1f}">'
            f"{text}</text>"
        )
    for tick, text in zip(x.ticks(), tick_texts(x.ticks()), strict=True):
        parts.append(
            f'<path class="rule" d="M{x(tick):.1f} {_BOTTOM}v5"/><text class="muted small mid" '
            f'x="{x(tick):.1f}" y="{_BOTTOM + 18}">{text}</text>'
        )
    parts.append(f'<path class="axis" d="M{_LEFT} {_BOTTOM}H{_RIGHT}"/>')
    parts.append(
        f'<text class="muted small mid" x="{(_LEFT + _RIGHT) / 2}" y="{_BOTTOM + 36}">'
        f"{escape(cost_label(runs[0], column))}</text>"
    )
    at = 16.0
    for number, (run, name, points) in enumerate(zip(runs, names, shown, strict=True)):
        parts.append(
            f'<g transform="translate({at:.1f} 20)">{_mark(number, 6, -4)}'
            f'<text class="muted" x="18">{escape(name)}</text></g>'
        )
        at += 32 + text_width(name, _FONT)
        places = [(x(p.costs[column]), y(getattr(p, value))) for p in points]
        line = "L".join(f"{px:.1f} {py:.1f}" for px, py in sorted(places))
        parts.append(f'<path class="line" {_stroke(number)}d="M{line}"/>')
        for point, (px, py) in zip(points, places, strict=True):
            said = f"{name}: {point_title(run, point, column)}"
            parts.append(f"<g><title>{escape(said)}</title>{_mark(number, px, py)}</g>")
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="Fronts of {escape(names[0])} and {escape(names[1])}">{"".join(parts)}</svg>'
    )


def _stroke(number: int) -> str:
    """Colour of the second run's line; the first has that of every front."""
    return 'style="stroke: var(--uniform)" ' if number else ""


def _mark(number: int, x: float, y: float) -> str:
    """A circle for the first run and a diamond for the second, so that shapes tell them, too."""
    if not number:
        return f'<circle class="front" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
    return f'<path class="uniform" d="M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6-6z"/>'


def _settings(runs: tuple[Run, Run], names: tuple[str, str]) -> str:
    rows = differences(*runs)
    if not rows:
        return "<p>No setting differs.</p>"
    return _table(
        ["setting", *names],
        [[name.replace("_", " "), first, second] for name, first, second in rows],
    )


def _points(runs: tuple[Run, Run], names: tuple[str, str]) -> str:
    column = runs[0].objective
    points = [
        (name, run, point) for run, name in zip(runs, names, strict=True) for point in run.points
    ]
    points.sort(key=lambda item: item[2].costs[column])
    rows = [
        [
            name,
            str(point.number),
            human(point.costs[column]),
            human(point.loss),
            "" if point.accuracy is None else with_error(point.accuracy, point.standard_error),
        ]
        for name, _, point in points
    ]
    heads = ["run", "point", cost_label(runs[0], column), "predicted loss"]
    return _table([*heads, f"measured {metric_label(runs[0])}"], rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    body = "".join(
        "<tr>" + "".join(f'<td class="wrap">{escape(text)}</td>' for text in row) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
