"""Options of a command from a file: a TOML table, or run.json of an earlier run."""

import argparse
import difflib
import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from macwright.hw.errors import RefusedInput

__all__ = ["add_config_argument", "given_options", "option_words", "with_config"]

#: Options that say where and how, not what: a run's own are not taken over from run.json.
NOT_KEPT = ("config", "out", "json", "help")


def add_config_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--config``, which :func:`with_config` replaces before the options are read."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help='options from a TOML file (technology = "ecp5", weights = ["int4", "int8"]) or from '
        "run.json of an earlier run; those given here count more",
    )


def with_config(parser: argparse.ArgumentParser, argv: Sequence[str]) -> list[str]:
    """Words of a command line, those of its ``--config`` file in front of the others.

    Parameters
    ----------
    parser : ArgumentParser
        Of the command.
    argv : sequence of str
        What follows the name of the command.

    Raises
    ------
    RefusedInput
        If the file cannot be read, or holds what the command has no option for; if there are
        several files.
    """
    only = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    only.add_argument("--config", type=Path, action="append", default=[])
    try:
        known, rest = only.parse_known_args(argv)
    except argparse.ArgumentError:
        return list(argv)  # the command's own parser says what is wrong
    if not known.config:
        return list(argv)
    if len(known.config) > 1:
        raise RefusedInput(f"Option --config must be given once, not {len(known.config)} times")
    (path,) = known.config
    words: list[str] = []
    for name, value in _read(path).items():
        action = _action(parser, name, path)
        if action.option_strings:
            words += _words(action, name, value, path)
        else:
            action.default = _text(value, name, path)
    return [*words, *rest]


def given_options(parser: argparse.ArgumentParser, args: argparse.Namespace) -> dict[str, Any]:
    """What was given, by the names of options that a ``--config`` file has: defaults are absent.

    What such a file gave was given; the default of an argument without dashes is then the file's.
    """
    given = {}
    for action in parser._actions:
        name, value = _name(action), getattr(args, action.dest, None)
        if name in NOT_KEPT or value in (None, []):
            continue
        if action.option_strings and value == action.default:
            continue
        given[name] = str(value) if isinstance(value, Path) else value
    return given


def option_words(
    parser: argparse.ArgumentParser, name: str, value: Any, place: str | Path
) -> list[str]:
    """Words of one option, by its name in files; `place` is where it stands, for the refusal."""
    return _words(_action(parser, name, Path(place)), name, value, Path(place))


def _read(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
        table = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        kind = "JSON" if path.suffix == ".json" else "TOML"
        raise RefusedInput(f"File {str(path)!r} must be {kind}: {error}") from None
    if path.suffix == ".json":
        table = table.get("options") if isinstance(table, dict) else None
        if not isinstance(table, dict):
            raise RefusedInput(
                f"File {str(path)!r} must be run.json of a run, with its options, not other JSON"
            )
    return table


def _name(action: argparse.Action) -> str:
    """Name in a file: the long form of an option without its dashes."""
    if not action.option_strings:
        return action.dest
    return max(action.option_strings, key=len).lstrip("-")


def _action(parser: argparse.ArgumentParser, name: str, path: Path) -> argparse.Action:
    # Required arguments are given on the command line itself.
    actions = {
        _name(action): action
        for action in parser._actions
        if (action.option_strings or action.nargs == "?")
        and _name(action) not in ("help", "config")
    }
    try:
        return actions[name.replace("_", "-") if name not in actions else name]
    except KeyError:
        near = difflib.get_close_matches(name.replace("_", "-"), actions, 1)
        raise RefusedInput(
            f"Option {name!r} of {str(path)!r} must be one of the command"
            + (f", such as {near[0]!r}" if near else f": {', '.join(sorted(actions))}")
        ) from None


def _words(action: argparse.Action, name: str, value: Any, path: Path) -> list[str]:
    flag = max(action.option_strings, key=len)
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise RefusedInput(
                f"Option {name!r} of {str(path)!r} must be true or false, not {value!r}"
            )
        return [flag] if value else []
    if isinstance(value, list):
        parts = [_text(part, name, path) for part in value]
        if isinstance(action, argparse._AppendAction):
            return [f"{flag}={part}" for part in parts]
        if action.nargs in ("+", "*"):
            return [flag, *parts]
        return [f"{flag}={','.join(parts)}"]
    return [f"{flag}={_text(value, name, path)}"]


def _text(value: Any, name: str, path: Path) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RefusedInput(
            f"Option {name!r} of {str(path)!r} must be a text or a number, not {value!r}"
        )
    return str(value)
