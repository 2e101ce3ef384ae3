"""``macwright generate``: Verilog, manifest and bench of one unit."""

import argparse
import json
from pathlib import Path

from macwright.dse.cli.arguments.unit import add_unit_arguments, unit_fields

__all__ = ["EXAMPLE", "HELP", "add_arguments", "run"]

HELP = "Write the Verilog of a unit, its manifest and its cocotb bench."
EXAMPLE = "macwright generate int_mac --weight int4 --activation int8 -o out/w4a8"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("unit", metavar="UNIT", help="family, such as int_mac")
    add_unit_arguments(parser)
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="default: out/NAME, by the unit's name"
    )
    parser.add_argument("--json", action="store_true", help="print the manifest")


def run(args: argparse.Namespace) -> None:
    """Write the files."""
    from macwright.hw.pe import spec_from_fields
    from macwright.sim.generate import write_unit

    spec = spec_from_fields(args.unit, unit_fields(args))
    folder = args.output or Path("out") / spec.name
    manifest = write_unit(spec, folder)
    if args.json:
        print(json.dumps(manifest, indent=2))
    else:
        print(f"{spec.name}: {folder / manifest['verilog']['file']}")
        print(f"simulate it with: macwright simulate {folder}")
