"""Resources of temporal machines: predicted from their specs, synthesised, and placed.

    python benchmarks/temporal_area.py [--family F] [--folder DIR] [--fit] [--place N] [--known]
                                       [--write]

Machines of networks of ../shared/data on arrays of several sizes are mapped by Yosys, flat as
`macwright build` does. `--fit` writes what each feature adds (least squares, none below 0) to
costmodel/tables/FAMILY_machine.json; the errors printed are those of each network with coefficients
from the other networks alone, those of digits_cnn, the only one with maxima, with coefficients from
all other machines. `--place` places the first N machines, too, with one seed: on an LFE5U-85F, or
on an iCE40 UP5K and an HX8K if they fit. Whatever is in DIR is not done again, and those that were
placed are in the table.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from math import inf
from pathlib import Path
from statistics import median

import numpy as np
from fabric import ECP5, ICE40, Fabric
from machine_area import fitted, quick_network
from section import write_section

from macwright.costmodel.characterize.yosys import find_yosys, run_yosys
from macwright.costmodel.placement.nextpnr import PLACERS
from macwright.costmodel.system.machine_parts import parts
from macwright.costmodel.system.machine_resources import MachineModel, Resources, machine_model
from macwright.costmodel.system.part import Part
from macwright.costmodel.tables.default_units import mac_spec
from macwright.costmodel.technology.devices import DEVICES, RESOURCES
from macwright.dse.architecture.engine_units import engine_unit
from macwright.dse.build.memories import constant_style
from macwright.dse.settings import WIDE_BITS
from macwright.hw.accelerator.temporal.compile import compile_network
from macwright.hw.accelerator.temporal.machine import temporal_library
from macwright.hw.accelerator.temporal.spec import TemporalSpec
from macwright.hw.files import write_atomic
from macwright.hw.pe import IntMacSpec
from macwright.hw.verilog import unit_verilog

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
#: Of iCE40, whose devices have 8 hard multipliers or none.
SMALL = (
    ("digits_cnn", "int3", "int4", 2, 2, "hard"),
    ("digits_cnn", "int4", "int4", 2, 2, "logic"),
    ("digits_cnn", "int8", "int8", 2, 4, "hard"),
    ("digits_cnn", "int2", "int4", 4, 2, "logic"),
    ("digits_cnn", "int4", "int4", 4, 4, "logic"),
    ("fashion_cnn", "int8", "int4", 2, 2, "hard"),
    ("fashion_cnn", "int4", "int4", 4, 4, "logic"),
    ("fashion_cnn", "int8", "int8", 2, 4, "logic"),
    ("dscnn_kws", "int8", "int4", 4, 2, "hard"),
    ("dscnn_kws", "int2", "int4", 4, 4, "logic"),
    ("dscnn_kws", "int8", "int8", 2, 2, "logic"),
    ("resnet8_cifar10", "int8", "int4", 4, 4, "hard"),
)
BUS_BITS = 64
Case = tuple[str, str, str, int, int, str]


def netlist(folder: Path, case: Case) -> Path:
    """Mark of a machine's netlist that is whole."""
    return folder / "_".join(map(str, case)) / "flat.sha256"


def machine(case: Case, fabric: Fabric) -> TemporalSpec:
    """The machine of a network on an array."""
    name, weights, acts, rows, columns, kind = case
    # Block RAMs are what the devices of iCE40 have least of.
    wide_bits = WIDE_BITS if fabric is ECP5 else 8
    network = quick_network(name, weights, acts, rows * columns, wide_bits)
    bus_bits = BUS_BITS if kind == "streamed" else None
    program = compile_network(network, rows=rows, columns=columns, bus_bits=bus_bits)
    unit = IntMacSpec(pipeline=1)
    if kind == "logic":
        unit = logic_unit(program.act_bits, program.weight_bits, fabric.family)
        unit = replace(unit, rst=False, en=False)
    return TemporalSpec(name="machine", program=program, unit=unit)


def logic_unit(act_bits: int, weight_bits: int, family: str) -> IntMacSpec:
    """The unit of look-up tables of these widths whose row ships."""
    return mac_spec(  # type: ignore[no-any-return]
        act=f"uint{act_bits}", weight=f"int{weight_bits}", terms=4096, technology=family
    )


def unit_resources(spec: TemporalSpec, model: MachineModel) -> Resources:
    """What a unit of a machine takes, as the search counts it."""
    made = spec.array.unit
    if made.multiplier == "infer":
        return model.unit(made)
    shipped = logic_unit(made.act.width, made.weight.width, model.family)
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
    parser.add_argument("--family", choices=("ecp5", "ice40"), default="ecp5")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="default: out/temporal_area...")
    parser.add_argument("--fit", action="store_true", help="write the coefficients")
    parser.add_argument("--place", type=int, default=0, metavar="N")
    parser.add_argument("--write", action="store_true", help="write the file of results")
    parser.add_argument("--known", action="store_true", help="only what is mapped already")
    args = parser.parse_args()
    fabric = {"ecp5": ECP5, "ice40": ICE40}[args.family]
    every, title = (MACHINES, "temporal_area") if fabric is ECP5 else (SMALL, "temporal_area_ice40")
    args.folder = args.folder or Path("out") / title
    cases = [c for c in every if not args.known or (netlist(args.folder, c)).is_file()]
    known = model_before(fabric)
    specs, rows, whole, sites = {}, {}, {}, {}
    for number, case in enumerate(cases):
        folder = args.folder / "_".join(map(str, case))
        specs[case] = machine(case, fabric)
        library = temporal_library(specs[case], partial(constant_style, fabric.family))
        modules = fabric.mapped(library, "machine", folder, flat=True)
        whole[case] = fabric.whole(folder, modules, "machine")
        rows[case] = row_of(specs[case], whole[case], known)
        sites[case] = {
            device: fabric.placed(folder, device)
            for device in fabric.devices
            if fits(whole[case], device)
            and (number < args.place or (folder / f"report_{device}.json").is_file())
        }
        print(case, whole[case], sites[case], file=sys.stderr, flush=True)
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
        at, mhz = "", " / ".join(f"{site['mhz']:.1f}" for site in sites[case].values())
        for site in list(sites[case].values())[:1]:
            errors["placed"].append(made.luts / site["luts"] - 1)
            at = f"{site['luts']:,}, {errors['placed'][-1]:+.1%}"
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
        fields = json.loads(fabric.table.read_text()) if fabric.table.is_file() else {}
        fields |= {"memory": asdict(fabric.memory), **fabric.fields}
        of_parts = fields.get("coefficients", {}) | fitted([rows[case] for case in cases])
        fields["coefficients"] = of_parts
        fields["temporal_made_by"] = "benchmarks/temporal_area.py --fit"
        fields["temporal_machines"] = len(cases)
        if fabric is ICE40:
            fields["slower"] = {"ice40-up5k": slower()}
        fields["temporal_clock_mhz"] = fields.get("temporal_clock_mhz", {}) | clocks(sites.values())
        write_atomic(fabric.table, json.dumps(fields, indent=1) + "\n")
    if args.write:
        write_section(title, f"Resources of temporal machines on {fabric.title}", text)


def slower() -> float:
    """How many times the periods of units on an HX8K are those on a UP5K: the median of three."""
    ratios = []
    for bits in (4, 6, 8):
        unit = logic_unit(bits, bits, "ice40")
        script = f"read_verilog unit.v\nsynth_ice40 -top {unit.name}\nwrite_json unit.json\n"
        texts = {"unit.v": unit_verilog(unit)}
        (netlist,) = run_yosys(find_yosys(), script, texts, outputs=["unit.json"])
        periods = [
            replace(PLACERS["ice40"], options=options).place(netlist, unit.name)["period_ns"]
            for options in ICE40.devices.values()
        ]
        ratios.append(periods[0] / periods[1])
    return round(median(ratios), 2)


def fits(machine: Resources, device: str) -> bool:
    """Whether a machine fits a device."""
    return all(getattr(machine, name) <= getattr(DEVICES[device], name) for name in RESOURCES)


def clocks(sites: Iterable[Mapping[str, Mapping[str, float]]]) -> dict[str, float]:
    """Clock of the slowest machine on each device, MHz; all sizes of ECP5 are as fast."""
    slowest: dict[str, float] = {}
    for site in sites:
        for device, report in site.items():
            slowest[device] = min(round(report["mhz"], 1), slowest.get(device, inf))
    if "lfe5u-85f" in slowest:
        slowest |= dict.fromkeys(("lfe5u-25f", "lfe5u-45f"), slowest["lfe5u-85f"])
    return slowest


def model_before(fabric: Fabric) -> MachineModel:
    """The model of a family before machines of one array are fitted."""
    if fabric.table.is_file():
        return machine_model(fabric.family)
    return MachineModel(
        family=fabric.family,
        coefficients={},
        memory=fabric.memory,
        array_mhz={},
        slower={},
        period_ns=None,
        period_error=0.0,
        **fabric.fields,
    )


def model_of(rows: Sequence[tuple[str, Part, Counter]], known: MachineModel) -> MachineModel:
    """The model with coefficients of these machines."""
    return replace(known, coefficients={**known.coefficients, **fitted(rows)})


if __name__ == "__main__":
    main()
