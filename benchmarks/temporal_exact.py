"""Temporal machines of whole networks against their integer networks: bits and cycles.

    python benchmarks/temporal_exact.py [--images 200] [--networks NAME ...] [--sizes 8x8 ...]
                                        [--buses BITS ...] [--record]

Each network of ../shared/data with int8 weights and activations becomes a machine on arrays of
several sizes, which Verilator runs: so many images at full rate, and a tenth of them again with
random stalls at both ends. Results must be equal bit for bit, cycles to the model to the cycle.
With `--buses` each also with its weights in memory outside, behind buses of so many bits.
"""

import argparse
import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from section import write_section

from macwright.dse.data.recipe import load_recipe
from macwright.dse.quantizer import QuantOptions, act_format
from macwright.dse.run.allocation import Allocation, ArrayChoice, LayerChoice
from macwright.dse.workload import load_workload
from macwright.hw.pe import IntMacSpec

MODELS = Path(__file__).parents[2] / "shared" / "data" / "models"
#: Networks, and the share of the images that each is simulated with.
NETWORKS = {
    "digits_cnn": 1.0,
    "fashion_cnn": 1.0,
    "dscnn_kws": 1.0,
    "resnet8_cifar10": 0.25,
    "resnet20_cifar10": 0.1,
}
SIZES = ("4x8", "8x8", "16x16")


def command(*words: str | int | Path) -> str:
    """Run a command of macwright and give what it prints."""
    call = [sys.executable, "-m", "macwright", *map(str, words)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))}: {done.stderr.strip()}")
    return done.stdout


def allocation_of(model: Path, size: str, path: Path) -> Path:
    """Allocation of int8 layers on an array."""
    workload = load_workload(model, load_recipe(model))
    rows, columns = map(int, size.split("x"))
    unit = IntMacSpec(pipeline=1)
    layers = {
        layer.name: LayerChoice(weight="int8", activation=act_format(layer, "int8"), unit=unit.name)
        for layer in workload.layers
    }
    allocation = Allocation(
        point=0, model_sha256=workload.sha256, technology="ecp5", layers=layers,
        units={unit.name: unit}, architecture="temporal",
        array=ArrayChoice(name=size, rows=rows, columns=columns),
        quantiser=QuantOptions().to_fields(),
    )  # fmt: skip
    path.write_text(json.dumps(allocation.to_fields()))
    return path


def row(name: str, size: str, bus: int | None, images: int, folder: Path) -> str:
    """Build the machine of a network, and simulate it."""
    model, chip = MODELS / f"{name}.onnx", folder / "chip"
    allocation = allocation_of(model, size, folder / "0.json")
    outside = [] if bus is None else ["--weights-bus", bus]
    command("build", allocation, "--model", model, "-o", chip, *outside)
    build = json.loads((chip / "build.json").read_text())
    start, cells, off = time.monotonic(), [], ""
    for stalls, count in (([], images), (["--stalls"], max(2, images // 10))):
        words = ("simulate", chip, "--images", count, "--simulator", "verilator", "--json")
        result = json.loads(command(*words, *stalls))
        cells.append(result["difference"] or f"{result['images']} equal")
        if not stalls:
            off = " | ".join(
                f"{result[f'predicted_{what}']:,} / {result[what] - result[f'predicted_{what}']}"
                for what in ("interval", "latency")
            )
    rows, columns = build["machine"]["array"]
    macs = sum(layer.macs for layer in load_workload(model, load_recipe(model)).layers)
    share = macs / (rows * columns * build["machine"]["interval"])
    memory = build["memories_bits"]
    accuracy = build["accuracy"]
    scores = "/".join(f"{accuracy[k]:.4g}" for k in ("exact", "fake_quantised", "float_network"))
    seconds = time.monotonic() - start
    return (
        f"| {name} | {size}{'' if bus is None else f', bus of {bus}'} | "
        f"{len(build['machine']['stages'])} | {cells[0]} | {cells[1]} | "
        f"{off} | "
        f"{share:.0%} | {memory['activation'] / 8192:.1f} / {memory['weight'] / 8192:.1f} / "
        f"{(memory['program'] + memory['parameter']) / 8192:.1f} | {scores} | {seconds:.0f} |"
    )


def main() -> None:
    """Print, and record, a row for each machine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--networks", nargs="*", choices=[*NETWORKS], default=[*NETWORKS])
    parser.add_argument("--sizes", nargs="*", default=SIZES)
    parser.add_argument("--buses", nargs="*", type=int, default=[], metavar="BITS")
    parser.add_argument("--record", action="store_true", help="write the file of results")
    args = parser.parse_args()
    lines = [
        "| network | array | passes | at full rate | with stalls | interval / off | latency / off "
        "| of peak | activations / weights / program, KiB | exact, fake-quantised, FP32 | s |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    for name in args.networks:
        for size, bus in itertools.product(args.sizes, (None, *args.buses)):
            images = max(2, round(args.images * NETWORKS[name]))
            with tempfile.TemporaryDirectory() as folder:
                lines.append(row(name, size, bus, images, Path(folder)))
            print(lines[-1], flush=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    lines += [
        "",
        f"{used.ru_utime + used.ru_stime:.0f} s of processor time in children. Stalls: a word is "
        "offered, and taken, in 60 % of the cycles, as are addresses and beats of a bus. Of peak: "
        "products of the network in those that the array could do in the cycles of a frame, its "
        "input and output included.",
    ]
    if args.record:
        write_section(
            "temporal exact", "Temporal machines against their integer networks", "\n".join(lines)
        )


if __name__ == "__main__":
    main()
