"""Machines of whole networks against their integer networks: bits and cycles.

    python benchmarks/machine_exact.py [--images 200] [--networks NAME ...] [--record]

Each network of ../shared/data goes through `macwright dse --architecture dataflow`, `macwright
build` and Verilator: so many images at full rate, and as many again with random stalls at both
ends. Logits must be equal bit for bit, interval and latency to the control model to the cycle.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from section import write_section

MODELS = Path(__file__).parents[2] / "shared" / "data" / "models"
#: Weights, activations, and milliseconds a frame at 50 MHz, of each machine.
MACHINES = {
    "digits_cnn ternary": ("ternary", "int8", 0.5),
    "digits_cnn pot4": ("pot4", "int8", 0.5),
    "digits_cnn e2m1fn": ("e2m1fn", "int8", 0.5),
    "digits_cnn e3m2fn": ("int4,e2m1fn", "e3m2fn", 0.5),
    "fashion_cnn e4m3fn": ("e4m3fn", "e4m3fn", 2.5),
    "digits_cnn": ("int4,int8", "int8", 0.2),
    "fashion_cnn": ("int4,int8", "int4,int8", 0.6),
    "dscnn_kws": ("int8", "int8", 0.8),
    "resnet8_cifar10": ("int4,int8", "int8", 1.0),
    "resnet20_cifar10": ("int4,int8", "int8", 1.2),
    "autoencoder_toycar": ("int8", "int8", 0.4),
    "mobilenetv1_025_vww": ("int8", "int8", 2.5),
}


def command(*words: str | int | Path) -> str:
    """Run a command of macwright and give what it prints."""
    call = [sys.executable, "-m", "macwright", *map(str, words)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))}: {done.stderr.strip()}")
    return done.stdout


def row(name: str, images: int, folder: Path) -> str:
    """Build the machine of a network, and simulate it."""
    weights, activations, frame_ms = MACHINES[name]
    model = MODELS / f"{name.split()[0]}.onnx"
    run, chip = folder / "run", folder / "chip"
    command(
        *("dse", model, "--technology", "ecp5", "--architecture", "dataflow"),
        *("--weights", weights, "--activations", activations, "--clock-mhz", "50"),
        *("--budget", f"frame_ms<={frame_ms}", "--points", "2", "--measure", "2"),
        *("--no-verify", "-o", run),
    )
    (allocation, *_) = sorted((run / "allocations").glob("*.json"))
    command("build", allocation, "--model", model, "-o", chip)
    build = json.loads((chip / "build.json").read_text())
    start, cells, off = time.monotonic(), [], ""
    for stalls in ([], ["--stalls"]):
        words = ("simulate", chip, "--images", images, "--simulator", "verilator", "--json")
        result = json.loads(command(*words, *stalls))
        cells.append(result["difference"] or f"{result['images']} equal")
        if not stalls:
            off = " | ".join(
                f"{result[f'predicted_{what}']:,} / {result[what] - result[f'predicted_{what}']}"
                for what in ("interval", "latency")
            )
    accuracy = build["accuracy"]
    scores = "/".join(f"{accuracy[k]:.4g}" for k in ("exact", "fake_quantised", "float_network"))
    seconds = time.monotonic() - start
    return (
        f"| {name} | {weights} / {activations} | {len(build['machine']['stages'])} | {cells[0]} | "
        f"{cells[1]} | {off} | {scores} | {seconds:.0f} |"
    )


def main() -> None:
    """Print, and record, a row for each machine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--networks", nargs="*", choices=[*MACHINES], default=[*MACHINES])
    parser.add_argument("--record", action="store_true", help="write the file of results")
    args = parser.parse_args()
    lines = [
        "| network | weights / activations | stages | at full rate | with stalls | interval / off "
        "| latency / off | exact, fake-quantised, FP32 | s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    for name in args.networks:
        with tempfile.TemporaryDirectory() as folder:
            lines.append(row(name, args.images, Path(folder)))
        print(lines[-1], flush=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    lines += [
        "",
        f"{used.ru_utime + used.ru_stime:.0f} s of processor time in children. Stalls: a word is "
        "offered, and taken, in 60 % of the cycles. The last two networks have no labels: their "
        "score is the squared error of the outputs (%), of synthetic samples.",
    ]
    if args.record:
        write_section("machine exact", "Machines against their integer networks", "\n".join(lines))


if __name__ == "__main__":
    main()
