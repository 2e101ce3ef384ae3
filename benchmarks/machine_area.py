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
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from fabric import ECP5
from scipy.optimize import nnls
from section import write_section

from macwright.costmodel.characterize.yosys import find_yosys
from macwright.costmodel.system.machine_parts import parts
from macwright.costmodel.system.machine_resources import MachineModel, Resources
from macwright.costmodel.system.part import Part
from macwright.dse.bitexact import integer_network
from macwright.dse.data.recipe import load_recipe
from macwright.dse.quantizer import QuantOptions, quantise
from macwright.dse.quantizer.options import act_format
from macwright.dse.settings import WIDE_BITS
from macwright.dse.workload import load_workload
from macwright.hw.accelerator.array import MacArraySpec
from macwright.hw.accelerator.compose import compose
from macwright.hw.accelerator.engine import EngineSpec
from macwright.hw.accelerator.machine import MachineSpec, machine_library
from macwright.hw.accelerator.network import Network
from macwright.hw.accelerator.storage import StorageSpec
from macwright.hw.files import write_atomic
from macwright.sim.accelerator.sizing import size_buffers, with_depths

MODELS = Path(__file__).parents[2] / "shared" / "data" / "models"
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


def quick_network(
    name: str, weights: str, acts: str, seed: int, wide_bits: int = WIDE_BITS
) -> Network:
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
    return integer_network(float_network, plans, dataset, options=options, wide_bits=wide_bits)


def machine(network: str, weights: str, acts: str, interval: int) -> MachineSpec:
    """The machine of a network, its buffers sized."""
    spec = compose(quick_network(network, weights, acts, interval), interval=interval)
    return with_depths(spec, size_buffers(spec).depths)


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
            rows.append((name, *_apart(part, ECP5.counted(modules, name))))
        rest = Counter() if isinstance(stage, StorageSpec) else ECP5.counted(modules, prefix)
        for name in names:
            rest.subtract(ECP5.counted(modules, name) if name != prefix else {})
        rows += _inner(prefix, stage, mine, modules, rest)
    return rows


def _apart(part: Part, cells: Counter[str]) -> tuple[Part, Counter[str]]:
    """A part without its memories, which rules count, and what they add to its features."""
    model = model_of([])
    cells.subtract({"LUT4": model.memories(part).luts, "TRELLIS_FF": model.memories(part).ffs})
    return replace(part, features=model.features(part)), cells


def _inner(
    prefix: str, stage: Any, mine: Sequence[Part], modules: Mapping[str, Any], rest: Counter[str]
) -> list[Row]:
    """Array, drain and requantisers of a stage, and what else there is in it."""
    rows: list[Row] = []
    by_kind = {part.kind: part for part in mine}
    array = getattr(stage, "array", None)
    if isinstance(array, MacArraySpec):
        cells = ECP5.counted(modules, f"{prefix}_array")
        rest.subtract(cells)
        cells.subtract(ECP5.counted(modules, f"{prefix}_weights"))
        units, one = by_kind["unit"].count, ECP5.counted(modules, array.unit.name)
        cells.subtract({kind: units * count for kind, count in one.items()})
        joins = by_kind["adder"].count if "adder" in by_kind else 0
        features = {**by_kind["array"].features, "joined": joins, "joined_bits": joins * array.sums}
        rows.append((f"{prefix}_array", Part("array", features), cells))
    elif array is not None and f"{prefix}_array" in modules:
        cells = ECP5.counted(modules, f"{prefix}_array")
        rest.subtract(cells)
        rows.append(
            (f"{prefix}_array", next(p for p in mine if p.kind.startswith("reducer")), cells)
        )
    drain = getattr(stage, "drain", None)
    if drain is not None and drain.outputs:
        cells = ECP5.counted(modules, f"{prefix}_drain")
        rest.subtract(cells)
        if f"{prefix}_constants" in modules:
            cells.subtract(ECP5.counted(modules, f"{prefix}_constants"))
        of_output = [part for part in mine if part.kind == "requantiser"]
        for output, part in zip(drain.outputs, of_output, strict=True):
            one = ECP5.counted(modules, output.name)
            cells.subtract({kind: drain.lanes * count for kind, count in one.items()})
            rows.append((output.name, part, one))
        rows.append((f"{prefix}_drain", by_kind["drain"], cells))
    if not isinstance(stage, (EngineSpec, StorageSpec)):
        known = ("fifo", "drain", "requantiser")
        rows.append((prefix, *_apart(next(p for p in mine if p.kind not in known), rest)))
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
            wanted = np.array([getattr(ECP5.resources(cells), what) for *_, cells in mine], float)
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
    known = json.loads(ECP5.table.read_text())["coefficients"] if ECP5.table.is_file() else {}
    return MachineModel(
        family="ecp5",
        coefficients={**known, **fitted(rows)},
        memory=ECP5.memory,
        **ECP5.fields,
        array_mhz={},
        slower={},
        period_ns=(0.0, 0.0, 1.0, 1.0),
        period_error=0.0,
    )


def main() -> None:
    """Map, fit, place, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("out/machine_area"), metavar="DIR")
    parser.add_argument("--fit", action="store_true", help="write the coefficients")
    parser.add_argument("--place", type=int, default=0, metavar="N")
    parser.add_argument("--built", type=Path, nargs="*", default=[], metavar="DIR")
    parser.add_argument("--write", action="store_true", help="write the file of results")
    args = parser.parse_args()
    specs, rows, whole, sites = {}, {}, {}, {}
    for case in MACHINES:
        folder = args.folder / "_".join(map(str, case))
        specs[case] = machine(*case)
        modules = ECP5.mapped(machine_library(specs[case]), specs[case].name, folder, flat=False)
        rows[case] = rows_of(specs[case], modules)
        whole[case] = ECP5.resources(ECP5.counted(modules, specs[case].name))
        print(case, whole[case], file=sys.stderr, flush=True)
    for case in MACHINES[: args.place]:
        folder = args.folder / "_".join(map(str, case))
        ECP5.mapped(machine_library(specs[case]), specs[case].name, folder, flat=True)
        sites[case] = ECP5.placed(folder, "lfe5u-85f")
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
        known = json.loads(ECP5.table.read_text()) if ECP5.table.is_file() else {}
        model = model_of([row for case in MACHINES for row in rows[case]])
        fields = {
            **known,
            "made_by": "benchmarks/machine_area.py --fit",
            "tools": str(find_yosys()),
            "machines": len(MACHINES),
            "memory": asdict(ECP5.memory),
            **ECP5.fields,
            "coefficients": model.coefficients,
        }
        write_atomic(ECP5.table, json.dumps(fields, indent=1) + "\n")
    if args.write:
        write_section("machine_area", "Resources of dataflow machines on ECP5", text)


def _units(spec: MachineSpec, root: Path, case: Sequence[Any]) -> dict[Any, Resources]:
    """Resources of units that are not of integers, as they were mapped."""
    modules = json.loads((root / "_".join(map(str, case)) / "modules.json").read_bytes())["modules"]
    arrays = [getattr(stage.spec, "array", None) for stage in spec.stages]
    return {
        array.unit: ECP5.resources(ECP5.counted(modules, array.unit.name))
        for array in arrays
        if isinstance(array, MacArraySpec) and array.unit.family != "int_mac"
    }


def _built_line(fields: Mapping[str, Any], errors: dict[str, list[float]]) -> str:
    """Row of a machine that was built and placed."""
    made, placed = fields["modelled"], fields["placed"]
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
