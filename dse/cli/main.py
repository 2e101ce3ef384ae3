"""Command line."""

import argparse
import contextlib
import importlib
import os
import re
import signal
import sys
import textwrap
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from macwright.dse.cli.config import add_config_argument, with_config
from macwright.dse.cli.interrupt import (
    end_at_once,
    interrupted_status,
    interruptible,
    was_interrupted,
)
from macwright.dse.cli.presets import with_preset
from macwright.dse.cli.progress import add_progress_arguments
from macwright.hw.errors import MacwrightError, RefusedInput

__all__ = ["main"]

#: Exit status after a defect of macwright: EX_SOFTWARE of sysexits.h.
DEFECT = 70

#: Letters shown of a word of twice as many, and of a sentence.
SHOWN, LONGEST = 60, 1000
#: Columns of help where argparse does not break lines itself.
HELP_WIDTH = 78
#: Shells that completion scripts are written for.
SHELLS = ("bash", "zsh", "tcsh")
#: Sub-commands, in the order of the help; each is a module of macwright.dse.cli with
#: ``add_arguments(parser)``, ``run(args)``, ``HELP``, ``EXAMPLE`` and perhaps ``MORE`` help.
COMMANDS = (
    *("formats", "generate", "simulate", "characterize"),
    *("dse", "solve", "build", "board", "export", "report", "cache", "doctor"),
)
#: Those of them that run WebAssembly.
LIMITED = ("generate", "characterize", "dse", "build")
#: Those that may take long, and say how far they are.
LONG = ("simulate", "characterize", "dse", "solve", "build", "board", "export")


class _Version(argparse.Action):
    """Print the version, which only this option looks up."""

    def __call__(self, parser: argparse.ArgumentParser, *args: Any) -> NoReturn:
        from importlib.metadata import version

        print(f"macwright {version('macwright')}")
        parser.exit()


class _Completion(argparse.Action):
    """Print what makes a shell complete commands, options and file names."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: Any, values: Any, *args: Any
    ) -> NoReturn:
        try:
            import shtab  # type: ignore[import-not-found]
        except ImportError:
            parser.exit(
                1,
                "macwright: error: Completion scripts need shtab: install it with "
                "pip install 'macwright[completion]'\n",
            )
        print(shtab.complete(parser, shell=values))
        parser.exit()


def _parser(commands: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="macwright",
        description="Which number format should each layer of a network use, on which processing "
        "elements, and what does that really cost?",
        epilog="exit status: 0 done, 1 refused (one sentence says why), 2 wrong usage, 70 a "
        "defect of macwright (a traceback to report)",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    parser.add_argument(
        "--completion",
        action=_Completion,
        choices=SHELLS,
        help="print a completion script of this shell and exit ([completion])",
    )
    sub = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    for name in commands:
        module = importlib.import_module(f"macwright.dse.cli.{name}")
        command = sub.add_parser(
            name,
            help=module.HELP,
            description=textwrap.fill(module.HELP, HELP_WIDTH),
            epilog=getattr(module, "MORE", "") + f"example: {module.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        if name in LONG:
            add_progress_arguments(command)
        add_config_argument(command)
        command.set_defaults(run=module.run, parser=command)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    0 done, 1 refused, 2 wrong usage, 70 a defect of macwright (with a traceback).
    """
    program = argv is None
    argv = sys.argv[1:] if argv is None else list(argv)
    # Before NumPy is first imported: its threads would wait for each other where ours already use
    # all cores, and the last digits of results would depend on their number.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Only the command that runs is imported: `macwright formats` should not wait for OR-Tools.
    named = bool(argv) and argv[0] in COMMANDS
    parser = _parser(argv[:1] if named else COMMANDS)
    try:
        with interruptible(program=program):
            if named and "--config" in " ".join(argv):
                argv = [argv[0], *with_config(_command(parser, argv[0]), argv[1:])]
            args = parser.parse_args(argv)
            if getattr(args, "preset", None) is not None:
                words = with_preset(_command(parser, args.command), argv[1:])
                args = parser.parse_args([args.command, *words])
            if args.config is not None:
                # An abbreviation, which was not replaced by what is in the file.
                raise RefusedInput("Option --config must be written out, not abbreviated")
            _say_what_limits(argv[0])
            status = args.run(args) or 0
            sys.stdout.flush()
            return status
    except BrokenPipeError:
        # Whoever read the output, such as `head`, has seen enough.
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # Python flushes it at its end
        return 128 + signal.SIGPIPE
    except MemoryError:
        print(
            "macwright: error: What was given must fit into the memory there is; take a smaller "
            "network, less data or fewer --jobs",
            file=sys.stderr,
        )
        return 1
    except (MacwrightError, OSError) as error:
        if was_interrupted():
            return _interrupted(program=program)
        if os.environ.get("MACWRIGHT_TRACEBACK"):
            raise
        # The user's input is at fault: one line that says what to change, and no traceback.
        print(f"macwright: error: {_short(' '.join(_reason(error).split()))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return _interrupted(program=program)
    except Exception:
        if was_interrupted():  # which code in C, such as an import, made another error of
            return _interrupted(program=program)
        traceback.print_exc()
        print(
            "macwright: this is a defect of macwright, not of what it was given: please report it "
            "with the command and the lines above",
            file=sys.stderr,
        )
        return DEFECT


def _interrupted(*, program: bool) -> int:
    """Status after an interruption, which ends the program.

    Python would end it by SIGINT instead, whatever the status, where code in C had called Python
    when the interruption came. The guard does what is left to do.
    """
    status = interrupted_status()
    if program:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        end_at_once(status)
    return status


def _say_what_limits(command: str) -> None:
    """Say that a limit of addresses makes a command slower."""
    if command not in LIMITED:
        return
    from macwright.hw.wasm import ROOMY_BYTES, is_address_space_small

    if is_address_space_small():
        print(
            f"macwright: note: addresses are limited (ulimit -v) to less than {ROOMY_BYTES >> 30} "
            "GiB, so that Verilog and transitions take somewhat longer; results are the same",
            file=sys.stderr,
        )


def _command(parser: argparse.ArgumentParser, name: str) -> argparse.ArgumentParser:
    """Parser of a command."""
    (commands,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return commands.choices[name]


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.strerror}: {os.fspath(error.filename)!r}"
    return str(error if isinstance(error, OSError) or not error.args else error.args[0])


def _short(sentence: str) -> str:
    """A sentence with words that nobody reads to their end cut."""
    cut = re.sub(rf"(\S{{{SHOWN}}})\S{{{SHOWN},}}", r"\1...", sentence)
    return cut if len(cut) <= LONGEST else f"{cut[:LONGEST]}..."
