"""Speed of characterisation: units per minute cold, and the time of a look-up in the cache.

    python benchmarks/characterize_speed.py N --liberty FILE[,FILE] --technology NAME

N units of all families in equal parts, widths spread, area, delay and energy each, with an empty
cache of its own. CPU seconds are those of this process and of its synthesisers; they depend less
on what else the machine does than units per minute do.
"""

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from itertools import cycle, islice, product
from typing import Any

from macwright.costmodel.characterize import characterize
from macwright.costmodel.flow_liberty import liberty_technology
from macwright.dse.progress import TerminalProgress
from macwright.hw.formats import IntFormat, parse_format
from macwright.hw.pe import IntMacSpec, MinifloatMacSpec
from macwright.hw.registry import registry

FLOATS = ("e2m1fn", "e2m3fn", "e3m2fn", "e3m4", "e4m3fn", "e5m2")


def spread(count: int, technology: str) -> list[Any]:
    """Units of all families in turn, of as many widths as there are.

    Raises
    ------
    ValueError
        If there are not so many.
    """
    widths = product((8, 2, 5, 3, 6, 4, 7), (8, 4, 6, 3, 7, 2, 5), (1 << 12, 1 << 8, 1 << 16))
    ints = (
        IntMacSpec(act=IntFormat(a), weight=IntFormat(w), acc=None, terms=t).tuned(technology)
        for a, w, t in widths
    )
    formats = product(FLOATS, reversed(FLOATS), (1 << 12, 1 << 8, 1 << 16))
    floats = (
        MinifloatMacSpec(act=parse_format(a), weight=parse_format(w), acc=None, terms=t).tuned(
            technology
        )
        for a, w, t in formats
    )
    others = (
        s.tuned(technology) for s in registry() if s.family not in ("int_mac", "minifloat_mac")
    )
    families = [_mixed(ints), _mixed(floats), others]
    units: dict[Any, None] = {}
    while families and len(units) < count:
        for family in list(families):
            spec = next(family, None)
            if spec is None:
                families.remove(family)
            elif len(units) < count:
                units[spec] = None
    if len(units) < count:
        raise ValueError(f"Number of units must be at most {len(units)}, not {count}")
    return list(units)


def _mixed(specs: Iterable[Any]) -> Iterator[Any]:
    """The same in an order that is random but always the same, so that the first differ most."""
    every = list(specs)
    random.Random(0).shuffle(every)
    return iter(every)


def cpu_s() -> float:
    """CPU seconds of this process and of those that it waited for."""
    return sum(os.times()[:4])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, metavar="N")
    parser.add_argument("--liberty", required=True)
    parser.add_argument("--technology", default="nangate45")
    parser.add_argument("--jobs", type=int)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="macwright-") as folder:
        os.environ["MACWRIGHT_CACHE"] = folder
        technology = liberty_technology(args.liberty.split(","), name=args.technology)
        specs = spread(args.count, technology.name)
        progress = TerminalProgress()
        begun, cpu = time.perf_counter(), cpu_s()
        rows = characterize(specs, technology, jobs=args.jobs, progress=progress)
        seconds, cpu = time.perf_counter() - begun, cpu_s() - cpu
        progress.close()
        families = {f: sum(s.family == f for s in specs) for f in {s.family for s in specs}}
        print(", ".join(f"{n} {family}" for family, n in sorted(families.items())))
        print(f"cold: {seconds:.1f} s, {60 * len(rows) / seconds:.1f} units/min")
        print(f"cold: {cpu:.1f} CPU s, {cpu / len(rows):.2f} CPU s/unit")
        print(f"500 units on two idle cores: {500 * cpu / len(rows) / 120:.1f} min at least")
        times = []
        for spec in islice(cycle(specs), max(20, len(specs))):
            begun = time.perf_counter()
            assert characterize([spec], technology).source[0] == "cache"
            times.append(1000 * (time.perf_counter() - begun))
        times.sort()
        print(f"look-up: median {statistics.median(times):.1f} ms, worst {times[-1]:.1f} ms")


if __name__ == "__main__":
    main()
