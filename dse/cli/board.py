"""``macwright board``: a machine on a board, against its network."""

import argparse
from pathlib import Path

__all__ = ["EXAMPLE", "HELP", "add_arguments", "run"]

HELP = (
    "Send images to a machine on a board, and compare its results with its network's, bit by bit."
)
EXAMPLE = "macwright board out/chip --port /dev/ttyUSB0 --images 64"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument(
        "folder", type=Path, metavar="DIR", help="what macwright build --board wrote"
    )
    parser.add_argument(
        "--port", required=True, metavar="P", help="serial port of the board, /dev/ttyUSB0"
    )
    parser.add_argument("--images", type=int, default=16, metavar="N", help="images (16)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Send the images, and say what came of it."""
    from macwright.dse.build.emit import read_images
    from macwright.dse.cli.progress import TerminalProgress
    from macwright.dse.cli.simulate import show_line
    from macwright.sim.accelerator.serial import compare_at_line, open_port

    levels = read_images(args.folder, args.images)
    progress = TerminalProgress(args)
    machine = open_port(args.folder, args.port)
    try:
        result = compare_at_line(machine, machine.network, levels, progress)
    finally:
        machine.port.close()
        progress.close()
    return show_line(result, f"on the board at {args.port}", as_json=args.json)
