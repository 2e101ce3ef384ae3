"""Synthesis, placement and bitstream of a machine, with open tools from Python packages."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from macwright.costmodel.characterize.yosys import find_yosys
from macwright.costmodel.progress import Progress
from macwright.costmodel.technology.ice40_dsp import check_hard_multipliers, synthesis_commands
from macwright.dse.build.emit import write_build
from macwright.dse.build.tools import run_tool, tool_command, tool_version
from macwright.hw.errors import RefusedInput, ToolError
from macwright.hw.files import write_atomic
from macwright.sim.accelerator.record import read_build

__all__ = ["FLOWS", "Flow", "place"]


@dataclass(frozen=True, kw_only=True)
class Flow:
    """How the tools are told of an FPGA.

    Parameters
    ----------
    family : {"ecp5", "ice40"}
        Which tools.
    die, package : str
        Options of nextpnr that say what the FPGA is.
    pins : str
        Kind of nextpnr's file of constraints.
    synthesis : str
        Pass of Yosys.
    pack : str
        Program that makes the bitstream, and the ending of its file.
    resources : mapping
        What nextpnr's report calls look-up tables, registers, block RAMs and multipliers.
    """

    family: str
    die: str
    package: str
    pins: str
    synthesis: str
    pack: tuple[str, str]
    resources: Mapping[str, str] = field(default_factory=dict)

    def options(self, board: Mapping[str, Any] | None) -> str:
        """Options of nextpnr: what the FPGA is and where the pins are; without a board anywhere."""
        if board is None:
            return f"{self.die} {self.package} --{self.pins}-allow-unconstrained"
        return f"{self.die} {board['package']} --{self.pins} {board['constraints']}"


_ECP5 = {
    "family": "ecp5",
    "package": "--speed 6 --package CABGA381",
    "pins": "lpf",
    "synthesis": "synth_ecp5",
    "pack": ("ecppack", "bit"),
    "resources": {
        "luts": "TRELLIS_COMB", "ffs": "TRELLIS_FF", "block_rams": "DP16KD", "dsps": "MULT18X18D",
    },
}  # fmt: skip
_ICE40 = {
    "family": "ice40",
    "pins": "pcf",
    "pack": ("icepack", "bin"),
    "resources": {"luts": "ICESTORM_LC", "block_rams": "ICESTORM_RAM", "dsps": "ICESTORM_DSP"},
}
#: By the name of the device.
FLOWS: dict[str, Flow] = {
    **{f"lfe5u-{size}f": Flow(**_ECP5, die=f"--{size}k") for size in (25, 45, 85)},
    "ice40-up5k": Flow(
        **_ICE40, synthesis="synth_ice40 -dsp -spram", die="--up5k", package="--package sg48"
    ),
    "ice40-hx8k": Flow(**_ICE40, synthesis="synth_ice40", die="--hx8k", package="--package ct256"),
}


def place(
    folder: Path,
    device: str,
    *,
    seed: int = 1,
    clock_mhz: float = 100.0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Synthesise and place the machine in a folder, and write its bitstream.

    Steps whose inputs have not changed since they were done are not done again. build.json then
    says, beside what was predicted, what was synthesised and placed.

    Parameters
    ----------
    folder : Path
        What `write_machine` wrote; its files are taken as they are.
    device : str
        One of `FLOWS`.
    seed : int
        Of the placement.
    clock_mhz : float
        Clock that the placer aims at, and of a machine on a board the one that it has.
    progress : callable, optional
        Called with stage, done and total.

    Returns
    -------
    dict
        Content of build.json.

    Raises
    ------
    ValueError
        If there is no such device.
    ToolError
        If a tool is missing or fails, such as for a machine that does not fit.
    """
    if device not in FLOWS:
        raise RefusedInput(f"Device must be one of {', '.join(FLOWS)}, not {device!r}")
    flow = FLOWS[device]
    say = progress or (lambda *_: None)
    tool_version(flow.family)  # refuses before minutes of synthesis
    fields = read_build(folder)
    say("synthesis", 0, 3)
    fields["synthesised"] = _synthesised(folder, flow, fields)
    write_build(folder, fields)
    say("place and route", 1, 3)
    fields["placed"] = _placed(folder, device, fields, seed, clock_mhz)
    write_build(folder, fields)
    target = folder / f"machine_{device}.{flow.pack[1]}"
    target.unlink(missing_ok=True)  # of an earlier placement
    _check_clock(fields)
    say("bitstream", 2, 3)
    _pack(target, flow, fields)
    write_build(folder, fields)
    return fields


def _synthesised(folder: Path, flow: Flow, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Cells of the machine as Yosys maps it."""
    machine, yosys, board = fields["machine"], find_yosys(), fields.get("board", {})
    verilog, top = [*machine["verilog"], *board.get("verilog", [])], machine["top"]
    top = board.get("top", top)
    files = [*verilog, *sorted(path.name for path in folder.glob("*.hex"))]
    commands = synthesis_commands(f"{flow.synthesis} -top {top}")
    digest = hashlib.sha256(f"{yosys} {commands} {top}".encode())
    for name in files:
        digest.update((folder / name).read_bytes())
    done = fields.get("synthesised", {})
    netlist = folder / f"netlist_{flow.family}.json"
    if done.get("inputs_sha256") == digest.hexdigest() and netlist.is_file():
        return dict(done)
    netlist.unlink(missing_ok=True)
    # Yosys has the family's own cells, whose models are among the files for simulators.
    read = "".join(f"read_verilog {name}\n" for name in verilog if name != f"cells_{flow.family}.v")
    script = f"{read}{commands}write_json {netlist.name}\n"
    write_atomic(folder / f"synthesis_{flow.family}.ys", script)
    seconds = run_tool(
        [*yosys.command, f"synthesis_{flow.family}.ys"], folder, f"synthesis_{flow.family}.log"
    )
    if not netlist.is_file():
        raise ToolError(f"Synthesis failed; see {folder / f'synthesis_{flow.family}.log'}")
    mapped = json.loads(netlist.read_bytes())
    check_hard_multipliers(mapped, top)
    cells = mapped["modules"][top]["cells"].values()
    # Those of Yosys' own, such as `$scopeinfo`, are no hardware.
    counted = Counter(cell["type"] for cell in cells if not cell["type"].startswith("$"))
    return {
        "inputs_sha256": digest.hexdigest(),
        "tool": str(yosys),
        "family": flow.family,
        "cells": dict(sorted(counted.items())),
        "seconds": seconds,
    }


def _placed(
    folder: Path, device: str, fields: Mapping[str, Any], seed: int, clock_mhz: float
) -> dict[str, Any]:
    """Clock and sites of the machine as nextpnr places it."""
    flow = FLOWS[device]
    netlist, text = f"netlist_{flow.family}.json", f"machine_{device}.config"
    digest = hashlib.sha256((folder / netlist).read_bytes())
    digest.update(f"{device} {seed} {clock_mhz} {tool_version(flow.family)}".encode())
    board = fields.get("board")
    if board is not None:
        digest.update((folder / board["constraints"]).read_bytes())
    done = fields.get("placed", {})
    if done.get("inputs_sha256") == digest.hexdigest() and (folder / text).is_file():
        return dict(done)
    report, log = folder / f"report_{device}.json", f"place_{device}.log"
    report.unlink(missing_ok=True)
    output = "--textcfg" if flow.family == "ecp5" else "--asc"
    options = f"{flow.options(board)} --json {netlist} --report {report.name} {output} {text}"
    options += f" --seed {seed} --freq {clock_mhz:g} --timing-allow-fail"
    command = tool_command(flow.family, f"nextpnr_{flow.family}")
    seconds = run_tool([*command, *options.split()], folder, log)
    if not report.is_file():
        raise ToolError(f"Place and route failed; see {folder / log}")
    measured = json.loads(report.read_bytes())
    rates = [clock["achieved"] for clock in measured["fmax"].values()]
    if not rates:
        raise ToolError(f"Place and route found no clock; see {folder / log}")
    machine = fields["machine"]
    runs = min(rates) if board is None else board["clock_mhz"]
    return {
        "inputs_sha256": digest.hexdigest(),
        "tool": tool_version(flow.family),
        "device": device,
        "seed": seed,
        "clock_mhz": min(rates),
        "frames_per_s": runs * 1e6 / machine["interval"],
        "latency_us": machine["latency"] / runs,
        "sites": {
            name: dict(measured["utilization"].get(key, {})) for name, key in flow.resources.items()
        },
        "seconds": seconds,
    }


def _check_clock(fields: Mapping[str, Any]) -> None:
    """Refuse a machine on a board whose clock is faster than what was placed."""
    board, placed = fields.get("board"), fields["placed"]
    if board is not None and placed["clock_mhz"] < board["clock_mhz"]:
        raise RefusedInput(
            f"Machine must reach the {board['clock_mhz']:g} MHz of its board's clock, and with "
            f"seed {placed['seed']} it reaches {placed['clock_mhz']:.1f}: no bitstream is written; "
            "give a lower --clock-mhz or another --seed"
        )


def _pack(target: Path, flow: Flow, fields: dict[str, Any]) -> None:
    placed, program = fields["placed"], flow.pack[0]
    command = tool_command(flow.family, program)
    config = f"machine_{placed['device']}.config"
    run_tool([*command, config, target.name], target.parent, f"{program}.log")
    if not target.is_file():
        raise ToolError(f"Program {program} wrote no bitstream; see {target.parent / program}.log")
    placed["bitstream"] = target.name
