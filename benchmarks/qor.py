"""Area of the multiply-accumulate units beside naive Verilog, in the same run and flow.

    python benchmarks/qor.py [--pdk DIR] [--technology NAME …] [--row NAME …] [--write]

Every row is the function ``acc <= (clear ? 0 : acc) + a * w`` with ports clk, clear, a, w, acc and
nothing else. The naive baselines are two codings of it (one expression; the product in a kept
wire), each with and without Yosys' `booth`, each under every mapping script of the technology; the
smallest counts. DIR holds the Liberty files of nangate45 and asap7. `--write` replaces the section
of this program in `benchmarks/RESULTS.md`.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from macwright.costmodel.flow_liberty import liberty_technology
from macwright.costmodel.technology import Technology, find_technology
from macwright.costmodel.unit_costs import synthesize, unit_costs
from macwright.costmodel.yosys import find_yosys
from macwright.hw.files import write_atomic
from macwright.hw.formats import IntFormat, parse_format
from macwright.hw.pe.accumulator import FixedAcc
from macwright.hw.pe.int_mac import IntMacSpec
from macwright.hw.pe.minifloat_mac import MinifloatMacSpec

LIBERTY = {"nangate45": "nangate45*.lib*", "asap7": "asap7/*.lib*"}
TECHNOLOGIES = ("nangate45", "asap7", "ecp5", "ice40", "xc7")
COLUMNS = "row technology figure delay_ns naive naive_delay_ns ratio target met".split()

#: Largest figure that meets the goal: (act bits, weight bits, acc bits) -> by technology.
INT_TARGETS = {
    (8, 8, 32): {"nangate45": 590, "asap7": 47, "ecp5": 106, "ice40": 103, "xc7": 69},
    (8, 8, 24): {"nangate45": 510},
    (8, 8, 26): {"asap7": 42.2},
    (8, 4, 32): {"nangate45": 440, "ecp5": 66, "ice40": 67, "xc7": 51},
    (8, 4, 22): {"asap7": 27.2, "ecp5": 56, "ice40": 57, "xc7": 41},
    (8, 4, 20): {"nangate45": 325},
    (4, 4, 32): {"nangate45": 370, "ecp5": 54, "ice40": 51, "xc7": 43},
    (4, 4, 18): {"asap7": 20.0},
    (4, 4, 16): {"nangate45": 225},
    (8, 2, 32): {"nangate45": 365, "ecp5": 46, "ice40": 49, "xc7": 42},
    (8, 2, 20): {"asap7": 19.4},
    (8, 2, 18): {"nangate45": 230},
    (16, 16, 40): {"nangate45": 1600},
}
#: Format -> accumulator bits, targets.
FLOAT_TARGETS = {
    "e2m1fn": (19, {"nangate45": 245, "ecp5": 43}),
    "e2m3fn": (23, {"nangate45": 380, "ecp5": 80}),
    "e3m2fn": (29, {"nangate45": 435, "ecp5": 92}),
    "e3m4fin": (33, {"nangate45": 590}),
    "e4m3fin": (47, {"nangate45": 720, "ecp5": 160}),
    "e5m2fin": (75, {"nangate45": 1080, "ecp5": 222}),
}
#: Adder, multiplier -> largest area and delay, nangate45, int8 x int8 + 32.
FAST_TARGETS = {
    ("kogge_stone", "booth4"): (665, 1.25),
    ("carry_save", "booth4"): (775, 0.75),
}

ONE_EXPRESSION = """\
module naive (input clk, input clear, input signed [{a}:0] a, input signed [{w}:0] w,
              output reg signed [{acc}:0] acc);
  always @(posedge clk) acc <= (clear ? {n}'sd0 : acc) + a * w;
endmodule
"""
KEPT_PRODUCT = """\
module naive (input clk, input clear, input signed [{a}:0] a, input signed [{w}:0] w,
              output reg signed [{acc}:0] acc);
  (* keep *) wire signed [{p}:0] product = a * w;
  always @(posedge clk) acc <= (clear ? {n}'sd0 : acc) + product;
endmodule
"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One comparison.

    Parameters
    ----------
    name, technology : str
        What is compared, and where.
    spec : object
        Our unit, tuned.
    target : float
        Largest area that meets the goal, in the technology's area unit.
    target_ns : float or None
        Longest delay that meets it.
    """

    name: str
    technology: str
    spec: Any
    target: float
    target_ns: float | None = None


def rows() -> Iterator[Row]:
    """All comparisons, without the technologies that a caller leaves out."""
    for (act, weight, acc), targets in INT_TARGETS.items():
        for technology, target in targets.items():
            spec = IntMacSpec(act=IntFormat(act), weight=IntFormat(weight), acc=IntFormat(acc))
            name = f"int{act} x int{weight} + {acc}"
            tuned = spec.tuned(technology)
            yield Row(name=name, technology=technology, spec=tuned, target=target)
    for (adder, multiplier), (target, delay) in FAST_TARGETS.items():
        spec = IntMacSpec(adder=adder, multiplier=multiplier, target="asic")
        name = f"int8 x int8 + 32, {adder}"
        yield Row(name=name, technology="nangate45", spec=spec, target=target, target_ns=delay)
    for name, (acc, targets) in FLOAT_TARGETS.items():
        fmt = parse_format(name)
        for technology, target in targets.items():
            spec = MinifloatMacSpec(act=fmt, weight=fmt, acc=FixedAcc(acc)).tuned(technology)
            yield Row(name=f"{name} + {acc}", technology=technology, spec=spec, target=target)


def naive_figures(row: Row, technology: Technology) -> list[dict[str, Any]]:
    """Figures of every baseline; those of a minifloat are the plain expression's of the unit."""
    yosys = find_yosys()
    if isinstance(row.spec, MinifloatMacSpec):
        plain = replace(row.spec, multiplier="infer", target="generic")
        return [unit_costs(plain, technology)]
    widths = (row.spec.act.width, row.spec.weight.width, row.spec.acc.width)
    a, w, acc = (width - 1 for width in widths)
    made = []
    for coding in (ONE_EXPRESSION, KEPT_PRODUCT):
        text = coding.format(a=a, w=w, acc=acc, n=acc + 1, p=a + w + 1)
        for first in ("", "hierarchy -top {top}\nproc\nopt\nwreduce\nbooth\n"):
            flow = replace(technology, synthesis=first + technology.synthesis)
            made.append(synthesize(text, top="naive", technology=flow, yosys=yosys))
    return made


def compare(row: Row, technology: Technology) -> dict[str, Any]:
    """One line of the table."""
    ours = unit_costs(row.spec, technology)
    naive = min(naive_figures(row, technology), key=lambda figures: figures["area"])
    met = ours["area"] <= row.target
    if row.target_ns is not None:
        met = met and ours["delay_ns"] <= row.target_ns
    target = str(row.target) if row.target_ns is None else f"{row.target} at {row.target_ns} ns"
    return {
        "row": row.name,
        "technology": row.technology,
        "figure": ours["area"],
        "delay_ns": ours.get("delay_ns"),
        "naive": naive["area"],
        "naive_delay_ns": naive.get("delay_ns"),
        "ratio": naive["area"] / ours["area"],
        "target": target,
        "met": "yes" if met else "NO",
    }


def main() -> int:
    """Print the table; 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--pdk", type=Path, help="folder of the Liberty files")
    parser.add_argument("--technology", nargs="+", choices=TECHNOLOGIES, default=TECHNOLOGIES)
    parser.add_argument("--row", nargs="+", help="only rows whose name starts so")
    parser.add_argument("--write", action="store_true", help="write benchmarks/RESULTS.md")
    args = parser.parse_args()
    wanted = [t for t in args.technology if t not in LIBERTY or args.pdk is not None]
    found = {
        name: liberty_technology(sorted(args.pdk.glob(LIBERTY[name])), name=name)
        if name in LIBERTY
        else find_technology(name)
        for name in wanted
    }
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    print("\n".join(lines), flush=True)
    missed = 0
    for row in rows():
        if row.technology not in found:
            continue
        if args.row and not row.name.startswith(tuple(args.row)):
            continue
        values = compare(row, found[row.technology])
        missed += values["met"] == "NO"
        cells = (_text(values[column]) for column in COLUMNS)
        lines.append("| " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    if args.write:
        write_section("\n".join(lines))
    return int(missed > 0)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def write_section(table: str) -> None:
    """Replace this program's section of the results."""
    path = Path(__file__).with_name("RESULTS.md")
    begin, end = "<!-- qor: begin -->\n", "<!-- qor: end -->\n"
    text = path.read_text() if path.exists() else "# Results\n\n"
    if begin not in text:
        text += begin + end
    before, rest = text.split(begin, 1)
    after = rest.split(end, 1)[1]
    note = (
        "## Area of multiply-accumulate units\n\n`python benchmarks/qor.py --pdk DIR --write`: "
        "area in um2 (cells only, no wires) or LUTs, smallest of the flow's mapping scripts; "
        "naive: the smallest of the baselines in the same run.\n\n"
    )
    write_atomic(path, before + begin + note + table + "\n" + end + after)


if __name__ == "__main__":
    raise SystemExit(main())
