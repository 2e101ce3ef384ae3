"""Clock and LUTs of rows beside what nextpnr gives for a top of the user's around the Verilog.

    python benchmarks/placed.py [--seeds 11 12 13] [--write]

The top is plain Verilog: a register in front of each operand bit, the results at pins. Yosys
synthesises it with the options that the row names, nextpnr places and routes it with its pins and
with seeds that no row was made with. Of each unit stand its smallest row and its fastest one; they
are those that ship where points of the unit ship, else made here. Results are cached: the same
command again goes on where it stopped.
"""

import argparse
import importlib.metadata
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
from section import write_section

from macwright.costmodel.cache import Cache, content_key
from macwright.costmodel.characterize.points import point_frame, unit_points, with_mappings
from macwright.costmodel.characterize.structures import built_spec
from macwright.costmodel.characterize.yosys import find_yosys, run_yosys
from macwright.costmodel.placement.nextpnr import PLACERS
from macwright.costmodel.tables.points import current_points
from macwright.costmodel.technology.catalogue import find_technology, target_of_technology
from macwright.hw.pe import spec_from_fields
from macwright.hw.verilog import unit_verilog
from macwright.sim.generate import describe

WITHIN = 0.1
_EXACT = {"acc": "exact", "terms": 4096}
#: Twelve units of seven families.
UNITS: list[tuple[str, dict[str, Any]]] = [
    ("int_mac", {"act": "int8", "weight": "int8", **_EXACT}),
    ("int_mac", {"act": "uint4", "weight": "int4", **_EXACT}),
    ("int_mac", {"act": "int8", "weight": "int2", **_EXACT}),
    ("minifloat_mac", {"act": "e4m3fin", "weight": "e4m3fin", **_EXACT}),
    ("minifloat_mac", {"act": "e2m1fn", "weight": "e2m1fn", **_EXACT}),
    ("composable_mac", {}),
    ("composable_mac", {"variant": "fusion"}),
    ("serial_mac", {}),
    ("bitplane_dot", {"lanes": 4, "act": "uint8", "weight": "int4", "acc": "exact"}),
    ("dot", {"lanes": 4}),
    ("shift_add_mac", {"weight": "pot4", "group": 32}),
    ("requant", {"act": "int20", "weight": "uint8", "acc": "int4", "shift_bits": 4}),
]
#: Program, its options, and what counts LUTs in its report.
NEXTPNR = {
    "ecp5": ("--25k --speed 6 --package CABGA381 --lpf-allow-unconstrained", "TRELLIS_COMB"),
    "ice40": ("--hx8k --package ct256 --pcf-allow-unconstrained", "ICESTORM_LC"),
}
HEAD = (
    "unit | technology | structure, mapping | shipped | row ns | top ns | row / top | "
    "row LUTs | top LUTs | row / top"
)


def top_of_a_user(spec: Any) -> tuple[str, int]:
    """Verilog with a register at each operand and results at pins, and how many registers."""
    heads, body, pins, registers = ["input clk"], [], [".clk(clk)"], 0
    for port in describe(spec)["ports"]:
        name, width = port["name"], f"[{port['width'] - 1}:0]"
        if name == "clk":
            continue
        heads.append(f"{port['direction']} {width} {name}")
        pins.append(f".{name}({name}{'_q' if port['direction'] == 'input' else ''})")
        if port["direction"] == "input":
            body.append(f"  reg {width} {name}_q; always @(posedge clk) {name}_q <= {name};")
            registers += port["width"]
    head = f"module user_top ({', '.join(heads)});"
    unit = f"  {spec.name} unit ({', '.join(pins)});"
    return "\n".join([head, *body, unit, "endmodule\n"]), registers


def placed_by_hand(
    spec: Any, technology: str, mapping: str, seeds: Sequence[int]
) -> tuple[float, int]:
    """Median period of the top, ns, and its LUTs less those that only hold operands."""
    flow = with_mappings(find_technology(technology), dsp=False)
    script, outputs = flow.script("user_top", dsp=False)
    verilog, registers = top_of_a_user(spec)
    texts = {**flow.texts(), "unit.v": unit_verilog(spec) + verilog}
    options, luts = NEXTPNR[technology]
    program = f"yowasp_nextpnr_{technology}"
    tools = [str(find_yosys()), importlib.metadata.version(program.replace("_", "-"))]
    key = content_key(script=script, texts=texts, tools=tools, options=options, seeds=list(seeds))
    cached: Any = Cache("placed").get(f"{key}_{mapping}")
    if cached is not None:
        return cached["period_ns"], cached["luts"]
    netlists = run_yosys(find_yosys(), script, texts, outputs=list(outputs.values()))
    netlist = dict(zip(outputs, netlists, strict=True))[mapping]
    code = f"import sys, {program} as p; sys.exit(p.run_nextpnr_{technology}(sys.argv[1:]))"
    reports = []
    with tempfile.TemporaryDirectory(prefix="macwright-") as folder:
        (Path(folder) / "top.json").write_text(json.dumps(netlist))
        for seed in seeds:
            words = f"{options} --json top.json --report report.json --seed {seed} --freq 200 -q"
            subprocess.run(
                [sys.executable, "-P", "-c", code, *words.split(), "--timing-allow-fail"],
                cwd=folder,
                check=True,
                capture_output=True,
            )
            reports.append(json.loads((Path(folder) / "report.json").read_text()))
    period = median(1e3 / next(iter(r["fmax"].values()))["achieved"] for r in reports)
    used = int(median(r["utilization"][luts]["used"] for r in reports))
    # A logic cell of iCE40 counts where only its register is used.
    used -= registers if PLACERS[technology].registers_take_luts else 0
    Cache("placed").put(f"{key}_{mapping}", {"period_ns": period, "luts": used})
    return period, used


def ends(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The smallest row and the fastest one; one if it is both."""
    frame = point_frame(rows)
    chosen = dict.fromkeys([int(frame["area"].argmin()), int(frame["period_ns"].argmin())])
    return [rows[k] for k in chosen]


def compared(
    family: str, fields: dict[str, Any], technology: str, seeds: Sequence[int]
) -> list[dict[str, Any]]:
    """The rows of a unit beside what nextpnr gives."""
    spec = spec_from_fields(family, fields).tuned(target_of_technology(technology))
    flow = find_technology(technology)
    shipped = current_points([spec], flow).get(spec.row)
    lines = []
    for row in ends(shipped or unit_points(spec, flow)):
        built = built_spec(spec, row["module"], technology)
        mapping = row["point"].rpartition("map=")[2]
        period, luts = placed_by_hand(built, technology, mapping, seeds)
        lines.append(
            {
                "unit": spec.name,
                "technology": technology,
                "point": row["point"],
                "shipped": bool(shipped),
                "row_ns": float(row["period_ns"]),
                "top_ns": period,
                "row_luts": int(row["placed_luts"]),
                "top_luts": luts,
            }
        )
    return lines


def report(lines: pd.DataFrame) -> str:
    """Markdown: how many are within `WITHIN`, and the table."""
    clock, luts = lines["row_ns"] / lines["top_ns"], lines["row_luts"] / lines["top_luts"]
    off = [[abs(r - 1) > WITHIN for r in pair] for pair in zip(clock, luts, strict=True)]
    body = [
        f"{len(lines)} rows of {lines['unit'].nunique()} units: periods of "
        f"{len(lines) - sum(p for p, _ in off)} and LUTs of {len(lines) - sum(n for _, n in off)} "
        f"within {WITHIN:.0%} of the top's (period {clock.min():.2f} to {clock.max():.2f} times, "
        f"LUTs {luts.min():.2f} to {luts.max():.2f} times); the others are bold.",
        "",
        f"| {HEAD} |",
        "|" + "---|" * len(HEAD.split(" | ")),
    ]
    for line, t, n, (slow, large) in zip(lines.to_dict("records"), clock, luts, off, strict=True):
        cells = [f"`{line['unit']}`", line["technology"], line["point"]]
        cells += ["yes" if line["shipped"] else "no"]
        cells += [f"{line['row_ns']:.2f}", f"{line['top_ns']:.2f}"]
        cells += [f"**{t:.2f}**" if slow else f"{t:.2f}", line["row_luts"], line["top_luts"]]
        cells += [f"**{n:.2f}**" if large else f"{n:.2f}"]
        body.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(body)


def main() -> None:
    """Compare, print and, if asked to, write the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13])
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/placed.md")
    args = parser.parse_args()
    todo = [(*unit, technology) for technology in NEXTPNR for unit in UNITS]
    with ThreadPoolExecutor(2) as pool:
        lines = list(pool.map(lambda each: compared(*each, args.seeds), todo))
    body = report(pd.DataFrame([line for each in lines for line in each]))
    print(body)
    if args.write:
        write_section("placed", "Rows beside a top of the user's", body)


if __name__ == "__main__":
    main()
