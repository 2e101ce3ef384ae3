"""What units that split weights cost and save: area, and cycles of networks of mixed formats.

    python benchmarks/temporal_split.py --liberty FILE [--networks NAME ...] [--record]

Units with uint8 activations and a register stage are synthesised for a Liberty file. Networks of
../shared/data have int8 weights in the first and the last layer and int4 in all others; machines
with and without splitting are compiled, and results of both programs compared with the integer
network on some images by the interpreter.
"""

import argparse
from pathlib import Path

import numpy as np
from section import write_section

from macwright.costmodel.characterize.unit import synthesize
from macwright.costmodel.characterize.yosys import find_yosys
from macwright.costmodel.technology.liberty import liberty_technology
from macwright.dse.bitexact import integer_network
from macwright.dse.bitexact.evaluate import input_levels
from macwright.dse.data.recipe import load_recipe
from macwright.dse.quantizer import QuantOptions, quantise
from macwright.dse.quantizer.options import layer_formats
from macwright.dse.workload import load_workload
from macwright.hw.accelerator.network import Network
from macwright.hw.accelerator.temporal.compile import compile_network
from macwright.hw.accelerator.temporal.split_mac import SplitMacSpec
from macwright.hw.formats import IntFormat
from macwright.hw.pe import IntMacSpec
from macwright.hw.verilog import unit_verilog
from macwright.sim.accelerator.integer_network import IntegerModel
from macwright.sim.accelerator.temporal import interpret

MODELS = Path(__file__).parents[2] / "shared" / "data" / "models"
SIZES = ((4, 8), (8, 8), (8, 16))
ACT, WEIGHT, ACC = IntFormat(8, signed=False), IntFormat(8), IntFormat(23)


def areas(liberty: Path) -> list[str]:
    """Rows of the table of units."""
    technology, yosys = liberty_technology([liberty]), find_yosys()
    units = {
        "int8 weights": IntMacSpec(act=ACT, weight=WEIGHT, acc=ACC, pipeline=1),
        "int8, 2 int4": SplitMacSpec(act=ACT, weight=WEIGHT, acc=ACC, pipeline=1, split=2),
        "int8, 2 int4, 4 int2": SplitMacSpec(act=ACT, weight=WEIGHT, acc=ACC, pipeline=1, split=4),
    }
    lines, plain = ["| unit | area | of the plain one |", "|---|---|---|"], None
    for what, spec in units.items():
        text = unit_verilog(spec)
        area = synthesize(text, top=spec.name, technology=technology, yosys=yosys)["area"]
        plain = plain or area
        lines.append(f"| {what} | {area:.0f} | {area / plain:.2f} |")
    return lines


def mixed(name: str, images: int) -> tuple[Network, np.ndarray]:
    """Integer network of mixed formats, and levels of some images."""
    model = MODELS / f"{name}.onnx"
    dataset = load_recipe(model)
    workload = load_workload(model, dataset)
    formats = {}
    for number, layer in enumerate(workload.layers):
        end = number in (0, len(workload.layers) - 1)
        (weight,), (act,) = layer_formats(
            layer, ("int8" if end else "int4",), ("int8",), workload.fixed
        )
        formats[layer.name] = weight, act
    options = QuantOptions(rounding="nearest", images=64)
    float_network, plans = quantise(workload, dataset, formats, options=options)
    network = integer_network(float_network, plans, dataset, options=options)
    (numbers,) = dataset.first(dataset.x_eval, images).values()
    return network, input_levels(network, dataset, numbers)


def row(name: str, network: Network, levels: np.ndarray, size: tuple[int, int]) -> str:
    """Cycles of a network on an array, without and with splitting."""
    source, wanted = network.edge(network.input), IntegerModel(network).run(levels)
    cells = []
    for split in (1, 2):
        program = compile_network(network, rows=size[0], columns=size[1], split=split)
        codes = np.moveaxis(source.codes(levels), 1, -1)
        frames = codes.reshape(len(levels), -1, program.source.lanes)
        same = sum(
            bool((interpret(program, frame).results.reshape(one.shape) == one).all())
            for frame, one in zip(frames, wanted, strict=True)
        )
        weights = program.weight_words * program.columns * program.weight_bits / 8192
        cells.append(f"{program.frame_cycles(1):,} | {weights:.1f} | {same} of {len(levels)}")
    used = sum(one.split > 1 for one in program.passes)
    return f"| {name} | {size[0]}x{size[1]} | {' | '.join(cells)} | {used} |"


def main() -> None:
    """Print, and record, both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--liberty", type=Path, required=True)
    parser.add_argument("--networks", nargs="*", default=["digits_cnn", "fashion_cnn", "dscnn_kws"])
    parser.add_argument("--images", type=int, default=2)
    parser.add_argument("--record", action="store_true", help="write the file of results")
    args = parser.parse_args()
    lines = [*areas(args.liberty), ""]
    lines += [
        "| network | array | cycles | weights, KiB | equal | cycles, split | weights, KiB | equal "
        "| passes split |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    for name in args.networks:
        network, levels = mixed(name, args.images)
        for size in SIZES:
            lines.append(row(name, network, levels, size))
            print(lines[-1], flush=True)
    if args.record:
        write_section("temporal split", "Units that split weights", "\n".join(lines))


if __name__ == "__main__":
    main()
