"""Simulate mapped netlists of shipped rows and points against the golden models; print the count.

    python benchmarks/netlists.py ecp5 [ice40 ...] [--liberty A.lib.gz,B.lib.gz] [--most N]

Each unit of a shipped table is mapped anew by the table's flow, and its netlist simulated
with 1,056 vectors. Points were checked when they were made: their count is in the table.
"""

import argparse
from typing import Any

from macwright.costmodel.characterize.golden_check import check_netlist
from macwright.costmodel.characterize.unit import unit_netlist
from macwright.costmodel.tables.lookup import load_table
from macwright.costmodel.tables.points import load_points
from macwright.costmodel.tables.ship import shipped_units
from macwright.costmodel.technology.catalogue import find_technology
from macwright.costmodel.technology.liberty import liberty_technology
from macwright.hw.errors import ToolError


def check_table(technology: Any, most: int | None) -> tuple[int, int, list[str]]:
    """Netlists that are their unit, vectors compared, and what is wrong or was not compared."""
    shipped = set(load_table(technology.name)["unit"])
    specs = [spec for spec in shipped_units(technology.name) if spec.row in shipped]
    good, vectors, rest = 0, 0, []
    for spec in specs[:most]:
        unit = getattr(spec, "spec", spec)
        _, netlist = unit_netlist(unit, technology)
        try:
            vectors += check_netlist(technology.simulable(netlist, unit.name), spec)
            good += 1
        except (KeyError, ToolError) as error:
            rest.append(f"{spec.row}: {error}")
    return good, vectors, rest


def main() -> None:
    """Check the tables that the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("technologies", nargs="+")
    parser.add_argument("--liberty", help="files of the one cell library that is named")
    parser.add_argument("--most", type=int, help="units of each table")
    args = parser.parse_args()
    for name in args.technologies:
        technology = find_technology(name)
        if args.liberty:
            technology = liberty_technology(args.liberty.split(","), name=name)
        good, vectors, rest = check_table(technology, args.most)
        print(f"{name}: {good} mapped netlists equal to the golden model over {vectors} vectors")
        for line in rest:
            print(f"  not equal, or not simulated: {line}")
        points = load_points(name)
        print(f"  {len(points)} points, simulated as they were made: {points['checked'].sum()}")


if __name__ == "__main__":
    main()
