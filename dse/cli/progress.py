"""Progress on a terminal."""

import sys
import time
from typing import Protocol

__all__ = ["Progress", "TerminalProgress"]


class Progress(Protocol):
    """What long functions call to say how far they are.

    A function that may take over a second takes ``progress: Progress | None = None`` and calls
    ``progress(stage, done, total)`` with a few words, and counts of work done and in all.
    """

    def __call__(self, stage: str, done: int, total: int) -> None: ...


class TerminalProgress:
    """One line on stderr, rewritten in place; silent where stderr is no terminal.

    Examples
    --------
    >>> progress = TerminalProgress()
    >>> progress("synthesis", 1, 20)
    >>> progress.close()
    """

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._stage, self._start, self._shown = "", 0.0, 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        if not self._live:
            return
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._start, self._shown = stage, now, 0.0
        if done < total and now - self._shown < 0.1:
            return
        self._shown = now
        spent = now - self._start
        left = f", {spent / done * (total - done):.0f} s left" if 0 < done < total else ""
        sys.stderr.write(f"\r{f'{stage} {done}/{total}{left}':<78}")
        sys.stderr.flush()

    def close(self) -> None:
        """Clear the line."""
        if self._live:
            sys.stderr.write(f"\r{'':<78}\r")
            sys.stderr.flush()
