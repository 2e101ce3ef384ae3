"""Runs the bench of a generated unit and says truthfully what came of it."""

import hashlib
import json
import os
import re
import shutil
import sys
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from macwright.hw.errors import RefusedInput
from macwright.sim.generate import MANIFEST
from macwright.sim.owned import run_program
from macwright.sim.simulators import Simulator, find_simulator

__all__ = ["SimResult", "simulate"]


@dataclass(frozen=True)
class SimResult:
    """What a simulation found.

    Parameters
    ----------
    passed : bool
        Whether every test of the manifest ran and none failed.
    tests : int
        Number of tests that ran.
    failures : list of str
        One line for each thing that went wrong, the first failing vector in it.
    results_xml, log : Path
        JUnit XML (may be absent if nothing ran), and all the output of the simulator.
    simulator : str
        Which one it was.
    changed : list of str
        Files that are not what `macwright generate` wrote; they were simulated as they are.
    waves : Path or None
        Waveform file, if asked for.

    Examples
    --------
    >>> result = SimResult(True, 5, [], Path("icarus/results.xml"), Path("icarus/simulate.log"))
    >>> result.passed, result.waves
    (True, None)
    """

    passed: bool
    tests: int
    failures: list[str]
    results_xml: Path
    log: Path
    simulator: str = ""
    changed: list[str] = field(default_factory=list)
    waves: Path | None = None


def simulate(
    folder: Path,
    *,
    simulator: str | None = None,
    waves: bool = False,
    seed: int = 0,
    tests: Sequence[str] | None = None,
) -> SimResult:
    """Simulate the unit in a folder, as it is, with the bench in that folder.

    Results go to the sub-folder of the simulator's name: `results.xml` (JUnit), `simulate.log`,
    and the waveform.

    Parameters
    ----------
    folder : Path
        What :func:`~macwright.sim.generate.write_unit` wrote.
    simulator : {"icarus", "verilator"}, optional
        By default the first that is installed.
    waves : bool
        Whether to record every signal.
    seed : int
        Seed of the random vectors.
    tests : sequence of str, optional
        Tests of the bench to run; all of them by default.

    Raises
    ------
    ValueError
        If the folder holds no unit.
    ToolError
        If there is no simulator.

    Examples
    --------
    >>> import tempfile
    >>> from macwright.hw.pe import IntMacSpec
    >>> from macwright.sim.generate import write_unit
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = write_unit(IntMacSpec(), Path(folder))
    ...     result = simulate(Path(folder), tests=["corners"])
    >>> result.passed, result.tests
    (True, 1)
    """
    folder = folder.resolve()
    manifest = _read_manifest(folder)
    tool = find_simulator(simulator)
    work = folder / tool.name
    if work.exists():
        shutil.rmtree(work)
    work.mkdir()
    part = manifest["verilog"]
    sources = [part[key] for key in ("file", "cells") if key in part]
    sources += [manifest["wrapper"]["file"]] if "wrapper" in manifest else []
    log, results = work / "simulate.log", work / "results.xml"
    job = {
        "simulator": tool.name,
        "folder": str(folder),
        "work": str(work),
        "verilog": [str(folder / name) for name in sources],
        "top": manifest["top"],
        "bench": Path(manifest["bench"]["file"]).stem,
        "results": str(results),
        "waves": waves,
        "seed": seed,
        # None lets tests run that the user has added to the bench.
        "tests": list(tests) if tests else None,
    }
    status = _run(job, tool, log=log, cwd=work)
    names, failures = _read_results(results)
    missing = [test for test in tests or manifest["bench"]["tests"] if test not in names]
    if missing:
        reason = _last_error(log)
        failures.append(f"{', '.join(missing)} did not run{f': {reason}' if reason else ''}")
    elif status and not failures:
        failures.append(f"Simulator ended with status {status}")
    dump = next((p for p in sorted(work.glob("*.fst")) + sorted(work.glob("*.vcd"))), None)
    return SimResult(
        passed=not failures,
        tests=len(names),
        failures=failures,
        results_xml=results,
        log=log,
        simulator=tool.name,
        changed=_changed(folder, manifest),
        waves=dump,
    )


def _read_manifest(folder: Path) -> dict[str, Any]:
    """Manifest of the folder, checked as far as this module relies on it."""
    path = folder / MANIFEST
    if not path.is_file():
        raise RefusedInput(
            f"Folder must hold what `macwright generate` wrote, with {MANIFEST}, not be {folder}"
        )
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        files = _parts(manifest)
        names = [manifest["top"], *[part["file"] for part in files]]
        names += [files[0]["cells"]] if "cells" in files[0] else []
        tests, digests = manifest["bench"]["tests"], [part["sha256"] for part in files]
    except (ValueError, RecursionError) as error:
        raise RefusedInput(
            f"{MANIFEST} must be as `macwright generate` wrote it, not {error}"
        ) from None
    except (TypeError, KeyError):
        raise RefusedInput(
            f"{MANIFEST} must be as `macwright generate` wrote it, with top, verilog and bench, "
            "and file, sha256 and tests in those"
        ) from None
    texts = [*names, *digests, *(tests if isinstance(tests, list) else [None])]
    if not all(isinstance(text, str) for text in texts):
        raise RefusedInput(f"{MANIFEST} must name its files, their digests and its tests as texts")
    if not tests or not all(re.fullmatch(r"[A-Za-z_]\w*(\.\w+)?", name) for name in names):
        raise RefusedInput(f"{MANIFEST} must name plain files and at least one test")
    for name in names[1:]:
        if not (folder / name).is_file():
            raise RefusedInput(f"Folder must hold {name}, which {MANIFEST} names, not lack it")
    return manifest


def _run(job: dict[str, Any], tool: Simulator, *, log: Path, cwd: Path) -> int:
    """Run the worker with its output in the log, and return its exit status."""
    # Variables that steer cocotb or pytest from outside would change what is run.
    env = {k: v for k, v in os.environ.items() if not re.match(r"COCOTB_|PYTEST_|WAVES$|GUI$", k)}
    command = [sys.executable, "-P", "-m", "macwright.sim.worker", json.dumps(job)]
    with log.open("wb") as stream:
        return run_program(command, folder=cwd, env={**env, **tool.env}, log=stream).returncode


def _read_results(path: Path) -> tuple[list[str], list[str]]:
    """Names of the tests that ran, and a line for each that failed."""
    try:
        cases = list(ET.parse(path).getroot().iter("testcase"))
    except (OSError, ET.ParseError):
        return [], []
    failures = []
    for case in cases:
        for kind in ("failure", "error"):
            for failure in case.findall(kind):
                text = failure.get("message") or (failure.text or "").strip().split("\n")[-1]
                failures.append(f"{case.get('name')}: {' '.join(text.split())}")
    return [str(c.get("name")) for c in cases if c.find("skipped") is None], failures


def _last_error(log: Path) -> str:
    """Line of the log that most likely says why nothing ran."""
    lines = [" ".join(line.split()) for line in log.read_text(errors="replace").splitlines()]
    # A Python error ends its traceback; a simulator's has the word in front.
    errors = [x for x in lines if re.match(r"(\w+\.)*\w*(Error|Exception)\b", x)]
    errors = [x for x in errors if not x.startswith("RuntimeError: Command failed")] or [
        x for x in lines if re.search(r"error", x, re.IGNORECASE)
    ]
    return errors[0] if errors else ""


def _parts(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """What the manifest says of each file with a digest."""
    return [manifest[key] for key in ("verilog", "wrapper", "bench") if key in manifest]


def _changed(folder: Path, manifest: dict[str, Any]) -> list[str]:
    """Files whose content is not what the manifest says."""
    return [
        part["file"]
        for part in _parts(manifest)
        if hashlib.sha256((folder / part["file"]).read_bytes()).hexdigest() != part["sha256"]
    ]
