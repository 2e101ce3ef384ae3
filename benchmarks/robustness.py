"""Damaged files: how many end in anything but an answer or one sentence.

    python benchmarks/robustness.py [--inputs 20000] [--seed N] [--place FOLDER] [--write]

Each input is a good file of a reader with its bytes or its structure changed (tests/helpers), and
goes through the command line's ``main`` in a process that does many, with 3 GiB more memory than it
begins with. What was tried in a folder before, with the same seed, is not tried again.
"""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

from section import write_section

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from helpers.readers import (  # type: ignore[import-not-found]  # noqa: E402
    READERS,
    environment,
    limited_memory,
    prepare,
    try_reader,
)

#: Inputs of a reader in 100 of others, where its command starts programs.
SHARE = {"library": 20, "allocation": 50, "machine": 50, "unit": 2}


def batch(reader: str, numbers: range, seed: int, verdicts: Path) -> None:
    """Try a reader in a process and a folder of its own, with the memory that it may take."""
    folder = Path(tempfile.mkdtemp(prefix="tried-", dir=verdicts.parent))
    os.environ.update(environment(folder))
    os.chdir(folder)
    prepare(folder, [reader])

    def note(number: int, said: str) -> None:
        with verdicts.open("a") as stream:
            stream.write(json.dumps([number, said]) + "\n")

    with limited_memory():
        try_reader(reader, numbers, seed, note)


def noted(verdicts: Path) -> dict[int, str]:
    """Verdicts by the number of the input."""
    lines = verdicts.read_text().splitlines() if verdicts.exists() else []
    return dict(json.loads(line) for line in lines)


def try_inputs(count: int, seed: int, place: Path) -> dict[str, Counter[str]]:
    """Verdicts by reader; a process for each, and another where one dies."""
    result = {}
    whole = sum(SHARE.get(reader, 100) for reader in READERS)
    for reader in READERS:
        each = -(-count * SHARE.get(reader, 100) // whole)
        verdicts = place / f"{reader.replace(' ', '_')}-{seed}.verdicts"
        lines = verdicts.read_text().splitlines(keepends=True) if verdicts.exists() else []
        if lines and "died" in lines[-1]:  # an earlier run was interrupted there
            verdicts.write_text("".join(lines[:-1]))
        while (tried := len(noted(verdicts))) < each:
            context = multiprocessing.get_context("spawn")
            arguments = (reader, range(tried, each), seed, verdicts)
            process = context.Process(target=batch, args=arguments)
            process.start()
            process.join()
            if len(noted(verdicts)) == tried:
                raise SystemExit(f"Reader {reader} must try an input, not die before it")
        result[reader] = Counter(noted(verdicts).values())
        print(reader, dict(result[reader]), flush=True)
    return result


def main() -> None:
    """Try inputs, and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--place", type=Path, help="folder of the inputs; a new one otherwise")
    parser.add_argument("--write", action="store_true", help="write the file of results")
    args = parser.parse_args()
    place = (args.place or Path(tempfile.mkdtemp(prefix="robustness-"))).resolve()
    place.mkdir(parents=True, exist_ok=True)
    good = ("answered", "refused")
    lines = ["| what | tried | answered | refused | fell |", "|---|---|---|---|---|"]
    fell: list[str] = []
    for reader, found in try_inputs(args.inputs, args.seed, place).items():
        bad = {key: n for key, n in found.items() if key not in good}
        fell += [f"{reader}, {n} times: {key}" for key, n in bad.items()]
        lines.append(
            f"| {reader} | {found.total()} | {found['answered']} | {found['refused']} "
            f"| {sum(bad.values())} |"
        )
    if fell:
        lines += ["", "Fell:", "", *(f"- `{text}`".replace("|", "/") for text in fell)]
    text = "\n".join(lines)
    print(text)
    if args.write:
        write_section("robustness", "Robustness: damaged inputs", text)


if __name__ == "__main__":
    main()
