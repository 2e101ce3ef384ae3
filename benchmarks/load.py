"""Load: large tables, fronts and networks, and many runs in one process.

    python benchmarks/load.py [--layers 100000] [--seconds 120] [--points 10000] [--deep 500]
                              [--runs 60] [--write]

Each command runs in a process of its own, whose processor time and largest memory count; repeated
runs are of one process, and what they leave is the growth of its memory after a tenth of them.
"""

import argparse
import contextlib
import io
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from section import write_section

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from helpers.readers import DSE  # type: ignore[import-not-found]  # noqa: E402
from helpers.report_run import write_run  # type: ignore[import-not-found]  # noqa: E402
from helpers.tiny import write_tiny_model  # type: ignore[import-not-found]  # noqa: E402

COSTS = ("area", "bops", "weight_bytes")
OPTIONS = 10


def measured(command: list[str], folder: Path) -> tuple[str, float, float, float]:
    """Standard output of a command, its wall time and processor time, s, and its memory, MB."""
    began = time.monotonic()
    with (folder / "said").open("w+") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "macwright", *command], cwd=folder, stdout=out
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - began
        if process.returncode:
            raise SystemExit(f"Command must succeed, not end with status {process.returncode}")
        out.seek(0)
        said = out.read()
    return said, wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def row(what: str, figures: tuple[str, float, float, float], result: str) -> str:
    """A line of the table."""
    _, wall, processor, memory = figures
    return f"| {what} | {wall:.1f} | {processor:.1f} | {memory:.0f} | {result} |"


def solve(folder: Path, layers: int, seconds: float) -> str:
    """A table of options under three budgets, each of 70 % of what options take on average."""
    rng = random.Random(1)
    totals = dict.fromkeys(COSTS, 0.0)
    with (folder / "options.csv").open("w") as stream:
        stream.write(",".join(("layer", "option", "loss", *COSTS)) + "\n")
        for layer in range(layers):
            size = rng.lognormvariate(0, 1)
            for option in range(OPTIONS):
                loss = size * rng.uniform(0.5, 1.5) * 4.0**-option
                costs = [round(100 * size * (option + 1) * rng.uniform(0.7, 1.3)) for _ in COSTS]
                stream.write(f"l{layer},o{option},{loss:.9g},{','.join(map(str, costs))}\n")
                for name, cost in zip(COSTS, costs, strict=True):
                    totals[name] += cost / OPTIONS
    budgets = [x for name in COSTS for x in ("--budget", f"{name}<={0.7 * totals[name]:.0f}")]
    limit = ["--time-limit", f"{seconds:g}", "--json"]
    figures = measured(["solve", "options.csv", *budgets, *limit], folder)
    result = json.loads(figures[0])
    text = f"{result['status']}, gap {result['gap']:.2g}"
    return row(f"`solve`, {layers:,} layers of {OPTIONS} options, three budgets", figures, text)


def report(folder: Path, points: int) -> str:
    """The report of a long front, whose points are predicted."""
    write_run(folder / "long", points=points, measured=False)
    figures = measured(["report", "long"], folder)
    size = (folder / "long" / "report.html").stat().st_size / 1e6
    return row(f"`report`, {points:,} points", figures, f"{size:.1f} MB")


def deep(folder: Path, layers: int) -> str:
    """A network of many layers, with residual connections."""
    rng = np.random.default_rng(1)
    nodes, weights = [], []
    for i in range(layers):
        source = "x" if i == 0 else f"s{i - 1}"
        weight = (rng.standard_normal((8, 8, 3, 3)) / (12 * layers**0.5)).astype(np.float32)
        weights.append(numpy_helper.from_array(weight, f"w{i}"))
        nodes += [
            helper.make_node("Conv", [source, f"w{i}"], [f"c{i}"], f"c{i}", pads=[1, 1, 1, 1]),
            helper.make_node("Relu", [f"c{i}"], [f"r{i}"], f"r{i}"),
            helper.make_node("Add", [source, f"r{i}"], [f"s{i}"], f"s{i}"),
        ]
    nodes.append(helper.make_node("GlobalAveragePool", [f"s{layers - 1}"], ["y"], "pool"))
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 8, side, side])
        for name, side in (("x", 8), ("y", 1))
    ]
    graph = helper.make_graph(nodes, "deep", ends[:1], ends[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "deep.onnx")
    command = ["dse", "deep.onnx", "--no-accuracy", "--no-verify", "--points", "8", "--jobs", "1"]
    figures = measured([*command, "--weights", "int4,int8", "--activations", "int8"], folder)
    front = next(folder.glob("out/*/front.csv")).read_text().splitlines()
    return row(f"`dse`, {layers} convolutions", figures, f"{len(front) - 1} points")


def memory_mb() -> float:
    """Memory of this process now."""
    text = Path("/proc/self/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) / 1024


def repeated(folder: Path, runs: int) -> list[str]:
    """Runs of commands in this process; the cache is on, as it is for a user."""
    from macwright.dse.cli.main import main

    write_tiny_model(folder)
    table = "layer,option,loss,bops\n" + "".join(
        f"l{i},o{j},{4.0**-j},{j + 1}\n" for i in range(50) for j in range(4)
    )
    (folder / "few.csv").write_text(table)
    commands = {
        "dse": ["dse", "tiny.onnx", *DSE],
        "solve": ["solve", "few.csv", "--front", "bops"],
        "report": ["report", "out"],
        "export": [
            "export",
            "out",
            "--point",
            "0",
            "--to",
            "qdq",
            "--model",
            "tiny.onnx",
            "-o",
            "exp",
        ],
    }
    lines = []
    for name, command in commands.items():
        began, processor, first = time.monotonic(), time.process_time(), 0.0
        for number in range(runs):
            with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
                with contextlib.redirect_stderr(io.StringIO()) as said:
                    if main(command):
                        raise SystemExit(f"Command must succeed, not: {said.getvalue()}")
            if number == runs // 10:
                first = memory_mb()
        growth = (memory_mb() - first) / (runs - 1 - runs // 10)
        figures = ("", time.monotonic() - began, time.process_time() - processor, memory_mb())
        lines.append(row(f"`{name}`, {runs} times", figures, f"{growth * 1000:.0f} kB a run"))
    return lines


def main() -> None:
    """Run all, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=120, help="limit of the solver")
    parser.add_argument("--points", type=int, default=10_000)
    parser.add_argument("--deep", type=int, default=500)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--write", action="store_true", help="write the file of results")
    args = parser.parse_args()
    lines = [
        "| what | wall s | processor s | memory MB | result |",
        "|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory(prefix="load-") as name:
        folder = Path(name)
        os.environ["MACWRIGHT_CACHE"] = str(folder / "cache")
        for part, *sizes in (
            (solve, args.layers, args.seconds),
            (report, args.points),
            (deep, args.deep),
        ):
            lines.append(part(folder, *sizes))
            print(lines[-1], flush=True)
        lines += repeated(folder, args.runs)
    text = "\n".join(lines)
    print(text)
    if args.write:
        write_section("load", "Load: large inputs, many runs", text)


if __name__ == "__main__":
    main()
