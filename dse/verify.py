"""Check that the units of a front are what their cost rows say, by hash and by simulation."""

import dataclasses
import hashlib
import importlib.metadata
import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd

from macwright.costmodel.cache import Cache, content_key
from macwright.hw.files import ToolError
from macwright.hw.verilog import verilog_sha256
from macwright.sim.generate import bench_text, write_unit
from macwright.sim.runner import simulate
from macwright.sim.simulators import find_simulator

__all__ = ["QUICK", "Verification", "verify_units"]

#: Tests of the bench that a search runs: corners, and 3,000 random cycles. The whole bench passed
#: when the cost row was made.
QUICK = ("corners", "controls")

_Progress = Callable[[str, int, int], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verification:
    """What was checked.

    Attributes
    ----------
    hashed : int
        Units whose regenerated Verilog has the hash of their cost row.
    simulated : int
        Units that passed in simulation, in this run or in an earlier one with the same content.
    note : str
        What was done, or why nothing was simulated.
    """

    hashed: int
    simulated: int
    note: str


def verify_units(
    specs: Sequence[Any],
    costs: pd.DataFrame,
    *,
    simulating: bool = True,
    jobs: int | None = None,
    progress: _Progress | None = None,
) -> Verification:
    """Regenerate the Verilog of units, compare it with their cost rows, and simulate it.

    Parameters
    ----------
    specs : sequence of specs
        Units of the front.
    costs : DataFrame
        Cost rows with ``unit`` and ``verilog_sha256``.
    simulating : bool
        Whether to simulate, if there is a simulator.
    jobs : int, optional
        Simulations at a time; default: one for each processor.
    progress : callable, optional
        Called with stage, done and total.

    Raises
    ------
    ToolError
        If a unit is not the one that was characterised, or fails its bench.
    """
    recorded = dict(zip(costs["unit"], costs["verilog_sha256"], strict=True))
    say = progress or (lambda *_: None)
    for done, spec in enumerate(specs):
        say("Verilog (its first call compiles for some seconds)", done, len(specs))
        if verilog_sha256(spec) != recorded[spec.name]:
            raise ToolError(
                f"Cost row of {spec.name} must be of the Verilog that is generated now, not of one "
                f"with hash {recorded[spec.name]}; run `macwright characterize` again"
            )
    if not simulating:
        return Verification(hashed=len(specs), simulated=0, note="not asked for")
    try:
        simulator = find_simulator().name
    except ToolError as missing:
        return Verification(hashed=len(specs), simulated=0, note=str(missing))
    _simulate_all(specs, simulator, jobs or os.cpu_count() or 1, say)
    note = f"{simulator}: {' and '.join(QUICK)} of each bench"
    return Verification(hashed=len(specs), simulated=len(specs), note=note)


def _simulate_all(specs: Sequence[Any], simulator: str, jobs: int, say: _Progress) -> None:
    """Run the quick tests of every unit that has not passed them before."""
    done = Cache("simulations")
    keys = {
        spec: content_key(
            verilog=verilog_sha256(spec),
            bench=bench_text(spec),
            tests=QUICK,
            sources=_bench_sources(),
            simulator=simulator,
            cocotb=importlib.metadata.version("cocotb"),
        )
        for spec in specs
    }
    todo = [spec for spec in specs if done.get(keys[spec]) is None]
    with (
        tempfile.TemporaryDirectory(prefix="macwright-") as scratch,
        ThreadPoolExecutor(jobs) as pool,
    ):
        running = {}
        for spec in todo:
            folder = Path(scratch) / spec.name
            write_unit(spec, folder)  # here, as Amaranth does not bear threads
            run = pool.submit(simulate, folder, simulator=simulator, tests=QUICK)
            running[run] = spec
        try:
            for count, run in enumerate(as_completed(running)):
                say("simulating the units of the front", count, len(todo))
                spec, result = running[run], run.result()
                if not result.passed:
                    raise ToolError(f"Unit {spec.name} fails its bench: {result.failures[0]}")
                done.put(keys[spec], {"tests": result.tests})
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


@cache
def _bench_sources() -> str:
    """Digest of the benches and golden models."""
    digest = hashlib.sha256()
    for package in ("macwright.sim.bench", "macwright.sim.golden"):
        for path in sorted(files(package).iterdir(), key=lambda path: path.name):
            if path.name.endswith(".py"):
                digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
