"""``macwright formats``: what each number format can represent."""

import argparse
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from macwright.hw.formats import Format

__all__ = ["EXAMPLE", "HELP", "add_arguments", "describe", "run"]

HELP = "What each number format can represent."
EXAMPLE = "macwright formats int4 e2m1fn e4m3fn mxfp4"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="formats to show, also those that the list without names leaves out: int1 ... int64, "
        "uint1 ..., intNsym, intNqF (fixed point), potN, apotN, eEmM (infinities and NaN), eEmMfin "
        "(every code a number), eEmMwp, bfpNxBLOCK",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(args: argparse.Namespace) -> None:
    """Print the table."""
    from macwright.hw.formats import FORMAT_NAMES, parse_format

    rows = [describe(parse_format(name)) for name in args.names or FORMAT_NAMES]
    if args.json:
        print(json.dumps(rows, indent=2))
    else:
        print(_table(rows))


def describe(fmt: "Format") -> dict[str, Any]:
    """Properties of a format, ready for JSON.

    Parameters
    ----------
    fmt : Format
        Of any class.

    Returns
    -------
    dict
        `name`, `bits` (of a code word), `levels` (finite values), `max`, `min`,
        `smallest_positive`, `specials` (list of "inf", "nan", "-0"), `bits_per_value` (scales
        included), `block` (values that share a scale) and `aliases`.
    """
    from macwright.hw.formats import BlockFormat, FloatFormat, aliases

    element = fmt.element if isinstance(fmt, BlockFormat) else fmt
    specials = ["inf"] * element.has_inf + ["nan"] * element.has_nan
    if isinstance(element, FloatFormat) and element.has_negative_zero:
        specials.append("-0")
    return {
        "name": str(fmt),
        "bits": fmt.width,
        "levels": fmt.level_count,
        "max": fmt.max,
        "min": fmt.min,
        "smallest_positive": element.smallest_positive,
        "specials": specials,
        "bits_per_value": fmt.bits_per_value,
        "block": fmt.block,
        "aliases": aliases(fmt),
    }


def _table(rows: list[dict[str, Any]]) -> str:
    heads = ("name", "bits", "levels", "min", "max", "smallest > 0", "specials", "bits/value")
    lines: list[tuple[str, ...]] = [(*heads, "also")]
    for row in rows:
        shown = (row[key] for key in ("levels", "min", "max", "smallest_positive"))
        lines.append(
            (
                row["name"],
                str(row["bits"]),
                *(_short(number) for number in shown),
                " ".join(row["specials"]) or "none",
                _short(row["bits_per_value"]),
                " ".join(row["aliases"]),
            )
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    left = {0, 6, 8}
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _short(number: float) -> str:
    """Number in at most about ten characters; integers up to 10 million in full."""
    return str(int(number)) if number == int(number) and abs(number) < 1e7 else f"{number:.5g}"
