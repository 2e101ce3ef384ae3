"""Boards on which a machine can be: their FPGA, clock and serial line, and the shell for them.

Pins are those of the board definitions of LiteX-Boards (radiona_ulx3s, colorlight_i5,
gsd_orangecrab r0.2 and 1bitsquared_icebreaker), which follow the boards' schematics.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from macwright.dse.build.tools import run_tool, tool_command, tool_version
from macwright.hw.accelerator.library import Library
from macwright.hw.accelerator.serial import SerialShell, SerialShellSpec
from macwright.hw.errors import RefusedInput, ToolError
from macwright.hw.files import write_atomic
from macwright.sim.accelerator.record import MachineRecord

__all__ = ["BOARDS", "Board", "check_board", "write_board"]

#: By how much of a bit the line of a computer and ours may differ over a byte, and so the clocks.
LINE_ERROR = 0.02


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board with an FPGA.

    Parameters
    ----------
    title : str
        Its full name.
    devices : tuple of str
        FPGAs that it is sold with, the usual one first.
    package : str
        Options of nextpnr: grade and package.
    clock_mhz : float
        Of its oscillator.
    clock, rx, tx : str
        Pins: of the oscillator, and of the serial line into and out of the FPGA.
    line : str
        Where the serial line comes out.
    """

    title: str
    devices: tuple[str, ...]
    package: str
    clock_mhz: float
    clock: str
    rx: str
    tx: str
    line: str

    @property
    def is_ice40(self) -> bool:
        """Whether its FPGA is an iCE40, else an ECP5."""
        return self.devices[0].startswith("ice40")


#: Boards by name.
BOARDS = {
    "ulx3s": Board(
        title="Radiona ULX3S",
        devices=("lfe5u-85f", "lfe5u-45f", "lfe5u-25f"),
        package="--speed 6 --package CABGA381",
        clock_mhz=25.0, clock="G2", rx="M1", tx="L4",
        line="USB connector US1 (FT231X)",
    ),
    "colorlight-i5": Board(
        title="Colorlight i5 v7.0 on its extension board",
        devices=("lfe5u-25f",),
        package="--speed 6 --package CABGA381",
        clock_mhz=25.0, clock="P3", rx="H18", tx="J17",
        line="USB connector (DAPLink)",
    ),
    "orangecrab": Board(
        title="OrangeCrab r0.2",
        devices=("lfe5u-25f", "lfe5u-85f"),
        package="--speed 8 --package CSFBGA285",
        clock_mhz=48.0, clock="A9", rx="N17", tx="M18",
        line="pins 0 (in) and 1 (out) of the Feather header, 3.3 V",
    ),
    "icebreaker": Board(
        title="1BitSquared iCEBreaker",
        devices=("ice40-up5k",),
        package="--package sg48",
        clock_mhz=12.0, clock="35", rx="6", tx="9",
        line="USB connector, second port (FT2232H)",
    ),
}  # fmt: skip


def check_board(board: str, device: str | None, *, clock_mhz: float | None, baud: int) -> str:
    """Refuse what a board has not, before anything is made; returns its FPGA.

    Parameters
    ----------
    board : str
        One of `BOARDS`.
    device : str or None
        FPGA that was asked for; None for the one that the board usually has.
    clock_mhz, baud
        See :func:`write_board`.

    Raises
    ------
    RefusedInput
        If there is no such board, it has no such FPGA, or its line no such rate.
    ToolError
        If its clock needs a PLL, and the tool that configures one is not installed.
    """
    if board not in BOARDS:
        raise RefusedInput(f"Board must be one of {', '.join(BOARDS)}, not {board!r}")
    devices = BOARDS[board].devices
    chosen = device or devices[0]
    if chosen not in devices:
        raise RefusedInput(
            f"FPGA of the {BOARDS[board].title} must be {' or '.join(devices)}, not {chosen}"
        )
    clock = BOARDS[board].clock_mhz if clock_mhz is None else clock_mhz
    _divisor(clock, baud)
    if clock != BOARDS[board].clock_mhz:
        tool_version("ice40" if BOARDS[board].is_ice40 else "ecp5")  # has what configures PLLs
    return chosen


def write_board(
    folder: Path, record: MachineRecord, board: str, *, clock_mhz: float | None, baud: int
) -> dict[str, Any]:
    """Write what a board needs around a machine: serial shell, clock, pins.

    Parameters
    ----------
    folder : Path
        That of the machine.
    record : MachineRecord
        The machine.
    board : str
        One of `BOARDS`.
    clock_mhz : float or None
        Clock of the machine, made by the FPGA's PLL; None for that of the oscillator.
    baud : int
        Bits a second of the serial line.

    Returns
    -------
    dict
        What build.json says of it.

    Raises
    ------
    RefusedInput
        If the line cannot have such a rate at the clock, or the PLL not make the clock.
    ToolError
        If the tool that configures the PLL is not installed.
    """
    chip = BOARDS[board]
    top = f"{record.top}_{board.replace('-', '_')}"
    pll, clock = "", chip.clock_mhz
    if clock_mhz is not None and clock_mhz != chip.clock_mhz:
        pll = f"{top}_pll"
        clock = _pll(folder, chip, pll, clock_mhz)
    shell = SerialShellSpec(
        machine=record.top,
        in_bytes=-(-record.source.lanes * record.source.bits // 8),
        out_bytes=-(-record.result.lanes * record.result.bits // 8),
        frame_words=record.source.words,
        divisor=_divisor(clock, baud),
    )
    library = Library(shell.name)
    header = (
        f"{shell.name}: {record.top} behind a serial line of {baud} bits/s, 8N1, at a clock of "
        f"{clock:g} MHz.\nA frame is {shell.frame_words * shell.in_bytes} bytes, a result "
        f"{record.result.words * shell.out_bytes}."
    )
    library.add(shell.name, SerialShell(shell), header)
    library.finish()
    files = {
        f"{shell.name}.v": "\n".join(library.modules.values()),
        f"{top}.v": _top(top, shell, pll),
    }
    for name, text in files.items():
        write_atomic(folder / name, text)
    constraints = f"{board}.{'pcf' if chip.is_ice40 else 'lpf'}"
    write_atomic(folder / constraints, _pins(chip))
    return {
        "board": board,
        "clock_mhz": clock,
        "baud": baud,
        "cycles_per_bit": shell.divisor,
        "package": chip.package,
        "shell": shell.name,
        "top": top,
        "verilog": [*files, *([f"{pll}.v"] if pll else [])],
        "constraints": constraints,
    }


def _divisor(clock_mhz: float, baud: int) -> int:
    """Cycles of a bit."""
    exact = clock_mhz * 1e6 / baud if baud > 0 else 0.0
    if round(exact) < 4 or abs(round(exact) / exact - 1) > LINE_ERROR:
        raise RefusedInput(
            f"Rate of the serial line must be at most a quarter of the clock's {clock_mhz:g} MHz, "
            f"and {LINE_ERROR:.0%} from a whole number of cycles a bit at most, not {baud}"
        )
    return round(exact)


def _pll(folder: Path, chip: Board, name: str, clock_mhz: float) -> float:
    """Write a PLL that makes a clock, and return the clock it does make."""
    path = folder / f"{name}.v"
    path.unlink(missing_ok=True)
    if chip.is_ice40:
        command = tool_command("ice40", "icepll")
        command += ["-p", "-m", "-q", "-n", name]
    else:
        command = tool_command("ecp5", "ecppll")
        command += ["-n", name, "--clkin_name", "clock_in", "--clkout0_name", "clock_out"]
    command += ["-i", f"{chip.clock_mhz:g}", "-o", f"{clock_mhz:g}", "-f", path.name]
    try:
        run_tool(command, folder, f"{name}.log")
        achieved = _made(path.read_text())
    except (ToolError, FileNotFoundError):
        achieved = None
    if achieved is None or abs(achieved / clock_mhz - 1) > LINE_ERROR:
        path.unlink(missing_ok=True)
        raise RefusedInput(
            f"Clock must be one that the PLL of the {chip.title} makes of {chip.clock_mhz:g} MHz "
            f"to within {LINE_ERROR:.0%}, not {clock_mhz:g} MHz; see {folder / name}.log"
        )
    return achieved


def _made(text: str) -> float | None:
    """Clock of a PLL, by the comments that its tool writes, MHz."""
    comment = re.search(
        r"clock_out, // ([\d.]+) MHz|Achieved output frequency: *([\d.]+) MHz", text
    )
    return float(comment[1] or comment[2]) if comment else None


def _top(top: str, shell: SerialShellSpec, pll: str) -> str:
    """Verilog of the top module: clock, a reset of some cycles after it is steady, the shell."""
    clock = "  assign clk = clock_in;\n  assign locked = 1'b1;\n"
    if pll:
        clock = f"  {pll} pll (.clock_in(clock_in), .clock_out(clk), .locked(locked));\n"
    return (
        f"// {top}: pins, clock and reset of {shell.machine} on a board.\n"
        f"module {top} (\n  input wire clock_in,\n  input wire rx,\n  output wire tx\n);\n"
        f"  wire clk, locked;\n{clock}"
        "  reg [3:0] started = 0;\n"
        "  always @(posedge clk)\n"
        "    if (!locked) started <= 0;\n"
        "    else if (started != 15) started <= started + 1;\n"
        f"  {shell.name} shell (.clk(clk), .rst(started != 15), .rx(rx), .tx(tx));\n"
        "endmodule\n"
    )


def _pins(chip: Board) -> str:
    """Constraints of a board's pins, for nextpnr."""
    pins: Mapping[str, str] = {"clock_in": chip.clock, "rx": chip.rx, "tx": chip.tx}
    if chip.is_ice40:
        lines = [
            f"set_io {'-pullup yes ' * (name == 'rx')}{name} {pin}" for name, pin in pins.items()
        ]
        lines.append(f"set_frequency clock_in {chip.clock_mhz:g}")
    else:
        lines = [f'LOCATE COMP "{name}" SITE "{pin}";' for name, pin in pins.items()]
        lines += [f'IOBUF PORT "{name}" IO_TYPE=LVCMOS33;' for name in ("clock_in", "tx")]
        lines.append('IOBUF PORT "rx" PULLMODE=UP IO_TYPE=LVCMOS33;')
        lines.append(f'FREQUENCY PORT "clock_in" {chip.clock_mhz:g} MHZ;')
    return "".join(f"{line}\n" for line in lines)
