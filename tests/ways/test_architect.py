"""An architect's way: a machine of a device at a frame rate, built, and simulated bit for bit."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from macwright.hw.errors import ToolError
from macwright.sim.simulators import find_simulator

pytestmark = pytest.mark.slow

#: Frames a second that are asked for.
RATE = 1000


def macwright(*words: object, folder: Path) -> str:
    """What a command prints, in a process of its own."""
    command = [sys.executable, "-m", "macwright", *map(str, words)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_machine_of_a_frame_rate_is_searched_built_and_simulated(tmp_path):
    try:
        find_simulator("verilator")
    except ToolError as error:
        pytest.skip(str(error))
    macwright(
        *("dse", "--architecture", "dataflow", "--device", "lfe5u-25f"),
        *("--weights", "int4,int8", "--activations", "int4,int8", "--points", "6"),
        *("--budget", f"throughput_fps>={RATE}", "-o", "run"),
        folder=tmp_path,
    )
    with (tmp_path / "run" / "front.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    for row in rows:
        assert float(row["throughput_fps"]) >= RATE
        assert float(row["luts"]) <= 24_288  # of an LFE5U-25F
    row = min(rows, key=lambda row: float(row["luts"]))
    macwright("build", f"run/{row['allocation']}", "-o", "chip", folder=tmp_path)
    build = json.loads((tmp_path / "chip" / "build.json").read_text())
    interval, clock = build["machine"]["interval"], float(row["clock_mhz"])
    assert clock * 1e6 / interval == pytest.approx(float(row["throughput_fps"]), rel=1e-6)
    words = ["simulate", "chip", "--images", "3", "--simulator", "verilator", "--json"]
    result = json.loads(macwright(*words, folder=tmp_path))
    assert (result["passed"], result["images"]) == (True, 3)
    # The simulated machine takes the cycles that the rate was promised by.
    assert result["interval"] == interval
