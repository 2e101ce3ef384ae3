"""Killed commands: how many leave a process or a folder, or a file that is not whole.

    python benchmarks/kills.py [--kills 120] [--seed N] [--write]

A command gets SIGKILL, SIGTERM, SIGINT or SIGHUP at a random moment of the time that it takes when
nothing stops it, until so many signals came while commands ran. Within 2 s it must have ended, with
the status of the signal; no process of it may run, no scratch folder may be left, and every file
that says that all is there must be right: `run.json` with its tables, `build.json` with the digests
of its files, a table with its rows, entries of the cache with their digests. Then the same command
must succeed where it was killed.
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from section import write_section

from macwright.costmodel.cache import Cache, cached_files

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from helpers.readers import (  # type: ignore[import-not-found]  # noqa: E402
    DSE,
    LIBRARY,
    environment,
    prepare,
)

#: By name, the command, whose results are in `out`.
COMMANDS = {
    "dse": ["dse", "tiny.onnx", *DSE],
    "characterize": [*LIBRARY, "small.lib", "-o", "out/table.csv"],
    "build": ["build", "flow/allocations/0.json", "--model", "tiny.onnx", "-o", "out"],
    "export": ["export", "run", "--point", "0", "--to", "csv", "--model", "tiny.onnx", "-o", "out"],
    "simulate": ["simulate", "chip", "--images", "1", "--simulator", "icarus"],
}
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
ENDED = "had ended before"
GOOD = ("ended in order", ENDED, "outside handlers")


def alive(mark: str) -> list[int]:
    """Processes with a text in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and mark.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
    return found


def damage(out: Path) -> str | None:
    """What is wrong with the files of an output folder, as far as they say that they are there."""
    try:
        if (out / "run.json").exists():
            json.loads((out / "run.json").read_text())
            for name in ("front.csv", "layers.csv", "costs.csv", "options.csv", "report.html"):
                if not (out / name).read_text().endswith("\n"):
                    return f"{name} is cut"
        if (out / "build.json").exists():
            fields = json.loads((out / "build.json").read_text())
            for name, digest in fields["files_sha256"].items():
                if hashlib.sha256((out / name).read_bytes()).hexdigest() != digest:
                    return f"{name} is not of this machine"
        if (out / "table.csv").exists() and (out / "table.csv").read_text().count("\n") != 2:
            return "table.csv is cut"
        if (out / "tiny-0.csv").exists():
            for line in (out / "tiny-0.csv").read_text().splitlines()[1:]:
                for name in (cell for cell in line.split(",") if cell.endswith("s.csv")):
                    if not (out / name).read_text().endswith("\n"):
                        return f"{name} is cut"
    except (OSError, ValueError, KeyError) as error:
        return f"{type(error).__name__} of {error}"
    for kind, paths in cached_files().items():
        for path in paths:
            cache, key = Cache(kind), path.stem
            entry = cache.get_bytes(key) if path.suffix == ".bytes" else cache.get(key)
            if entry is None:
                return f"cache entry {path.name} is damaged"
    return None


def seconds_of(folder: Path, name: str) -> float:
    """Time of a command that nothing stops, s, without what an earlier one kept."""
    (folder / "out").mkdir()
    began = time.monotonic()
    command = [sys.executable, "-m", "macwright", *COMMANDS[name]]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    seconds = time.monotonic() - began
    forget(folder, results=True)
    return seconds


def forget(folder: Path, *, results: bool) -> None:
    """Remove the cache, and results where they are not to be found by the next command."""
    for path in [folder / "cache", *([folder / "out"] if results else [])]:
        shutil.rmtree(path, ignore_errors=True)


def try_kill(folder: Path, name: str, sent: signal.Signals, delay: float, mark: str) -> str:
    """What became of a command that gets a signal after a delay, s."""
    scratch, out = folder / "tmp", folder / "out"
    out.mkdir(exist_ok=True)
    key, _, value = mark.partition("=")
    env = {**os.environ, key: value, "TMPDIR": str(scratch)}
    command = [sys.executable, "-m", "macwright", *COMMANDS[name]]
    process = subprocess.Popen(
        command, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(delay)
    ended = process.poll() is not None
    began = time.monotonic()
    process.send_signal(sent)
    said = process.communicate()[1]
    seconds = time.monotonic() - began
    time.sleep(0.3)  # the guard works after the process has gone
    left = [*scratch.glob("macwright-*"), *out.glob(".macwright-own-*")]
    running = alive(mark)
    for pid in running:
        os.kill(pid, signal.SIGKILL)
    wrong = damage(out)
    if running or left or wrong or seconds > 2:
        return wrong or f"{len(running)} processes and {len(left)} folders left, {seconds:.1f} s"
    # Python takes a moment to end after all is done, and a signal may come then.
    if ended or (process.returncode == 0 and seconds < 0.5):
        return ENDED
    again = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    if again.returncode or damage(out):
        return f"not resumed: {again.stderr.strip().splitlines()[-1][:100]}"
    if sent == signal.SIGKILL:
        return "ended in order" if process.returncode == -sent else f"status {process.returncode}"
    if "macwright: interrupted" not in said:
        # While Python starts, or ends after the command, signals do what they do to any Python.
        own = process.returncode in (-sent, 128 + sent)
        return "outside handlers" if own else f"no word, status {process.returncode}"
    right = process.returncode == 128 + sent and "Traceback" not in said
    return "ended in order" if right else f"status {process.returncode}, {said[-100:]!r}"


def main() -> None:
    """Try kills, and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="write the file of results")
    args = parser.parse_args()
    for sent in SIGNALS[
        1:
    ]:  # what ran this may ignore some, as nohup does, and commands would, too
        signal.signal(sent, signal.SIG_DFL)
    rng = random.Random(args.seed)
    folder = Path(tempfile.mkdtemp(prefix="kills-"))
    os.environ.update(environment(folder))
    prepare(folder, ["network", "library", "tables of a run", "allocation", "machine"])
    forget(folder, results=True)
    (folder / "tmp").mkdir()
    longest = {name: seconds_of(folder, name) for name in COMMANDS}
    results = {name: Counter[str]() for name in COMMANDS}
    hits = number = 0
    while hits < args.kills:
        name = rng.choice(list(COMMANDS))
        sent = rng.choice(SIGNALS)
        delay = rng.uniform(0.1, longest[name])
        found = try_kill(folder, name, sent, delay, f"KILLS_RUN={args.seed}-{number}")
        results[name][found] += 1
        hits += found != ENDED
        number += 1
        print(number, name, sent.name, f"{delay:.2f} s", found, flush=True)
        forget(folder, results=rng.random() < 0.7)  # others find what an earlier one left
    lines = [
        "| command | signals | had ended before | as Python started or ended | in order | fell |",
        "|---|---|---|---|---|---|",
    ]
    fell = []
    for name, found in results.items():
        bad = {what: n for what, n in found.items() if what not in GOOD}
        fell += [f"{name}, {n} times: {what}" for what, n in bad.items()]
        lines.append(
            f"| `{name}` | {found.total()} | {found[ENDED]} "
            f"| {found['outside handlers']} | {found['ended in order']} | {sum(bad.values())} |"
        )
    alone = ", ".join(f"`{name}` {seconds:.1f} s" for name, seconds in longest.items())
    lines += [
        "",
        f"SIGKILL, SIGTERM, SIGINT or SIGHUP; {hits} came while the command ran, after 0.1 s to "
        f"the time that it takes alone: {alone}. Then the same command again.",
    ]
    if fell:
        lines += ["", "Fell:", "", *(f"- `{text}`".replace("|", "/") for text in fell)]
    print("\n".join(lines))
    if args.write:
        write_section("kills", "Killed commands", "\n".join(lines))
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
