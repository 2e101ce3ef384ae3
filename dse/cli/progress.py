"""Progress on a terminal."""

import argparse
import os
import shutil
import sys
import time
from typing import Protocol

__all__ = ["Progress", "TerminalProgress", "add_progress_arguments"]

#: Seconds between lines of a stage, and between states of a line that is rewritten.
BETWEEN_LINES, BETWEEN_STATES = 5.0, 0.1


class Progress(Protocol):
    """What long functions call to say how far they are.

    A function that may take over a second takes ``progress: Progress | None = None`` and calls
    ``progress(stage, done, total)`` with a few words, and counts of work done and in all.
    """

    def __call__(self, stage: str, done: int, total: int) -> None: ...


def add_progress_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that say how much of the progress is shown; results and notes do not depend on them.

    They are ``--quiet`` and ``--verbose``.
    """
    group = parser.add_mutually_exclusive_group()
    group.add_argument("-q", "--quiet", action="store_true", help="show no progress")
    group.add_argument(
        "-v", "--verbose", action="store_true", help="progress as lines, also where no terminal is"
    )


class TerminalProgress:
    """One line on stderr, rewritten in place; silent where stderr is no terminal.

    It is no longer than the terminal is wide. A terminal that only takes lines (``TERM=dumb``) gets
    lines, as with `verbose`.

    Parameters
    ----------
    args : argparse.Namespace, optional
        With `quiet`, it is silent; with `verbose`, it writes a line when a stage begins and ends,
        and every few seconds between.

    Examples
    --------
    >>> progress = TerminalProgress(argparse.Namespace(quiet=True, verbose=False))
    >>> progress("synthesis", 1, 20)
    >>> progress.close()
    """

    def __init__(self, args: argparse.Namespace | None = None) -> None:
        quiet = args is not None and args.quiet
        terminal = sys.stderr.isatty() and not quiet
        dumb = terminal and os.environ.get("TERM") == "dumb"
        self._lines = dumb or (args is not None and args.verbose)
        self._live = terminal and not self._lines
        self._width = min(shutil.get_terminal_size((80, 24)).columns - 2, 78)
        self._stage, self._start, self._shown = "", 0.0, 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        if not (self._live or self._lines):
            return
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._start, self._shown = stage, now, -BETWEEN_LINES
        if done < total and now - self._shown < (BETWEEN_LINES if self._lines else BETWEEN_STATES):
            return
        self._shown = now
        spent = now - self._start
        left = f", {spent / done * (total - done):.0f} s left" if 0 < done < total else ""
        text = f"{stage} {done}/{total}{left}"
        line = f"\r{text[: self._width]:<{self._width}}"
        sys.stderr.write(f"{text}\n" if self._lines else line)
        sys.stderr.flush()

    def close(self) -> None:
        """Clear the line."""
        if self._live:
            sys.stderr.write(f"\r{'':<{self._width}}\r")
            sys.stderr.flush()
