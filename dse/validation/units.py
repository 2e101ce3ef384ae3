"""Check that the units of a front are what their cost rows say, by hash and by simulation."""

import dataclasses
import hashlib
import importlib.metadata
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import cache
from importlib.resources import files

import pandas as pd

from macwright.costmodel.cache import Cache, content_key
from macwright.costmodel.characterize.unit import generator_versions
from macwright.costmodel.progress import Progress
from macwright.hw.errors import ToolError
from macwright.hw.pe.spec import UnitSpec
from macwright.hw.verilog import rtlil_sha256, verilog_sha256
from macwright.sim.batch import write_batch
from macwright.sim.generate import bench_text
from macwright.sim.owned import scratch_folder
from macwright.sim.runner import simulate
from macwright.sim.simulators import find_simulator

__all__ = ["QUICK", "Verification", "verify_units"]

#: Tests of the bench that a search runs: corners, and 3,000 random cycles. The whole bench passed
#: when the cost row was made.
QUICK = ("corners", "controls")
#: Units that one simulation tests: its start takes as long as the tests of some units.
BATCH = 8


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
    specs: Sequence[UnitSpec],
    costs: pd.DataFrame,
    *,
    simulating: bool = True,
    jobs: int | None = None,
    progress: Progress | None = None,
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
    note, simulator = "not asked for", None
    if simulating:
        try:
            simulator = find_simulator().name
            note = f"{simulator}: {' and '.join(QUICK)} of each bench"
        except ToolError as missing:
            note = str(missing)
    say = progress or (lambda *_: None)
    passed = Cache("simulations")
    with (
        scratch_folder() as scratch,
        ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool,
    ):
        running = {}
        try:
            for start in range(0, len(specs), BATCH):
                batch = {}
                for done, spec in enumerate(specs[start : start + BATCH], start):
                    # Its first call compiles for some seconds.
                    say("Verilog of the front's units", done, len(specs))
                    _check_hash(spec, recorded[spec.name])
                    key = _simulation_key(spec, recorded[spec.name], simulator)
                    if simulator and passed.get(key) is None:
                        batch[spec] = key
                if batch:
                    folder = scratch / str(start)
                    write_batch(list(batch), folder, tests=QUICK)  # Amaranth does not bear threads
                    running[pool.submit(simulate, folder, simulator=simulator)] = batch
            waiting, done = sum(map(len, running.values())), 0
            for run in as_completed(running):
                say("simulation of the front's units", done, waiting)
                result = run.result()
                if not result.passed:
                    raise ToolError(f"A unit of the front fails its bench: {result.failures[0]}")
                for key in running[run].values():
                    passed.put(key, {"tests": list(QUICK)})
                done += len(running[run])
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return Verification(hashed=len(specs), simulated=len(specs) if simulator else 0, note=note)


def _check_hash(spec: UnitSpec, recorded: str) -> None:
    """Compare the Verilog that a spec gives now with its cost row."""
    store = Cache("verilog")
    # RTLIL is quick to make; what Verilog the same RTLIL gave before need not be written again.
    key = content_key(rtlil_sha256=rtlil_sha256(spec), versions=generator_versions())
    digest = store.get(key)
    if digest is None:
        digest = verilog_sha256(spec)
        store.put(key, digest)
    if digest != recorded:
        raise ToolError(
            f"Cost row of {spec.name} must be of the Verilog that is generated now, not of one "
            f"with hash {recorded}; run `macwright characterize` again"
        )


def _simulation_key(spec: UnitSpec, verilog: str, simulator: str | None) -> str:
    return content_key(
        verilog=verilog,
        bench=bench_text(spec),
        tests=QUICK,
        sources=_bench_sources(),
        simulator=simulator,
        cocotb=importlib.metadata.version("cocotb"),
    )


@cache
def _bench_sources() -> str:
    """Digest of the benches and golden models."""
    digest = hashlib.sha256()
    for package in ("macwright.sim.bench", "macwright.sim.golden"):
        for path in sorted(files(package).iterdir(), key=lambda path: path.name):
            if path.name.endswith(".py"):
                digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
