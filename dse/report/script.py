"""The data of the report's script: points, their layers and shares of cost, as JSON."""

import json
import re
from typing import Any

from macwright.dse.accuracy.standard_error import decimals, with_error
from macwright.dse.report.axis import human
from macwright.dse.report.certainty import alike_text, predicted_text
from macwright.dse.report.data import Choice, ReportedPoint, Run
from macwright.dse.report.words import cost_label, knee, metric_label, status_text
from macwright.hw.formats import parse_format

__all__ = ["page_data"]


def page_data(run: Run) -> str:
    """Return the data of the page's script as JSON that is safe inside a script element."""
    best = knee(run.points, run.objective)
    bits = [b for p in run.points for c in p.choices for b in (c.weight_bits, c.activation_bits)]
    data = {
        "objective": run.objective,
        "labels": {name: cost_label(run, name, unit=False) for name in run.columns},
        "most_bits": max(8, *bits) if bits else 8,
        "selected": (best or run.points[0]).number,
        "layers": [_layer(row) for row in run.layers],
        "points": [_point(run, point, point is best) for point in run.points],
    }
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _layer(row: dict[str, str]) -> dict[str, str]:
    shape = " \N{MULTIPLICATION SIGN} ".join(row.get(axis, "") or "?" for axis in ("m", "k", "n"))
    groups = row.get("groups", "1")
    many = f", {groups} groups" if groups not in ("", "1") else ""
    macs = float(row["macs"])
    return {"name": row["layer"], "op": row["op"], "shape": shape + many, "macs": human(macs)}


def _point(run: Run, point: ReportedPoint, is_knee: bool) -> dict[str, Any]:
    badges = [["good" if point.status == "optimal" else "warn", status_text(point)]]
    if is_knee:
        badges.append(["knee-badge", "knee of the front"])
    badges += [["", text] for text in [alike_text(run, point)] if text]
    stats = [[cost_label(run, run.objective), human(point.costs[run.objective])]]
    stats.append(["predicted loss", human(point.loss)])
    if point.predicted is not None:
        text = predicted_text(run, point.predicted, point)
        stats.append([f"predicted {metric_label(run)}", text])
    if point.accuracy is not None:
        stats.append(
            [f"measured {metric_label(run)}", with_error(point.accuracy, point.standard_error)]
        )
    if point.exact is not None:
        digits = decimals(point.standard_error)
        stats.append([f"exact {metric_label(run)}", f"{point.exact:.{digits}f}"])
    stats += [[cost_label(run, name), human(point.costs[name])] for name in run.columns[1:]]
    if point.clock:
        stats.append(["clock", point.clock])
    if point.unit_types is not None:
        stats.append(["unit types", str(point.unit_types)])
    if point.shared_area_time is not None:
        label = "area \N{MULTIPLICATION SIGN} time on one shared array"
        stats.append([label, human(point.shared_area_time)])
    for name, value in (("weight", point.weight_bits), ("activation", point.activation_bits)):
        if value is not None:
            stats.append([f"mean {name} bits", f"{value:.2f}"])
    return {
        "number": point.number,
        "badges": badges,
        "stats": stats,
        "shares": _shares(run, point),
        "layers": [
            {
                "weight": c.weight,
                "activation": c.activation,
                "unit": f"{c.unit}, {c.mode}" if c.mode else c.unit,
                "weight_bits": c.weight_bits,
                "activation_bits": c.activation_bits,
                "weight_kind": _kind(c.weight),
                "activation_kind": _kind(c.activation),
            }
            for c in point.choices
        ],
    }


def _kind(name: str) -> str:
    name = str(parse_format(name))
    if name in ("binary", "ternary"):
        return "low"
    if re.match(r"u?int\d", name):
        return "int"
    return "float" if re.match(r"e\d|fp\d|bf\d", name) else "other"


def _shares(run: Run, point: ReportedPoint) -> dict[str, list[float]]:
    """Return each layer's part of the costs that add up over layers, by column."""
    rows = [
        row
        for row in run.units
        if not row.get("clock_mhz") or float(row["clock_mhz"]) == point.clock_mhz
    ]
    units = {row["unit"]: row for row in reversed(rows)}
    result: dict[str, list[float]] = {}
    for name in run.columns:
        try:
            costs = [
                _layer_cost(name, row, choice, units)
                for row, choice in zip(run.layers, point.choices, strict=True)
            ]
        except (KeyError, ValueError, StopIteration):
            continue  # A cost that the run's tables do not split over layers.
        total = sum(costs)
        if total > 0:
            result[name] = [round(cost / total, 5) for cost in costs]
    return result


def _layer_cost(name: str, layer: dict[str, str], choice: Choice, units: dict[str, Any]) -> float:
    macs = float(layer["macs"])
    if name == "bops":
        return macs * choice.weight_bits * choice.activation_bits
    if name == "weight_bytes":
        return float(layer["weights"]) * choice.weight_bits / 8
    unit = next(units[name] for name in choice.rows if name in units)
    if name == "area_time":
        return macs * float(unit["area"]) / float(unit.get("macs_per_cycle") or 1)
    if name == "energy_uj":
        return macs * float(unit["energy_fj_per_mac"]) * 1e-9
    raise KeyError(name)
