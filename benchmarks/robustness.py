"""Damaged files and killed commands: how many end in anything but an answer or one sentence.

    python benchmarks/robustness.py [--inputs 20000] [--kills 100] [--seed N] [--write]

Each input is a good file of one of eight readers with some of its bytes, numbers, lines or fields
changed, and goes through the command line's ``main`` in a process that does many. A kill is a
SIGKILL, SIGTERM or SIGINT to a command at a random moment; afterwards nothing of it may run, no
scratch folder may be left, and the output folder may hold a whole run or none.
"""

import argparse
import contextlib
import io
import json
import multiprocessing
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

from section import write_section

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
DSE = ["--no-verify", "--measure", "0", "--points", "2", "--weights", "int4", "--jobs", "1"]
DSE += ["--activations", "int8", "-o", "out"]
UNIT = ["characterize", "int_mac", "--weight", "int2", "--activation", "int2", "--liberty"]
#: By reader, the good file and the command that reads a damaged one in its place.
READERS = {
    "solver table": ("options.csv", ["solve", "options.csv", "--front", "bops"]),
    "pair table": (
        "pairs.csv",
        ["solve", "options.csv", "--pairs", "pairs.csv", "--front", "bops"],
    ),
    "network": ("tiny.onnx", ["dse", "tiny.onnx", "--data", "tiny.npz", *DSE]),
    "data": ("tiny.npz", ["dse", "tiny.onnx", "--data", "tiny.npz", *DSE]),
    "recipe": ("tiny.toml", ["dse", "tiny.onnx", *DSE]),
    "configuration": ("config.toml", ["formats", "--config", "config.toml"]),
    "library": ("small.lib", [*UNIT, "small.lib"]),
    "run folder": ("run", ["report", "run"]),
}
SECONDS, BYTES = 10.0, 3 << 30
NUMBERS = [
    b"7",
    b"0.25",
    b"3",
    b"-1",
    b"0",
    b"1e400",
    b"nan",
    b"1e-320",
    b"9" * 400,
    b"",
    b"0x1p3",
    b"'",
    b"1,5",
]
WORDS = [b"(", b")", b"{", b"}", b'"', b"\\", b"\0", b"\xff", b",", b"\n", b"=", b"[" * 3000]


def damaged(raw: bytes, rng: random.Random) -> bytes:
    """A file with one to three things changed."""
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(raw) + 1)
        kind = rng.randrange(7)
        if kind == 0 and raw:
            bit = rng.randrange(8 * len(raw))
            raw = raw[: bit // 8] + bytes([raw[bit // 8] ^ 1 << bit % 8]) + raw[bit // 8 + 1 :]
        elif kind == 1:
            raw = raw[:at] + raw[at + rng.randint(1, 40) :]
        elif kind == 2:
            raw = raw[:at] + rng.choice(WORDS) + raw[at:]
        elif kind == 3 and (found := list(re.finditer(rb"\d+(\.\d+)?", raw))):
            match = rng.choice(found)
            raw = raw[: match.start()] + rng.choice(NUMBERS) + raw[match.end() :]
        elif kind == 4 and (lines := raw.split(b"\n")):
            lines.insert(rng.randrange(len(lines)), rng.choice(lines))
            raw = b"\n".join(lines)
        elif kind == 5 and (found := list(re.finditer(rb"[A-Za-z_]{3,}", raw))):
            old, new = rng.choice(found), rng.choice(found)
            raw = raw[: old.start()] + new[0] + raw[old.end() :]
        elif kind == 6:
            raw = raw[:at]
    return raw


def prepare(folder: Path) -> None:
    """Good files of all readers, and a run."""
    from helpers.tiny import write_tiny_model

    from macwright.dse.cli.main import main

    write_tiny_model(folder)
    shutil.copy(ROOT / "tests" / "costmodel" / "small.lib", folder)
    (folder / "options.csv").write_text(
        "layer,option,loss,bops\nl0,a,1,2\nl0,b,2,1\nl1,a,0.5,3\nl1,b,1.5,1\n"
    )
    (folder / "pairs.csv").write_text(
        "layer_a,option_a,layer_b,option_b,loss\nl0,a,l1,a,0.1\nl0,b,l1,b,-0.2\n"
    )
    (folder / "config.toml").write_text("json = true\n")
    out = [*DSE[:-1], "run"]
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
        with contextlib.redirect_stderr(io.StringIO()):
            if main(["dse", "tiny.onnx", *out]):
                raise SystemExit("The good run must succeed")


def verdict(arguments: list[str]) -> str:
    """What is wrong with how a command ended, or what it did."""
    from macwright.dse.cli.main import main

    out, err = io.StringIO(), io.StringIO()
    began = time.process_time()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                status = main(arguments)
            except SystemExit as end:
                status = end.code if isinstance(end.code, int) else 1
            except BaseException as error:
                return f"raised {type(error).__name__}"
    seconds = time.process_time() - began
    said = err.getvalue()
    if "Traceback" in said or status == 70:
        return f"traceback: {said.strip().splitlines()[-2][:120]}"
    if caught:
        return f"warning: {str(caught[0].message)[:120]}"
    if seconds > SECONDS:
        return f"{seconds:.0f} s"
    if status == 1 and len(said.split("error: ", 1)[-1].split()) < 4:
        return f"says nothing: {said.strip()[:120]}"
    return {0: "answered", 1: "refused", 2: "refused"}.get(status, f"status {status}")


def try_reader(reader: str, count: int, seed: int, record: Path | None = None) -> Counter[str]:
    """Verdicts on so many damaged files of a reader, in the working folder.

    Parameters
    ----------
    reader : str
        Of :data:`READERS`; `prepare` has written its good file.
    count, seed : int
        Files, and what they depend on.
    record : Path or None
        Takes a line of JSON before and after each, for a process that dies.
    """
    rng = random.Random(f"{reader} {seed}")
    name, command = READERS[reader]
    if (found := verdict(command)) != "answered":
        raise SystemExit(f"The good file of reader {reader} must be answered, not: {found}")
    shutil.rmtree("out", ignore_errors=True)
    verdicts: Counter[str] = Counter()
    for number in range(count):
        places = [Path(name)]
        if name == "run":
            places = sorted(p for p in Path("run").rglob("*") if p.suffix in {".csv", ".json"})
        place = rng.choice(places)
        good = place.read_bytes()
        place.write_bytes(damaged(good, rng))
        _note(record, [number, "died"])
        found = verdict(command)
        _note(record, [number, found])
        verdicts[found] += 1
        if found not in {"answered", "refused"}:
            shutil.copy(place, f"fell-{reader}-{seed}-{number}")
        place.write_bytes(good)
        shutil.rmtree("out", ignore_errors=True)
    return verdicts


def _note(record: Path | None, line: list[object]) -> None:
    if record is not None:
        with record.open("a") as stream:
            stream.write(json.dumps(line) + "\n")


def batch(reader: str, count: int, seed: int, folder: str) -> None:
    """Try a reader in a process of its own, with the memory that it may take."""
    resource.setrlimit(resource.RLIMIT_DATA, (BYTES, BYTES))
    os.chdir(folder)
    try_reader(reader, count, seed, Path("verdicts"))


def try_inputs(count: int, seed: int, place: Path) -> dict[str, Counter[str]]:
    """Verdicts by reader; a process for each, which may die."""
    result = {}
    each = -(-count // len(READERS))
    for reader in READERS:
        folder = Path(tempfile.mkdtemp(prefix="robust-", dir=place))
        os.environ["MACWRIGHT_CACHE"] = str(folder / "cache")
        prepare(folder)
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
    prepare(folder)
    scratch = folder / "tmp"
    scratch.mkdir()
    for number in range(count):
        mark = f"ROBUSTNESS_RUN={seed}-{number}"
        key, _, value = mark.partition("=")
        env = {**os.environ, key: value, "TMPDIR": str(scratch)}
        env["MACWRIGHT_CACHE"] = str(folder / f"cache-{number}")
        command = rng.choice([["dse", "tiny.onnx", *DSE], [*UNIT, "small.lib"]])
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
