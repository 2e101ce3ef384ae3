"""``macwright characterize``: what units cost."""

import argparse
import json
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from macwright.dse.cli.arguments.technology import add_technology_arguments, given_technology
from macwright.dse.cli.arguments.unit import (
    FAMILY_TEXT,
    add_unit_arguments,
    tuned_unit,
    unit_fields,
)
from macwright.hw.errors import RefusedInput

if TYPE_CHECKING:
    import pandas as pd

    from macwright.costmodel.technology.technology import Technology

__all__ = ["EXAMPLE", "HELP", "MORE", "add_arguments", "run"]

HELP = "Cost rows of units: area, LUTs, flip-flops, logic depth, delay, energy."
EXAMPLE = "macwright characterize int_mac --weight int4 --technology ecp5 --tuned"
MORE = FAMILY_TEXT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    add = parser.add_argument
    add(
        "units",
        nargs="*",
        metavar="UNIT",
        help="family, such as int_mac, with fields as below, or a name as tables have it",
    )
    add_unit_arguments(parser)
    add_technology_arguments(parser)
    add = parser.add_argument_group("what is measured").add_argument
    add("--all", action="store_true", help="all units of the registry")
    add("--dsp", action="store_true", help="let the synthesiser use hard multipliers")
    add(
        "--stimulus",
        metavar="NAME",
        help="operands that energy (cell libraries) or the activity index (LUTs) is "
        "measured with: uniform, gauss (the default), relu_gauss, laplace, sparse, "
        "weight_stationary or output_stationary",
    )
    add(
        "--stream",
        type=Path,
        metavar="FILE.npz",
        help="operands of a layer instead: arrays activations (m, k) and weights (k, n), codes "
        "or values on the formats' own scale",
    )
    add(
        "--tuned",
        action="store_true",
        help="give each unit the multiplier and adders that suit the technology, and on an FPGA "
        "(without --dsp, --place or --curve) the smaller of two mappings",
    )
    add(
        "--place",
        action="store_true",
        help="ecp5, ice40: place and route each unit with registered operands (nextpnr, [fpga])",
    )
    add(
        "--curve",
        action="store_true",
        help="points of each unit that no other beats in period, area and energy: final adders, "
        "register stages, mappings for speed (FPGAs: placed)",
    )
    add = parser.add_argument_group("where it runs, and what comes out").add_argument
    add("--jobs", type=int, metavar="N", help="synthesiser processes at once (default: processors)")
    add("--scheduler", metavar="tcp://HOST:PORT", help="run on a Dask cluster ([distributed])")
    add("--json", action="store_true", help="print JSON instead of a table")
    add("-o", "--output", type=Path, metavar="FILE", help="also write the rows as CSV")
    add = parser.add_argument_group("tables of the package").add_argument
    add(
        "--shipped",
        type=Path,
        metavar="DIR",
        help="write the tables that the package ships (all, or --technology) to DIR; rows that "
        "are current stay",
    )
    add(
        "--liberty-dir",
        type=Path,
        metavar="DIR",
        help="with --shipped: where the libraries are, DIR/nangate45*.lib.gz or "
        "DIR/asap7/*.lib.gz; without it their tables keep their current rows alone",
    )


def run(args: argparse.Namespace) -> None:
    """Characterise, print and write."""
    from macwright.costmodel.characterize.layer_energy import read_operands
    from macwright.costmodel.characterize.many import characterize
    from macwright.costmodel.tables.lookup import costs
    from macwright.costmodel.technology.fpga import smallest_mapping
    from macwright.dse.cli.progress import TerminalProgress

    if args.jobs is not None and args.jobs < 1:
        raise RefusedInput(f"Number of jobs must be at least 1, not {args.jobs}")
    if args.stream is not None and args.stimulus is not None:
        raise RefusedInput("Operands must be given by --stimulus or --stream, not both")
    progress = TerminalProgress(args)
    try:
        if args.shipped is not None:
            _ship(args, progress)
            return
        technology = given_technology(args)
        specs = _specs(args)
        if args.tuned:
            target, fields = technology.record.target, unit_fields(args)
            specs = [
                tuned_unit(spec, target, fields if spec.family in args.units else {}, "--tuned")
                for spec in specs
            ]
            if technology.record.kind == "fpga" and not (args.dsp or args.place or args.curve):
                technology = smallest_mapping(technology)
        if (args.stimulus or args.stream) and technology.record.kind == "gates":
            raise RefusedInput("Operands must come with a cell library or an FPGA, not with gates")
        operands = args.stimulus or "gauss"
        if args.stream is not None:
            operands = read_operands(args.stream)
        if args.place or args.curve:
            with _executor(args, len(specs)) as executor:
                rows = _points(args, specs, technology, executor, progress)
            progress.close()
            _print(args, rows)
            return
        with _executor(args, len(specs)) as executor:
            # Where nothing can be mapped the shipped rows are all there is.
            rows = (characterize if technology.mappable else costs)(
                specs,
                technology,
                dsp=args.dsp,
                stimulus=operands,
                jobs=args.jobs,
                executor=executor,
                progress=progress,
            )
    finally:
        progress.close()
    _print(args, rows)


def _print(args: argparse.Namespace, rows: "pd.DataFrame") -> None:
    """Print rows, and write them where the arguments say."""
    from macwright.dse.cli.cost_text import cost_text
    from macwright.dse.run.folder import csv_text
    from macwright.hw.files import write_atomic

    if args.output is not None:
        write_atomic(args.output, csv_text(rows))
    if args.json:
        print(json.dumps(json.loads(rows.to_json(orient="records") or "[]"), indent=2))
    else:
        print(cost_text(rows))


def _points(
    args: argparse.Namespace,
    specs: list[Any],
    technology: "Technology",
    executor: Executor | None,
    progress: Any,
) -> "pd.DataFrame":
    """Points of units, each unit alone or with its other structures."""
    from macwright.costmodel.characterize.points import characterize_points
    from macwright.costmodel.placement.nextpnr import PLACERS
    from macwright.costmodel.tables.nearest import nearest_units
    from macwright.costmodel.tables.points import load_points, points
    from macwright.hw.errors import ToolError

    placer = PLACERS.get(technology.name)
    if args.place and placer is None:
        raise RefusedInput(f"Option --place must come with ecp5 or ice40, not {technology.name}")
    if placer is not None and placer.version is None:
        raise ToolError(placer.missing())
    if technology.energy is None and placer is None and technology.mappable:
        raise RefusedInput(f"Units of {technology.name} have no periods, and so no points")
    if args.stream is not None:
        raise RefusedInput("Option --stream must come without --place and --curve")
    given = {"dsp": args.dsp, "jobs": args.jobs, "executor": executor, "progress": progress}
    if technology.mappable:
        rows = characterize_points(
            specs, technology, curve=args.curve, stimulus=args.stimulus or "gauss", **given
        )
    else:
        rows = points(specs, technology, **given)
    if rows.empty:
        units = load_points(technology.name)["unit"]
        nearest = ", ".join(nearest_units(specs[0], units)) or "none of its family"
        raise ToolError(
            f"Points of {specs[0].name} must ship for {technology.name} (the nearest: {nearest}), "
            "or be made with the library's Liberty files (--liberty FILE)"
        )
    return rows


def _executor(args: argparse.Namespace, count: int) -> AbstractContextManager[Executor | None]:
    """Where to run: a cluster, processes for many units, or threads."""
    from macwright.costmodel.characterize.executors import cluster, local_executor

    return local_executor(count, args.jobs) if args.scheduler is None else cluster(args.scheduler)


def _specs(args: argparse.Namespace) -> list[Any]:
    """Specs that the arguments name."""
    from macwright.costmodel.tables.unit_names import unit_of_name
    from macwright.hw.pe import FAMILIES, spec_from_fields
    from macwright.hw.registry import registry

    fields = unit_fields(args)
    specs = list(registry()) if args.all else []
    for name in args.units:
        if name in FAMILIES:
            specs.append(spec_from_fields(name, fields))
        else:
            specs.append(unit_of_name(name))
    if not specs:
        raise RefusedInput("Units to characterise must be named, or asked for with --all")
    if fields and not any(name in FAMILIES for name in args.units):
        raise RefusedInput(f"Field {next(iter(fields))} must come with a family such as int_mac")
    return specs


def _ship(args: argparse.Namespace, progress: Any) -> None:
    from macwright.costmodel.characterize.executors import MANY
    from macwright.costmodel.tables.lookup import format_table
    from macwright.costmodel.tables.points import POINTED
    from macwright.costmodel.tables.ship import SHIPPED, shipped_rows
    from macwright.hw.files import write_atomic
    from macwright.hw.verilog import generator_sha256

    for name in [args.technology] if args.technology else SHIPPED:
        technology = _shipped_technology(args, name)
        with _executor(args, MANY) as executor:
            rows, new, lacking = shipped_rows(
                technology, jobs=args.jobs, executor=executor, progress=progress
            )
            if name in POINTED:
                _ship_points(args, technology, executor, progress)
        path = args.shipped / f"{name}.csv"
        write_atomic(path, format_table(rows))
        write_atomic(path.with_suffix(".stamp"), generator_sha256() + "\n")
        progress.close()
        print(f"{path}: {len(rows)} units, {new} of them made anew")
        if lacking:
            print(f"  {len(lacking)} units left out, which need the library (--liberty-dir)")


def _ship_points(
    args: argparse.Namespace, technology: "Technology", executor: Executor | None, progress: Any
) -> None:
    from macwright.costmodel.tables.points import format_points, shipped_points
    from macwright.hw.files import write_atomic

    points, new = shipped_points(technology, jobs=args.jobs, executor=executor, progress=progress)
    path = args.shipped / f"{technology.name}_points.csv"
    write_atomic(path, format_points(points))
    progress.close()
    units = points["unit"].nunique()
    print(f"{path}: {len(points)} points of {units} units, {new} of them made anew")


def _shipped_technology(args: argparse.Namespace, name: str) -> "Technology":
    """Technology of a shipped table, mappable if its Liberty files are there."""
    from macwright.costmodel.technology.catalogue import LIBERTY_NAMES, find_technology
    from macwright.costmodel.technology.liberty import liberty_technology

    if args.liberty is not None and args.technology is not None:
        return liberty_technology(args.liberty.split(","), name=name, node_nm=args.node_nm)
    if name in LIBERTY_NAMES and args.liberty_dir is not None:
        folder = args.liberty_dir
        paths = sorted([*folder.glob(f"{name}*.lib*"), *folder.glob(f"{name}/*.lib*")])
        if paths:
            return liberty_technology(paths, name=name)
    return find_technology(name)
