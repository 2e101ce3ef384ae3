"""Cycles of layers on an output-stationary array: here, and in SCALE-Sim 3.

    python -m venv VENV && VENV/bin/pip install scalesim==3.0.0 'numpy<1.27' 'pandas<2.3'
    python benchmarks/scale_sim.py --scale-sim VENV/bin/python [--networks NAME ...] [--write]

All layer shapes of networks of ../shared/data on 16 by 16 PEs. SCALE-Sim gets each as a matrix
product, groups of convolutions one after the other, with 16 elements a cycle to each of its
buffers, which are of 64 KiB, and of 1 MiB, which hold all operands of each of these layers. Its
assumptions are set one after the other: no modes for depthwise and fully connected layers, a read
port for each row and for each column (:class:`macwright.costmodel.system.array.TemporalArray`),
then no overlap of tiles: operands of a tile enter an empty array, and leave it empty.
"""

import argparse
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from machine_area import MODELS, quick_network
from section import write_section

from macwright.costmodel.system.array import TemporalArray
from macwright.dse.data.recipe import load_recipe
from macwright.dse.workload import Layer, load_workload
from macwright.hw.accelerator.temporal.compile import compile_network

NETWORKS = ("fashion_cnn", "dscnn_kws", "resnet8_cifar10", "mobilenetv1_025_vww")
SIDE = 16
#: Of SCALE-Sim 3.0.0, all that it reads; memories of one bank, so that `WORDS` is their rate.
WORDS = 16
CONFIG = """[general]
run_name = run
[architecture_presets]
ArrayHeight = {side}
ArrayWidth = {side}
ifmapsramszkB = {kib}
filtersramszkB = {kib}
ofmapsramszkB = {kib}
IfmapOffset = 0
FilterOffset = 10000000
OfmapOffset = 20000000
Bandwidth = {words}
Dataflow = os
ReadRequestBuffer = 64
WriteRequestBuffer = 64
[layout]
IfmapCustomLayout = False
IfmapSRAMBankBandwidth = {words}
IfmapSRAMBankNum = 1
IfmapSRAMBankPort = 2
FilterCustomLayout = False
FilterSRAMBankBandwidth = {words}
FilterSRAMBankNum = 1
FilterSRAMBankPort = 2
[sparsity]
SparsitySupport = false
SparseRep = ellpack_block
OptimizedMapping = false
BlockSize = 8
RandomNumberGeneratorSeed = 40
[run_presets]
InterfaceBandwidth = USER
UseRamulatorTrace = False
"""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A layer, and its cycles on a machine that `macwright build` makes."""

    network: str
    layer: Layer
    built: int

    @property
    def assumed(self) -> int:
        """Cycles with a port for each row and column, and no modes of the machine's own."""
        schedule = TemporalArray(rows=SIDE, columns=SIDE).schedule(self.layer)
        return schedule.cycles

    @property
    def apart(self) -> int:
        """The same, tiles one after the other: a tile fills R + C - 1 diagonals, and empties them.

        Without overlap a tile takes its K operands and R + C - 2 cycles.
        """
        layer = self.layer
        tiles = layer.groups * -(-layer.m // SIDE) * -(-layer.n // SIDE)
        return int(tiles * (layer.k + 2 * SIDE - 2))


def main() -> None:
    """Count, simulate, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--scale-sim", type=Path, required=True, metavar="PYTHON")
    parser.add_argument("--networks", nargs="*", default=NETWORKS)
    parser.add_argument("--write", action="store_true", help="write the file of results")
    args = parser.parse_args()
    shapes = [shape for name in args.networks for shape in shapes_of(name)]
    layers = [shape.layer for shape in shapes]
    simulated = scale_sim(args.scale_sim, layers, 1024)
    small = scale_sim(args.scale_sim, layers, 64)
    lines = [
        "| network, layer | M x K x N, groups | as built | a port for each row, no modes | and no "
        "overlap of tiles | SCALE-Sim 3, error | stalls with 64 KiB |",
        "|---|---|---|---|---|---|---|",
    ]
    errors = []
    for shape, (cycles, _), (_, stalls) in zip(shapes, simulated, small, strict=True):
        layer = shape.layer
        errors.append(shape.apart / cycles - 1)
        lines.append(
            f"| {shape.network}, {layer.name} | {layer.m:,} x {layer.k:,} x {layer.n}, "
            f"{layer.groups} | {shape.built:,} | {shape.assumed:,} | {shape.apart:,} | {cycles:,}, "
            f"{errors[-1]:+.2%} | {stalls:,} |"
        )
    lines += ["", summary(shapes, errors, [stalls for _, stalls in small])]
    print("\n".join(lines))
    if args.write:
        write_section("scale_sim", "Cycles of layers beside SCALE-Sim", "\n".join(lines))


def summary(shapes: list[Shape], errors: list[float], stalls: list[int]) -> str:
    """Errors, what the machine saves, and which layers stall."""
    depthwise = [shape for shape in shapes if shape.layer.groups > 1]
    sums = [
        sum(shape.apart for shape in x) / sum(shape.built for shape in x)
        for x in (depthwise, [shape for shape in shapes if shape not in depthwise])
    ]
    half = [shape for shape in shapes if max(shape.layer.m, shape.layer.n) * shape.layer.k > 32768]
    stalled = sum(stall > 0 for stall in stalls)
    return (
        f"{len(shapes)} layers; the largest error {np.abs(errors).max():.2%} (goal: 10 %). With "
        f"its assumptions depthwise layers take {sums[0]:.1f} times the cycles that they take on "
        f"the machine as built, all others {sums[1]:.2f} times: there, tiles follow each other "
        "without a gap, while one word a cycle is read for all rows, which makes layers of few "
        f"input channels slower. {len(half)} layers have an operand that half a buffer of 64 KiB "
        f"does not hold; {stalled} layers stall there."
    )


def shapes_of(name: str) -> list[Shape]:
    """Layers of a network that differ in shape."""
    model = MODELS / f"{name}.onnx"
    program = compile_network(quick_network(name, "int8", "int8", 0), rows=SIDE, columns=SIDE)
    cycles: dict[str, int] = {}
    for part in program.passes:
        cycles[part.node] = cycles.get(part.node, 0) + part.cycles(SIDE, 0)
    shapes = {}
    for layer in load_workload(model, load_recipe(model)).layers:
        shape = Shape(network=name, layer=layer, built=cycles[layer.name])
        shapes.setdefault((layer.m, layer.k, layer.n, layer.groups), shape)
    return list(shapes.values())


def scale_sim(python: Path, layers: list[Layer], kib: int) -> list[tuple[int, int]]:
    """Cycles that SCALE-Sim counts for layers, and stalls in them, with buffers of so many KiB."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = "".join(f"layer{i}, {x.m}, {x.n}, {x.k},\n" for i, x in enumerate(layers))
        (folder / "layers.csv").write_text("Layer, M, N, K,\n" + rows)
        # Layouts have the same form, and are not used.
        (folder / "layouts.csv").write_text("Layer, M, N, K,\n" + rows)
        (folder / "run.cfg").write_text(CONFIG.format(side=SIDE, words=WORDS, kib=kib))
        words = ("-t", "layers.csv", "-l", "layouts.csv", "-c", "run.cfg", "-p", "results")
        process = subprocess.run(
            [python.absolute(), "-m", "scalesim.scale", *words, "-i", "gemm", "-s", "N"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        report = folder / "results/run/COMPUTE_REPORT.csv"
        if process.returncode or not report.is_file():
            raise SystemExit(f"SCALE-Sim failed: {process.stderr.strip().splitlines()[-1]}")
        table = pd.read_csv(report, skipinitialspace=True)
    # It counts from cycle 0, and reports the number of the last one.
    cycles = table["Total Cycles"].astype(int) + 1
    return [
        (layer.groups * int(whole), layer.groups * int(stalls))
        for layer, whole, stalls in zip(layers, cycles, table["Stall Cycles"], strict=True)
    ]


if __name__ == "__main__":
    main()
