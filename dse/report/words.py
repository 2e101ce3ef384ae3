"""What the report calls things: costs, metric, points, and the knee of a front."""

from macwright.dse.accuracy.standard_error import with_error
from macwright.dse.report.axis import human
from macwright.dse.report.certainty import alike_text, predicted_text
from macwright.dse.report.data import ReportedPoint, Run, Uniform
from macwright.dse.search.knee import knee_index

__all__ = [
    "cost_label",
    "is_loss",
    "is_percent",
    "knee",
    "metric_label",
    "point_title",
    "status_text",
    "uniform_title",
]

_TIMES = "\N{MULTIPLICATION SIGN}"
_COSTS = {
    "area_time": f"area {_TIMES} time",
    "bops": "bit operations",
    "weight_bytes": "weight bytes",
    "energy_uj": "energy (µJ)",
    "layer_energy_uj": "energy with own operands (µJ)",
    "luts": "LUTs",
    "dsps": "DSP blocks",
    "frame_ms": "time between samples (ms)",
    "latency_ms": "latency (ms)",
    "throughput_fps": "throughput (frames/s)",
}


def cost_label(run: Run, column: str, *, unit: bool = True) -> str:
    """Return a cost column's name for people, with its unit where that is known and asked for."""
    label = _COSTS.get(column, column.replace("_", " "))
    if column in ("area", "area_time") and unit:
        area = {row["area_unit"] for row in run.units if row["area_unit"]}
        unit_of_time = "ms" if run.timed else "Mcycles"
        time = f" {_TIMES} {unit_of_time}" if column == "area_time" else ""
        return f"{label} ({area.pop()}{time})" if len(area) == 1 else label
    return label


def metric_label(run: Run) -> str:
    """Return the name of the measured metric, such as ``top-1 (%)``."""
    metric = str(run.info.get("metric", "accuracy"))
    return f"{metric} (%)" if is_percent(run) and "%" not in metric else metric


def is_percent(run: Run) -> bool:
    """Return whether the metric is a share of right answers, in percent."""
    return str(run.info.get("metric", "")).lower().replace("_", "-").startswith(("top", "acc"))


def is_loss(run: Run) -> bool:
    """Return whether a lower metric is better."""
    metric = str(run.info.get("metric", "")).lower()
    return any(word in metric for word in ("perplexity", "error", "loss", "mse"))


def knee(points: tuple[ReportedPoint, ...], column: str) -> ReportedPoint | None:
    """Return the point farthest below the line between the front's ends, both axes logarithmic.

    None with fewer than three points, or where no point is below the line.
    """
    ordered = sorted(points, key=lambda point: (point.costs[column], point.number))
    index = knee_index(
        [point.costs[column] for point in ordered], [point.loss for point in ordered]
    )
    return None if index is None else ordered[index]


def point_title(run: Run, point: ReportedPoint, column: str) -> str:
    """Return one point in words."""
    said = [f"Point {point.number}", f"{cost_label(run, column)}: {human(point.costs[column])}"]
    said.append(f"predicted loss: {human(point.loss)}")
    if point.predicted is not None:
        text = predicted_text(run, point.predicted, point)
        said.append(f"predicted {metric_label(run)}: {text}")
    if point.accuracy is not None:
        said.append(
            f"measured {metric_label(run)}: {with_error(point.accuracy, point.standard_error)}"
        )
    if text := alike_text(run, point):
        said.append(text)
    if point.clock:
        said.append(f"at {point.clock}")
    said.append(status_text(point))
    return "; ".join(said)


def status_text(point: ReportedPoint) -> str:
    """Return what was proved about a point."""
    if point.status == "optimal":
        return "proved optimal"
    gap = "" if point.gap is None else f", gap {point.gap:.2g}"
    return f"{point.status}{gap}, not proved optimal"


def uniform_title(run: Run, uniform: Uniform, column: str) -> str:
    said = [f"Uniform {uniform.name}", f"{cost_label(run, column)}: {human(uniform.costs[column])}"]
    if uniform.loss is not None:
        said.append(f"predicted loss: {human(uniform.loss)}")
    if uniform.accuracy is not None:
        said.append(
            f"measured {metric_label(run)}: {with_error(uniform.accuracy, uniform.standard_error)}"
        )
    if text := alike_text(run, uniform):
        said.append(text)
    return "; ".join(said)
