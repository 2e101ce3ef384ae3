"""Commands that are killed inside the writing of a file, or share a folder."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.fakes import kill_when
from helpers.paths import SMALL_LIBERTY
from helpers.readers import DSE, READERS, prepare, run

from macwright.hw.files import write_atomic

#: Runs a command, and stops for ever before, or after, the so-manieth file of a name is put into
#: its place.
STOPS = """
import os, re, sys, time
from pathlib import Path
from macwright.dse.cli.main import main

pattern, number, after, real, seen = {pattern!r}, {number}, {after}, Path.replace, []

def stop():
    Path(os.environ["SLEEPER_PIDS"]).write_text(f"{{os.getpid()}}\\n")
    while True:
        time.sleep(60)

def replace(self, target):
    seen.extend([1] * bool(re.search(pattern, str(target))))
    here = len(seen) == number and re.search(pattern, str(target))
    if here and not after:
        stop()
    done = real(self, target)
    if here:
        stop()
    return done

Path.replace = replace
sys.argv = ["macwright", *sys.argv[1:]]
sys.exit(main())
"""

LIBRARY = [*READERS["library"].command, "-o", "table.csv"]
BUILD = ["build", "flow/allocations/0.json", "--model", "tiny.onnx", "-o", "chip"]
EXPORT = ["export", "run", "--point", "0", "--to", "csv", "--model", "tiny.onnx", "-o", "codes"]
MORE = ["dse", "tiny.onnx", *DSE[:-1], "run"]
#: Command, what it is killed at, and the file that says that all is there.
MOMENTS = {
    "first file of a run": (MORE, r"^run/[a-z]", 1, True, "run/run.json"),
    "last file of a run": (MORE, r"run/run\.json$", 1, False, "run/run.json"),
    "cache entry": (LIBRARY, r"/cache/.*\.(json|bytes)$", 2, False, "table.csv"),
    "table": (LIBRARY, r"table\.csv$", 1, False, "table.csv"),
    "third file of a machine": (BUILD, r"chip/", 3, True, "chip/build.json"),
    "last file of a machine": (BUILD, r"chip/build\.json$", 1, False, "chip/build.json"),
    "second table of an export": (EXPORT, r"codes/", 2, True, "codes/tiny-0.csv"),
}
FAST = [("first file of a run", signal.SIGKILL), ("cache entry", signal.SIGKILL)]
FAST += [("table", signal.SIGTERM), ("third file of a machine", signal.SIGKILL)]
CASES = [
    pytest.param(name, number, marks=[] if (name, number) in FAST else pytest.mark.slow)
    for name in MOMENTS
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
]


def contents(folder):
    """Files of a folder that a command left, without hidden ones, by name."""
    files = [p for p in folder.rglob("*") if p.is_file()]
    # Rows say whether they are from the cache.
    raw = {p: p.read_bytes().replace(b",characterised\n", b",cache\n") for p in files}
    names = {p.relative_to(folder).as_posix(): raw[p] for p in files}
    return {n: raw for n, raw in names.items() if not re.search(r"(^|/)\.", n)}


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Folder with inputs, a run, an allocation and a machine."""
    place = tmp_path_factory.mktemp("good")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MACWRIGHT_CACHE", str(place / "cache"))
        prepare(place, ["tables of a run", "allocation", "machine"])
    return place


@pytest.mark.parametrize(("name", "number"), CASES)
def test_killed_while_a_file_is_written(name, number, good, tmp_path, monkeypatch):
    command, pattern, count, after, last = MOMENTS[name]
    work, cache = tmp_path / "work", tmp_path / "cache"
    shutil.copytree(good, work)
    shutil.rmtree(work / "cache")
    monkeypatch.chdir(work)
    before = (work / last).read_bytes() if (work / last).exists() else None
    script = tmp_path / "stops.py"
    script.write_text(STOPS.format(pattern=pattern, number=count, after=after))
    (tmp_path / "tmp").mkdir()
    env = {"MACWRIGHT_CACHE": str(cache), "TMPDIR": str(tmp_path / "tmp")}
    env["SLEEPER_PIDS"] = str(tmp_path / "pids")
    found = kill_when(command, tmp_path / "pids", number, work, env, script)
    assert found.status == (-9 if number == signal.SIGKILL else 128 + number), found.error
    assert found.seconds < 2
    assert not list((tmp_path / "tmp").glob("macwright-own-*"))
    # What says that all is there is not, or, before anything was touched, is that of before.
    left = (work / last).read_bytes() if (work / last).exists() else None
    assert left is None or (left == before and "first" not in name and "third" not in name)
    if "run" in name:
        assert left is None
        assert run(["report", "run"])[0] == 1
    hidden = [p for p in work.rglob(".*") if p.name != ".macwright-writes"]
    if number != signal.SIGKILL:
        assert not hidden
    assert all(p.name.startswith(f".{last.split('/')[-1]}.") for p in hidden)
    # The same command makes all of it, as if nothing had been, and cleans up after an hour.
    for path in [p for p in (*work.rglob(".*"), *cache.rglob(".*")) if p.is_file()]:
        os.utime(path, (0, 0))
    monkeypatch.setenv("MACWRIGHT_CACHE", str(cache))
    status, said, _ = run(command)
    assert status == 0, said
    assert not [p for place in (work, cache) for p in place.rglob(".*")]
    again = contents(work)
    shutil.copytree(good, tmp_path / "undisturbed")
    shutil.rmtree(tmp_path / "undisturbed" / "cache")
    monkeypatch.chdir(tmp_path / "undisturbed")
    assert run(command)[0] == 0
    whole = contents(tmp_path / "undisturbed")
    assert again.keys() == whole.keys()
    same = {n for n in whole if again[n] == whole[n]}
    assert set(whole) - same <= {"run/run.json", "run/report.html"}  # which hold times


def test_what_killed_writers_left_goes_after_an_hour(tmp_path):
    stale, fresh = tmp_path / ".a.csv.abcd_123", tmp_path / ".a.csv.abcd_124"
    others = [tmp_path / name for name in (".a.csv.mine", ".b.csv.abcd_123", "a.csv.abcd_123")]
    for path in (stale, fresh, *others):
        path.write_text("x")
    for path in (stale, *others):
        os.utime(path, (0, 0))
    write_atomic(tmp_path / "a.csv", "1\n")
    assert not stale.exists()
    assert fresh.exists()
    assert all(path.exists() for path in others)


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="needs Linux")
def test_a_second_builder_of_a_folder_waits_for_the_first(good, tmp_path):
    chip = tmp_path / "chip"
    shutil.copytree(good / "chip", chip)
    old = (chip / "build.json").read_bytes()
    command = [*BUILD[:-1], str(chip)]
    (tmp_path / "stops.py").write_text(STOPS.format(pattern="chip/", number=3, after=True))
    env = {**os.environ, "SLEEPER_PIDS": str(tmp_path / "pids")}
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": good}
    first = subprocess.Popen(
        [sys.executable, str(tmp_path / "stops.py"), *command], env=env, **silent
    )
    second = None
    try:
        wait_until((tmp_path / "pids").is_file)
        assert not (chip / "build.json").exists()
        own = [sys.executable, "-m", "macwright", *command, "--interval", "900"]
        second = subprocess.Popen(own, **silent)
        wait_until(
            lambda: re.search(rf"-> FLOCK .* {second.pid} ", Path("/proc/locks").read_text())
        )
        first.kill()
        assert second.wait(30) == 0
    finally:
        for process in filter(None, (first, second)):
            process.kill()
            process.wait()
    fields = json.loads((chip / "build.json").read_text())
    assert fields != json.loads(old)
    for name, digest in fields["files_sha256"].items():
        assert hashlib.sha256((chip / name).read_bytes()).hexdigest() == digest, name


def wait_until(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


#: onnxruntime's own, which it leaves in TMPDIR, is `.ses`.
def environment(place, **changes):
    """Variables of a process without a home, and with a cache that cannot be."""
    (place / "file").write_text("")
    names = ("HOME", "XDG_CACHE_HOME", "MACWRIGHT_CACHE", "TMPDIR")
    env = {k: v for k, v in os.environ.items() if k not in names}
    odd = place / "a \"b\" 'c' $d `e` ü"
    odd.mkdir()
    env |= {"HOME": "/nowhere/at/all", "TMPDIR": str(odd)}
    return {**env, "MACWRIGHT_CACHE": str(place / "file" / "cache"), **changes}, odd


def test_search_without_home_cache_and_plain_places(good, tmp_path):
    env, odd = environment(tmp_path)
    out = odd / "run"
    command = [sys.executable, "-m", "macwright", "dse", "tiny.onnx", *DSE[:-1], str(out)]
    done = subprocess.run(command, cwd=good, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
    assert (out / "front.csv").read_bytes() == (good / "run" / "front.csv").read_bytes()
    assert sorted(p.name for p in odd.iterdir() if p.name != ".ses") == ["run"]


@pytest.mark.slow  # Amaranth's Yosys, which is kept nowhere, is compiled for 12 s
def test_rows_without_home_cache_and_plain_places(good, tmp_path):
    env, odd = environment(tmp_path)
    library = odd / "x y.lib"
    shutil.copy(SMALL_LIBERTY, library)
    command = [*READERS["library"].command[:-1], str(library), "-o", str(odd / "t.csv")]
    command = [sys.executable, "-m", "macwright", *command]
    done = subprocess.run(command, cwd=good, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
    assert Path(odd / "t.csv").read_text().count("\n") == 2
    assert sorted(p.name for p in odd.iterdir() if p.name != ".ses") == ["t.csv", "x y.lib"]
