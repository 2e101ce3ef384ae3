"""``macwright simulate``: run the bench of a generated unit."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from macwright.sim.runner import SimResult

__all__ = ["EXAMPLE", "HELP", "add_arguments", "run"]

HELP = "Simulate a generated unit, as its Verilog is now, against the golden model."
EXAMPLE = "macwright simulate out/w4a8 --waves"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="what `macwright generate` wrote")
    parser.add_argument(
        "--simulator",
        choices=("icarus", "verilator"),
        help="which to use [the first of them that is installed]",
    )
    parser.add_argument("--waves", action="store_true", help="leave a waveform file")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the random vectors")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Run the bench and say what came of it."""
    from macwright.dse.cli.progress import TerminalProgress
    from macwright.sim.runner import simulate

    progress = TerminalProgress()
    progress(f"simulating {args.folder}", 0, 1)
    try:
        result = simulate(args.folder, simulator=args.simulator, waves=args.waves, seed=args.seed)
    finally:
        progress.close()
    print(json.dumps(_as_json(result), indent=2) if args.json else _as_text(result))
    return 0 if result.passed else 1


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
