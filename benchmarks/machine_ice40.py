"""A network on an iCE40 UP5K: one array, from the model to a bitstream, alone and on a board.

    python benchmarks/machine_ice40.py [--folder DIR] [--images N] [--write]

digits_cnn is searched with ``macwright dse --device ice40-up5k``, its operands of additions in 8
bits. The point of least loss is built with ``macwright build --place``, alone and with the serial
line of the iCEBreaker; both are simulated. Whatever is in DIR is not done again.
"""

import argparse
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pandas as pd
from section import write_section

MODEL = Path(__file__).parents[2] / "shared" / "data" / "models" / "digits_cnn.onnx"
SEARCH = (
    *("--architecture", "temporal", "--device", "ice40-up5k", "--wide-bits", "8"),
    *("--weights", "int2,int3,int4", "--activations", "int4,int8", "--free", "all"),
    *("--array-rows", "1,2,4", "--array-columns", "1,2", "--measure", "4", "--no-verify"),
)
#: Name of a machine, and where it goes.
SITES = {
    "core": ("--device", "ice40-up5k"),
    "iCEBreaker, 24 MHz": ("--board", "icebreaker", "--clock-mhz", "24", "--baud", "1000000"),
}


def macwright(*words: str | Path) -> str:
    """Run a command; returns what it prints."""
    command = [sys.executable, "-m", "macwright", *map(str, words)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    """Build, simulate, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("out/machine_ice40"), metavar="DIR")
    parser.add_argument("--images", type=int, default=200, metavar="N")
    parser.add_argument("--write", action="store_true", help="write the file of results")
    args = parser.parse_args()
    run = args.folder / "run"
    if not (run / "run.json").is_file():
        macwright("dse", MODEL, *SEARCH, "-o", run)
    front = pd.read_csv(run / "front.csv")
    point = run / "allocations" / f"{int(front['predicted_loss'].idxmin())}.json"
    chosen = json.loads(point.read_text())
    lines = [
        "| machine | cycles of a frame | logic cells: promised / placed | block RAMs | DSPs | "
        "MHz placed | frames/s | accuracy: FP32 / exact | simulated |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, site in SITES.items():
        chip = args.folder / name.split(",")[0].lower()
        macwright("build", point, "--model", MODEL, *site, "--place", "-o", chip)
        fields = json.loads((chip / "build.json").read_text())
        serial = ("--serial",) if "board" in fields else ()
        images = min(args.images, 4) if serial else args.images
        said = macwright(
            "simulate", chip, "--images", images, "--simulator", "verilator", *serial
        ).strip()
        placed, accuracy = fields["placed"], fields["accuracy"]
        sites = [
            f"{chosen['costs'][kind]:,.0f} / {site['used']:,} of {site['available']:,}"
            for kind, site in placed["sites"].items()
            if site
        ]
        lines.append(
            "| "
            + " | ".join(
                (
                    name,
                    f"{fields['machine']['interval']:,}",
                    *sites,
                    f"{placed['clock_mhz']:.1f}",
                    f"{placed['frames_per_s']:,.0f}",
                    f"{accuracy['float_network']:.2f} / {accuracy['exact']:.2f} % of "
                    f"{accuracy['images']}",
                    said,
                )
            )
            + " |"
        )
    hardware, formats = chosen["hardware"], Counter()
    for layer in chosen["layers"].values():
        formats[f"{layer['weight']}/{layer['activation']}"] += 1
    lines += [
        "",
        f"digits_cnn on {hardware['rows']} x {hardware['columns']} units, seed 1; the search "
        f"promises {chosen['clock_mhz']:.1f} MHz and {chosen['costs']['throughput_fps']:,.0f} "
        "frames/s. "
        "Layers: " + ", ".join(f"{count} {pair}" for pair, count in formats.items()) + ".",
    ]
    text = "\n".join(lines)
    print(text)
    if args.write:
        write_section("machine_ice40", "digits_cnn on an iCE40 UP5K", text)


if __name__ == "__main__":
    main()
