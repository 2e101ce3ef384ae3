"""Clock of a machine as it is placed, by seeds, and what limits it.

    python benchmarks/machine_clock.py [--seeds 1 2 3] [--earlier FOLDER] [--record]

The two commands of README's "Build it" make the machine; Yosys, nextpnr and ecppack place it on an
LFE5U-85F with each seed. `--earlier` is a folder in which an earlier commit built the machine of
the same allocation; it is placed in the same run, for comparison.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from section import write_section

from macwright.dse.build.place import place

DEVICE = "lfe5u-85f"
GOAL_MHZ = 100
DSE = (
    "dse --technology ecp5 --architecture dataflow --budget frame_ms<=0.5 "
    "--weights int4,int8 --activations int4,int8"
)


def macwright(*words: str | Path) -> None:
    """Run a command of macwright."""
    command = [sys.executable, "-m", "macwright", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))}: {done.stderr.strip()}")


def limit(folder: Path) -> str:
    """Where the longest path from clock to clock begins and ends, and its parts in ns."""
    report = json.loads((folder / f"report_{DEVICE}.json").read_text())
    paths = [
        path["path"]
        for path in report["critical_paths"]
        if "<async>" not in (path["from"], path["to"])
    ]
    path = max(paths, key=lambda steps: sum(step["delay"] for step in steps))
    wires = sum(step["delay"] for step in path if step["type"] == "routing")
    total = sum(step["delay"] for step in path)
    ends = path[0]["from"]["cell"], path[-1]["to"]["cell"]
    start, end = (name.split("_TRELLIS")[0].split("_DP16KD")[0] for name in ends)
    return f"`{start}` to `{end}`, {total:.1f} ns, {wires:.1f} of them wires"


def row(what: str, folder: Path, seed: int) -> tuple[str, float]:
    """Place a machine with a seed: a line of the table, and MHz."""
    fields: dict[str, Any] = place(folder, DEVICE, seed=seed)
    placed, machine = fields["placed"], fields["machine"]
    used = " | ".join(f"{site['used']:,}" for site in placed["sites"].values())
    clock = placed["clock_mhz"]
    seconds = fields["synthesised"]["seconds"] + placed["seconds"]
    return (
        f"| {what} | {seed} | {used} | {clock:.1f} | {placed['frames_per_s']:,.0f} | "
        f"{machine['interval']:,} | {machine['latency']:,} | {seconds:.0f} | {limit(folder)} |",
        clock,
    )


def main() -> None:
    """Print, and record, a row for each machine and seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--earlier", type=Path, metavar="FOLDER", help="machine of a commit before")
    parser.add_argument("--record", action="store_true", help="write the file of results")
    args = parser.parse_args()
    lines = [
        "| machine | seed | LUTs | registers | block RAMs | DSPs | MHz | frames/s | interval "
        "| latency | s | longest path |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        run, chip = Path(folder, "run"), Path(folder, "chip")
        macwright(*DSE.split(), "-o", run)
        macwright("build", run / "allocations" / "0.json", "-o", chip)
        machines = {"now": chip}
        if args.earlier:
            machines["earlier"] = Path(shutil.copytree(args.earlier, Path(folder, "earlier")))
        clocks: dict[str, list[float]] = {}
        for what, place_of in machines.items():
            for seed in args.seeds:
                line, clock = row(what, place_of, seed)
                lines.append(line)
                clocks.setdefault(what, []).append(clock)
                print(line, flush=True)
    least = {what: min(found) for what, found in clocks.items()}
    lines += ["", f"Least clock {least['now']:.1f} MHz; the goal is {GOAL_MHZ} MHz."]
    if "earlier" in least:
        ratio = least["now"] / least["earlier"]
        lines[-1] += f" It is {ratio:.2f} times that of the earlier machine."
    print("\n".join(lines[-2:]))
    if args.record:
        write_section("machine clock", "Clock of a machine as placed", "\n".join(lines))


if __name__ == "__main__":
    main()
