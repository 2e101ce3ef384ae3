"""`macwright dse`: the front of a network."""

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

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
        "--technology", default="gates", help="gates, ecp5, ice40 or xc7 (default: %(default)s)"
    )
    parser.add_argument(
        "--objective",
        default="area_time",
        metavar="COLUMN",
        help="cost that the front trades against accuracy (default: %(default)s)",
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
    parser.add_argument("--jobs", type=int, metavar="N", help="processes (default: all cores)")
    parser.add_argument(
        "--no-verify", action="store_true", help="do not simulate the units of the front"
    )
    parser.add_argument("--json", action="store_true", help="print the front as JSON")
    parser.add_argument("-o", "--out", type=Path, metavar="DIR", help="default: under out/")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from macwright.dse.explore import Settings, explore
    from macwright.dse.models import embedded_model
    from macwright.dse.outcome import run_files
    from macwright.dse.progress import TerminalProgress
    from macwright.dse.report import write_report
    from macwright.dse.rundir import check_writable, write_run
    from macwright.hw.formats import parse_format

    for name in ("points", "measure", "images", "jobs"):
        value = getattr(args, name)
        if value is not None and value < (0 if name == "measure" else 1):
            raise ValueError(f"Option --{name} must be at least 1, not {value}")
    formats = {
        key: tuple(str(parse_format(name.strip())) for name in value.split(","))
        for key, value in (("weights", args.weights), ("activations", args.activations))
        if value is not None
    }
    model = args.model or embedded_model()
    out = args.out or Path("out") / f"{model.stem}-{args.technology}"
    settings = Settings(
        technology=args.technology,
        objective=args.objective,
        budgets=_budgets(args),
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


def _budgets(args: argparse.Namespace) -> tuple[Any, ...]:
    """Budgets, checked with the objective before anything takes long."""
    from macwright.dse.commands.solve import parse_limit
    from macwright.dse.options import COSTS
    from macwright.dse.solver import Budget

    limits = [parse_limit(text, "Budget") for text in args.budget]
    for what, name in [
        ("Objective", args.objective),
        *(("Budget column", n) for n, _, _ in limits),
    ]:
        if name not in COSTS:
            raise ValueError(f"{what} must be one of {', '.join(COSTS)}, not {name!r}")
    return tuple(
        Budget(name, max=value) if sign == "<=" else Budget(name, min=value)
        for name, sign, value in limits
    )


def _summary(found: Any, out: Path) -> dict[str, Any]:
    return {
        "run": str(out),
        "metric": found.dataset.metric_name,
        "fp32_accuracy": found.reference,
        "front_size": found.front_size,
        "points": [
            {
                "point": int(point.name),
                "status": point.status,
                "gap": point.gap,
                "predicted_loss": point.totals["loss"],
                "predicted_accuracy": point.predicted,
                "measured_accuracy": point.accuracy,
                found.settings.objective: point.totals[found.settings.objective],
                "allocation": str(out / "allocations" / f"{point.name}.json"),
            }
            for point in found.front
        ],
    }


def _table(found: Any, out: Path) -> str:
    """What a person wants to see first: the measured points between the uniform formats."""
    objective = found.settings.objective
    rows = [
        (point.totals[objective], label, point)
        for label, points in (("", found.front), ("uniform", found.uniforms))
        for point in points
        if point.accuracy is not None
    ]
    metric = found.dataset.metric_name
    lines = [
        f"{found.workload.path.name} on {found.settings.technology}: {found.front_size} points on "
        f"the whole front, {len(found.front)} reported: {_statuses(found)}; "
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
    check = found.verification
    lines.append(
        f"verified: {check.hashed} units by the hash of their Verilog, {check.simulated} by "
        f"simulation ({check.note})"
    )
    lines.append(f"report: {out / 'report.html'}")
    return "\n".join(lines)


def _statuses(found: Any) -> str:
    """How many points have which status, such as "40 optimal"."""
    counts = Counter(point.status for point in found.front)
    return ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
