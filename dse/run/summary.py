"""What `macwright dse` prints of a run: a table, or JSON for scripts."""

from collections import Counter
from collections.abc import Sequence
from math import exp
from pathlib import Path
from typing import Any

from macwright.dse.accuracy.standard_error import (
    first_alike,
    predicted_decimals,
    with_error,
    within_error,
)
from macwright.dse.explore import Exploration
from macwright.dse.run.clocks import clock_info, clock_lines
from macwright.dse.run.machine import machine_text
from macwright.dse.run.transforms import point_transforms, transform_lines
from macwright.dse.search.options import fixed_formats
from macwright.dse.search.points import Point

__all__ = ["run_summary", "run_table"]


def run_summary(result: Exploration, out: Path) -> dict[str, Any]:
    """What scripts want to know."""
    objective, second = result.settings.objective, result.settings.second
    return {
        "run": str(out),
        "metric": result.dataset.metric_name,
        "fp32_accuracy": result.reference,
        "fp32_standard_error": result.reference_error,
        "losses": result.losses.source,
        "fixed_formats": fixed_formats(result.workload),
        "front_size": result.search.size,
        "complete": result.search.complete,
        "clocks": clock_info(result),
        "points": [
            {
                "point": int(point.name),
                "status": point.status,
                "gap": point.gap,
                "predicted_loss": point.totals["loss"],
                "predicted_accuracy": point.predicted,
                "measured_accuracy": point.accuracy,
                "measured_standard_error": point.standard_error,
                **({"exact_accuracy": point.exact} if result.settings.exact else {}),
                **({} if point.clock_mhz is None else {"clock_mhz": point.clock_mhz}),
                objective: point.totals[objective],
                **({second: point.totals[second]} if second else {}),
                **point_transforms(result, point),
                **({"hardware": point.hardware} if point.hardware else {}),
                "allocation": str(out / "allocations" / f"{point.name}.json"),
            }
            for point in result.search.front
        ],
        "ranking": result.ranking.summary() if result.ranking else None,
        "held_out": result.held_out,
        "sequential": [
            {
                "predicted_loss": point.totals["loss"],
                objective: point.totals[objective],
                "joint_point": int(joint.name),
                "joint_predicted_loss": joint.totals["loss"],
            }
            for point, joint in zip(result.search.sequential, result.search.beside, strict=True)
        ],
    }


def run_table(result: Exploration, out: Path) -> str:
    """What a person wants to see first: the measured points among all uniform formats."""
    objective = result.settings.objective
    rows = [
        (point.totals[objective], f"{label} {point.name}".strip(), point)
        for label, points in (("", result.search.front), ("uniform", result.search.uniforms))
        for point in points
        if label or point.accuracy is not None
    ]
    metric = result.dataset.metric_name
    timed = any(point.clock_mhz is not None for _, _, point in rows)
    width = max([14, *(len(name) for _, name, _ in rows)])
    lines = [
        f"{result.workload.path.name} on {result.settings.technology}: {_size(result)}, "
        f"{len(result.search.front)} reported: {_statuses(result)}; "
        f"FP32 {metric} {with_error(result.reference, result.reference_error)}",
        f"{'point':>{width}} {objective:>14} {'loss':>10} {'predicted':>9} {'measured':>14}"
        f"{' MHz'.rjust(8) if timed else ''}",
    ]
    for cost, name, point in sorted(rows, key=_row):
        fit = result.prediction.error if result.prediction else None
        digits = predicted_decimals(point.standard_error, result.reference_error, fit)
        predicted = "" if point.predicted is None else f"{point.predicted:.{digits}f}"
        measured = ""
        if point.accuracy is not None:
            measured = with_error(point.accuracy, point.standard_error)
        lines.append(
            f"{name:>{width}} {cost:>14.5g} {point.totals['loss']:>10.4g} {predicted:>9} "
            f"{measured:>14}{f'{point.clock_mhz:>8g}' if timed else ''}"
        )
    lines.append(machine_text(result))
    lines += _within_error_lines(
        result, [(name, point) for _, name, point in sorted(rows, key=_row)]
    )
    if result.prediction:
        lines.append(
            f"predicted: from the loss, by the {result.prediction.points} measured points of the "
            f"front; mean error of one left out, between others, {result.prediction.error:.2f}"
        )
    exact = [(p.name, p.accuracy, p.exact) for p in result.search.front if p.exact is not None]
    if exact:
        worst = max(abs(fake - integer) for _, fake, integer in exact if fake is not None)
        lines.append(
            f"exact: {len(exact)} points as integer networks, at most {worst:.2f} from measured "
            "with fake quantisation"
        )
    lines += [f"not exact: point {name}: {why}" for name, why in result.not_exact.items()]
    if result.ranking:
        ranks = [f"{n} {r:.3f}" for n, r in result.ranking.spearman.items() if r is not None]
        lines.append(
            f"ranking: Spearman of {len(result.ranking.table)} random allocations, predicted loss "
            f"with measured {', '.join(ranks) or 'values: all are equal'}"
        )
    lines += clock_lines(result)
    if result.settings.layer_energy:
        lines.append("layer energy: of the smallest netlist of each unit, whatever the clock")
    lines += _sequential_lines(result)
    lines += transform_lines(result)
    if fixed := fixed_formats(result.workload):
        lines.append(
            f"fixed by the model: formats of {len(fixed)} of {len(result.workload.layers)} layers"
        )
    if result.pairs:
        layers = len({(term[0], term[2]) for term in result.pairs})
        lines.append(
            f"pairwise terms: {layers} neighbouring layers, of weights rounded to nearest; with "
            "GPTQ they have made no front better"
        )
    source = result.losses.source
    if "file" in source:
        lines.append(f"losses: as they are in {source['file']}")
    elif source["metric"] != "logit_mse":
        lines.append(f"losses: {source['what']}")
    for correction in result.corrections:
        said = "refined" if correction.applied else "not refined, as that saves less than a fifth"
        lines.append(
            f"{said}: loss of a point left out of {correction.points} missed by a factor "
            f"{exp(correction.after):.2f} with factors of layers, "
            f"{exp(correction.before):.2f} without"
        )
    if result.held_out:
        lines.append(f"held out: {_held_out(result.held_out)}")
    if not result.search.complete:
        lines.append("incomplete: some points lack more time")
    check = result.verification
    lines.append(
        f"verified: {check.hashed} units by the hash of their Verilog, {check.simulated} by "
        f"simulation ({check.note})"
    )
    lines.append(f"report: {out / 'report.html'}")
    return "\n".join(lines)


def _row(row: tuple[float, str, Point]) -> tuple[float, str]:
    return row[:2]


def _within_error_lines(result: Exploration, points: Sequence[tuple[str, Point]]) -> list[str]:
    """Which points differ from the float network, or a cheaper point, by no more than chance."""
    equal = [
        name
        for name, point in points
        if point.accuracy is not None
        and within_error(
            point.accuracy, point.standard_error, result.reference, result.reference_error
        )
    ]
    lines = []
    if equal:
        lines.append(f"within the standard error of the difference to FP32: {', '.join(equal)}")
    front = [(name, point) for name, point in points if point.status is not None]
    figures = [(point.accuracy, point.standard_error) for _, point in front]
    alike = [
        f"{name} to {front[first][0]}"
        for index, (name, _) in enumerate(front)
        if (first := first_alike(figures, index)) is not None
    ]
    if alike:
        said = ", ".join(alike)
        lines.append(f"within the standard error of the difference to a cheaper point: {said}")
    return lines


def _held_out(data: Any) -> str:
    reference = with_error(data["fp32_accuracy"], data["fp32_standard_error"])
    said = [f"{data['samples']} samples", f"FP32 {reference}"]
    for what in ("knee", "uniform"):
        if what in data:
            measured = with_error(data[what]["accuracy"], data[what]["standard_error"])
            said.append(f"{what} {data[what]['point']} {measured}")
    return ", ".join(said)


def _size(result: Exploration) -> str:
    """How large the front is, where the whole of it is known."""
    chosen = (result.settings.architecture, result.settings.second)
    if chosen == (None, None) and not result.pairs:
        return f"{result.search.size} points on the whole front"
    return f"{result.search.size} points found"


def _sequential_lines(result: Exploration) -> list[str]:
    """What choosing the hardware after the formats would lose."""
    objective = result.settings.objective
    pairs = list(zip(result.search.sequential, result.search.beside, strict=True))
    if not pairs:
        return []
    lines = [f"at the {objective} of the best hardware for formats chosen first:"]
    for point, joint in pairs:
        less = 1 - joint.totals["loss"] / point.totals["loss"] if point.totals["loss"] else 0.0
        lines.append(
            f"{point.totals[objective]:>14.5g} sequential loss {point.totals['loss']:.4g}, joint "
            f"{joint.totals['loss']:.4g} ({less:.0%} less)"
        )
    return lines


def _statuses(result: Exploration) -> str:
    """How many points have which status, such as "40 optimal"."""
    counts = Counter(point.status for point in result.search.front)
    return ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
