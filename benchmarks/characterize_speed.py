"""Speed of characterisation: units per minute cold, and the time of a look-up in the cache.

    python benchmarks/characterize_speed.py [N] --liberty FILE[,FILE] --technology NAME [--write]

N units (500 by default): `int_mac`, `minifloat_mac`, `dot` and `shift_add_mac` in equal parts,
widths spread; area, delay and energy of each, with an empty cache of its own, in processes. CPU
seconds are those of all processes; they depend less on what else the machine does than wall-clock
time. Look-ups are made by a process that did not make the rows.
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import islice, product
from typing import Any

from section import write_section

from macwright.costmodel.characterize.executors import process_pool
from macwright.costmodel.characterize.many import characterize
from macwright.costmodel.technology.catalogue import target_of_technology
from macwright.costmodel.technology.liberty import liberty_technology
from macwright.dse.cli.progress import TerminalProgress
from macwright.hw.pe import spec_from_fields

INTS = [f"{sign}int{width}" for width in range(2, 9) for sign in ("", "u")]
FLOATS = ["e2m1fn", "e2m3fn", "e3m2fn", "e3m4", "e4m3fn", "e5m2", "e3m0fin", "e2m2fin"]
#: Values of the fields of each family; a unit takes one of each.
FAMILIES: dict[str, dict[str, list[Any]]] = {
    "int_mac": {"act": INTS, "weight": INTS, "terms": [256, 4096, 65536]},
    "minifloat_mac": {"act": FLOATS, "weight": [*FLOATS, "int4", "int8"], "terms": [256, 4096]},
    "dot": {
        "act": ["int4", "uint8", "int8", "e2m1fn", "e4m3fn"],
        "weight": ["int2", "int4", "int8", "ternary", "e2m1fn", "e3m2fn"],
        "lanes": [2, 3, 4, 8],
        "terms": [256, 4096],
    },
    "shift_add_mac": {
        "act": ["int4", "int6", "int8", "uint8", "int12"],
        "weight": ["int2", "int3", "int4", "ternary", "pot3", "pot4", "apot4"],
        "group": [8, 32, 128],
        "scale": ["none", "uint8"],
    },
}


def spread(count: int, technology: str) -> list[Any]:
    """Units of the families in turn; the same ones in every run.

    Raises
    ------
    ValueError
        If there are not so many.
    """
    each = -(-count // len(FAMILIES))
    columns = [list(islice(_family(name, technology), each)) for name in FAMILIES]
    if any(len(column) < each for column in columns):
        raise ValueError(f"Units of each family must be at most {min(map(len, columns))}")
    return [spec for row in zip(*columns, strict=True) for spec in row][:count]


def _family(name: str, technology: str) -> Any:
    """Units of one family, no two alike, in an order that is random but always the same."""
    fields = FAMILIES[name]
    choices = [dict(zip(fields, values, strict=True)) for values in product(*fields.values())]
    random.Random(0).shuffle(choices)
    seen = set()
    for choice in choices:
        acc = {} if name == "shift_add_mac" else {"acc": "exact"}
        try:
            spec = spec_from_fields(name, {**choice, **acc}).tuned(target_of_technology(technology))
        except ValueError:  # not every combination is a unit
            continue
        if spec not in seen:
            seen.add(spec)
            yield spec


def cpu_s() -> float:
    """CPU seconds of this process and of those that it waited for."""
    return sum(os.times()[:4])


def look_up(specs: list[Any], technology: Any) -> str:
    """Times of single look-ups in the cache; a full garbage collection can fall into any."""
    rounds = []
    for _ in range(3):
        rounds.append([])
        for spec in specs:
            begun = time.perf_counter()
            assert characterize([spec], technology).source[0] == "cache"
            rounds[-1].append(1000 * (time.perf_counter() - begun))
    first = rounds[0][0]
    times = [statistics.median(of_unit) for of_unit in zip(*rounds, strict=True)]
    return (
        f"look-up: first of a process {first:.1f} ms; of three of each unit the median: "
        f"{statistics.median(times):.1f} ms for the median unit, {max(times):.1f} ms for the worst "
        f"(single worst: {max(map(max, rounds)):.1f} ms)"
    )


def measure(args: argparse.Namespace) -> list[str]:
    """Characterise, and have another process look the units up."""
    technology = liberty_technology(args.liberty.split(","), name=args.technology)
    specs = spread(args.count, technology.name)
    progress = TerminalProgress()
    begun, cpu, load = time.perf_counter(), cpu_s(), os.getloadavg()[0]
    with process_pool(args.jobs) as pool:
        rows = characterize(specs, technology, executor=pool, progress=progress)
    seconds, cpu = time.perf_counter() - begun, cpu_s() - cpu
    progress.close()
    families = ", ".join(f"{sum(s.family == f for s in specs)} {f}" for f in FAMILIES)
    measured = int(rows.energy_fj_per_mac.notna().sum())
    again = [sys.executable, __file__, *sys.argv[1:], "--look-up"]
    looked_up = subprocess.run(again, capture_output=True, text=True, check=True).stdout.strip()
    return [
        f"{len(rows)} units for {technology.name} ({families}), {measured} with energy",
        f"cold: {seconds / 60:.1f} min on {args.jobs or os.cpu_count()} processors at a load of "
        f"{load:.1f} before and {os.getloadavg()[0]:.1f} after",
        f"cold: {cpu:.0f} CPU s, {cpu / len(rows):.2f} for a unit: "
        f"{500 * cpu / len(rows) / 120:.1f} min for 500 on two idle processors",
        looked_up,
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, metavar="N", nargs="?", default=500)
    parser.add_argument("--liberty", required=True)
    parser.add_argument("--technology", default="nangate45")
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--write", action="store_true", help="put it into benchmarks/results")
    parser.add_argument("--look-up", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.look_up:
        technology = liberty_technology(args.liberty.split(","), name=args.technology)
        print(look_up(spread(args.count, technology.name), technology))
        return
    with tempfile.TemporaryDirectory(prefix="macwright-") as folder:
        os.environ["MACWRIGHT_CACHE"] = folder
        lines = measure(args)
    print("\n".join(lines))
    if args.write:
        body = "\n".join(f"- {line}" for line in lines)
        write_section("characterize_speed", "Characterisation", body)


if __name__ == "__main__":
    main()
