"""Arguments that say what a unit is made of, for every command that takes one."""

import argparse
from collections.abc import Mapping
from typing import Any

from macwright.hw.errors import RefusedInput

__all__ = ["FAMILY_HELP", "FAMILY_TEXT", "add_unit_arguments", "tuned_unit", "unit_fields"]

#: Options whose names are not the fields'.
_ALIASES = {"activation": "act", "accumulator": "acc"}
#: Each family: what its units compute, and the name of the one of no other fields.
FAMILY_HELP = {
    "int_mac": ("acc += a * w", "int_mac_int8_int8_int32"),
    "packed_mac": (
        "several products of one activation, one multiplier",
        "packed_mac_2_int8_int4_int32",
    ),
    "minifloat_mac": (
        "acc += a * w of floats, exact or in a float",
        "minifloat_mac_e4m3fn_e4m3fn_fixed47",
    ),
    "dot": ("acc += sum of N products, also of blocks", "dot16_int8_int8_int26"),
    "bitplane_dot": (
        "the same, of 8, 4, 2 or 1 bits at run time",
        "bitplane_dot_16_int8_int8_int32",
    ),
    "shift_add_mac": (
        "low-bit weights, groups with scales",
        "shift_add_mac_int8_int4_g128_int19_uint8_none_int32",
    ),
    "composable_mac": (
        "8x8, 4x4 or 2x2 bits at run time",
        "composable_mac_sum_together_int8_2_int32",
    ),
    "serial_mac": ("weights digit by digit, of any width", "serial_mac_16_int8_int8_s2_int32"),
    "requant": (
        "multiply, shift, round and saturate",
        "requant_int32_uint16_int8_half_even_bias",
    ),
    "hadamard": ("sums and differences of 2 to 256 numbers", "hadamard_16_int8_int12"),
}
#: The same as text below the options.
FAMILY_TEXT = "".join(
    [
        "families, what they compute, and what they are without fields:\n",
        *(f"  {family:15} {what}\n{'':18}{name}\n" for family, (what, name) in FAMILY_HELP.items()),
        "\n",
    ]
)
_FIELDS = ("act", "weight", "acc", "terms", "en", "rst", "pipeline", "multiplier", "target")


def add_unit_arguments(parser: argparse.ArgumentParser) -> None:
    """Add an option for each common field of a unit, and one for all others."""
    add = parser.add_argument_group("fields of the unit, with a family").add_argument
    add(
        "--activation",
        "--act",
        dest="act",
        metavar="FORMAT",
        help="int8, uint4, e4m3fn, mxfp4, ... (all: macwright formats)",
    )
    add("--weight", metavar="FORMAT", help="likewise; defaults are those of the family")
    add(
        "--accumulator",
        "--acc",
        dest="acc",
        metavar="FORMAT",
        help="int32, fixed47, ... or exact, for as many products as --terms says",
    )
    add("--terms", metavar="N", help="products an exact accumulator holds [1024]")
    add("--en", action="store_const", const="true", help="add a clock enable")
    add("--rst", action="store_const", const="true", help="add a reset")
    add("--pipeline", metavar="N", help="register stages before the accumulator")
    add(
        "--multiplier",
        metavar="KIND",
        help="how products are made: infer, baugh_wooley, booth4, rows (of carry chains, with "
        "--target), array or heap, as the family has it",
    )
    add(
        "--target",
        metavar="NAME",
        help="whose primitives are used: generic (none), asic, asic_inverting, ecp5, ice40, xc7",
    )
    add(
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
