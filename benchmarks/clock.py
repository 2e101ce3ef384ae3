"""Formats at equal clock: area and energy of a MAC at the cheapest point that meets each clock.

    python benchmarks/clock.py [--pdk DIR] [--write]

INT8 and E4M3 (every code a number, exact sum of 4,096 products) are units of the default search,
MXFP4 and MXINT8 its dot products of eight lanes with an FP32 accumulator; eight lanes of INT8 stand
beside these. Each point was mapped, timed from register to register with the library's wires, and
simulated against the golden model as it was mapped; periods leave the search's margin. Points of
carry-save accumulators, whose two sums an adder has to join, and of float sums that take turns
are in columns of their own.
"""

import argparse
from pathlib import Path
from typing import Any

import pandas as pd
from section import write_section

from macwright.costmodel.characterize.structures import has_one_sum
from macwright.costmodel.tables.clock import MARGIN, fastest_mhz
from macwright.costmodel.tables.default_units import mac_spec
from macwright.costmodel.tables.points import points
from macwright.costmodel.technology.liberty import liberty_technology
from macwright.hw.pe import spec_from_fields

CLOCKS_MHZ = (250, 500, 1000)
TECHNOLOGIES = ("nangate45", "asap7")


def units(technology: str) -> dict[str, Any]:
    """Spec of each unit by its name in the table, the baseline first."""
    pairs = {"INT8": "int8", "E4M3": "e4m3fin", "MXFP4, 8 lanes": "mxfp4"}
    pairs["MXINT8, 8 lanes"] = "mxint8"
    made = {
        name: mac_spec(act=fmt, weight=fmt, technology=technology) for name, fmt in pairs.items()
    }
    lanes = spec_from_fields("dot", {"act": "int8", "weight": "int8", "lanes": 8, "terms": 4096})
    return {**made, "INT8, 8 lanes": lanes.tuned(made["INT8"].target)}


def cheapest(rows: pd.DataFrame, clock_mhz: float) -> dict[str, Any] | None:
    """Smallest of the points that meet a clock, None if none does."""
    met = rows[rows["period_ns"] * (1 + MARGIN) <= 1e3 / clock_mhz]
    return None if met.empty else dict(met.sort_values(["area", "energy_fj_per_mac"]).iloc[0])


def table(rows: pd.DataFrame, named: dict[str, Any]) -> list[str]:
    """Lines of Markdown of one technology."""
    head = (
        "| unit | MHz | um2 a MAC | / INT8 | fJ a MAC | / INT8 | structure "
        "| carry-save or sums in turn: um2 | fJ |"
    )
    lines = [head, "|---" * 9 + "|"]
    for clock in CLOCKS_MHZ:
        base: dict[str, Any] | None = None
        for name, spec in named.items():
            mine = rows[rows["unit"] == spec.row]
            single = mine[[has_one_sum(str(point)) for point in mine["point"]]]
            double = mine.drop(single.index)
            best, split = cheapest(single, clock), cheapest(double, clock)
            base = best if name == "INT8" else base
            cells = _cells(best, base, spec)
            if best is None:
                cells[0] = f"none: {fastest_mhz(list(single['period_ns']), MARGIN):.0f} MHz at most"
            cells += ["", ""] if split is None else _figures(split, spec)
            lines.append(f"| {name} | {clock} | {' | '.join(cells)} |")
    return lines


def _figures(point: dict[str, Any], spec: Any) -> list[str]:
    return [f"{point['area'] / spec.macs_per_cycle:.4g}", f"{point['energy_fj_per_mac']:.4g}"]


def _cells(point: dict[str, Any] | None, base: dict[str, Any] | None, spec: Any) -> list[str]:
    """Area and energy with their ratios to INT8 at the same clock, and the structure."""
    if point is None:
        return [""] * 5
    area, energy = _figures(point, spec)
    ratios = ["", ""]
    if base is not None:
        ratios = [
            f"{point['area'] / spec.macs_per_cycle / base['area']:.2f}",
            f"{point['energy_fj_per_mac'] / base['energy_fj_per_mac']:.2f}",
        ]
    return [area, ratios[0], energy, ratios[1], str(point["point"]) or "smallest"]


def main() -> None:
    """Measure, print and, if asked to, write the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--pdk", type=Path, default=Path("../shared/pdk"), metavar="DIR")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/clock.md")
    args = parser.parse_args()
    body = [
        f"Cells with wires; periods leave {MARGIN:.0%}; energy: gauss operands. `carry-save` or "
        "sums in turn: the cheapest point that meets the clock of two sums, without the adder that "
        "joins them, or of four float sums that take turns."
    ]
    for name in TECHNOLOGIES:
        folder = args.pdk
        paths = sorted([*folder.glob(f"{name}*.lib*"), *folder.glob(f"{name}/*.lib*")])
        if not paths:
            raise SystemExit(f"Folder {folder} must hold the Liberty files of {name}")
        technology, named = liberty_technology(paths, name=name), units(name)
        rows = points(list(named.values()), technology, jobs=1)
        body += [f"## {name}", "\n".join(table(rows, named))]
    text = "\n\n".join(body)
    print(text)
    if args.write:
        write_section("clock", "Formats at equal clock", text)


if __name__ == "__main__":
    main()
