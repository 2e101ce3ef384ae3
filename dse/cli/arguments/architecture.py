"""Arguments of `macwright dse` that say what hardware and which costs."""

import argparse
from typing import TYPE_CHECKING, Any

from macwright.dse.cli.arguments.limits import parse_limit
from macwright.hw.errors import RefusedInput

if TYPE_CHECKING:
    from macwright.costmodel.technology.record import TechnologyRecord

__all__ = ["add_architecture_arguments", "architecture", "budgets", "objectives"]


def add_architecture_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the hardware that is chosen together with the formats."""
    parser.add_argument(
        "--architecture",
        choices=("temporal", "dataflow"),
        help="choose hardware together with the formats: one array for all layers, or an engine "
        "for each",
    )
    parser.add_argument(
        "--types", type=int, metavar="K", help="temporal: unit types on chip at most (default: 2)"
    )
    for side in ("rows", "columns"):
        parser.add_argument(
            f"--array-{side}", metavar="N,N,...", help="temporal: of the array (4,8,16,32)"
        )
    parser.add_argument(
        "--buffers-kib",
        metavar="N,N,...",
        help="temporal: capacities of each of the two buffers (16,64); cell libraries only",
    )
    parser.add_argument(
        "--switched",
        action="append",
        metavar="'UNIT FIELD=VALUE ...'",
        help="temporal: unit whose widths are switched at run time and that may be on chip, such "
        "as 'bitplane_dot lanes=8' (repeatable; default: composable_mac of both variants, "
        "bitplane_dot and serial_mac), or none",
    )
    parser.add_argument(
        "--dsp", action="store_true", help="units use the hard multipliers of an FPGA"
    )
    parser.add_argument(
        "--clock-mhz", type=float, metavar="F", help="of the architecture (default: 200)"
    )


def architecture(args: argparse.Namespace) -> Any:
    """Hardware to choose from, or None."""
    from macwright.dse.settings import Dataflow, Temporal

    lists = (("array_rows", "rows", int), ("array_columns", "columns", int))
    lists += (("buffers_kib", "buffers_kib", float),)
    given: dict[str, Any] = {}
    for option, name, kind in lists:
        text = getattr(args, option)
        if text is not None:
            try:
                given[name] = tuple(kind(part) for part in text.split(","))
            except ValueError:
                flag = f"--{option.replace('_', '-')}"
                raise RefusedInput(f"Option {flag} must be N,N,..., not {text!r}") from None
    if args.types is not None:
        given["types"] = args.types
    if args.switched is not None:
        given["switched"] = () if args.switched == ["none"] else tuple(args.switched)
    if given and args.architecture != "temporal":
        raise RefusedInput(
            "Options --types, --array-rows, --array-columns, --buffers-kib and --switched must "
            "come with --architecture temporal"
        )
    if args.clock_mhz is not None:
        if args.architecture is None:
            raise RefusedInput("Option --clock-mhz must come with --architecture")
        given["clock_mhz"] = args.clock_mhz
    if args.time_limit is not None and not args.time_limit > 0:
        raise RefusedInput(f"Time limit must be above 0 seconds, not {args.time_limit}")
    if args.architecture is None:
        return None
    return Temporal(**given) if args.architecture == "temporal" else Dataflow(**given)


def _columns(args: argparse.Namespace, technology: "TechnologyRecord") -> dict[str, str]:
    """Names of cost columns that a run of this architecture can have, and what they stand for."""
    from macwright.dse.architecture.hardware import FRAME, LATENCY
    from macwright.dse.search.options import COSTS

    gone = {"energy_uj"} if not technology.energy else set()
    if args.architecture is None:
        return {name: name for name in COSTS if name not in gone}
    rate = LATENCY if args.architecture == "temporal" else FRAME
    area = "luts" if technology.area_unit == "luts" else "area"
    names = ["bops", "weight_bytes", "energy_uj", "area", "luts", LATENCY]
    if args.architecture == "dataflow":
        names += [FRAME, "dsps"] if args.dsp else [FRAME]
    known = {name: name for name in names if name not in gone} | {"throughput_fps": rate}
    # An FPGA's area is its LUTs.
    return known | {"area": area}


def objectives(args: argparse.Namespace, technology: "TechnologyRecord") -> tuple[str, str | None]:
    """Cost columns, checked before anything takes long."""
    columns = _columns(args, technology)
    default = "area" if args.architecture else "area_time"
    names = args.objective or [default]
    if len(names) > 2:
        raise RefusedInput(f"Objectives must be one or two costs, not {len(names)}")
    for name in names:
        if name not in columns:
            raise RefusedInput(f"Objective must be one of {', '.join(columns)}, not {name!r}")
    names = [columns[name] for name in names]
    if len(set(names)) < len(names):
        raise RefusedInput(f"Objectives must be different, not {names[0]!r} twice")
    return names[0], names[1] if len(names) > 1 else None


def budgets(args: argparse.Namespace, technology: "TechnologyRecord") -> tuple[Any, ...]:
    """Budgets, checked before anything takes long."""
    from macwright.dse.search.front import throughput_limits
    from macwright.dse.solver import Budget

    columns = _columns(args, technology) | {"loss": "loss"}
    found = []
    for text in args.budget:
        name, sign, value = parse_limit(text, "Budget")
        if name not in columns:
            raise RefusedInput(f"Budget column must be one of {', '.join(columns)}, not {name!r}")
        column = name if name == "throughput_fps" else columns[name]
        one = Budget(column, max=value) if sign == "<=" else Budget(column, min=value)
        found.append(one)
    return throughput_limits(found, columns.get("throughput_fps", ""))
