"""Arguments that say what a unit is made of, for every command that takes one."""

import argparse
from collections.abc import Mapping
from typing import Any

from macwright.hw.errors import RefusedInput

__all__ = ["add_unit_arguments", "tuned_unit", "unit_fields"]

#: Options whose names are not the fields'.
_ALIASES = {"activation": "act", "accumulator": "acc"}
_FIELDS = ("act", "weight", "acc", "terms", "en", "rst", "pipeline", "multiplier", "target")


def add_unit_arguments(parser: argparse.ArgumentParser) -> None:
    """Add an option for each common field of a unit, and one for all others."""
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


def unit_fields(args: argparse.Namespace) -> dict[str, str]:
    """Fields that the arguments give, as texts for `spec_from_fields`.

    Raises
    ------
    ValueError
        If ``--set`` has no equals sign.
    """
    fields: dict[str, str] = {
        name: getattr(args, name) for name in _FIELDS if getattr(args, name) is not None
    }
    for text in args.set:
        name, sign, value = text.partition("=")
        if not sign:
            raise RefusedInput(f"--set must be given FIELD=VALUE, not {text!r}")
        fields[_ALIASES.get(name) or name] = value
    if "terms" in fields:
        fields.setdefault("acc", "exact")
    return fields


def tuned_unit(spec: Any, target: str, fields: Mapping[str, str], option: str) -> Any:
    """The unit as suits a target, with nothing changed that was asked for.

    Parameters
    ----------
    spec : UnitSpec
        With `fields` in it.
    target : str
        Of a technology's record.
    fields : mapping
        What :func:`unit_fields` returned.
    option : str
        What asked for it, for the refusal.

    Raises
    ------
    RefusedInput
        If the target is suited by another value of one of the fields.
    """
    tuned = spec.tuned(target)
    given, chosen = spec.to_fields(), tuned.to_fields()
    for name in sorted(given.keys() & fields.keys()):
        if given[name] != chosen[name]:
            raise RefusedInput(
                f"Field {name!r} must be left out with {option}, which chooses {chosen[name]}, "
                f"not {given[name]}"
            )
    return tuned
