"""``macwright generate``: Verilog, manifest and bench of one unit."""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from macwright.costmodel.technology.catalogue import LIBERTY_NAMES, RECORDS
from macwright.dse.cli.arguments.unit import (
    FAMILY_TEXT,
    add_unit_arguments,
    tuned_unit,
    unit_fields,
)
from macwright.hw.errors import RefusedInput

__all__ = ["EXAMPLE", "HELP", "MORE", "add_arguments", "run"]

HELP = "Write the Verilog of a unit, its manifest and its cocotb bench."
EXAMPLE = "macwright generate int_mac --weight int4 --technology ecp5 -o out/w4a8"
MORE = FAMILY_TEXT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument(
        "unit",
        metavar="UNIT",
        help="family, such as int_mac, with fields as below; the name of a unit, as tables and "
        "allocations have it; or, with --point, the folder of a run",
    )
    parser.add_argument(
        "--point", type=int, metavar="N", help="all units of this point of a run, a folder each"
    )
    add_unit_arguments(parser)
    parser.add_argument(
        "--technology",
        metavar="T",
        help="choose the multiplier, adders and primitives that suit it, as characterize --tuned "
        f"does: {', '.join(RECORDS)}",
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="default: out/NAME, by the unit's name"
    )
    parser.add_argument(
        "--wrap",
        choices=("axis",),
        help="with an AXI4-Stream interface around it: operands in, a result for each packet; the "
        "unit gets a clock enable",
    )
    parser.add_argument("--json", action="store_true", help="print the manifest")


def run(args: argparse.Namespace) -> None:
    """Write the files."""
    from macwright.costmodel.placement.nextpnr import PLACERS
    from macwright.costmodel.tables.speed import speed_text
    from macwright.sim.generate import write_unit

    if args.point is None:
        spec = _wrappable(_spec(args), args.wrap)
        folders = {args.output or Path("out") / spec.name: spec}
    else:
        folders = _units_of_point(args)
    for folder, spec in folders.items():
        _check_folder(folder, spec, wrap=args.wrap)
    manifests = {
        folder: write_unit(spec, folder, wrap=args.wrap) for folder, spec in folders.items()
    }
    if args.json:
        values = list(manifests.values())
        print(json.dumps(values[0] if args.point is None else values, indent=2))
        return
    for folder, manifest in manifests.items():
        print(f"{folders[folder].name}: {folder / manifest['verilog']['file']}")
        if args.wrap is not None:
            print(f"{manifest['top']}: {folder / manifest['wrapper']['file']}")
        print(f"simulate it with: macwright simulate {folder}")
        if args.technology is not None:
            if speed := speed_text(folders[folder], args.technology):
                print(f"speed: {speed}")
            words = f"{folders[folder].name} --technology {args.technology}"
            words += " --liberty LIB.lib.gz" if args.technology in LIBERTY_NAMES else ""
            placer = PLACERS.get(args.technology)
            words += " --place" if placer is not None and placer.version is not None else ""
            print(f"cost it with: macwright characterize {words}")


def _check_folder(folder: Path, spec: Any, *, wrap: str | None) -> None:
    """Refuse a folder with the Verilog of something else, which a flow would read, too."""
    own = {f"{spec.name}.v", f"cells_{spec.target}.v"}
    own |= set() if wrap is None else {f"{spec.name}_{wrap}.v"}
    others = sorted(path.name for path in folder.glob("*.v") if path.name not in own)
    if others:
        raise RefusedInput(
            f"Folder {str(folder)!r} must be new, or of the same unit, and has {others[0]}: choose "
            "another, or remove that"
        )


def _spec(args: argparse.Namespace) -> Any:
    """Unit of a family and fields, or of a name, of which fields that are given are changed."""
    from macwright.costmodel.tables.unit_names import unit_of_name
    from macwright.costmodel.technology.catalogue import find_technology
    from macwright.hw.pe import FAMILIES, spec_from_fields

    fields = unit_fields(args)
    if args.unit in FAMILIES:
        spec = spec_from_fields(args.unit, fields)
    elif Path(args.unit).is_dir():
        raise RefusedInput(f"Option --point must say which point of the run {args.unit!r} is meant")
    else:
        spec = unit_of_name(args.unit)
        spec = spec_from_fields(spec.family, {**spec.to_fields(), **fields}) if fields else spec
    if args.technology is None:
        return spec
    target = find_technology(args.technology).record.target
    return tuned_unit(spec, target, fields, "--technology")


def _units_of_point(args: argparse.Namespace) -> dict[Path, Any]:
    """Folder and spec of each unit of a point, as they were chosen for its technology and clock."""
    from macwright.dse.run.allocation import read_allocation

    if fields := unit_fields(args):
        raise RefusedInput(f"Field {next(iter(fields))!r} must come with a unit, not with --point")
    if args.technology is not None:
        raise RefusedInput("Option --technology must come with a unit: a point has its own")
    file = Path(args.unit) / "allocations" / f"{args.point}.json"
    if not file.is_file():
        raise RefusedInput(
            f"Point must be one of the run {args.unit!r}, which has no allocations/{file.name}"
        )
    allocation = read_allocation(file)
    root = args.output or Path("out") / f"{Path(args.unit).resolve().name}-units-{args.point}"
    units = [_wrappable(spec, args.wrap) for spec in allocation.units.values()]
    return {root / spec.name: spec for spec in units}


def _wrappable(spec: Any, wrap: str | None) -> Any:
    """The unit with the clock enable by which a wrapper stops it."""
    return spec if wrap is None else replace(spec, en=True)
