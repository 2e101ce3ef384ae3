"""Arguments of `macwright dse` that say what hardware and which costs."""

import argparse
from typing import Any

from macwright.dse.cli.arguments.limits import parse_limit
from macwright.hw.errors import RefusedInput

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
    if args.architecture is None:
        return None
    return Temporal(**given) if args.architecture == "temporal" else Dataflow(**given)


def objectives(args: argparse.Namespace) -> dict[str, str]:
    """Settings of the objectives."""
    names = args.objective or []
    if len(names) > 2:
        raise RefusedInput(f"Objectives must be one or two costs, not {len(names)}")
    return dict(zip(("objective", "second"), names, strict=False))


def budgets(args: argparse.Namespace) -> tuple[Any, ...]:
    """Limits that the arguments give."""
    from macwright.dse.solver import Budget

    limits = []
    for text in args.budget:
        name, sign, value = parse_limit(text, "Budget")
        limits.append(Budget(name, max=value) if sign == "<=" else Budget(name, min=value))
    return tuple(limits)
