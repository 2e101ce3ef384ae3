"""Presets of ``macwright dse``: sets of options by name, which the user's own options override."""

import argparse
from collections.abc import Mapping, Sequence

from macwright.dse.cli.config import given_options, option_words
from macwright.hw.errors import RefusedInput

__all__ = ["PRESETS", "preset_text", "with_preset"]

#: Options of each preset, as a ``--config`` file has them; all without a default of their own, so
#: that what was given can be told from what was not.
PRESETS: Mapping[str, Mapping[str, str]] = {
    "tiny-fpga": {
        "technology": "ice40",
        "architecture": "temporal",
        "types": "1",
        "switched": "none",
        "weights": "int2,int3,int4",
        "activations": "int4",
        "array-rows": "2,4",
        "array-columns": "2,4",
    },
    "edge-asic": {
        "technology": "nangate45",
        "architecture": "temporal",
        "objective": "energy_uj",
        "weights": "int4,int8",
        "activations": "int8",
        "array-rows": "8,16",
        "array-columns": "8,16",
    },
}


def preset_text() -> str:
    """Every preset with its options, for the help."""
    lines = ["presets, whose options those that are given replace:"]
    for name, options in PRESETS.items():
        lines.append(f"  {name}")
        words = [f"--{option} {value}" for option, value in options.items()]
        lines += [f"    {' '.join(words[k : k + 2])}" for k in range(0, len(words), 2)]
    return "\n".join(lines) + "\n\n"


def with_preset(parser: argparse.ArgumentParser, argv: Sequence[str]) -> list[str]:
    """Words of a command line with the options of its ``--preset`` that are not among them.

    Parameters
    ----------
    parser : ArgumentParser
        Of the command.
    argv : sequence of str
        What follows the name of the command, the words of its ``--config`` file included.

    Raises
    ------
    RefusedInput
        If there is no such preset.
    """
    args = parser.parse_args(argv)
    name = getattr(args, "preset", None)
    if name is None:
        return list(argv)
    if name not in PRESETS:
        raise RefusedInput(f"Option --preset must be one of {', '.join(PRESETS)}, not {name!r}")
    given = given_options(parser, args)
    words = []
    for option, value in PRESETS[name].items():
        if option not in given:
            words += option_words(parser, option, value, f"preset {name}")
    return [*words, *argv]
