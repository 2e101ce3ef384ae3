"""Programs of the open FPGA flow, from Python packages."""

import importlib.util
import sys
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from macwright.hw.errors import ToolError
from macwright.sim.owned import run_program

__all__ = ["run_tool", "tool_command", "tool_version"]


def tool_version(family: str) -> str:
    """Package of place-and-route of a family, and its version.

    Raises
    ------
    ToolError
        If it is not installed.
    """
    name = f"yowasp-nextpnr-{family}"
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        raise _missing(name) from None


def tool_command(family: str, program: str) -> list[str]:
    """Command that calls a program of the package of a family, such as ``ecppack``.

    Raises
    ------
    ToolError
        If the package is not installed.
    """
    package = f"yowasp_nextpnr_{family}"
    if importlib.util.find_spec(package) is None:
        raise _missing(package.replace("_", "-"))
    code = f"import sys, {package} as p; sys.exit(p.run_{program}(sys.argv[1:]))"
    return [sys.executable, "-P", "-c", code]


def _missing(name: str) -> ToolError:
    return ToolError(
        f"Place and route needs {name}, which is not installed: pip install 'macwright[fpga]'"
    )


def run_tool(command: Sequence[str], folder: Path, log: str) -> float:
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
