"""Outside programs and scratch folders that end with us, however we end.

Each program is the head of a process group of its own. A guard process, one for each process of
ours that starts any, reads from a pipe which groups and folders there are. When the pipe closes
without a word of farewell, because we were killed, it kills those groups, and on Linux whatever
else descends from us (found by a variable of its environment), and removes the folders.
"""

import atexit
import contextlib
import fcntl
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from macwright.hw.errors import ToolError

__all__ = ["clean", "kill_programs", "own", "run_program", "scratch_folder"]

#: Variable of the environment that marks what descends from this process.
OWNER = "MACWRIGHT_OWNER"
#: Seconds for which a folder without a lock may be one that is being made.
_FRESH = 60

#: What the guard runs: lines are ``+ GROUP``, ``- GROUP``, ``d FOLDER``, ``r FOLDER``, ``bye``.
_GUARD = """
import os, shutil, signal, sys
for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP): signal.signal(s, signal.SIG_IGN)
owner, groups, folders, bye = sys.argv[1].encode(), set(), set(), False
for line in sys.stdin.buffer:
    word, _, rest = line.rstrip(b"\\n").partition(b" ")
    if word == b"bye": bye = True
    elif word in (b"+", b"-"): (groups.add if word == b"+" else groups.discard)(int(rest))
    else: (folders.add if word == b"d" else folders.discard)(bytes.fromhex(rest.decode()))
def end(kill, number):
    try: kill(number, signal.SIGKILL)
    except OSError: pass
for group in groups: end(os.killpg, group)
for again in range(0 if bye else 2):
    for entry in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        try:
            with open(f"/proc/{entry}/environ", "rb") as file: mine = owner in file.read()
        except OSError: continue
        if entry.isdigit() and int(entry) != os.getpid() and mine: end(os.kill, int(entry))
for folder in folders: shutil.rmtree(folder, ignore_errors=True)
"""


class _Guard:
    """The guard of this process and what it was told."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.groups: set[int] = set()
        self.ending = False
        self.pipe: IO[bytes] | None = None

    def start(self) -> None:
        """Start the guard unless it runs."""
        with self.lock:
            if self.pipe is not None:
                return
            environment = {k: v for k, v in os.environ.items() if k != OWNER}
            name = f"{os.getpid()}-{secrets.token_hex(8)}"
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _GUARD, f"{OWNER}={name}"],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                bufsize=0, cwd="/", env=environment, start_new_session=True,
            )  # fmt: skip
            os.environ[OWNER] = name
            self.pipe = process.stdin
            process.returncode = 0  # it outlives us: nobody waits for it
            atexit.register(_farewell)

    def tell(self, line: str) -> None:
        """Tell the guard; one that was killed, or told farewell, guards nothing any more."""
        self.start()
        with self.lock, contextlib.suppress(OSError, ValueError):
            assert self.pipe is not None
            self.pipe.write(f"{line}\n".encode())


_guard = _Guard()


def _forget() -> None:
    """A forked child has no groups and a guard of its own."""
    global _guard
    if _guard.pipe is not None:
        _guard.pipe.close()
    _guard = _Guard()


os.register_at_fork(after_in_child=_forget)


def own() -> None:
    """See that all that this process starts from now on ends with it."""
    _guard.start()
    _guard.ending = False


def _farewell() -> None:
    """What the user started on purpose, such as a server, outlives an end in order."""
    if _guard.ending:
        return  # the pipe closes with the process, and then the guard kills what is left
    _guard.tell("bye")
    if _guard.pipe is not None:
        with contextlib.suppress(OSError):
            _guard.pipe.close()


def kill_programs() -> None:
    """Kill all programs that run, and refuse to start others: this process is about to end."""
    with _guard.lock:
        _guard.ending = True
        for group in _guard.groups:
            _kill(group)


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def run_program(
    command: Sequence[str],
    *,
    folder: Path | None = None,
    env: Mapping[str, str] | None = None,
    log: IO[bytes] | None = None,
    timeout_s: float | None = None,
) -> "subprocess.CompletedProcess[bytes]":
    """Run a program; it and what it has started end before this function does.

    Parameters
    ----------
    command : sequence of str
        The program and its arguments; no shell sees them.
    folder : Path or None
        Where it runs.
    env : mapping of str to str, optional
        Variables of its environment in place of this process' own.
    log : binary file, optional
        Takes what it says; else both streams are in the result.
    timeout_s : float or None
        Longest time to wait, in seconds.

    Raises
    ------
    TimeoutError
        If it took longer, and was killed.
    ToolError
        If it cannot be started, or this process is about to end.
    """
    _guard.start()
    environment = {**(os.environ if env is None else env), OWNER: os.environ[OWNER]}
    both = subprocess.PIPE if log is None else log
    errors = subprocess.PIPE if log is None else subprocess.STDOUT
    with _guard.lock:
        if _guard.ending:
            raise ToolError(f"{Path(command[0]).name} was not started: macwright is ending")
        try:
            process = subprocess.Popen(
                command, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                start_new_session=True, stdout=both,
                stderr=errors,
            )  # fmt: skip
        except OSError as error:
            reason = error.strerror or error
            raise ToolError(f"{command[0]} cannot be started: {reason}") from None
        _guard.groups.add(process.pid)
        _guard.tell(f"+ {process.pid}")
    try:
        out, err = process.communicate(timeout=timeout_s)
    except BaseException as stopped:
        _kill(process.pid)
        process.communicate()
        if isinstance(stopped, subprocess.TimeoutExpired):
            raise TimeoutError(f"{command[0]} took longer than {timeout_s:g} s") from None
        raise
    finally:
        # A tool that ended may have left others of its group behind.
        _kill(process.pid)
        with _guard.lock:
            _guard.groups.discard(process.pid)
            _guard.tell(f"- {process.pid}")
    if _guard.ending:
        raise ToolError(f"{Path(command[0]).name} was stopped: macwright is ending")
    return subprocess.CompletedProcess(list(command), process.returncode, out, err)


@contextlib.contextmanager
def scratch_folder(place: Path | None = None, prefix: str = "macwright-") -> Iterator[Path]:
    """A folder of our own that is removed at the end, even if we are killed.

    What killed processes left in the same place, where no guard could act, goes first.

    Parameters
    ----------
    place : Path or None
        Where it is made; the system's place for temporary files if None.
    prefix : str
        Beginning of its name.
    """
    place = Path(tempfile.gettempdir()) if place is None else place
    clean(place, prefix)
    folder = Path(tempfile.mkdtemp(prefix=f"{prefix}own-", dir=place)).absolute()
    _guard.tell(f"d {os.fsencode(folder).hex()}")
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)  # what has a lock is in use
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)
        _guard.tell(f"r {os.fsencode(folder).hex()}")


def clean(place: Path, prefix: str = "macwright-") -> None:
    """Remove scratch folders that no process holds; those of others and fresh ones stay."""
    pattern = re.compile(re.escape(prefix) + r"own-\w+")
    with contextlib.suppress(OSError), os.scandir(place) as entries:
        ours = [entry for entry in entries if pattern.fullmatch(entry.name)]
        folders = [entry.path for entry in ours if entry.is_dir(follow_symlinks=False)]
        for name in folders:
            with contextlib.suppress(OSError):
                if time.time() - Path(name).stat().st_mtime >= _FRESH:
                    _remove_unheld(name)


def _remove_unheld(name: str) -> None:
    handle = os.open(name, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(handle).st_uid == os.getuid():
            shutil.rmtree(name, ignore_errors=True)
    finally:
        os.close(handle)
