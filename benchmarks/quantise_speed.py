"""Time of quantising 16 M float32 values to every format, beside a copy and beside ml_dtypes.

Run it from the repository: ``python benchmarks/quantise_speed.py``. Three kinds of data: normal
(the usual), half zeros (activations after ReLU), and all magnitudes that float32 has.
For integers and minifloats it must hold, in the same run: not slower than ml_dtypes' cast of
the same data to float8_e4m3fn, and at most ten times a NumPy copy. Exit status 1 otherwise.
"""

import argparse
import sys
import time
from collections.abc import Callable

import ml_dtypes
import numpy as np
from numpy.typing import NDArray
from section import write_section

from macwright.hw.formats import FORMAT_NAMES, FloatFormat, IntFormat, parse_format

EXTRA = ("int1", "uint1", "int12", "int24", "int32", "e1m2fin", "e1m14fin", "e8m0fin", "e8m7fin")
EXTRA += ("e8m7wp", "e9m6fin", "e10m5fin", "e5m10fin", "e4m3b30fin", "e4m3b-8fin")


def seconds(call: Callable[[], object], repeats: int) -> float:
    """Best CPU time of a few calls, after one that warms up."""
    call()
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        call()
        best = min(best, time.process_time() - start)
    return best


def data(kind: str, count: int) -> NDArray[np.float32]:
    """Values to quantise, shape (count,)."""
    rng = np.random.default_rng(0)
    if kind == "wide":
        words = rng.integers(0, 1 << 32, count, dtype=np.uint32)
        values = words.view(np.float32)
        return np.where(np.isnan(values), np.float32(1), values)
    values = rng.standard_normal(count, dtype=np.float32) * np.float32(3)
    return np.maximum(values, 0) if kind == "relu" else values


def table(kind: str, names: list[str], count: int, repeats: int) -> tuple[list[str], int]:
    """Rows of one kind of data, and how many bounds are broken."""
    values = data(kind, count)
    with np.errstate(all="ignore"):
        copy = seconds(values.copy, repeats)
        cast = seconds(lambda: values.astype(ml_dtypes.float8_e4m3fn), repeats)
    lines = [
        f"{kind}: copy {copy * 1e3:.1f} ms, ml_dtypes float8_e4m3fn {cast * 1e3:.1f} ms",
        "",
        "| format | ms | / copy | / cast | |",
        "|---|---|---|---|---|",
    ]
    broken = 0
    for name in names:
        fmt = parse_format(name)
        took = seconds(lambda f=fmt: f.quantize(values), repeats)
        bound = isinstance(fmt, IntFormat | FloatFormat)
        failed = bound and (took > 10 * copy or took > cast)
        broken += failed
        note = "TOO SLOW" if failed else "" if bound else "no bound"
        lines.append(
            f"| {name} | {took * 1e3:.1f} | {took / copy:.2f} | {took / cast:.2f} | {note} |"
        )
        print(lines[-1], flush=True)
    return [*lines, ""], broken


def main() -> int:
    """Print the table; 0 where every bound holds."""
    parser = argparse.ArgumentParser(description="Time of quantising to every format.")
    parser.add_argument("names", nargs="*", help="formats; default: all that have names and more")
    parser.add_argument("--count", type=int, default=1 << 24, help="values")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--kinds", nargs="*", default=["normal", "relu", "wide"], help="of data")
    parser.add_argument("--write", action="store_true", help="put it into benchmarks/results")
    args = parser.parse_args()
    names = args.names or [*FORMAT_NAMES, *EXTRA]
    lines = [
        f"{args.count} float32 values; ml_dtypes {ml_dtypes.__version__}; best CPU time of "
        f"{args.repeats}.",
        "",
    ]
    broken = 0
    for kind in args.kinds:
        part, failed = table(kind, names, args.count, args.repeats)
        lines += part
        broken += failed
    lines.append(f"{broken} bounds broken." if broken else "All bounds hold.")
    text = "\n".join(lines)
    print(text)
    if args.write:
        write_section("quantise_speed", "Quantising speed", text)
    return min(broken, 1)


if __name__ == "__main__":
    sys.exit(main())
