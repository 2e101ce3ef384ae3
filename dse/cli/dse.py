"""`macwright dse`: the front of a network."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from macwright.costmodel.technology.catalogue import RECORDS
from macwright.dse.cli.arguments.architecture import (
    add_architecture_arguments,
    architecture,
    budgets,
    clock_settings,
    objectives,
)
from macwright.dse.cli.arguments.loss import add_loss_arguments, loss_settings
from macwright.dse.cli.arguments.technology import add_technology_arguments, given_technology
from macwright.dse.cli.config import given_options
from macwright.dse.cli.presets import PRESETS, preset_text
from macwright.dse.studies import Reporting
from macwright.hw.errors import RefusedInput

HELP = "Find the front of accuracy against hardware cost for a network."
EXAMPLE = r"""macwright dse --technology ecp5 --architecture dataflow \
    --weights int4,int8 --activations int8 -o out/run"""

MORE = preset_text()


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
        "--preset",
        metavar="NAME",
        help=f"options to begin with, which are listed below: {', '.join(PRESETS)}",
    )
    add = parser.add_argument_group("model and data").add_argument
    add("--recipe", type=Path, metavar="R.toml", help="where its data is (default: MODEL.toml)")
    add("--data", type=Path, metavar="D.npz", help="data instead: x_calib, x_eval, y_eval")
    add(
        "--no-accuracy",
        action="store_true",
        help="judge formats by the error of the outputs: the data needs no labels, and x_calib is "
        "enough; a model without any data gets synthetic samples, which is said",
    )
    add("--output", metavar="NAME", help="result that counts, of a model that has several")
    add_technology_arguments(parser)
    add = parser.add_argument_group("search").add_argument
    add(
        "--objective",
        action="append",
        default=[],
        metavar="COLUMN",
        help="cost that the front trades against accuracy: area_time (the default), bops, "
        "weight_bytes, energy_uj or, with an architecture, area (or luts), dsps, latency_ms, "
        "frame_ms; twice for three objectives",
    )
    add(
        "--budget",
        action="append",
        default=[],
        metavar="'COLUMN<=VALUE'",
        help="limit on the total of a cost column; may be repeated",
    )
    add("--weights", metavar="F,F,...", help="formats that weights may take")
    add("--activations", metavar="F,F,...", help="formats of activations")
    add(
        "--free",
        action="append",
        default=[],
        metavar="LAYER",
        help="choose the formats of a layer for which the model prescribes them; may be repeated; "
        "'all' for all of them",
    )
    add("--time-limit", type=float, metavar="SECONDS", help="for the search; points say their gap")
    add_architecture_arguments(parser)
    add_loss_arguments(parser)
    add = parser.add_argument_group("what is reported").add_argument
    add(
        "--points",
        type=int,
        default=Reporting.points,
        metavar="N",
        help="points to report (%(default)s)",
    )
    add(
        "--measure",
        type=int,
        default=Reporting.measured,
        metavar="N",
        help="allocations to measure on the evaluation data, in all: of the front and, a third at "
        "most, uniform formats (%(default)s)",
    )
    add(
        "--layer-energy",
        action="store_true",
        help="energy of the reported points with each layer's own operands (with --liberty)",
    )
    add(
        "--exact",
        action="store_true",
        help="measure the measured points as hardware computes them, too: in integers, bit by bit",
    )
    add("--no-verify", action="store_true", help="do not simulate the units of the front")
    add("--json", action="store_true", help="print the front as JSON")
    add("-o", "--out", type=Path, metavar="DIR", help="default: under out/")
    add = parser.add_argument_group("where it runs").add_argument
    add("--jobs", type=int, metavar="N", help="processes (default: all cores)")
    add(
        "--scheduler",
        metavar="tcp://HOST:PORT",
        help="characterise and evaluate on a Dask cluster ([distributed])",
    )


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from macwright.dse.cli.progress import TerminalProgress
    from macwright.dse.data.source import DataSource
    from macwright.dse.explore import explore
    from macwright.dse.models import embedded_model
    from macwright.dse.report.page import write_report
    from macwright.dse.run.files import run_files
    from macwright.dse.run.folder import check_writable, write_run
    from macwright.dse.run.summary import run_summary, run_table
    from macwright.dse.settings import Settings

    formats: dict[str, Any] = {
        key: tuple(name.strip() for name in value.split(","))
        for key, value in (("weights", args.weights), ("activations", args.activations))
        if value is not None
    }
    model = args.model or embedded_model()
    chip = architecture(args)
    device = getattr(chip, "device", None)
    if device is not None and args.technology is None:
        args.technology = device.family
    technology = given_technology(args)
    if args.layer_energy and technology.energy is None:
        raise RefusedInput(
            "Option --layer-energy must come with the Liberty files of a cell library (--liberty), "
            f"not with {technology.name} alone"
        )
    name = "-".join(filter(None, (model.stem, technology.name, args.architecture)))
    out = args.out or Path("out") / name
    settings = Settings(
        technology=technology.name,
        library=None if technology.name in RECORDS else technology.record,
        architecture=chip,
        dsp=args.dsp or device is not None,
        budgets=budgets(args),
        layer_energy=args.layer_energy,
        exact=args.exact,
        time_limit_s=args.time_limit,
        points=args.points,
        measured=args.measure,
        verify=not args.no_verify,
        free=tuple(args.free),
        jobs=args.jobs,
        scheduler=args.scheduler,
        **objectives(args),
        **clock_settings(args),
        **loss_settings(args),
        **formats,
    )
    check_writable(out)
    progress = TerminalProgress(args)
    try:
        exploration = explore(
            model,
            settings,
            source=DataSource(
                recipe=args.recipe,
                data=args.data,
                output=args.output,
                labels=not args.no_accuracy,
            ),
            sensitivity=args.sensitivity,
            technology=technology,
            progress=progress,
        )
    finally:
        progress.close()
    for note in (*exploration.dataset.notes, *exploration.workload.notes):
        print(f"macwright: note: {note}", file=sys.stderr)
    files = run_files(exploration, given_options(args.parser, args))
    write_run(out, files, finish=write_report)
    if args.json:
        print(json.dumps(run_summary(exploration, out), indent=1))
    else:
        print(run_table(exploration, out))
