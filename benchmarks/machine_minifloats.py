"""Resources of what minifloat activations add to machines on ECP5, predicted and mapped.

    python benchmarks/machine_minifloats.py [--fit] [--write]

Requantisers to minifloats, and pools that sum them, are mapped by Yosys, each alone. The errors
printed are those of each format with coefficients from the other formats alone; `--fit` writes
coefficients of all into costmodel/tables/ecp5_machine.json, and leaves the others there.
"""

import argparse
import itertools
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from fabric import ECP5
from machine_area import Row, fitted
from section import write_section

from macwright.costmodel.characterize.yosys import find_yosys, run_yosys
from macwright.costmodel.system.machine_parts import level_part, requantiser_part
from macwright.costmodel.system.machine_resources import Resources
from macwright.costmodel.system.part import Part
from macwright.hw.accelerator.levels import level_of, level_shape
from macwright.hw.accelerator.library import Library
from macwright.hw.accelerator.network import level_unit
from macwright.hw.accelerator.requantiser import RequantiserSpec
from macwright.hw.files import write_atomic
from macwright.hw.formats import parse_format

FORMATS = ("e2m1fn", "e2m3fn", "e3m2fn", "e3m4fin", "e4m3fn", "e4m2fin", "e5m2")
#: Bits of sum and bias, and shift.
SUMS = ((14, 10, 17), (22, 16, 21), (30, 24, 26))


def specs(name: str) -> Iterator[RequantiserSpec]:
    """Requantisers to a format: all of it, and without negative numbers."""
    fmt = parse_format(name)
    most = int(fmt.max / level_unit(fmt))
    for (sums, bias, shift), low in itertools.product(SUMS, (-most, 0)):
        yield RequantiserSpec(
            sums=sums, bias=bias, multiplier=16, shift=shift, low=low, high=most,
            bits=fmt.width, minifloat=fmt,  # type: ignore[arg-type]
        )  # fmt: skip


def mapped(component: Any) -> Any:
    """Cells of a component."""
    library = Library("part")
    library.add("part", component, "")
    library.finish()
    texts = {f"{name}.v": text for name, text in library.modules.items()}
    script = "".join(f"read_verilog {name}\n" for name in texts)
    script += "synth_ecp5 -top part\nwrite_json netlist.json\n"
    (netlist,) = run_yosys(find_yosys(), script, texts, outputs=["netlist.json"])
    return ECP5.counted(netlist["modules"], "part")


class Level(wiring.Component):
    """Levels of codes, between registers."""

    def __init__(self, fmt: Any) -> None:
        self.fmt = fmt
        super().__init__({"code": In(fmt.width), "level": Out(level_shape(fmt))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        code: Any = Signal(self.fmt.width, name="code_reg", reset_less=True)
        m.d.sync += [code.eq(self.code), self.level.eq(level_of(m, code, self.fmt, "levels"))]  # type: ignore[attr-defined]
        return m


def rows_of(name: str) -> list[Row]:
    """Parts of a format with their cells."""
    rows = [(spec.name, requantiser_part(spec), mapped(spec.create())) for spec in specs(name)]
    cells = mapped(Level(parse_format(name)))
    fmt: Any = parse_format(name)
    cells["TRELLIS_FF"] = 0  # around it, so that it is mapped as inside of a machine
    return [*rows, (name, level_part(fmt), cells)]


def predicted(part: Part, rows: Sequence[Row]) -> Resources:
    """A part with coefficients of some rows."""
    by = fitted(rows)[part.kind]
    luts, ffs = (
        sum(by[what].get(name, 0.0) * value for name, value in part.features.items())
        for what in ("luts", "ffs")
    )
    return Resources(luts=luts, ffs=ffs)


def main() -> None:
    """Map, fit, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--fit", action="store_true", help="write the coefficients")
    parser.add_argument("--write", action="store_true", help="write the file of results")
    args = parser.parse_args()
    rows = {name: rows_of(name) for name in FORMATS}
    lines = [
        "| format | part | LUTs: predicted / mapped, error | FFs: predicted / mapped |",
        "|---|---|---|---|",
    ]
    errors: dict[str, list[float]] = {"luts": [], "ffs": []}
    for name, own in rows.items():
        others = [row for other, known in rows.items() if other != name for row in known]
        for what, part, cells in own:
            made, wanted = predicted(part, others), ECP5.resources(cells)
            error = made.luts / wanted.luts - 1
            errors["luts"].append(error)
            if wanted.ffs:
                errors["ffs"].append(made.ffs / wanted.ffs - 1)
            lines.append(
                f"| {name} | {what} | {made.luts:,.0f} / {wanted.luts:,.0f}, {error:+.1%} | "
                f"{made.ffs:,.0f} / {wanted.ffs:,.0f} |"
            )
    means = ", ".join(f"{what} {np.mean(np.abs(e)):.1%}" for what, e in errors.items())
    lines += ["", f"Mean absolute errors: {means}"]
    print("\n".join(lines))
    if args.fit:
        known = json.loads(ECP5.table.read_text())
        known["coefficients"] |= fitted([row for own in rows.values() for row in own])
        write_atomic(ECP5.table, json.dumps(known, indent=1) + "\n")
    if args.write:
        title = "What minifloat activations add to machines on ECP5"
        write_section("machine_minifloats", title, "\n".join(lines))


if __name__ == "__main__":
    main()
