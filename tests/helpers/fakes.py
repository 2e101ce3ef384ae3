"""Outside tools that sleep, and what of a command is left after it was killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

__all__ = ["Killed", "fake_tool", "kill_when"]

#: Sleeps with a child of its own, as Yosys does with ABC and make with g++.
_SLEEPER = """#!/bin/sh
case "$1" in -V|--version) echo "Yosys 0.70 (fake)"; exit;; esac
sleep 600 &
echo $$ $! > "$SLEEPER_PIDS"
wait
"""


class Killed:
    """What became of a command: its status, its words, the seconds it took, and what is left."""

    def __init__(self, status: int, error: str, seconds: float, alive: list[int]) -> None:
        self.status, self.error, self.seconds, self.alive = status, error, seconds, alive


def fake_tool(folder: Path, name: str) -> Path:
    """Folder for PATH with a tool of that name that never ends."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(_SLEEPER)
    (folder / name).chmod(0o755)
    return folder


def is_alive(pid: int) -> bool:
    """Whether a process runs; what waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _as_at_a_terminal() -> None:
    """Signals that a batch system or nohup ignores, and children inherit, end a program again."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def kill_when(
    arguments: Sequence[str],
    mark: Path,
    number: int,
    folder: Path,
    env: dict[str, str],
    script: Path | None = None,
) -> Killed:
    """Start a command, or a script, and signal it once a file holds the ids of what it started."""
    program = ["-m", "macwright"] if script is None else [str(script)]
    process = subprocess.Popen(
        [sys.executable, *program, *arguments], cwd=folder, env={**os.environ, **env},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
        preexec_fn=_as_at_a_terminal,
        start_new_session=True, text=True,
    )  # fmt: skip
    end = time.monotonic() + 30
    while not (mark.is_file() and mark.read_text().endswith("\n")):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end, "the command never came so far"
        time.sleep(0.02)
    others = [int(pid) for pid in mark.read_text().split()]
    assert all(is_alive(pid) for pid in others)
    began = time.monotonic()
    os.kill(process.pid, number)
    _, error = process.communicate(timeout=20)
    seconds = time.monotonic() - began
    while any(is_alive(pid) for pid in others) and time.monotonic() - began < 2:
        time.sleep(0.02)
    alive = [pid for pid in others if is_alive(pid)]
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
    time.sleep(0.1)  # the guard removes folders after it has killed
    return Killed(process.returncode, error, seconds, alive)
