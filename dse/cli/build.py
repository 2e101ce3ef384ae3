"""``macwright build``: a machine from an allocation."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

__all__ = ["EXAMPLE", "HELP", "add_arguments", "run"]

HELP = "Build the machine of an allocation: Verilog of the whole network, with --place a bitstream."
EXAMPLE = "macwright build out/run/allocations/0.json -o out/chip"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument(
        "allocation", type=Path, metavar="ALLOCATION.json", help="a point that macwright dse wrote"
    )
    parser.add_argument("-o", "--out", type=Path, metavar="DIR", help="default: under out/")
    parser.add_argument("--json", action="store_true", help="print build.json")
    add = parser.add_argument_group("network and data, as they were given to dse").add_argument
    add(
        "--model",
        type=Path,
        metavar="MODEL.onnx",
        help="the network that it is of; without it the small one that comes with macwright",
    )
    add("--recipe", type=Path, metavar="R.toml", help="where its data is (default: MODEL.toml)")
    add("--data", type=Path, metavar="D.npz", help="data instead: x_calib, x_eval, y_eval")
    add("--no-accuracy", action="store_true", help="the data has no labels, as of macwright dse")
    add = parser.add_argument_group("machine").add_argument
    add(
        "--interval",
        type=int,
        metavar="CYCLES",
        help="between frames, not of one array (default: those of the allocation's foldings)",
    )
    add(
        "--weights-bus",
        type=int,
        metavar="BITS",
        help="weights of one array come over AXI4 from memory outside: 32, 64, 128, 256 or 512 "
        "bits a beat (default: they are in the machine)",
    )
    add(
        "--wide-bits",
        type=int,
        metavar="N",
        help="bits of the operands of additions and average pools, 4 to 16 (default: those of the "
        "search, or 10): fewer take less memory, and the exact accuracy is measured anew",
    )
    add = parser.add_argument_group("place and route").add_argument
    add(
        "--place",
        action="store_true",
        help="synthesise, place and route, and write a bitstream ([fpga])",
    )
    add(
        "--device",
        metavar="D",
        help="lfe5u-25f, lfe5u-45f, lfe5u-85f, ice40-up5k or ice40-hx8k (default: that which the "
        "allocation was searched for, or lfe5u-85f)",
    )
    add("--seed", type=int, default=1, metavar="N", help="of the placement")
    add(
        "--clock-mhz",
        type=float,
        metavar="F",
        help="that the placer aims at (default: 100); on a board the machine's, from the PLL "
        "(default: that of the board's oscillator)",
    )
    add = parser.add_argument_group("board").add_argument
    add(
        "--board",
        metavar="B",
        help="ulx3s, colorlight-i5, orangecrab or icebreaker: the machine behind its serial line, "
        "with its pins and clock (default: a core)",
    )
    add("--baud", type=int, default=115200, metavar="N", help="bits/s of the serial line (115200)")


def run(args: argparse.Namespace) -> int:
    """Build, and say what came of it."""
    from macwright.dse.build.build import build
    from macwright.dse.build.site import Site
    from macwright.dse.cli.progress import TerminalProgress
    from macwright.dse.data.source import DataSource
    from macwright.dse.models import embedded_model

    model = args.model or embedded_model()
    out = args.out or Path("out") / f"{model.stem}-machine-{args.allocation.stem}"
    progress = TerminalProgress(args)
    try:
        fields = build(
            args.allocation,
            out,
            model=model,
            source=DataSource(recipe=args.recipe, data=args.data, labels=not args.no_accuracy),
            interval=args.interval,
            site=Site(
                device=args.device,
                board=args.board,
                baud=args.baud,
                clock_mhz=args.clock_mhz,
                wide_bits=args.wide_bits,
                seed=args.seed,
                weights_bus=args.weights_bus,
            ),
            place=args.place,
            progress=progress,
        )
    finally:
        progress.close()
    for note in fields["notes"]:
        print(f"macwright: note: {note}", file=sys.stderr)
    print(json.dumps(fields, indent=1) if args.json else _as_text(fields, out))
    return 0


def _as_text(fields: dict[str, Any], out: Path) -> str:
    """What a person wants to know."""
    from macwright.costmodel.technology.catalogue import find_technology

    accuracy, predicted = fields["accuracy"], fields["predicted"]
    stages = fields["machine"]["stages"]
    slowest = max(stages, key=lambda stage: stage["cycles"])
    if array := fields["machine"]["array"]:
        kind = f"machine of one array of {array[0]} x {array[1]}, {len(stages)} passes"
    else:
        kind = f"machine of {len(stages)} stages"
    lines = [
        f"{kind}: a frame every {predicted['interval_cycles']} "
        f"cycles (slowest: {slowest['node']}), latency {predicted['latency_cycles']} cycles",
        f"{accuracy['metric']} of {accuracy['images']} samples: exact {accuracy['exact']:.2f}, "
        f"fake-quantised {accuracy['fake_quantised']:.2f}, FP32 "
        f"{accuracy['float_network']:.2f}",
    ]
    if bus := fields["machine"]["bus"]:
        lines.append(
            f"weights over AXI4: {bus['beats']} beats of {bus['bits']} bits a frame "
            f"({bus['image']}), the first {bus['latency']} cycles after its address"
        )
    counted = fields.get("modelled", {})
    if "luts" in counted:
        title = find_technology(counted["family"]).record.help
        lines.append(
            f"by the cost model of {title}: {counted['luts']:.0f} luts, {counted['ffs']:.0f} ffs, "
            f"{counted['block_rams']} block_rams, {counted['dsps']} dsps"
            + (f", about {counted['clock_mhz']:.0f} MHz" if "clock_mhz" in counted else "")
        )
    if placed := fields.get("placed"):
        sites = ", ".join(
            f"{site['used']} of {site['available']} {name}"
            for name, site in placed["sites"].items()
            if site
        )
        runs = ""
        if board := fields.get("board"):
            runs = f"runs on the {board['board']} at {board['clock_mhz']:g} MHz: "
        lines += [
            f"placed on {placed['device']} (seed {placed['seed']}): {placed['clock_mhz']:.1f} MHz, "
            f"{runs}{placed['frames_per_s']:.0f} frames/s, latency {placed['latency_us']:.1f} us",
            f"sites: {sites}",
            f"bitstream: {out / placed['bitstream']}",
        ]
    lines.append(f"report: {out / 'machine.html'}")
    lines.append(f"written: {out}; check it with macwright simulate {out} --images 4")
    return "\n".join(lines)
