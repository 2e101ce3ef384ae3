"""A network on an iCE40 UP5K: one array, from the model to a bitstream, alone and on a board.

    python benchmarks/machine_ice40.py [--folder DIR] [--images N] [--write]

digits_cnn is searched on units of iCE40 and built with ``macwright build --place``, its operands of
additions in 8 bits, alone and with the serial line of the iCEBreaker; both are simulated. Whatever
is in DIR is not done again.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from section import write_section

MODEL = Path(__file__).parents[2] / "shared" / "data" / "models" / "digits_cnn.onnx"
SEARCH = (
    *("--architecture", "temporal", "--technology", "ice40", "--switched", "none", "--types", "1"),
    *("--weights", "int3", "--activations", "int4", "--free", "all"),
    *("--array-rows", "2", "--array-columns", "2", "--measure", "1", "--no-verify"),
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
    lines = [
        "| machine | cycles of a frame | logic cells | block RAMs | DSPs | MHz placed | frames/s | "
        "accuracy: FP32 / exact | simulated |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, site in SITES.items():
        chip = args.folder / name.split(",")[0].lower()
        words = ("--model", MODEL, *site, "--wide-bits", "8", "--place", "-o", chip)
        macwright("build", run / "allocations" / "0.json", *words)
        fields = json.loads((chip / "build.json").read_text())
        serial = ("--serial",) if "board" in fields else ()
        images = min(args.images, 4) if serial else args.images
        said = macwright(
            "simulate", chip, "--images", images, "--simulator", "verilator", *serial
        ).strip()
        placed, accuracy = fields["placed"], fields["accuracy"]
        sites = [
            f"{site['used']:,} of {site['available']:,}"
            for site in placed["sites"].values()
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
    text = "\n".join([*lines, "", "digits_cnn, weights int3, activations uint4, seed 1."])
    print(text)
    if args.write:
        write_section("machine_ice40", "digits_cnn on an iCE40 UP5K", text)


if __name__ == "__main__":
    main()
