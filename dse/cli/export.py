"""``macwright export``: a point of a run in the files of other tools."""

import argparse
from pathlib import Path

__all__ = ["EXAMPLE", "HELP", "add_arguments", "run"]

HELP = "Write a point of a run as QONNX, as ONNX that onnxruntime runs, for torch, or as codes."
EXAMPLE = "macwright export out/run --point 0 --to qonnx -o out/qonnx"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("run_dir", type=Path, metavar="RUN", help="folder that macwright dse wrote")
    parser.add_argument(
        "--point", type=int, required=True, metavar="N", help="number of the point, as in front.csv"
    )
    parser.add_argument(
        "--to",
        required=True,
        metavar="KIND",
        help="qonnx, qdq, onnx (fake-quantised), torch (modules and their state), json or csv "
        "(codes), or a workload (zigzag, accelforge)",
    )
    parser.add_argument(
        "-o", "--out", type=Path, metavar="DIR", help="default: export/ in the run's folder"
    )
    add = parser.add_argument_group("network and data, as they were given to dse").add_argument
    add(
        "--model",
        type=Path,
        metavar="MODEL.onnx",
        help="the network that the run is of, unless it is the one that comes with macwright",
    )
    add("--recipe", type=Path, metavar="R.toml", help="where its data is (default: MODEL.toml)")
    add("--data", type=Path, metavar="D.npz", help="data instead: x_calib, x_eval, y_eval")
    add("--output", metavar="NAME", help="result that counts, as given to dse")


def run(args: argparse.Namespace) -> None:
    """Export, and say which files there are."""
    from macwright.dse.cli.progress import TerminalProgress
    from macwright.dse.data.source import DataSource
    from macwright.dse.export.exporters import EXPORTERS
    from macwright.dse.export.run import export
    from macwright.hw.errors import RefusedInput

    if args.to not in EXPORTERS:
        raise RefusedInput(f"Option --to must be one of {', '.join(EXPORTERS)}, not {args.to!r}")
    progress = TerminalProgress(args)
    try:
        paths = export(
            args.run_dir,
            args.point,
            args.to,
            args.out or args.run_dir / "export",
            model=args.model,
            source=DataSource(recipe=args.recipe, data=args.data, output=args.output),
            progress=progress,
        )
    finally:
        progress.close()
    for path in paths:
        print(path)
