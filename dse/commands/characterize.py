"""``macwright characterize``: what units cost."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from macwright.dse.unit_arguments import add_unit_arguments, unit_fields

if TYPE_CHECKING:
    import pandas as pd

    from macwright.costmodel.technology import Technology

__all__ = ["EXAMPLE", "HELP", "add_arguments", "run"]

HELP = "Cost rows of units: area, look-up tables, flip-flops, logic depth, delay, energy."
EXAMPLE = "macwright characterize int_mac --weight int4 --activation int8 --technology ecp5"

_SHOWN = (
    "area",
    "luts",
    "carries",
    "ffs",
    "dsps",
    "depth",
    "delay_ns",
    "fmax_mhz",
    "energy_fj_per_mac",
    "glitch_factor",
    "leakage_nw",
    "stimulus",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    add = parser.add_argument
    add(
        "units",
        nargs="*",
        metavar="UNIT",
        help="family, such as int_mac, with fields as below, or a name from the registry",
    )
    add_unit_arguments(parser)
    add(
        "--technology",
        metavar="T",
        help="gates (the default), ecp5, ice40 or xc7; with --liberty the library's name, such as "
        "nangate45, sky130hd, asap7 or ihp130, which have lists of cells not to use",
    )
    add("--liberty", metavar="A.lib.gz,B.lib.gz", help="Liberty files of the cell library")
    add("--dsp", action="store_true", help="let the synthesiser use hard multipliers")
    add(
        "--stimulus",
        metavar="NAME",
        help="operands that energy is measured with, cell libraries only: uniform, gauss (the "
        "default), relu_gauss, laplace, sparse, weight_stationary or output_stationary",
    )
    add("--all", action="store_true", help="all units of the registry")
    add(
        "--tuned",
        action="store_true",
        help="give each unit the multiplier and adders that suit the technology",
    )
    add("--jobs", type=int, metavar="N", help="synthesiser processes at once (default: processors)")
    add("--json", action="store_true", help="print JSON instead of a table")
    add("-o", "--output", type=Path, metavar="FILE", help="also write the rows as CSV")
    add(
        "--shipped",
        type=Path,
        metavar="DIR",
        help="write the tables that the package ships (gates and ecp5, or --technology) to DIR: "
        "the units of the default search, each with the record of its bench",
    )


def run(args: argparse.Namespace) -> None:
    """Characterise, print and write."""
    from macwright.costmodel.characterize import characterize
    from macwright.dse.progress import TerminalProgress
    from macwright.hw.files import write_atomic

    if args.jobs is not None and args.jobs < 1:
        raise ValueError(f"Number of jobs must be at least 1, not {args.jobs}")
    progress = TerminalProgress()
    try:
        if args.shipped is not None:
            _ship(args, progress)
            return
        technology = _technology(args)
        specs = [spec.tuned(technology.name) if args.tuned else spec for spec in _specs(args)]
        if args.stimulus is not None and technology.energy is None:
            raise ValueError(f"Stimulus must come with Liberty files, not with {technology.name}")
        rows = characterize(
            specs,
            technology,
            dsp=args.dsp,
            stimulus=args.stimulus or "gauss",
            jobs=args.jobs,
            progress=progress,
        )
    finally:
        progress.close()
    if args.output is not None:
        write_atomic(args.output, rows.to_csv(index=False, lineterminator="\n"))
    if args.json:
        print(json.dumps(json.loads(rows.to_json(orient="records") or "[]"), indent=2))
    else:
        print(_table(rows))


def _technology(args: argparse.Namespace) -> "Technology":
    """Technology that the arguments name."""
    from macwright.costmodel.flow_liberty import liberty_technology
    from macwright.costmodel.technology import find_technology, technology_names

    if args.liberty is None:
        return find_technology(args.technology or "gates")
    if args.technology in technology_names():
        raise ValueError(f"Liberty files must come with a cell library, not {args.technology}")
    return liberty_technology(args.liberty.split(","), name=args.technology or "")


def _specs(args: argparse.Namespace) -> list[Any]:
    """Specs that the arguments name."""
    from macwright.hw.pe import FAMILIES, spec_from_fields
    from macwright.hw.registry import registry

    fields = unit_fields(args)
    known = {spec.name: spec for spec in registry()}
    specs = list(known.values()) if args.all else []
    for name in args.units:
        if name in FAMILIES:
            specs.append(spec_from_fields(name, fields))
        elif name in known:
            specs.append(known[name])
        else:
            raise ValueError(
                f"Unit must be one of {', '.join(FAMILIES)}, or the name of a unit of the "
                f"registry, not {name!r}"
            )
    if not specs:
        raise ValueError("Units to characterise must be named, or asked for with --all")
    if fields and not any(name in FAMILIES for name in args.units):
        raise ValueError(f"Field {next(iter(fields))} must come with a family such as int_mac")
    return specs


def _ship(args: argparse.Namespace, progress: Any) -> None:
    import pandas as pd

    from macwright.costmodel.characterize import cost_frame
    from macwright.costmodel.default_units import default_units
    from macwright.costmodel.ship import SHIPPED, shipped_rows
    from macwright.costmodel.table import current_rows, format_table
    from macwright.costmodel.technology import find_technology
    from macwright.hw.files import write_atomic
    from macwright.hw.verilog import generator_sha256

    for technology in [args.technology] if args.technology else SHIPPED:
        specs = default_units(technology)
        # A row whose Verilog is still the same stays, with the record of the bench that passed.
        kept = current_rows(specs, find_technology(technology))
        todo = [spec for spec, row in zip(specs, kept, strict=True) if row is None]
        rows = cost_frame([row for row in kept if row is not None])
        if todo:
            made = shipped_rows(technology, specs=todo, jobs=args.jobs, progress=progress)
            rows = pd.concat([rows, made]) if len(rows) else made
        path = args.shipped / f"{technology}.csv"
        write_atomic(path, format_table(rows))
        write_atomic(path.with_suffix(".stamp"), generator_sha256() + "\n")
        progress.close()
        print(f"{path}: {len(rows)} units, {len(todo)} of them made anew")


def _table(rows: "pd.DataFrame") -> str:
    """Text table of the columns that hold anything, and what made it."""
    shown = [name for name in _SHOWN if bool(rows[name].notna().any())]
    shown = [name for name in shown if name != "luts" or not rows["luts"].equals(rows["area"])]
    heads = ["unit", *(f"area [{rows['area_unit'].iloc[0]}]" if n == "area" else n for n in shown)]
    lines = [[*heads, "source"]]
    for row in rows.to_dict("records"):
        lines.append([row["unit"], *(_text(row[name]) for name in shown), row["source"]])
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads) + 1)]
    text = [
        "  ".join(
            cell.ljust(width) if column in (0, len(heads)) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    flows = {
        f"{row['technology']}: {row['flow']}\n({row['tool_versions']})"
        for row in rows.to_dict("records")
    }
    return "\n".join([*text, "", *sorted(flows)])


def _text(figure: Any) -> str:
    """Figure or word in a cell of the table; nothing for an absent one."""
    if isinstance(figure, str):
        return figure
    return "" if figure is None or figure != figure else f"{figure:g}"
