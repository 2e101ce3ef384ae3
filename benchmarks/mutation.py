"""Mutation check of the benches: does each notice when one operator or constant is wrong?

    python benchmarks/mutation.py [--write] [--jobs N] [NAME...]

For small units of every family, ten seeded places of the generated Verilog are changed, one at a
time, and the unit's own bench runs on each mutant (Icarus). A mutant that passes must be proved
equivalent by Yosys (see `equivalence.py`); otherwise it has escaped, and the script ends with
status 1. With ``--write`` the table goes into `benchmarks/results`. What became of a mutant is
kept in the cache, so that the same command again goes on where it was stopped.
"""

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import Any

from equivalence import equivalent
from mutants import Mutant, mutants
from section import write_section

from macwright.costmodel.cache import Cache, content_key
from macwright.hw.pe import spec_from_fields
from macwright.hw.verilog import unit_verilog
from macwright.sim.generate import bench_text, write_unit
from macwright.sim.runner import simulate

COUNT = 10

_INTS = {"act": "int4", "weight": "int3"}
_FLOATS = {"act": "e3m2", "weight": "e2m1fn"}
_SHIFT = {"act": "int4", "group": 4, "scale": "uint3", "zero": "int2", "total": "int20"}
_FLOAT_SHIFT = {"act": "e2m1", "weight": "int2", "group": 3, "scale": "uint2", "total": "int14"}
UNITS: list[tuple[str, dict[str, Any]]] = [
    ("int_mac", {**_INTS, "acc": "int9"}),
    ("int_mac", {**_INTS, "acc": "int9", "multiplier": "booth4", "en": True, "rst": True}),
    ("int_mac", {**_INTS, "weight": "ternary", "acc": "int9", "pipeline": 1}),
    ("minifloat_mac", {**_FLOATS, "terms": 9, "rst": True}),
    ("minifloat_mac", {**_FLOATS, "terms": 9, "multiplier": "array", "drop": 3}),
    ("minifloat_mac", {**_FLOATS, "acc": "e4m3"}),
    ("minifloat_mac", {**_FLOATS, "acc": "e4m3fin", "en": True, "pipeline": 1}),
    ("dot", {"act": "int3", "weight": "uint2", "lanes": 3, "acc": "int9", "en": True}),
    ("dot", {"act": "e2m1fn", "weight": "e2m1fn", "lanes": 2, "terms": 8, "pipeline": 1}),
    ("dot", {**_FLOATS, "lanes": 2, "acc": "e4m3", "window": 6}),
    ("dot", {"act": "mxfp4", "weight": "mxfp4", "lanes": 2, "acc": "bf16"}),
    ("shift_add_mac", {**_SHIFT, "weight": "int3", "rst": True}),
    ("shift_add_mac", {**_SHIFT, "weight": "apot4", "pipeline": 1}),
    ("shift_add_mac", {**_SHIFT, "weight": "pot3", "zero": "none", "en": True}),
    ("shift_add_mac", {**_SHIFT, **_FLOAT_SHIFT}),
    ("composable_mac", {"leaf": 4, "acc": "int20"}),
    ("composable_mac", {"act": "int4", "weight": "int4", "variant": "fusion", "acc": "int14"}),
    ("serial_mac", {"act": "int4", "weight": "int5", "lanes": 2, "acc": "int14", "rst": True}),
    ("bitplane_dot", {"act": "int3", "weight": "int4", "lanes": 2, "acc": "int14", "en": True}),
    ("packed_mac", {"act": "int4", "weight": "int3", "acc": "int10", "en": True}),
    ("requant", {"act": "int12", "weight": "uint5", "acc": "int6", "zero": True}),
    ("requant", {"act": "int12", "weight": "e4m3fn", "acc": "int6", "pipeline": 1}),
]


def key_of(spec: Any, mutant: Mutant) -> str:
    """Key of a verdict in the cache: the mutant, its bench and all that the bench is made of."""
    code = {
        f"{package}/{path.name}": path.read_text()
        for package in ("bench", "golden")
        for path in Path(str(files(f"macwright.sim.{package}"))).glob("*.py")
        if not path.stem.endswith("numpy")
    }
    gold = unit_verilog(spec)
    return content_key(verilog=mutant.text, gold=gold, bench=bench_text(spec), code=code)


def verdict(spec: Any, mutant: Mutant) -> str:
    """What became of a mutant: caught, equivalent or escaped; from the cache if it is known."""
    cache, key = Cache("mutation"), key_of(spec, mutant)
    found = cache.get(key) or _find_verdict(spec, mutant)
    if found != "escaped":
        cache.put(key, found)
    return found


def _find_verdict(spec: Any, mutant: Mutant) -> str:
    with tempfile.TemporaryDirectory(prefix="macwright-") as name:
        folder = Path(name)
        manifest = write_unit(spec, folder)
        (folder / manifest["verilog"]["file"]).write_text(mutant.text)
        if not simulate(folder, simulator="icarus").passed:
            return "caught"
    return "equivalent" if equivalent(spec, unit_verilog(spec), mutant.text) else "escaped"


def unit_row(spec: Any) -> tuple[list[int], list[str]]:
    """Numbers of mutants caught, equivalent and escaped, and what the latter changed."""
    kinds, escaped = ["caught", "equivalent", "escaped"], []
    counts = [0, 0, 0]
    for mutant in mutants(unit_verilog(spec), count=COUNT, seed=spec.name):
        found = verdict(spec, mutant)
        counts[kinds.index(found)] += 1
        if found == "escaped":
            escaped.append(f"{spec.name} {mutant}")
        print(f"{spec.name} {found}: {mutant}", file=sys.stderr, flush=True)
    return counts, escaped


def main() -> int:
    """Run the mutants, print the table and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="families or units; default all")
    parser.add_argument("--write", action="store_true", help="put it into benchmarks/results")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="side by side, default 2")
    args = parser.parse_args()
    specs = [spec_from_fields(family, fields) for family, fields in UNITS]
    specs = [s for s in specs if not args.names or {s.family, s.name} & set(args.names)]
    start = time.monotonic()
    with ThreadPoolExecutor(args.jobs) as pool:
        rows = list(pool.map(unit_row, specs))
    lines = ["| unit | mutants | caught by the bench | proved equivalent | escaped |"]
    lines += ["|---|---|---|---|---|"]
    for spec, (counts, _) in zip(specs, rows, strict=True):
        lines.append(f"| {spec.name} | {sum(counts)} | {' | '.join(map(str, counts))} |")
    whole = [sum(counts[k] for counts, _ in rows) for k in range(3)]
    lines.append(f"| **all** | {sum(whole)} | {' | '.join(map(str, whole))} |")
    lines += ["", *(f"- escaped: `{line}`" for _, escaped in rows for line in escaped)]
    print(f"{time.monotonic() - start:.0f} s", file=sys.stderr)
    text = "\n".join(lines)
    print(text)
    if args.write:
        write_section("mutation", "Mutation check", text)
    return 1 if whole[2] else 0


if __name__ == "__main__":
    sys.exit(main())
