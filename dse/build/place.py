"""Synthesis, placement and bitstream of a machine, with open tools from Python packages."""

import hashlib
import importlib.util
import json
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from macwright.costmodel.characterize.yosys import find_yosys
from macwright.costmodel.progress import Progress
from macwright.dse.build.emit import write_build
from macwright.hw.errors import RefusedInput, ToolError
from macwright.hw.files import write_atomic
from macwright.sim.accelerator.record import read_build
from macwright.sim.owned import run_program

__all__ = ["DEVICES", "Device", "place"]


@dataclass(frozen=True, kw_only=True)
class Device:
    """An FPGA, and how the tools are told of it.

    Parameters
    ----------
    family : {"ecp5", "ice40"}
        Which tools.
    options : str
        Of nextpnr.
    synthesis : str
        Pass of Yosys.
    pack : str
        Program that makes the bitstream, and the ending of its file.
    resources : mapping
        What nextpnr's report calls look-up tables, registers, block RAMs and multipliers.
    """

    family: str
    options: str
    synthesis: str
    pack: tuple[str, str]
    resources: Mapping[str, str] = field(default_factory=dict)


_ECP5 = {
    "family": "ecp5",
    "synthesis": "synth_ecp5",
    "pack": ("ecppack", "bit"),
    "resources": {
        "luts": "TRELLIS_COMB", "ffs": "TRELLIS_FF", "block_rams": "DP16KD", "dsps": "MULT18X18D",
    },
}  # fmt: skip
_ICE40 = {
    "family": "ice40",
    "pack": ("icepack", "bin"),
    "resources": {"luts": "ICESTORM_LC", "block_rams": "ICESTORM_RAM", "dsps": "ICESTORM_DSP"},
}
#: Devices by name.
DEVICES: dict[str, Device] = {
    **{
        f"lfe5u-{size}f": Device(
            **_ECP5, options=f"--{size}k --speed 6 --package CABGA381 --lpf-allow-unconstrained"
        )
        for size in (25, 45, 85)
    },
    "ice40-up5k": Device(
        **_ICE40, synthesis="synth_ice40 -dsp -spram",
        options="--up5k --package sg48 --pcf-allow-unconstrained",
    ),
    "ice40-hx8k": Device(
        **_ICE40, synthesis="synth_ice40",
        options="--hx8k --package ct256 --pcf-allow-unconstrained",
    ),
}  # fmt: skip


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
        One of `DEVICES`.
    seed : int
        Of the placement.
    clock_mhz : float
        Clock that the placer aims at.
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
    if device not in DEVICES:
        raise RefusedInput(f"Device must be one of {', '.join(DEVICES)}, not {device!r}")
    chip = DEVICES[device]
    say = progress or (lambda *_: None)
    fields = read_build(folder)
    say("synthesis", 0, 3)
    fields["synthesised"] = _synthesised(folder, chip, fields)
    write_build(folder, fields)
    say("place and route", 1, 3)
    fields["placed"] = _placed(folder, device, fields, seed, clock_mhz)
    write_build(folder, fields)
    say("bitstream", 2, 3)
    _pack(folder, chip, fields)
    write_build(folder, fields)
    return fields


def _synthesised(folder: Path, chip: Device, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Cells of the machine as Yosys maps it."""
    machine, yosys = fields["machine"], find_yosys()
    files = [*machine["verilog"], *sorted(path.name for path in folder.glob("*.hex"))]
    digest = hashlib.sha256(f"{yosys} {chip.synthesis}".encode())
    for name in files:
        digest.update((folder / name).read_bytes())
    done = fields.get("synthesised", {})
    netlist = folder / f"netlist_{chip.family}.json"
    if done.get("inputs_sha256") == digest.hexdigest() and netlist.is_file():
        return dict(done)
    netlist.unlink(missing_ok=True)
    # Yosys has the family's own cells, whose models are among the files for simulators.
    read = "".join(
        f"read_verilog {name}\n" for name in machine["verilog"] if name != f"cells_{chip.family}.v"
    )
    top = machine["top"]
    script = f"{read}{chip.synthesis} -top {top}\nwrite_json {netlist.name}\n"
    write_atomic(folder / f"synthesis_{chip.family}.ys", script)
    seconds = _run(
        [*yosys.command, f"synthesis_{chip.family}.ys"], folder, f"synthesis_{chip.family}.log"
    )
    if not netlist.is_file():
        raise ToolError(f"Synthesis failed; see {folder / f'synthesis_{chip.family}.log'}")
    cells = json.loads(netlist.read_bytes())["modules"][top]["cells"].values()
    # Those of Yosys' own, such as `$scopeinfo`, are no hardware.
    counted = Counter(cell["type"] for cell in cells if not cell["type"].startswith("$"))
    return {
        "inputs_sha256": digest.hexdigest(),
        "tool": str(yosys),
        "family": chip.family,
        "cells": dict(sorted(counted.items())),
        "seconds": seconds,
    }


def _placed(
    folder: Path, device: str, fields: Mapping[str, Any], seed: int, clock_mhz: float
) -> dict[str, Any]:
    """Clock and sites of the machine as nextpnr places it."""
    chip = DEVICES[device]
    netlist, text = f"netlist_{chip.family}.json", f"machine_{device}.config"
    digest = hashlib.sha256((folder / netlist).read_bytes())
    digest.update(f"{device} {seed} {clock_mhz} {_version(chip)}".encode())
    done = fields.get("placed", {})
    if done.get("inputs_sha256") == digest.hexdigest() and (folder / text).is_file():
        return dict(done)
    report, log = folder / f"report_{device}.json", f"place_{device}.log"
    report.unlink(missing_ok=True)
    output = "--textcfg" if chip.family == "ecp5" else "--asc"
    options = f"{chip.options} --json {netlist} --report {report.name} {output} {text}"
    options += f" --seed {seed} --freq {clock_mhz:g} --timing-allow-fail"
    command = _python(f"yowasp_nextpnr_{chip.family}", f"run_nextpnr_{chip.family}")
    seconds = _run([*command, *options.split()], folder, log)
    if not report.is_file():
        raise ToolError(f"Place and route failed; see {folder / log}")
    measured = json.loads(report.read_bytes())
    rates = [clock["achieved"] for clock in measured["fmax"].values()]
    if not rates:
        raise ToolError(f"Place and route found no clock; see {folder / log}")
    cycles = fields["machine"]["interval"]
    return {
        "inputs_sha256": digest.hexdigest(),
        "tool": _version(chip),
        "device": device,
        "seed": seed,
        "clock_mhz": min(rates),
        "frames_per_s": min(rates) * 1e6 / cycles,
        "latency_us": fields["machine"]["latency"] / min(rates),
        "sites": {
            name: dict(measured["utilization"].get(key, {})) for name, key in chip.resources.items()
        },
        "seconds": seconds,
    }


def _pack(folder: Path, chip: Device, fields: dict[str, Any]) -> None:
    placed = fields["placed"]
    program, ending = chip.pack
    config = f"machine_{placed['device']}.config"
    target = folder / f"machine_{placed['device']}.{ending}"
    target.unlink(missing_ok=True)
    command = _python(f"yowasp_nextpnr_{chip.family}", f"run_{program}")
    _run([*command, config, target.name], folder, f"{program}.log")
    if not target.is_file():
        raise ToolError(f"Program {program} wrote no bitstream; see {folder / program}.log")
    placed["bitstream"] = target.name


def _version(chip: Device) -> str:
    from importlib.metadata import PackageNotFoundError, version

    name = f"yowasp-nextpnr-{chip.family}"
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        raise ToolError(
            f"Place and route needs {name}, which is not installed: pip install 'macwright[fpga]'"
        ) from None


def _python(package: str, function: str) -> list[str]:
    """Command that calls a tool of a Python package."""
    if importlib.util.find_spec(package) is None:
        name = package.replace("_", "-")
        raise ToolError(
            f"Place and route needs {name}, which is not installed: pip install 'macwright[fpga]'"
        )
    code = f"import sys, {package} as p; sys.exit(p.{function}(sys.argv[1:]))"
    return [sys.executable, "-P", "-c", code]


def _run(command: Sequence[str], folder: Path, log: str) -> float:
    """Run a tool in a folder, its words in a log; returns its seconds.

    Raises
    ------
    ToolError
        If it fails; names its first error and the log.
    """
    start = time.monotonic()
    with (folder / log).open("wb") as stream:
        status = run_program(command, folder=folder, log=stream).returncode
    if status:
        lines = (folder / log).read_text(errors="replace").splitlines()
        errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:] or ["nothing"]
        raise ToolError(f"{errors[0].removeprefix('ERROR: ')} (see {folder / log})")
    return round(time.monotonic() - start, 1)
