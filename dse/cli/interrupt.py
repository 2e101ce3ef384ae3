"""Signals that end a command: within two seconds, with nothing left, whatever runs."""

import contextlib
import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from multiprocessing import util
from types import FrameType
from typing import NoReturn

from macwright.sim.owned import kill_programs, own

__all__ = ["end_at_once", "interrupted_status", "interruptible", "was_interrupted"]

#: Seconds that the main thread has to end in order; arithmetic in C does not hear signals.
GRACE = 1.2
#: Signals that ask a command to end.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_received: list[int] = []
_said = threading.Lock()


def interrupted_status() -> int:
    """Exit status after an interruption, 128 and the signal; says once what to do."""
    if _said.acquire(blocking=False):
        print("macwright: interrupted; the same command resumes", file=sys.stderr, flush=True)
    return 128 + (_received[0] if _received else signal.SIGINT)


def was_interrupted() -> bool:
    """Whether a signal has come since the command began."""
    return bool(_received)


def _raise(number: int, frame: FrameType | None) -> None:
    if not _received:  # a second one would only disturb what the first has begun
        _received.append(number)
        raise KeyboardInterrupt


def _watch(heard: socket.socket, done: threading.Event) -> None:
    """End the process soon after the first signal, even if its main thread does not hear it."""
    numbers = b""
    while not done.is_set():
        try:
            numbers = heard.recv(64)
        except OSError:
            return
        if not numbers:
            return
        if any(number in ENDING for number in numbers):
            break
    kill_programs()
    for child in multiprocessing.active_children():
        child.kill()
    if not done.wait(GRACE):
        with contextlib.suppress(Exception):
            _received[:] = _received or [n for n in numbers if n in ENDING][:1]
            end_at_once(interrupted_status())
        os._exit(130)


def end_at_once(status: int) -> NoReturn:
    """End the process without Python's own end, but for the semaphores of pools.

    Those would stay, and Python's tracker of them would say so.
    """
    with contextlib.suppress(Exception):
        util._run_finalizers(0)  # type: ignore[attr-defined]
    os._exit(status)


@contextlib.contextmanager
def _quiet(*, program: bool) -> Iterator[None]:
    """Say nothing of an interruption that came where Python ignores errors, as in `__del__`.

    The watcher ends the process then.
    """
    before = sys.unraisablehook

    def hook(ignored: "sys.UnraisableHookArgs") -> None:
        if not (_received and issubclass(ignored.exc_type, KeyboardInterrupt)):
            before(ignored)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        if not (program and _received):
            sys.unraisablehook = before


@contextlib.contextmanager
def interruptible(*, program: bool) -> Iterator[None]:
    """While a command runs in the main thread, let signals end it; ignored ones stay ignored.

    Parameters
    ----------
    program : bool
        Whether the process ends with the command: after a signal it then ends in time even if
        threads of it are still busy.
    """
    if _said.locked():
        _said.release()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    own()
    _received.clear()
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    before = {n: signal.getsignal(n) for n in ENDING}
    handled = {n: handler for n, handler in before.items() if handler is not signal.SIG_IGN}
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(ours, done), daemon=True)
    watcher.start()
    wakeup = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    for number in handled:
        signal.signal(number, _raise)
    try:
        with _quiet(program=program):
            yield
    finally:
        if not (program and _received):  # else what is left ends within GRACE
            done.set()
            for number, handler in handled.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(wakeup)
            theirs.close()
            watcher.join()
            ours.close()
