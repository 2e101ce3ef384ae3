"""``macwright report``: the picture of a run, from its files."""

import argparse
from pathlib import Path

from macwright.hw.errors import RefusedInput

HELP = "Write report.html (machine.html), a self-contained page, of a run (of a machine)."
EXAMPLE = "macwright report out/run --svg out/front.svg"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "run_dir",
        metavar="RUN_DIR",
        type=Path,
        help="folder that `macwright dse` or `macwright build` wrote",
    )
    parser.add_argument(
        "--svg", metavar="FILE", type=Path, help="also write the front alone as SVG"
    )
    parser.add_argument(
        "--cost", metavar="COLUMN", help="cost in the SVG (default: the run's objective)"
    )
    parser.add_argument(
        "--compare",
        metavar="RUN_DIR",
        type=Path,
        help="write compare.html in its place: both fronts, and which settings differ; of the same "
        "network, data, metric and cost",
    )


def run(args: argparse.Namespace) -> int:
    """Write the files and print where they are."""
    from macwright.dse.report.compare import write_comparison
    from macwright.dse.report.machine import write_machine_report
    from macwright.dse.report.page import write_front_svg, write_report
    from macwright.sim.accelerator.record import BUILD_FILE

    if args.compare is not None:
        if args.svg or args.cost:
            raise RefusedInput("--compare must come without --svg and --cost, which are of one run")
        print(write_comparison(args.run_dir, args.compare))
        return 0
    if args.cost and not args.svg:
        raise RefusedInput("--cost must come with --svg FILE, as the page itself has every cost")
    if (args.run_dir / BUILD_FILE).is_file():
        if args.svg:
            raise RefusedInput("--svg must come with a run; a machine has no front")
        print(write_machine_report(args.run_dir))
        return 0
    print(write_report(args.run_dir))
    if args.svg:
        print(write_front_svg(args.run_dir, args.svg, cost=args.cost))
    return 0
