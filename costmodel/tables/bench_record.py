"""Record of the bench that a unit passed."""

import hashlib
import re
from functools import cache
from importlib.resources import files
from pathlib import Path

from macwright.costmodel.cache import Cache, content_key
from macwright.costmodel.characterize.unit import GENERATING
from macwright.hw.errors import ToolError
from macwright.hw.pe.spec import UnitSpec
from macwright.hw.verilog import verilog_sha256
from macwright.sim.generate import write_unit
from macwright.sim.owned import run_program
from macwright.sim.runner import simulate
from macwright.sim.simulators import find_simulator

__all__ = ["bench_record"]


def bench_record(spec: UnitSpec, folder: Path) -> str:
    """Run the bench of a unit, unless this very unit passed it before, and say what was run.

    Parameters
    ----------
    spec : unit spec
        The unit.
    folder : Path
        Where to write and simulate it; need not exist.

    Returns
    -------
    str
        Such as ``"icarus 11.0: 5 tests passed"``.

    Raises
    ------
    ToolError
        If there is no simulator, or the unit fails its bench.
    """
    with GENERATING:
        verilog = verilog_sha256(spec)
    tool = find_simulator()
    simulator = f"{tool.name} {_version(tool.name, tool.env.get('PATH'))}"
    store = Cache("bench")
    key = content_key(verilog_sha256=verilog, simulator=simulator, bench=_bench_sha256())
    record = store.get(key)
    if record is None:
        with GENERATING:
            write_unit(spec, folder)
        result = simulate(folder)
        if not result.passed:
            raise ToolError(f"Unit {spec.name} failed its bench: {result.failures[0]}")
        record = f"{simulator}: {result.tests} tests passed"
        store.put(key, record)
    return record


@cache
def _version(simulator: str, path: str | None) -> str:
    command = ["iverilog", "-V"] if simulator == "icarus" else ["verilator", "--version"]
    env = None if path is None else {"PATH": path}
    said = run_program(command, env=env).stdout.decode(errors="replace")
    match = re.search(r"(?:version|Verilator) (\S+)", said)
    return match[1] if match else "of unknown version"


@cache
def _bench_sha256() -> str:
    """Hash of the benches and golden models, and of how they are run."""
    digest = hashlib.sha256()
    root = files("macwright.sim")
    for folder in (root, root.joinpath("bench"), root.joinpath("golden")):
        for path in sorted(folder.iterdir(), key=lambda p: p.name):
            if path.name.endswith(".py"):
                digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
