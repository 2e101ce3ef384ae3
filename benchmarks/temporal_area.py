"""Resources of temporal machines: predicted from their specs, synthesised, and placed.

    python benchmarks/temporal_area.py [--folder DIR] [--fit] [--place N] [--known] [--write]

Machines of networks of ../shared/data on arrays of several sizes are mapped by Yosys, flat as
`macwright build` does. `--fit` writes what each feature adds (least squares, none below 0) to
costmodel/tables/ecp5_machine.json; the errors printed are those of each network with coefficients
from the other networks alone, those of digits_cnn, the only one with maxima, with coefficients from
all other machines. `--place` places the first N machines, too (LFE5U-85F, one seed).
Whatever is in DIR is not done again, and those that were placed are in the table.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from machine_area import TABLE, counted, fitted, mapped, placed, quick_network, resources
from section import write_section

from macwright.costmodel.system.machine_parts import parts
from macwright.costmodel.system.machine_resources import MachineModel, Resources, machine_model
from macwright.costmodel.system.part import Part
from macwright.costmodel.tables.default_units import mac_spec
from macwright.dse.architecture.engine_units import engine_unit
from macwright.hw.accelerator.temporal.compile import compile_network
from macwright.hw.accelerator.temporal.machine import temporal_library
from macwright.hw.accelerator.temporal.spec import TemporalSpec
from macwright.hw.files import write_atomic
from macwright.hw.pe import IntMacSpec

#: Network, weights, activations, rows, columns, and what its products are made of: `streamed` ones
#: of hard multipliers, with weights over a bus of :data:`BUS_BITS`.
MACHINES = (
    ("digits_cnn", "int8", "int8", 4, 8, "hard"),
    ("digits_cnn", "int4", "int4", 4, 4, "hard"),
    ("digits_cnn", "int4", "int8", 8, 8, "logic"),
    ("fashion_cnn", "int8", "int8", 8, 8, "hard"),
    ("fashion_cnn", "int4", "int4", 8, 16, "logic"),
    ("fashion_cnn", "int8", "int8", 16, 4, "hard"),
    ("fashion_cnn", "mixed", "mixed", 4, 16, "hard"),
    ("dscnn_kws", "int8", "int8", 8, 8, "hard"),
    ("dscnn_kws", "int4", "int8", 4, 8, "hard"),
    ("dscnn_kws", "int4", "int4", 16, 16, "logic"),
    ("dscnn_kws", "int8", "int8", 16, 8, "logic"),
    ("resnet8_cifar10", "int8", "int8", 8, 16, "hard"),
    ("resnet8_cifar10", "int4", "int8", 8, 8, "logic"),
    ("resnet8_cifar10", "int6", "int6", 4, 8, "hard"),
    ("dscnn_kws", "int8", "int8", 4, 4, "hard"),
    ("fashion_cnn", "int3", "int8", 4, 4, "hard"),
    ("digits_cnn", "int8", "int8", 4, 8, "streamed"),
    ("fashion_cnn", "int4", "int8", 4, 16, "streamed"),
    ("dscnn_kws", "int8", "int8", 8, 8, "streamed"),
)
BUS_BITS = 64
Case = tuple[str, str, str, int, int, str]


def netlist(folder: Path, case: Case) -> Path:
    """Mark of a machine's netlist that is whole."""
    return folder / "_".join(map(str, case)) / "flat.sha256"


def machine(case: Case) -> TemporalSpec:
    """The machine of a network on an array."""
    name, weights, acts, rows, columns, kind = case
    network = quick_network(name, weights, acts, rows * columns)
    bus_bits = BUS_BITS if kind == "streamed" else None
    program = compile_network(network, rows=rows, columns=columns, bus_bits=bus_bits)
    unit = IntMacSpec(pipeline=1)
    if kind == "logic":
        unit = replace(logic_unit(program.act_bits, program.weight_bits), rst=False, en=False)
    return TemporalSpec(name="machine", program=program, unit=unit)


def logic_unit(act_bits: int, weight_bits: int) -> IntMacSpec:
    """The unit of look-up tables of these widths whose row ships."""
    return mac_spec(  # type: ignore[no-any-return]
        act=f"uint{act_bits}", weight=f"int{weight_bits}", terms=4096, technology="ecp5"
    )


def unit_resources(spec: TemporalSpec, model: MachineModel) -> Resources:
    """What a unit of a machine takes, as the search counts it."""
    made = spec.array.unit
    if made.multiplier == "infer":
        return model.unit(made)
    shipped = logic_unit(made.act.width, made.weight.width)
    return engine_unit(shipped, model).with_sum(made, model)


def apart(other: Case, case: Case) -> bool:
    """Whether a machine may say what another takes: of another network, if that has all kinds.

    Only digits_cnn has maxima.
    """
    return other[0] != case[0] or case[0] == "digits_cnn"


def row_of(spec: TemporalSpec, whole: Resources, model: MachineModel) -> tuple[str, Part, Counter]:
    """All of a machine but its units and memories."""
    (part, units) = parts(spec)
    rest = whole + -units.count * unit_resources(spec, model) + -1 * model.memories(part)
    part = replace(part, features=model.features(part))
    return str(spec.array), part, Counter({"LUT4": rest.luts, "TRELLIS_FF": rest.ffs})


def main() -> None:
    """Map, fit, place, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("out/temporal_area"), metavar="DIR")
    parser.add_argument("--fit", action="store_true", help="write the coefficients")
    parser.add_argument("--place", type=int, default=0, metavar="N")
    parser.add_argument("--write", action="store_true", help="write the file of results")
    parser.add_argument("--known", action="store_true", help="only what is mapped already")
    args = parser.parse_args()
    cases = [c for c in MACHINES if not args.known or (netlist(args.folder, c)).is_file()]
    known = machine_model("ecp5")
    specs, rows, whole, sites = {}, {}, {}, {}
    for number, case in enumerate(cases):
        folder = args.folder / "_".join(map(str, case))
        specs[case] = machine(case)
        library = temporal_library(specs[case])
        cells = counted(mapped(library, "machine", folder, flat=True), "machine")
        whole[case] = resources(cells)
        rows[case] = row_of(specs[case], whole[case], known)
        if number < args.place or (folder / "report.json").is_file():
            sites[case] = placed(library, "machine", folder)
        print(case, whole[case], sites.get(case, ""), file=sys.stderr, flush=True)
    lines = [
        "| machine | LUTs: predicted / mapped, error | placed, error | FFs, error | block RAMs | "
        "DSPs | MHz |",
        "|---|---|---|---|---|---|---|",
    ]
    errors: dict[str, list[float]] = {"mapped": [], "placed": [], "ffs": []}
    for case in cases:
        others = [rows[other] for other in cases if other != case and apart(other, case)]
        model = model_of(others, known)
        made = model.of(specs[case], {specs[case].array.unit: unit_resources(specs[case], known)})
        off, ffs = made.luts / whole[case].luts - 1, made.ffs / whole[case].ffs - 1
        errors["mapped"].append(off)
        errors["ffs"].append(ffs)
        at, mhz = "", ""
        if case in sites:
            errors["placed"].append(made.luts / sites[case]["luts"] - 1)
            at = f"{sites[case]['luts']:,}, {errors['placed'][-1]:+.1%}"
            mhz = f"{sites[case]['mhz']:.1f}"
        name, weights, acts, n_rows, n_columns, kind = case
        lines.append(
            f"| {name} {weights}/{acts} {n_rows}x{n_columns} {kind} | {made.luts:,.0f} / "
            f"{whole[case].luts:,.0f}, {off:+.1%} | {at} | {made.ffs:,.0f} / "
            f"{whole[case].ffs:,.0f}, {ffs:+.1%} | {made.block_rams} / {whole[case].block_rams} | "
            f"{made.dsps} / {whole[case].dsps} | {mhz} |"
        )
    means = {name: np.mean(np.abs(e)) for name, e in errors.items() if e}
    lines += ["", "Mean absolute errors: " + ", ".join(f"{k} {v:.1%}" for k, v in means.items())]
    text = "\n".join(lines)
    print(text)
    if args.fit:
        fields = json.loads(TABLE.read_text())
        fields["coefficients"] |= fitted([rows[case] for case in cases])
        fields["temporal_made_by"] = "benchmarks/temporal_area.py --fit"
        fields["temporal_machines"] = len(cases)
        if sites:
            fields["temporal_clock_mhz"] = round(min(s["mhz"] for s in sites.values()), 1)
        write_atomic(TABLE, json.dumps(fields, indent=1) + "\n")
    if args.write:
        write_section("temporal_area", "Resources of temporal machines on ECP5", text)


def model_of(rows: Sequence[tuple[str, Part, Counter]], known: MachineModel) -> MachineModel:
    """The model with coefficients of these machines."""
    return replace(known, coefficients={**known.coefficients, **fitted(rows)})


if __name__ == "__main__":
    main()
