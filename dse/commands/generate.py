"""``macwright generate``: Verilog, manifest and bench of one unit."""

import argparse
import json
from pathlib import Path

__all__ = ["EXAMPLE", "HELP", "add_arguments", "run"]

HELP = "Write the Verilog of a unit, its manifest and its cocotb bench."
EXAMPLE = "macwright generate int_mac --weight int4 --activation int8 -o out/w4a8"

#: Options whose names are not the fields'.
_ALIASES = {"activation": "act", "accumulator": "acc"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("unit", metavar="UNIT", help="family: int_mac, minifloat_mac")
    parser.add_argument("--activation", "--act", dest="act", metavar="FORMAT")
    parser.add_argument("--weight", metavar="FORMAT")
    parser.add_argument(
        "--accumulator",
        "--acc",
        dest="acc",
        metavar="FORMAT",
        help="int32, fixed47, ... or exact, for as many products as --terms says",
    )
    parser.add_argument("--terms", metavar="N", help="products an exact accumulator holds [1024]")
    parser.add_argument("--en", action="store_const", const="true", help="add a clock enable")
    parser.add_argument("--rst", action="store_const", const="true", help="add a reset")
    parser.add_argument("--pipeline", metavar="N", help="register stages before the accumulator")
    parser.add_argument("--multiplier", metavar="KIND", help="how products are made [infer]")
    parser.add_argument("--target", metavar="NAME", help="use this technology's primitives")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="any other field of the unit, such as drop=12 (repeatable)",
    )
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="DIR")
    parser.add_argument("--json", action="store_true", help="print the manifest")


def run(args: argparse.Namespace) -> None:
    """Write the files."""
    from macwright.hw.pe import spec_from_fields
    from macwright.sim.generate import write_unit

    names = ("act", "weight", "acc", "terms", "en", "rst", "pipeline", "multiplier", "target")
    fields = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    for text in args.set:
        name, sign, value = text.partition("=")
        if not sign:
            raise ValueError(f"--set must be given FIELD=VALUE, not {text!r}")
        fields[_ALIASES.get(name, name)] = value
    if "terms" in fields:
        fields.setdefault("acc", "exact")
    spec = spec_from_fields(args.unit, fields)
    manifest = write_unit(spec, args.output)
    if args.json:
        print(json.dumps(manifest, indent=2))
    else:
        print(f"{spec.name}: {args.output / manifest['verilog']['file']}")
        print(f"simulate it with: macwright simulate {args.output}")
