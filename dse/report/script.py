"""The data of the report's script: points, their layers and shares of cost, as JSON."""

import json
import re
from collections.abc import Callable
from typing import Any

from macwright.dse.accuracy.standard_error import decimals, with_error
from macwright.dse.report.axis import human
from macwright.dse.report.certainty import alike_text, predicted_text
from macwright.dse.report.data import Choice, ReportedPoint, Run
from macwright.dse.report.parts import later_rows
from macwright.dse.report.words import cost_label, knee, metric_label, status_text
from macwright.hw.formats import parse_format

__all__ = ["page_data"]


def page_data(run: Run) -> str:
    """Return the data of the page's script as JSON that is safe inside a script element.

    What points share stands once: labels of figures, and choices, which points name by position.
    Rows of the table of points that the page does not begin with are in ``rows``.
    """
    best = knee(run.points, run.objective)
    bits = [b for p in run.points for c in p.choices for b in (c.weight_bits, c.activation_bits)]
    stats = _stats(run)
    choices: dict[tuple[Choice, float | None], int] = {}
    points = [
        {
            "number": point.number,
            "badges": _badges(run, point, point is best),
            "stats": [text(point) for _, text in stats],
            "layers": [
                choices.setdefault((choice, point.clock_mhz), len(choices))
                for choice in point.choices
            ],
        }
        for point in run.points
    ]
    data = {
        "objective": run.objective,
        "labels": {name: cost_label(run, name, unit=False) for name in run.columns},
        "most_bits": max(8, *bits) if bits else 8,
        "selected": (best or run.points[0]).number,
        "layers": [_layer(row) for row in run.layers],
        "choices": [_choice(run, choice, clock) for choice, clock in choices],
        "stats": [name for name, _ in stats],
        "points": points,
        "rows": [[point.number, *cells] for point, cells in later_rows(run)],
    }
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _layer(row: dict[str, str]) -> dict[str, Any]:
    shape = " \N{MULTIPLICATION SIGN} ".join(row.get(axis, "") or "?" for axis in ("m", "k", "n"))
    groups = row.get("groups", "1")
    many = f", {groups} groups" if groups not in ("", "1") else ""
    macs = float(row["macs"])
    return {
        "name": row["layer"],
        "op": row["op"],
        "shape": shape + many,
        "macs": human(macs),
        "counts": {"macs": macs, "weights": float(row["weights"])},
    }


def _badges(run: Run, point: ReportedPoint, is_knee: bool) -> list[list[str]]:
    badges = [["good" if point.status == "optimal" else "warn", status_text(point)]]
    if is_knee:
        badges.append(["knee-badge", "knee of the front"])
    return badges + [["", text] for text in [alike_text(run, point)] if text]


def _stats(run: Run) -> list[tuple[str, Callable[[ReportedPoint], str]]]:
    """Label of each figure of a point, and its text; empty where the point has no such figure."""
    metric = metric_label(run)

    def cost(name: str) -> tuple[str, Callable[[ReportedPoint], str]]:
        return cost_label(run, name), lambda point: human(point.costs[name])

    def exact(point: ReportedPoint) -> str:
        digits = decimals(point.standard_error)
        return "" if point.exact is None else f"{point.exact:.{digits}f}"

    def measured(point: ReportedPoint) -> str:
        return "" if point.accuracy is None else with_error(point.accuracy, point.standard_error)

    def number(name: str, form: Callable[[float], str]) -> Callable[[ReportedPoint], str]:
        def text(point: ReportedPoint) -> str:
            value = getattr(point, name)
            return "" if value is None else form(value)

        return text

    shared = "area \N{MULTIPLICATION SIGN} time on one shared array"
    return [
        cost(run.objective),
        ("predicted loss", lambda point: human(point.loss)),
        (f"predicted {metric}", lambda point: predicted_text(run, point.predicted, point)),
        (f"measured {metric}", measured),
        (f"exact {metric}", exact),
        *(cost(name) for name in run.columns[1:]),
        ("clock", lambda point: point.clock),
        ("unit types", number("unit_types", str)),
        (shared, number("shared_area_time", human)),
        ("mean weight bits", number("weight_bits", "{:.2f}".format)),
        ("mean activation bits", number("activation_bits", "{:.2f}".format)),
    ]


def _choice(run: Run, choice: Choice, clock_mhz: float | None) -> dict[str, Any]:
    """A choice of points at a clock, with costs by column: what is counted, and each one's cost."""
    rows = [
        row for row in run.units if not row.get("clock_mhz") or float(row["clock_mhz"]) == clock_mhz
    ]
    units = {row["unit"]: row for row in reversed(rows)}
    costs = {}
    for name in run.columns:
        try:
            costs[name] = _cost(name, choice, units)
        except (KeyError, ValueError, StopIteration):
            continue  # A cost that the run's tables do not split over layers.
    return {
        "weight": choice.weight,
        "activation": choice.activation,
        "unit": f"{choice.unit}, {choice.mode}" if choice.mode else choice.unit,
        "weight_bits": choice.weight_bits,
        "activation_bits": choice.activation_bits,
        "weight_kind": _kind(choice.weight),
        "activation_kind": _kind(choice.activation),
        "costs": costs,
    }


def _cost(name: str, choice: Choice, units: dict[str, Any]) -> tuple[str, float]:
    if name == "bops":
        return "macs", choice.weight_bits * choice.activation_bits
    if name == "weight_bytes":
        return "weights", choice.weight_bits / 8
    unit = next(units[name] for name in choice.rows if name in units)
    if name == "area_time":
        return "macs", float(unit["area"]) / float(unit.get("macs_per_cycle") or 1)
    if name == "energy_uj":
        return "macs", float(unit["energy_fj_per_mac"]) * 1e-9
    raise KeyError(name)


def _kind(name: str) -> str:
    name = str(parse_format(name))
    if name in ("binary", "ternary"):
        return "low"
    if re.match(r"u?int\d", name):
        return "int"
    return "float" if re.match(r"e\d|fp\d|bf\d", name) else "other"
