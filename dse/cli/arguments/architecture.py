"""Arguments of `macwright dse` that say what hardware and which costs."""

import argparse
from typing import Any

from macwright.dse.cli.arguments.limits import parse_limit
from macwright.hw.errors import RefusedInput

__all__ = [
    "add_architecture_arguments",
    "architecture",
    "budgets",
    "clock_settings",
    "objectives",
]


def add_architecture_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the hardware that is chosen together with the formats."""
    add = parser.add_argument_group("hardware").add_argument
    add(
        "--architecture",
        choices=("temporal", "dataflow"),
        help="choose hardware together with the formats: one array for all layers, or an engine "
        "for each",
    )
    add(
        "--device",
        metavar="NAME|FILE.toml",
        help="FPGA that the whole machine must fit, such as lfe5u-85f; what it has are limits, and "
        "without a rate the front is of the rates that fit",
    )
    add(
        "--types",
        type=int,
        metavar="K",
        help="unit types at most: on the array (temporal, default: 2, on a device 1), or of an "
        "allocation without an architecture (default: any)",
    )
    for side in ("rows", "columns"):
        add(f"--array-{side}", metavar="N,N,...", help="temporal: of the array (4,8,16,32)")
    add(
        "--buffers-kib",
        metavar="N,N,...",
        help="temporal: capacities of each of the two buffers (16,64); cell libraries only",
    )
    add(
        "--switched",
        action="append",
        metavar="'UNIT FIELD=VALUE ...'",
        help="temporal: unit whose widths are switched at run time and that may be on chip, such "
        "as 'bitplane_dot lanes=8' (repeatable; default: composable_mac of both variants, "
        "bitplane_dot and serial_mac), or none",
    )
    add(
        "--wide-bits",
        type=int,
        metavar="N",
        help="temporal on a device: bits of the operands of additions and average pools, 4 to 16 "
        "(default: 10): fewer take less activation memory",
    )
    add("--dsp", action="store_true", help="units use the hard multipliers of an FPGA")
    add(
        "--clock-mhz",
        metavar="F,F,...",
        help="clocks to choose from: each unit counts at its cheapest point that meets the clock "
        "(default: 100,200,500,1000 for cells, 25,50,100,200 for ecp5, 25,50,100 for ice40; on a "
        "device what placed machines reach, by their size; where units have no periods, as in "
        "gates and xc7, times are counted at an assumed 200)",
    )
    add(
        "--clock-margin",
        type=float,
        metavar="SHARE",
        help="of its period that a unit must have left (default: 0.05)",
    )


def architecture(args: argparse.Namespace) -> Any:
    """Hardware to choose from, or None."""
    from macwright.costmodel.technology.devices import find_device
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
    if args.types is not None and args.architecture is not None:
        given["types"] = args.types
    if args.wide_bits is not None:
        given["wide_bits"] = args.wide_bits
    if args.switched is not None:
        given["switched"] = () if args.switched == ["none"] else tuple(args.switched)
    if given and args.architecture != "temporal":
        raise RefusedInput(
            "Options --array-rows, --array-columns, --buffers-kib, --wide-bits and --switched must "
            "come with --architecture temporal, and --types not with dataflow"
        )
    if args.device is not None:
        if args.architecture is None:
            raise RefusedInput("Option --device must come with --architecture dataflow or temporal")
        given["device"] = find_device(args.device)
        if args.architecture == "temporal":
            given = {"types": 1, "switched": ()} | given
    if args.architecture is None:
        return None
    return Temporal(**given) if args.architecture == "temporal" else Dataflow(**given)


def clock_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Settings of the clock, checked before anything takes long."""
    fields: dict[str, Any] = {}
    if args.types is not None and args.architecture is None:
        fields["types"] = args.types
    if args.clock_mhz is not None:
        try:
            fields["clocks_mhz"] = tuple(float(part) for part in args.clock_mhz.split(","))
        except ValueError:
            raise RefusedInput(
                f"Option --clock-mhz must be F,F,..., not {args.clock_mhz!r}"
            ) from None
    if args.clock_margin is not None:
        fields["margin"] = args.clock_margin
    return fields


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
