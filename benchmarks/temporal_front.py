"""Fronts of one array on a device against the machines that `macwright build` makes of them.

    python benchmarks/temporal_front.py [--points 3] [--networks NAME ...] [--folder DIR] [--write]

`macwright dse --architecture temporal --device lfe5u-45f` of each network of ../shared/data,
without a limit and with one on the time of a frame, which small arrays do not meet; then
`macwright build` of points spread over each front, the ends among them. Cycles of a frame are those
of build.json; resources those of the flat netlist that Yosys makes of the written Verilog, look-up
tables as nextpnr counts them.
"""

import argparse
import json
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from fabric import ECP5
from machine_area import MODELS
from section import write_section
from temporal_exact import command

DEVICE = "lfe5u-45f"
#: Networks, and limits of a frame's time, ms.
NETWORKS = {"fashion_cnn": 1.3, "dscnn_kws": 0.8}
#: Arrays that differ in both sides, and formats of which each needs a unit of its own.
WORDS = (
    *("--architecture", "temporal", "--device", DEVICE, "--objective", "luts", "--no-verify"),
    *("--array-rows", "4,8,16", "--array-columns", "4,8,16", "--measure", 0, "--points", 8),
    *("--weights", "int3,int4,int6,int8", "--activations", "int4,int6,int8"),
)


def main() -> None:
    """Search, build, synthesise, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--points", type=int, default=3)
    parser.add_argument("--networks", nargs="*", default=NETWORKS, choices=NETWORKS)
    parser.add_argument("--folder", type=Path, default=Path("out/temporal_front"), metavar="DIR")
    parser.add_argument("--write", action="store_true", help="write the file of results")
    args = parser.parse_args()
    lines = [
        "| network | point | array | unit | cycles: promised / built | LUTs: promised / mapped, "
        "error | FFs, error | block RAMs | DSPs |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    errors: dict[str, list[float]] = {"LUTs": [], "FFs": []}
    for name, limit in product(args.networks, (False, True)):
        model, run = MODELS / f"{name}.onnx", args.folder / (f"{name}_fast" if limit else name)
        budget = ("--budget", f"latency_ms<={NETWORKS[name]}") if limit else ()
        command("dse", model, *WORDS, *budget, "-o", run)
        front = pd.read_csv(run / "front.csv")
        spread = np.linspace(0, len(front) - 1, min(args.points, len(front))).round().astype(int)
        for number in dict.fromkeys(spread.tolist()):
            lines.append(line(name, model, run, front.iloc[number], errors))
            print(lines[-1], flush=True)
    means = ", ".join(f"{what} {np.mean(np.abs(e)):.1%}" for what, e in errors.items())
    lines += ["", f"Mean absolute errors: {means}; device {DEVICE}."]
    print("\n".join(lines))
    if args.write:
        write_section(
            "temporal_front", "Fronts of one array against built machines", "\n".join(lines)
        )


def line(name: str, model: Path, run: Path, row: pd.Series, errors: dict[str, list[float]]) -> str:
    """A point of a front beside its machine."""
    chip = run / f"chip{row['point']}"
    command("build", run / str(row["allocation"]), "--model", model, "-o", chip)
    build = json.loads((chip / "build.json").read_text())
    machine = build["machine"]
    modules = ECP5.synthesised(chip, machine["verilog"], machine["top"])
    made = ECP5.resources(ECP5.counted(modules, machine["top"]))
    promised = round(float(row["latency_ms"]) * float(row["clock_mhz"]) * 1e3)
    off = {"LUTs": row["luts"] / made.luts - 1, "FFs": row["ffs"] / made.ffs - 1}
    for what, error in off.items():
        errors[what].append(float(error))
    rows, columns = machine["array"]
    return (
        f"| {name} | {row['point']} | {rows}x{columns} | {build['unit']} | {promised:,} / "
        f"{machine['interval']:,} | {row['luts']:,.0f} / {made.luts:,.0f}, {off['LUTs']:+.1%} | "
        f"{row['ffs']:,.0f} / {made.ffs:,.0f}, {off['FFs']:+.1%} | {row['block_rams']:.0f} / "
        f"{made.block_rams} | {row['dsps']:.0f} / {made.dsps} |"
    )


if __name__ == "__main__":
    main()
