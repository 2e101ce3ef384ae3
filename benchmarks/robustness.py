"""Damaged files and killed commands: how many end in anything but an answer or one sentence.

    python benchmarks/robustness.py [--inputs 20000] [--kills 100] [--seed N] [--write]

Each input is a good file of a reader with its bytes or its structure changed (tests/helpers), and
goes through the command line's ``main`` in a process that does many, with 3 GiB more memory than it
begins with. A kill is a SIGKILL, SIGTERM or SIGINT to a command at a random moment; afterwards
nothing of it may run, no scratch folder may be left, and the output folder may hold a whole run or
none.
"""

import argparse
import contextlib
import json
import multiprocessing
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

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from helpers.readers import (  # type: ignore[import-not-found]  # noqa: E402
    DSE,
    LIBRARY,
    READERS,
    environment,
    limited_memory,
    prepare,
    try_reader,
)

#: Inputs of a reader in 100 of others, where its command starts programs.
SHARE = {"library": 20, "allocation": 50, "machine": 50, "unit": 2}


def batch(reader: str, count: int, seed: int, folder: str) -> None:
    """Try a reader in a process of its own, with the memory that it may take."""
    os.chdir(folder)

    def note(number: int, said: str) -> None:
        with Path("verdicts").open("a") as stream:
            stream.write(json.dumps([number, said]) + "\n")

    with limited_memory():
        try_reader(reader, count, seed, note)


def try_inputs(count: int, seed: int, place: Path) -> dict[str, Counter[str]]:
    """Verdicts by reader; a process for each, which may die."""
    result = {}
    whole = sum(SHARE.get(reader, 100) for reader in READERS)
    for reader in READERS:
        each = -(-count * SHARE.get(reader, 100) // whole)
        folder = Path(tempfile.mkdtemp(prefix="robust-", dir=place))
        os.environ.update(environment(folder))
        prepare(folder, [reader])
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=batch, args=(reader, each, seed, str(folder)))
        process.start()
        process.join()
        found = {}
        for line in (folder / "verdicts").read_text().splitlines():
            number, said = json.loads(line)
            found[number] = said
        result[reader] = Counter(found.values())
        print(reader, dict(result[reader]), flush=True)
        if result[reader].total() != each:
            result[reader]["ended early"] = each - result[reader].total()
    return result


def alive(mark: str) -> list[int]:
    """Processes with a text in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and mark.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
    return found


def try_kills(count: int, seed: int, place: Path) -> Counter[str]:
    """Signals at random moments of `dse` and `characterize`."""
    rng = random.Random(seed)
    result: Counter[str] = Counter()
    folder = Path(tempfile.mkdtemp(prefix="kills-", dir=place))
    prepare(folder, ["network", "library"])
    scratch = folder / "tmp"
    scratch.mkdir()
    for number in range(count):
        mark = f"ROBUSTNESS_RUN={seed}-{number}"
        key, _, value = mark.partition("=")
        env = {**os.environ, key: value, "TMPDIR": str(scratch)}
        env["MACWRIGHT_CACHE"] = str(folder / f"cache-{number}")
        command = rng.choice([["dse", "tiny.onnx", *DSE], [*LIBRARY, "small.lib"]])
        sent = rng.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
        process = subprocess.Popen(
            [sys.executable, "-m", "macwright", *command], cwd=folder, env=env,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(rng.uniform(0.2, 2.5))
        ended = process.poll() is not None
        began = time.monotonic()
        process.send_signal(sent)
        said = process.communicate()[1]
        seconds = time.monotonic() - began
        time.sleep(0.3)
        left = list(scratch.glob("macwright-own-*")) + list((folder / "out").glob(".macwright-*"))
        running = alive(mark)
        for pid in running:
            os.kill(pid, signal.SIGKILL)
        if running:
            said_of = f"{len(running)} processes left"
        elif left:
            said_of = f"left {left[0].name}"
        elif seconds > 2:
            said_of = f"took {seconds:.1f} s"
        elif "Traceback" in said and sent != signal.SIGKILL and "macwright: interrupted" in said:
            said_of = "traceback"
        elif not _whole(folder / "out"):
            said_of = "damaged folder"
        else:
            said_of = "had ended before" if ended else "ended in order"
        result[said_of] += 1
        shutil.rmtree(folder / "out", ignore_errors=True)
        shutil.rmtree(folder / f"cache-{number}", ignore_errors=True)
    print("kills", dict(result), flush=True)
    return result


def _whole(out: Path) -> bool:
    """Whether a folder holds a whole run or does not say that it does."""
    try:
        json.loads((out / "run.json").read_text())
        return (out / "front.csv").read_text().endswith("\n")
    except FileNotFoundError:
        return not (out / "run.json").exists()
    except ValueError:
        return False


def main() -> None:
    """Try inputs and kills, and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="write the file of results")
    args = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="robustness-"))
    good = ("answered", "refused", "ended in order", "had ended before")
    lines = ["| what | tried | answered | refused | fell |", "|---|---|---|---|---|"]
    fell: list[str] = []
    for reader, found in try_inputs(args.inputs, args.seed, place).items():
        bad = {key: n for key, n in found.items() if key not in good}
        fell += [f"{reader}, {n} times: {key}" for key, n in bad.items()]
        lines.append(
            f"| {reader} | {found.total()} | {found['answered']} | {found['refused']} "
            f"| {sum(bad.values())} |"
        )
    kills = try_kills(args.kills, args.seed, place)
    bad = {key: n for key, n in kills.items() if key not in good}
    fell += [f"kills, {n} times: {key}" for key, n in bad.items()]
    lines += [
        "",
        f"{kills.total()} signals (SIGKILL, SIGTERM, SIGINT) at random moments of `dse` and "
        f"`characterize`: {kills['had ended before']} commands had ended before; of the others "
        f"{sum(bad.values())} left a process or a folder, took longer than 2 s or damaged a run.",
    ]
    if fell:
        lines += ["", "Fell:", "", *(f"- `{text}`".replace("|", "/") for text in fell)]
    text = "\n".join(lines)
    print(text)
    if args.write:
        write_section("robustness", "Robustness: damaged inputs and killed commands", text)


if __name__ == "__main__":
    main()
