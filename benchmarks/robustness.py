"""Damaged files: how many end in anything but an answer or one sentence.

    python benchmarks/robustness.py [--inputs 20000] [--seed N] [--write]

Each input is a good file of a reader with its bytes or its structure changed (tests/helpers), and
goes through the command line's ``main`` in a process that does many, with 3 GiB more memory than it
begins with.
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


def main() -> None:
    """Try inputs, and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="write the file of results")
    args = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="robustness-"))
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
