"""Signals and kills: a command ends within two seconds and leaves no process and no folder."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.fakes import fake_tool, kill_when

from macwright.sim import owned

UNIT = ["characterize", "int_mac", "--weight", "int3", "--activation", "int11", "--jobs", "1"]
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)


def places(tmp_path, **more):
    """Environment with folders of the test's own."""
    (tmp_path / "tmp").mkdir(exist_ok=True)
    return {
        "MACWRIGHT_CACHE": str(tmp_path / "cache"),
        "TMPDIR": str(tmp_path / "tmp"),
        "SLEEPER_PIDS": str(tmp_path / "pids"),
        **more,
    }


def check_ended(found, number, tmp_path):
    assert found.status == (-9 if number == signal.SIGKILL else 128 + number), found.error
    assert found.seconds < 2
    assert not found.alive
    assert not list((tmp_path / "tmp").glob("macwright-own-*"))
    assert "Traceback" not in found.error
    if number != signal.SIGKILL:
        last = found.error.splitlines()[-1:]
        assert last == ["macwright: interrupted; the same command resumes"], found.error


@pytest.mark.parametrize("number", ENDING)
def test_synthesis_ends_with_the_command(number, tmp_path):
    tools = fake_tool(tmp_path / "tools", "yosys")
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    env = places(tmp_path, MACWRIGHT_YOSYS="yosys", PATH=path)
    command = [*UNIT, "--technology", "gates"]
    found = kill_when(command, tmp_path / "pids", number, tmp_path, env)
    check_ended(found, number, tmp_path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_simulation_ends_with_the_command(number, tmp_path):
    env = places(tmp_path)
    command = ["generate", "int_mac", "-o", str(tmp_path / "unit")]
    subprocess.run([sys.executable, "-m", "macwright", *command], check=True, env=os.environ | env)
    tools = fake_tool(tmp_path / "tools", "iverilog")
    env["PATH"] = f"{tools}{os.pathsep}{os.environ['PATH']}"
    command = ["simulate", str(tmp_path / "unit"), "--simulator", "icarus"]
    found = kill_when(command, tmp_path / "pids", number, tmp_path, env)
    check_ended(found, number, tmp_path)


BUSY = """
import os, sys, time
from concurrent.futures import ThreadPoolExecutor
from macwright.costmodel.characterize.executors import process_pool
from macwright.dse.cli import formats, main
from macwright.sim.owned import scratch_folder

def work(args):
    with scratch_folder():
        {work}

def forever(args=None):
    while True:
        time.sleep(60)

formats.run = work
if __name__ == "__main__":
    sys.argv = ["macwright", "formats"]
    sys.exit(main.main())
"""


def mark(what):
    return f"open(os.environ['SLEEPER_PIDS'], 'w').write(str({what}) + chr(10))"


WORKS = {
    # An import that makes another error of the interruption, as those of C do.
    "import": [
        *("try:", f"    {mark('os.getpid()')}", "    forever()"),
        *("except KeyboardInterrupt:", "    raise ImportError('initialization failed') from None"),
    ],
    # Where Python ignores what is raised, and says so.
    "destructor": [
        *("class Late:", "    def __del__(self):", f"        {mark('os.getpid()')}"),
        *("        forever()", "Late()", "forever()"),
    ],
    # Code in C that does not hear of signals before it is done.
    "c": ["import ctypes", mark("os.getpid()"), "ctypes.CDLL(None).sleep(600)"],
    "threads": [
        "pool = ThreadPoolExecutor(1)",
        "pool.submit(forever)",
        mark("os.getpid()"),
        "forever()",
    ],
    "processes": [
        *("pool = process_pool(1)", "pool.submit(os.getpid).result()", "(pid,) = pool._processes"),
        *("pool.submit(forever)", mark("pid"), "pool.shutdown()"),
    ],
}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("kind", WORKS)
def test_work_of_our_own_ends(kind, number, tmp_path):
    script = tmp_path / "busy.py"
    script.write_text(BUSY.format(work="\n        ".join(WORKS[kind])))
    found = kill_when([], tmp_path / "pids", number, tmp_path, places(tmp_path), script)
    check_ended(found, number, tmp_path)


POOL = """
import multiprocessing, os
from macwright.costmodel.characterize.executors import process_pool
from macwright.dse.cli.interrupt import end_at_once

if __name__ == "__main__":
    pool = process_pool(1)
    pool.submit(os.getpid).result()
    for child in multiprocessing.active_children():
        child.kill()
    end_at_once(143)
"""


def test_semaphores_of_pools_are_not_left(tmp_path):
    """Python's tracker of them speaks when they are, if not each time: threads may be faster."""
    (tmp_path / "pool.py").write_text(POOL)
    for _ in range(4):
        done = subprocess.run(
            [sys.executable, "pool.py"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (143, "")


def test_the_next_run_cleans_what_it_finds(tmp_path):
    left, fresh = tmp_path / "macwright-own-left", tmp_path / "macwright-own-fresh"
    users = tmp_path / "macwright-notes"
    for folder in (left, fresh, users):
        folder.mkdir()
    hour_ago = time.time() - 3600
    for folder in (left, users):
        os.utime(folder, (hour_ago, hour_ago))
    with owned.scratch_folder(tmp_path) as held:
        os.utime(held, (hour_ago, hour_ago))
        with owned.scratch_folder(tmp_path):
            assert held.is_dir()
    assert sorted(tmp_path.iterdir()) == [users, fresh]


def test_readers_that_have_seen_enough():
    text = "macwright formats | head -1; echo ${PIPESTATUS[0]}"
    done = subprocess.run(
        ["bash", "-c", f"PATH={Path(sys.executable).parent}:$PATH; {text}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] in {"0", "141"}


def test_memory_that_is_not_there(monkeypatch, capsys):
    from macwright.dse.cli import formats, main

    def run(args):
        raise MemoryError

    monkeypatch.setattr(formats, "run", run)
    assert main.main(["formats"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("macwright: error: What was given must fit into the memory")
    assert error.count("\n") == 1
