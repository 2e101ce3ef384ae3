"""Flipped bits in cached files: how many change a result.

    python benchmarks/cache_flips.py [--flips 20000] [--record]

One random bit of a random cached file (a result as JSON, an array, the digest of a Liberty file)
is flipped, what was cached is asked for again, and the file is put back.
"""

import argparse
import os
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from section import write_section

from macwright.costmodel.cache import Cache, content_key
from macwright.costmodel.liberty.library import read_liberty
from macwright.dse.accuracy.cache import cached_array

SMALL = Path(__file__).parents[1] / "tests" / "costmodel" / "small.lib"


def askers() -> dict[str, Callable[[], str]]:
    """By sub-folder of the cache, what asks for a result and says it as text."""
    result = {"area": 7.25, "names": ["a", "b"], "delay_ns": None}
    key = content_key(flip="test")
    Cache("results").put(key, result)
    array = np.random.default_rng(0).normal(size=(40, 10)).astype(np.float32)

    def library() -> str:
        cells = read_liberty([SMALL])
        return repr([cells.cell(name) for name in cells.cell_names])

    return {
        "results": lambda: repr(sorted((Cache("results").get(key) or result).items())),
        "arrays": lambda: repr(cached_array(key, lambda: array).tolist()),
        "liberty": library,
    }


def main() -> None:
    """Flip, ask and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flips", type=int, default=20_000)
    parser.add_argument("--record", action="store_true", help="write the file of results")
    args = parser.parse_args()
    count, rng = args.flips, random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MACWRIGHT_CACHE"] = folder
        asked = askers()
        right = {name: ask() for name, ask in asked.items()}
        flips, changed = dict.fromkeys(asked, 0), dict.fromkeys(asked, 0)
        for _ in range(count):
            name = rng.choice(sorted(asked))
            (path,) = (p for p in (Path(folder) / name).rglob("*") if p.is_file())
            raw = path.read_bytes()
            bit = rng.randrange(8 * len(raw))
            flipped = bytearray(raw)
            flipped[bit // 8] ^= 1 << bit % 8
            path.write_bytes(flipped)
            flips[name] += 1
            changed[name] += asked[name]() != right[name]
            path.write_bytes(raw)
    lines = ["| cached file | flips | results changed |", "|---|---|---|"]
    lines += [f"| {name} | {flips[name]:,} | {changed[name]} |" for name in asked]
    print("\n".join(lines))
    if args.record:
        write_section("cache flips", "Flipped bits in cached files", "\n".join(lines))


if __name__ == "__main__":
    main()
