"""What a command shows in terminals, dumb and narrow ones, in tmux and in a pipe."""

import fcntl
import os
import pty
import re
import shlex
import shutil
import struct
import subprocess
import sys
import termios
import time

import pytest

COMMAND = [sys.executable, "-m", "macwright", "characterize", "--technology", "gates"]
UNITS = ["int_mac_int2_int2_int6", "int_mac_int3_int2_int7"]


def in_terminal(folder, term, columns):
    """What a terminal gets of a command that synthesises two units, and its exit status."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    env |= {"TERM": term, "MACWRIGHT_CACHE": str(folder / "cache")}
    process = subprocess.Popen([*COMMAND, *UNITS], stdin=its, stdout=its, stderr=its, env=env)
    os.close(its)
    parts = []
    while True:
        try:
            parts.append(os.read(ours, 4096))
        except OSError:  # the last process that had it open has ended
            break
        if not parts[-1]:
            break
    os.close(ours)
    return b"".join(parts).decode().replace("\r\n", "\n"), process.wait()


def test_a_terminal_has_a_line_that_is_rewritten_and_goes(tmp_path):
    text, status = in_terminal(tmp_path, "xterm-256color", 80)
    assert status == 0
    states = [part.strip() for part in text.split("\r")]
    assert any(re.match(r"synthesis for gates \d/2", state) for state in states)
    assert "\x1b" not in text
    # Before the table stands a line of blanks: nothing of the progress is left.
    before, table = text.rsplit("\r", 1)
    assert before.rsplit("\r", 1)[1].strip() == ""
    assert table.splitlines()[0].split()[0] == "area"


def test_a_narrow_terminal_has_no_longer_lines(tmp_path):
    text, status = in_terminal(tmp_path, "xterm", 42)
    assert status == 0
    lines = [line for part in text.split("\r") for line in part.splitlines()]
    assert max(len(line) for line in lines if len(line.split()) > 4) <= 42
    assert max(len(part) for part in text.split("\r")[:-1]) <= 42


def test_a_dumb_terminal_gets_lines(tmp_path):
    text, status = in_terminal(tmp_path, "dumb", 80)
    assert status == 0
    assert "\r" not in text
    assert "\x1b" not in text
    assert text.startswith("synthesis for gates 0/2\n")
    assert "synthesis for gates 2/2\n" in text


def test_a_pipe_gets_the_table_alone(tmp_path):
    env = {**os.environ, "MACWRIGHT_CACHE": str(tmp_path), "COLUMNS": "80", "TERM": "xterm"}
    done = subprocess.run([*COMMAND, *UNITS], capture_output=True, text=True, env=env, check=True)
    assert done.stderr == ""
    assert done.stdout.splitlines()[0].split()[0] == "area"
    assert not {"\r", "\x1b"} & set(done.stdout)


def test_tmux_shows_the_table_and_nothing_of_the_progress(tmp_path):
    if shutil.which("tmux") is None:
        pytest.skip("needs tmux")
    tmux = ["tmux", "-S", str(tmp_path / "socket"), "-f", "/dev/null"]
    words = ["env", "-u", "COLUMNS", f"MACWRIGHT_CACHE={tmp_path / 'cache'}", *COMMAND, *UNITS]
    script = f"{shlex.join(words)}; echo status $?; sleep 300"
    subprocess.run([*tmux, "new-session", "-d", "-x", "80", "-y", "40", script], check=True)
    try:
        screen, end = "", time.monotonic() + 120
        while "status" not in screen and time.monotonic() < end:
            time.sleep(0.2)
            screen = subprocess.run(
                [*tmux, "capture-pane", "-p"], capture_output=True, text=True, check=True
            ).stdout
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)
    lines = [line.rstrip() for line in screen.rstrip().splitlines()]
    assert lines[0].split()[0] == "area"
    assert lines[-1] == "status 0"
    assert "synthesis" not in screen
    assert [line for line in lines if line in UNITS] == UNITS
