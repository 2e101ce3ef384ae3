"""Compare the energy engine with a reference flow (SDF simulation in Icarus + OpenSTA).

    python benchmarks/energy_accuracy.py DIR --liberty-dir DIR [--write]

DIR holds a folder for each case: `netlist.v`, `stimulus.csv`, `outputs.csv`, `wire_cap.csv` and
`reference.json`, as `../shared/reference/energy/README.md` describes. Liberty files are found by
the SHA-256 of their uncompressed content. One line a case and a summary; status 1 beyond a limit.
"""

import argparse
import csv
import gzip
import hashlib
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from section import write_section

from macwright.costmodel.liberty.library import Library, read_liberty
from macwright.costmodel.netlist.netlist import Netlist
from macwright.costmodel.netlist.timing import analyse
from macwright.costmodel.netlist.verilog import read_verilog
from macwright.costmodel.power.activity import simulate
from macwright.costmodel.power.glitch import GlitchSimulator
from macwright.costmodel.power.rollup import Power, roll_up

#: Largest deviations from the reference, relative.
PERIOD, ZERO_DELAY, GLITCH_MEAN, GLITCH_WORST, JOINT = 0.001, 0.005, 0.03, 0.08, 0.005


class LibertyFinder:
    """Libraries by the content of their files.

    Parameters
    ----------
    folder : Path
        Searched with its sub-folders for `.lib` and `.lib.gz`.
    """

    def __init__(self, folder: Path) -> None:
        self.files: dict[str, Path] = {}
        for path in sorted(folder.rglob("*.lib*")):
            raw = path.read_bytes()
            content = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
            self.files[hashlib.sha256(content).hexdigest()] = path
        self.folder = folder
        self.libraries: dict[tuple[str, ...], Library] = {}

    def find(self, reference: dict[str, Any]) -> Library:
        """Library of a case; files are read once."""
        key = tuple(
            self._known(file["sha256"], file["name"]) for file in reference["liberty_files"]
        )
        if key not in self.libraries:
            self.libraries[key] = read_liberty([self.files[sha] for sha in key])
        return self.libraries[key]

    def _known(self, sha: str, name: str) -> str:
        if sha not in self.files:
            raise FileNotFoundError(f"{self.folder} must hold {name} with SHA-256 {sha}")
        return sha


@dataclass
class Case:
    """Input of one case.

    Parameters
    ----------
    reference : dict
        Content of `reference.json`.
    netlist : Netlist
    wire_ff : ndarray of float64, shape (n_nets,)
    streams : dict of str to ndarray, shape (n_cycles + 1, 1)
        The last row is held for one more cycle.
    outputs : dict of str to list of (int or None)
        Expected code of each output port in each cycle.
    """

    reference: dict[str, Any]
    netlist: Netlist
    wire_ff: np.ndarray
    streams: dict[str, np.ndarray]
    outputs: dict[str, list[int | None]]


def read_case(folder: Path, finder: LibertyFinder) -> Case:
    """Read the files of a case."""
    reference = json.loads((folder / "reference.json").read_text())
    netlist = read_verilog(folder / "netlist.v", finder.find(reference))
    number = {name: index for index, name in enumerate(netlist.net_names)}
    wire = np.zeros(len(number))
    for row in read_csv(folder / "wire_cap.csv"):
        wire[number[row["net"]]] = float(row["cap_fF"])
    rows = read_csv(folder / "stimulus.csv")
    rows.append(rows[-1])
    streams = {
        name: np.array([[int(row[name])] for row in rows], dtype=object)
        for name in rows[0]
        if name != "cycle"
    }
    expected = read_csv(folder / "outputs.csv")
    outputs = {
        name: [int(row[name]) if row[name] else None for row in expected]
        for name in expected[0]
        if name != "cycle"
    }
    return Case(reference, netlist, wire, streams, outputs)


def read_csv(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file."""
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


@dataclass
class Outcome:
    """Relative deviations of a case, and cycles with wrong outputs."""

    period: float
    zero_delay: float
    glitch: float
    joint: float
    wrong_outputs: int

    @property
    def passed(self) -> bool:
        """Whether every limit for a single case holds."""
        return (
            abs(self.period) <= PERIOD
            and abs(self.zero_delay) <= ZERO_DELAY
            and abs(self.glitch) <= GLITCH_WORST
            and abs(self.joint) <= JOINT
            and not self.wrong_outputs
        )


def evaluate(case: Case) -> Outcome:
    """Run the engine on a case."""
    netlist, reference = case.netlist, case.reference
    timing = analyse(
        netlist,
        wire_ff=case.wire_ff,
        input_slew_ns=reference["input_slew_ns"],
        clock_slew_ns=reference["clock_slew_ns"],
    )
    history: list[list[int]] = []
    skipped = reference["stimulus"]["excluded_leading_cycles"]
    activity = simulate(
        netlist, case.streams, first=skipped + 1, observe=lambda _, values: history.append(values)
    )
    settled = np.array(history, dtype=np.uint8)
    simulator = GlitchSimulator(netlist, timing)
    # The reference's window with delays begins and ends one clock edge earlier.
    edges = settled[skipped:-1, [net for net, _, _ in simulator.sources]]
    plain = roll_up(netlist, timing, activity, mode="opensta")
    glitches = simulator.run(
        settled[skipped - 1], edges, np.ones(len(edges), dtype=bool), plain.weight_fj
    )
    hazard = roll_up(
        netlist,
        timing,
        activity,
        toggles=glitches.toggles,
        transitions=glitches.transitions,
        mode="opensta",
    )
    joint = roll_up(netlist, timing, activity, mode="joint")
    period = reference["clock_period_ns"]
    energy = reference["energy_fJ_per_cycle"]
    wrong = 0
    for port, codes in case.outputs.items():
        for code, values in zip(codes, history, strict=False):
            got = sum(values[net] << bit for bit, net in enumerate(netlist.ports[port].nets))
            wrong += code is not None and code != got
    return Outcome(
        timing.min_period_ns / reference["min_period_ns"] - 1,
        plain.total_fj(period) / energy["zero_delay"]["total"] - 1,
        hazard.total_fj(period) / energy["sdf"]["total"] - 1,
        sequential(joint) / reference["joint"]["seq_zero_delay_joint_fJ"] - 1,
        wrong,
    )


def sequential(power: Power) -> float:
    """Energy of the flip-flops without leakage, fJ per cycle."""
    return float(power.internal_fj[1] + power.switching_fj[1])


def main() -> int:
    """Evaluate every case and print the summary."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of cases")
    parser.add_argument("--liberty-dir", type=Path, required=True, metavar="DIR")
    parser.add_argument("--write", action="store_true", help="put it into benchmarks/results")
    options = parser.parse_args()
    folders = sorted(path.parent for path in options.folder.rglob("reference.json"))
    if not folders:
        print(f"{options.folder} must hold folders with a reference.json", file=sys.stderr)
        return 1
    finder = LibertyFinder(options.liberty_dir)
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        print(line, flush=True)

    say(f"{'case':32} {'period':>9} {'zero-delay':>10} {'glitches':>9} {'joint':>9} outputs   s")
    outcomes = []
    for folder in folders:
        start = time.perf_counter()
        outcome = evaluate(read_case(folder, finder))
        outcomes.append(outcome)
        say(
            f"{folder.name:32} {outcome.period:9.1e} {outcome.zero_delay:10.3%} "
            f"{outcome.glitch:9.3%} {outcome.joint:9.3%} "
            f"{'ok' if not outcome.wrong_outputs else f'{outcome.wrong_outputs} bad':7} "
            f"{time.perf_counter() - start:4.1f}{'' if outcome.passed else '  BEYOND A LIMIT'}"
        )
    mean = float(np.mean([abs(outcome.glitch) for outcome in outcomes]))
    for name, limit in (
        ("period", PERIOD),
        ("zero_delay", ZERO_DELAY),
        ("glitch", GLITCH_WORST),
        ("joint", JOINT),
    ):
        worst = max(abs(getattr(outcome, name)) for outcome in outcomes)
        say(f"worst {name:10} {worst:9.2e} (limit {limit:g})")
    say(f"mean  glitch     {mean:9.2e} (limit {GLITCH_MEAN:g})")
    failed = sum(not outcome.passed for outcome in outcomes)
    say(f"{len(outcomes) - failed} of {len(outcomes)} cases within the limits")
    if options.write:
        body = "```\n" + "\n".join(lines) + "\n```"
        write_section("energy_accuracy", "Energy against the reference flow", body)
    return int(failed > 0 or not mean <= GLITCH_MEAN)


if __name__ == "__main__":
    sys.exit(main())
