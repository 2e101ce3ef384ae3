"""``macwright simulate``: run the bench of a generated unit, or a machine on images."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from macwright.sim.accelerator.serial import LineComparison
    from macwright.sim.runner import SimResult

from macwright.hw.errors import RefusedInput

__all__ = ["EXAMPLE", "HELP", "add_arguments", "run", "show_line"]

HELP = "Simulate a generated unit or machine, as its Verilog is now, against its golden model."
EXAMPLE = "macwright simulate out/w4a8 --waves"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument(
        "folder",
        type=Path,
        metavar="DIR",
        help="what `macwright generate` or `macwright build` wrote",
    )
    parser.add_argument(
        "--simulator",
        choices=("icarus", "verilator"),
        help="which to use [the first of them that is installed]",
    )
    parser.add_argument("--waves", action="store_true", help="leave a waveform file")
    add = parser.add_argument_group("of a machine").add_argument
    add("--images", type=int, metavar="N", help="images that a machine is given (default: 4)")
    add("--stalls", action="store_true", help="words of a machine are offered and taken at random")
    add("--serial", action="store_true", help="at the serial line of its board, bit by bit")
    add("--jobs", type=int, metavar="N", help="processes (default: all cores)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the random vectors")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Run the bench and say what came of it."""
    from macwright.dse.cli.progress import TerminalProgress
    from macwright.sim.accelerator.record import BUILD_FILE
    from macwright.sim.runner import simulate

    if (args.folder / BUILD_FILE).is_file():
        return _run_machine(args)
    for name in ("images", "stalls", "serial", "jobs"):
        if getattr(args, name):
            raise RefusedInput(
                f"Option --{name} must come with a machine that macwright build wrote, and "
                f"{args.folder} holds none"
            )
    progress = TerminalProgress(args)
    progress(f"simulating {args.folder}", 0, 1)
    try:
        result = simulate(args.folder, simulator=args.simulator, waves=args.waves, seed=args.seed)
    finally:
        progress.close()
    print(json.dumps(_as_json(result), indent=2) if args.json else _as_text(result))
    return 0 if result.passed else 1


def _run_machine(args: argparse.Namespace) -> int:
    """Simulate a machine on images; 1 if a bit of its results differs from its network."""
    from macwright.dse.build.emit import read_images
    from macwright.dse.cli.progress import TerminalProgress
    from macwright.sim.accelerator.compare import compare_images
    from macwright.sim.accelerator.record import read_build

    if args.waves:
        raise RefusedInput("Option --waves must come with a unit, not with a machine")
    for name in ("images", "jobs"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise RefusedInput(f"Option --{name} must be at least 1, not {value}")
    read_build(args.folder)  # refuses a folder that is damaged
    levels = read_images(args.folder, args.images or 4)
    if args.serial:
        if args.stalls:
            raise RefusedInput("Option --stalls must come without --serial, where nothing stalls")
        return _run_serial(args, levels)
    progress = TerminalProgress(args)
    try:
        result = compare_images(
            args.folder,
            levels,
            simulator=args.simulator,
            stalls=args.stalls,
            seed=args.seed + 1,
            jobs=args.jobs,
            progress=progress,
        )
    finally:
        progress.close()
    failed = result.difference is not None
    if args.json:
        print(json.dumps({"passed": not failed, **asdict(result)}, indent=2))
    elif failed:
        print(f"FAILED on {result.simulator}: {result.difference}")
    else:
        times = "random stalls at both ends"
        if not args.stalls:
            times = f"latency {result.latency} cycles (predicted {result.predicted_latency})"
            if result.interval is not None:
                times += (
                    f", a frame every {result.interval} cycles "
                    f"(predicted {result.predicted_interval})"
                )
        print(f"passed: {result.images} images equal bit for bit on {result.simulator}; {times}")
    return int(failed)


def _run_serial(args: argparse.Namespace, levels: Any) -> int:
    """Simulate a machine at its serial line; returns as `_run_machine`."""
    from macwright.dse.cli.progress import TerminalProgress
    from macwright.sim.accelerator.serial import SerialMachine, compare_at_line

    progress = TerminalProgress(args)
    try:
        machine = SerialMachine(args.folder, args.simulator)
        result = compare_at_line(machine, machine.network, levels, progress)
    finally:
        progress.close()
    return show_line(result, f"at the serial line on {machine.tool.name}", as_json=args.json)


def show_line(result: "LineComparison", where: str, *, as_json: bool) -> int:
    """Say what came of a machine at a serial line; 1 if a bit of its results differs."""
    failed = result.difference is not None
    if as_json:
        print(json.dumps({"passed": not failed, **asdict(result)}, indent=2))
    elif failed:
        print(f"FAILED {where}: {result.difference}")
    else:
        print(f"passed: {result.images} images equal bit for bit {where}")
    return int(failed)


def _as_json(result: "SimResult") -> dict[str, object]:
    """Result for scripts; a file that does not exist is null."""
    return {
        "passed": result.passed,
        "tests": result.tests,
        "failures": result.failures,
        "simulator": result.simulator,
        "changed": result.changed,
        "results_xml": str(result.results_xml) if result.results_xml.is_file() else None,
        "log": str(result.log),
        "waves": str(result.waves) if result.waves else None,
    }


def _as_text(result: "SimResult") -> str:
    """Result for people."""
    lines = [f"changed since it was generated: {name}" for name in result.changed]
    lines += [f"FAILED {failure}" for failure in result.failures]
    verdict = "passed" if result.passed else "failed"
    lines.append(f"{verdict}: {result.tests} tests on {result.simulator}; log: {result.log}")
    if result.waves:
        lines.append(f"waves: {result.waves}")
    return "\n".join(lines)
