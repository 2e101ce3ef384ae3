"""Arguments that say what units are mapped to, for every command that maps them."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from macwright.costmodel.technology.technology import Technology

__all__ = ["add_technology_arguments", "given_technology"]


def add_technology_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--technology` and `--liberty`."""
    parser.add_argument(
        "--technology",
        metavar="T",
        help="gates (the default), ecp5, ice40 or xc7; nangate45, sky130hd, asap7 or ihp130, "
        "with --liberty or for the units whose rows ship; with --liberty any name",
    )
    parser.add_argument(
        "--liberty", metavar="A.lib.gz,B.lib.gz", help="Liberty files of the cell library"
    )


def given_technology(args: argparse.Namespace) -> "Technology":
    """Technology that the arguments name.

    Raises
    ------
    ValueError
        If there is no such technology, or it takes no Liberty files.
    """
    from macwright.costmodel.technology.catalogue import find_technology, technology_names
    from macwright.costmodel.technology.liberty import liberty_technology

    if args.liberty is None:
        return find_technology(args.technology or "gates")
    if args.technology in technology_names():
        raise ValueError(f"Liberty files must come with a cell library, not {args.technology}")
    return liberty_technology(args.liberty.split(","), name=args.technology or "")
