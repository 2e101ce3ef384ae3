"""Check that the units of a front are what their cost rows say, by hash and by simulation."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from macwright.hw.files import ToolError
from macwright.hw.verilog import verilog_sha256
from macwright.sim.verify import verify as simulate_units

__all__ = ["Verification", "verify_units"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verification:
    """What was checked.

    Attributes
    ----------
    hashed : int
        Units whose regenerated Verilog has the hash of their cost row.
    simulated : int
        Units that passed their bench in this run, or in an earlier one with the same content.
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
    simulate: bool = True,
    jobs: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Verification:
    """Regenerate the Verilog of units, compare it with their cost rows, and run their benches.

    Parameters
    ----------
    specs : sequence of specs
        Units of the front.
    costs : DataFrame
        Cost rows with ``unit`` and ``verilog_sha256``.
    simulate : bool
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
    for done, spec in enumerate(specs):
        if progress:
            progress("generating Verilog (the first call takes longer)", done, len(specs))
        if verilog_sha256(spec) != recorded[spec.name]:
            raise ToolError(
                f"Cost row of {spec.name} must be of the Verilog that is generated now, not of one "
                f"with hash {recorded[spec.name]}; run `macwright characterize` again"
            )
    if not simulate:
        return Verification(hashed=len(specs), simulated=0, note="not asked for")
    try:
        results = simulate_units(specs, jobs=jobs, progress=progress)
    except LookupError as missing:
        return Verification(hashed=len(specs), simulated=0, note=str(missing.args[0]))
    for spec, result in zip(specs, results, strict=True):
        if not result.passed:
            raise ToolError(f"Unit {spec.name} fails its bench: {result.failures[0]}")
    return Verification(
        hashed=len(specs), simulated=len(specs), note=f"simulated with {results[0].simulator}"
    )
