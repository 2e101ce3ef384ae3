"""`macwright dse`: the front of a network."""

import argparse
import json
from collections import Counter
from math import exp
from pathlib import Path
from typing import Any

from macwright.dse.architecture_arguments import (
    add_architecture_arguments,
    architecture,
    budgets,
    objectives,
)

HELP = "find the front of accuracy against hardware cost for a network"
EXAMPLE = "macwright dse resnet20.onnx --technology ecp5 --budget 'bops<=1e9' -o out/resnet20"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "model",
        nargs="?",
        type=Path,
        metavar="MODEL.onnx",
        help="trained network; without it the small one that comes with macwright",
    )
    parser.add_argument(
        "--recipe", type=Path, metavar="R.toml", help="where its data is (default: MODEL.toml)"
    )
    parser.add_argument(
        "--data", type=Path, metavar="D.npz", help="data instead: x_calib, x_eval, y_eval"
    )
    parser.add_argument(
        "--technology",
        default="gates",
        help="gates, ecp5, ice40, xc7 or a cell library (default: %(default)s)",
    )
    parser.add_argument(
        "--objective",
        action="append",
        default=[],
        metavar="COLUMN",
        help="cost that the front trades against accuracy: area_time (the default), bops, "
        "weight_bytes, energy_uj or, with an architecture, area (or luts), dsps, latency_ms, "
        "frame_ms; twice for three objectives",
    )
    parser.add_argument(
        "--budget",
        action="append",
        default=[],
        metavar="'COLUMN<=VALUE'",
        help="limit on the total of a cost column; may be repeated",
    )
    parser.add_argument("--weights", metavar="F,F,...", help="formats that weights may take")
    parser.add_argument("--activations", metavar="F,F,...", help="formats of activations")
    parser.add_argument(
        "--points", type=int, default=32, metavar="N", help="points to report (%(default)s)"
    )
    parser.add_argument(
        "--measure",
        type=int,
        default=10,
        metavar="N",
        help="points to measure on the evaluation data, besides those at the costs of uniform "
        "formats (%(default)s)",
    )
    parser.add_argument(
        "--images",
        type=int,
        default=32,
        metavar="N",
        help="calibration samples for the sensitivities (%(default)s)",
    )
    add_architecture_arguments(parser)
    parser.add_argument(
        "--refine",
        type=int,
        default=0,
        metavar="N",
        help="search again so often with losses corrected by the measured points (%(default)s)",
    )
    parser.add_argument(
        "--held-out",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of the evaluation data kept back, on which the knee is measured at last",
    )
    parser.add_argument(
        "--time-limit", type=float, metavar="SECONDS", help="for the search; points say their gap"
    )
    parser.add_argument("--jobs", type=int, metavar="N", help="processes (default: all cores)")
    parser.add_argument(
        "--no-verify", action="store_true", help="do not simulate the units of the front"
    )
    parser.add_argument("--json", action="store_true", help="print the front as JSON")
    parser.add_argument("-o", "--out", type=Path, metavar="DIR", help="default: under out/")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from macwright.dse.explore import explore
    from macwright.dse.models import embedded_model
    from macwright.dse.outcome import run_files
    from macwright.dse.progress import TerminalProgress
    from macwright.dse.report import write_report
    from macwright.dse.rundir import check_writable, write_run
    from macwright.dse.settings import Settings
    from macwright.hw.formats import parse_format

    for name in ("points", "measure", "images", "jobs"):
        value = getattr(args, name)
        if value is not None and value < (0 if name == "measure" else 1):
            raise ValueError(f"Option --{name} must be at least 1, not {value}")
    if args.refine < 0 or not 0 <= args.held_out <= 0.5:
        raise ValueError(
            "Options must be --refine of at least 0 and --held-out from 0 to 0.5, not "
            f"{args.refine} and {args.held_out}"
        )
    formats = {
        key: tuple(str(parse_format(name.strip())) for name in value.split(","))
        for key, value in (("weights", args.weights), ("activations", args.activations))
        if value is not None
    }
    model = args.model or embedded_model()
    name = "-".join(filter(None, (model.stem, args.technology, args.architecture)))
    out = args.out or Path("out") / name
    chip = architecture(args)
    objective, second = objectives(args)
    settings = Settings(
        technology=args.technology,
        architecture=chip,
        dsp=args.dsp,
        objective=objective,
        second=second,
        budgets=budgets(args),
        refine=args.refine,
        held_out=args.held_out,
        time_limit_s=args.time_limit,
        points=args.points,
        measured=args.measure,
        images=args.images,
        verify=not args.no_verify,
        jobs=args.jobs,
        **formats,
    )
    check_writable(out)
    progress = TerminalProgress()
    try:
        found = explore(model, settings, recipe=args.recipe, data=args.data, progress=progress)
    finally:
        progress.close()
    write_run(out, run_files(found), finish=write_report)
    if args.json:
        print(json.dumps(_summary(found, out), indent=1))
    else:
        print(_table(found, out))


def _summary(found: Any, out: Path) -> dict[str, Any]:
    objective, second = found.settings.objective, found.settings.second
    return {
        "run": str(out),
        "metric": found.dataset.metric_name,
        "fp32_accuracy": found.reference,
        "front_size": found.found.size,
        "complete": found.found.complete,
        "points": [
            {
                "point": int(point.name),
                "status": point.status,
                "gap": point.gap,
                "predicted_loss": point.totals["loss"],
                "predicted_accuracy": point.predicted,
                "measured_accuracy": point.accuracy,
                objective: point.totals[objective],
                **({second: point.totals[second]} if second else {}),
                **({"hardware": point.hardware} if point.hardware else {}),
                "allocation": str(out / "allocations" / f"{point.name}.json"),
            }
            for point in found.found.front
        ],
        "held_out": found.held_out,
        "sequential": [
            {
                "predicted_loss": point.totals["loss"],
                objective: point.totals[objective],
                "joint_point": int(joint.name),
                "joint_predicted_loss": joint.totals["loss"],
            }
            for point, joint in zip(found.found.sequential, found.found.beside, strict=True)
        ],
    }


def _table(found: Any, out: Path) -> str:
    """What a person wants to see first: the measured points between the uniform formats."""
    objective = found.settings.objective
    rows = [
        (point.totals[objective], label, point)
        for label, points in (("", found.found.front), ("uniform", found.found.uniforms))
        for point in points
        if point.accuracy is not None
    ]
    metric = found.dataset.metric_name
    lines = [
        f"{found.workload.path.name} on {found.settings.technology}: {_size(found)}, "
        f"{len(found.found.front)} reported: {_statuses(found)}; "
        f"FP32 {metric} {found.reference:.2f}",
        f"{'point':>14} {objective:>14} {'loss':>10} {'predicted':>9} {'measured':>9}",
    ]
    for cost, label, point in sorted(rows, key=lambda row: (row[0], row[1])):
        name = f"{label} {point.name}".strip()
        predicted = "" if point.predicted is None else f"{point.predicted:.2f}"
        lines.append(
            f"{name:>14} {cost:>14.5g} {point.totals['loss']:>10.4g} {predicted:>9} "
            f"{point.accuracy:>9.2f}"
        )
    if found.prediction:
        lines.append(
            f"predicted: from the loss, by the {found.prediction.points} measured points of the "
            f"front; mean error of a point left out {found.prediction.error:.2f}"
        )
    lines += _sequential_lines(found)
    for one in found.corrections:
        lines.append(
            f"refined: loss of a point left out missed by a factor {exp(one.after):.2f}, before "
            f"{exp(one.before):.2f}"
        )
    if found.held_out:
        lines.append(f"held out: {_held_out(found.held_out)}")
    if not found.found.complete:
        lines.append("incomplete: some points lack more time")
    check = found.verification
    lines.append(
        f"verified: {check.hashed} units by the hash of their Verilog, {check.simulated} by "
        f"simulation ({check.note})"
    )
    lines.append(f"report: {out / 'report.html'}")
    return "\n".join(lines)


def _held_out(data: Any) -> str:
    said = [f"{data['samples']} samples", f"FP32 {data['fp32_accuracy']:.2f}"]
    for what in ("knee", "uniform"):
        if what in data:
            said.append(f"{what} {data[what]['point']} {data[what]['accuracy']:.2f}")
    return ", ".join(said)


def _size(found: Any) -> str:
    """How large the front is, where the whole of it is known."""
    if found.settings.architecture is None and found.settings.second is None:
        return f"{found.found.size} points on the whole front"
    return f"{found.found.size} points found"


def _sequential_lines(found: Any) -> list[str]:
    """What choosing the hardware after the formats would lose."""
    objective = found.settings.objective
    pairs = list(zip(found.found.sequential, found.found.beside, strict=True))
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


def _statuses(found: Any) -> str:
    """How many points have which status, such as "40 optimal"."""
    counts = Counter(point.status for point in found.found.front)
    return ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
