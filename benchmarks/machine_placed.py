"""Dataflow machines on an LFE5U-85F: promised by the front, synthesised, and placed.

    python benchmarks/machine_placed.py [--folder DIR] [--cases NAME ...] [--known] [--write [NAME]]

Each machine is searched with ``macwright dse --architecture dataflow --device lfe5u-85f`` and built
with ``macwright build --place``; what is in DIR is not done again. Goals are published rates of the
same networks on FPGA boards with the makers' tools (MLPerf Tiny). `--known` prints those of the
machines that were placed already, and does nothing else. `--write` also fits anew how fronts count
clocks from look-up tables (costmodel/tables/ecp5_machine.json); with some `--cases` it writes a
file of another NAME, and fits nothing.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from fabric import ECP5
from section import write_section

from macwright.costmodel.system.machine_resources import machine_model
from macwright.hw.files import write_atomic

MODELS = Path(__file__).parents[2] / "shared" / "data" / "models"
DEVICE, RESULTS = "lfe5u-85f", "machine_placed"
#: Bits of a block RAM.
BLOCK_BITS = 18 * 1024


@dataclass(frozen=True)
class Case:
    """A machine: network, formats, largest time of a frame, published rate and its accuracy.

    Without an accuracy it is the smallest machine of that time; with it, the smallest one that
    was measured to reach it.
    """

    network: str
    weights: str
    activations: str
    frame_ms: float
    goal: int | None = None
    accuracy: float | None = None

    @property
    def name(self) -> str:
        return f"{self.network}_{self.weights}_{self.activations}_{self.frame_ms:g}ms"


CASES = [
    Case("autoencoder_toycar", "int8", "int8", 0.026, 30_686),
    Case("mobilenetv1_025_vww", "int8", "int8", 4, 105),
    Case("dscnn_kws", "int8", "int8", 0.323, 3_087),
    Case("resnet8_cifar10", "int4,int8", "int4,int8", 0.38, 2_432, 85),
    Case("fashion_cnn", "int4", "int8", 1.75),
    *(
        Case(network, *formats, frame_ms)
        for network, slow, fast in (
            ("digits_cnn", 0.4, 0.1),
            ("fashion_cnn", 2.5, 0.6),
            ("dscnn_kws", 1.5, 0.4),
        )
        for formats, frame_ms in (
            (("int8", "int8"), slow),
            (("int4", "int8"), slow),
            (("int4", "int4"), fast),
            (("int4", "e3m2fn"), slow),
        )
    ),
]


def macwright(*words: str | Path) -> None:
    """Run a command; what it says goes to the terminal."""
    subprocess.run([sys.executable, "-m", "macwright", *map(str, words)], check=True)


def chosen_point(case: Case, run: Path) -> int:
    """The smallest point of a run that was measured to be as accurate as the case asks for."""
    front = pd.read_csv(run / "front.csv")
    accurate = front
    if case.accuracy is not None:
        accurate = front[front["measured_accuracy"] >= case.accuracy]
    if accurate.empty:
        raise SystemExit(f"{case.name}: no measured point reaches {case.accuracy} %")
    return int(accurate.sort_values("luts")["point"].iloc[0])


def placed(case: Case, folder: Path) -> None:
    """Search, build and place a machine, as far as it has not been done."""
    run, chip = folder / case.name / "run", folder / case.name / "chip"
    model = MODELS / f"{case.network}.onnx"
    labels = [] if model.with_suffix(".toml").is_file() else ["--no-accuracy"]
    if not (run / "run.json").is_file():
        macwright(
            *("dse", model, *labels, "--architecture", "dataflow", "--device", DEVICE),
            *("--weights", case.weights, "--activations", case.activations, "--free", "all"),
            *("--objective", "luts", "--budget", f"frame_ms<={case.frame_ms:g}"),
            *("--points", "1" if case.accuracy is None else "8"),
            *("--measure", "1" if case.accuracy is None else "8", "--no-verify", "-o", run),
        )
    allocation = run / "allocations" / f"{chosen_point(case, run)}.json"
    macwright("build", allocation, "--model", model, *labels, "--place", "-o", chip)


def record(case: Case, folder: Path) -> dict[str, Any] | None:
    """What build.json says of a machine; None unless it is placed."""
    path = folder / case.name / "chip" / "build.json"
    fields = json.loads(path.read_text()) if path.is_file() else {}
    return fields if "placed" in fields else None


def fitted_period(
    machines: Sequence[tuple[Case, Mapping[str, Any]]],
) -> tuple[float, float, float, float]:
    """Period in ns of machines: a constant, what log(LUTs) adds, fewest and most LUTs.

    Beyond the most it does not grow: that which leaves the least squares.
    """
    pairs = [
        (fields["placed"]["sites"]["luts"]["used"], 1e3 / fields["placed"]["clock_mhz"])
        for _, fields in machines
    ]
    luts, periods = np.array(sorted(pairs)).T
    fits = []
    for most in luts[len(luts) // 2 :]:
        (slope, least), rest, *_ = np.polyfit(np.log(np.minimum(luts, most)), periods, 1, full=True)
        fits.append((float(rest[0]), float(least), float(slope), float(most)))
    _, least, slope, most = min(fits)
    return round(least, 4), round(slope, 4), float(luts.min()), most


def row(
    case: Case, fields: Mapping[str, Any], expected: float, errors: dict[str, list[float]]
) -> str:
    """Row of the table; `expected` is the clock that other machines foretell."""
    promised, placed = fields["allocation"]["costs"], fields["placed"]
    cells, interval = fields["synthesised"]["cells"], fields["machine"]["interval"]
    used = {name: site["used"] for name, site in placed["sites"].items()}
    clock = fields["allocation"]["clock_mhz"]
    if interval != round(promised["frame_ms"] * clock * 1e3):
        errors["interval"].append(1.0)
    for name, was, will in (
        ("LUTs", promised["luts"], used["luts"]),
        ("LUTs as counted when built", fields["modelled"]["luts"], used["luts"]),
        ("promised clock", clock, placed["clock_mhz"]),
        ("counted clock", expected, placed["clock_mhz"]),
    ):
        errors[name].append(was / will - 1)
    synthesised = cells.get("LUT4", 0) + 2 * cells.get("CCU2C", 0)
    synthesised += 6 * cells.get("TRELLIS_DPR16X4", 0)
    share = used["luts"] / placed["sites"]["luts"]["available"]
    weights = 8 * promised["weight_bytes"] / (BLOCK_BITS * max(1, used["block_rams"]))
    goal = "" if case.goal is None else f"{placed['frames_per_s'] / case.goal:.2f} x {case.goal:,}"
    return (
        "| "
        + " | ".join(
            (
                f"{case.network} {case.weights}/{case.activations}",
                f"{interval:,}",
                f"{promised['luts']:,.0f} / {synthesised:,} / {used['luts']:,} ({share:.0%}), "
                f"{errors['LUTs'][-1]:+.1%}",
                f"{promised['ffs']:,.0f} / {cells.get('TRELLIS_FF', 0):,} / {used['ffs']:,}",
                f"{promised['block_rams']:.0f} / {cells.get('DP16KD', 0)} / {used['block_rams']}, "
                f"{weights:.0%}",
                f"{promised['dsps']:.0f} / {cells.get('MULT18X18D', 0)} / {used['dsps']}",
                f"{clock:.1f} / {expected:.1f} / {placed['clock_mhz']:.1f}",
                f"{promised['throughput_fps']:,.0f} / {placed['frames_per_s']:,.0f}",
                goal,
            )
        )
        + " |"
    )


def main() -> None:
    """Place what is not placed, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("out/machine_placed"), metavar="DIR")
    parser.add_argument(
        "--cases", nargs="*", metavar="NAME", help="networks or machines (default: all)"
    )
    parser.add_argument("--known", action="store_true", help="only what is placed already")
    parser.add_argument("--write", nargs="?", const=RESULTS, help="write the file of results")
    args = parser.parse_args()
    if args.write and (args.write == RESULTS) != (args.cases is None):
        raise SystemExit("--write must have a NAME with --cases, and none without")
    names = set(args.cases or (case.name for case in CASES))
    cases = [case for case in CASES if {case.network, case.name} & names]
    if not args.known:
        for case in cases:
            placed(case, args.folder)
    placed_machines = [(case, fields) for case in cases if (fields := record(case, args.folder))]
    lines = [
        "| machine | cycles of a frame | LUTs: promised / synthesised / placed, error | FFs | "
        "block RAMs, filled by weights | DSPs | MHz: promised / counted / placed | frames/s: "
        "promised / placed | of the goal |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    errors: dict[str, list[float]] = {
        "LUTs": [], "LUTs as counted when built": [], "promised clock": [], "counted clock": [],
        "interval": [],
    }  # fmt: skip
    for case, fields in placed_machines:
        others = [machine for machine in placed_machines if machine[0] != case]
        model = machine_model("ecp5")
        if args.cases is None and len(others) > 1:
            model = replace(model, period_ns=fitted_period(others))
        expected = model.expected_mhz(fields["modelled"]["luts"])
        lines.append(row(case, fields, expected, errors))
    lines += [
        "",
        f"{len(placed_machines)} of {len(cases)} machines are placed, seed 1. Clocks are counted "
        f"from look-up tables by {'the other' if args.cases is None else 'earlier'} machines.",
    ]
    if placed_machines:
        means = [
            f"{name} {np.mean(np.abs(e)):.1%} in the mean, {np.max(np.abs(e)):.1%} at most"
            for name, e in errors.items()
            if e and name != "interval"
        ]
        lines += [f"Errors: {'; '.join(means)}; intervals that differ: {len(errors['interval'])}."]
    text = "\n".join(lines)
    print(text)
    if args.write:
        write_section(args.write, f"Dataflow machines placed on {DEVICE.upper()}", text)
    if args.write == RESULTS:
        table = json.loads(ECP5.table.read_text())
        table["period_ns"] = fitted_period(placed_machines)
        table["period_error"] = round(float(np.mean(np.abs(errors["counted clock"]))), 3)
        write_atomic(ECP5.table, json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
