"""Arguments that say what units are mapped to, for every command that maps them."""

import argparse
import sys
from typing import TYPE_CHECKING

from macwright.costmodel.technology.catalogue import find_technology, technology_help
from macwright.hw.errors import RefusedInput

if TYPE_CHECKING:
    from macwright.costmodel.technology.technology import Technology

__all__ = ["add_technology_arguments", "given_technology"]


def add_technology_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--technology`, `--liberty` and `--node-nm`."""
    add = parser.add_argument_group("technology").add_argument
    add("--technology", metavar="T", help=technology_help())
    add("--liberty", metavar="A.lib.gz,B.lib.gz", help="Liberty files of the cell library")
    add(
        "--node-nm",
        type=float,
        metavar="NM",
        help="with --liberty: node of a library with a name of its own, for the memories beside "
        "an array",
    )


def given_technology(args: argparse.Namespace) -> "Technology":
    """Technology that the arguments name.

    Raises
    ------
    ValueError
        If there is no such technology, or it takes no Liberty files.
    """
    from macwright.costmodel.technology.liberty import liberty_technology

    if args.liberty is None:
        if args.node_nm is not None:
            raise RefusedInput("Option --node-nm must come with --liberty")
        return find_technology(args.technology or "gates")
    technology = liberty_technology(
        args.liberty.split(","), name=args.technology or "", node_nm=args.node_nm
    )
    for note in technology.notes:
        print(f"macwright: note: {note}", file=sys.stderr)
    return technology
