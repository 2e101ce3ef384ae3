"""Points of a unit: what it costs at which clock, over structures, register stages and mappings.

A unit is a curve, not a row. A point is a netlist of its own: one structure, mapped in one way,
timed from register to register with operands that arrive one clk-to-q after the edge, and simulated
against the golden model as it was mapped. On FPGAs with a placer its area is that after placement:
look-up tables on ECP5, logic cells (also those of which only the register is used) on iCE40.
Points that another one beats in period, area and (in cell libraries) energy are left out; the
smallest always stays.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from typing import Any

import pandas as pd

from macwright.costmodel.cache import Cache, content_key, modules_sha256
from macwright.costmodel.characterize.golden_check import check_netlist
from macwright.costmodel.characterize.structures import has_one_sum, structures
from macwright.costmodel.characterize.unit import (
    generate_unit,
    generator_versions,
    unit_hashes,
)
from macwright.costmodel.characterize.yosys import find_yosys, run_yosys
from macwright.costmodel.placement.nextpnr import PLACERS, find_placer
from macwright.costmodel.power.unit import energy_key, slim_netlist
from macwright.costmodel.technology.fpga import smallest_mapping
from macwright.costmodel.technology.technology import Technology
from macwright.hw.errors import ToolError
from macwright.hw.pe.operating_mode import OperatingMode
from macwright.hw.pe.spec import Unit

__all__ = [
    "POINT_COLUMNS",
    "characterize_points",
    "point_frame",
    "unit_points",
    "with_mappings",
]

#: Columns of a point and their kinds. `unit` and `point` (what differs from the smallest structure
#: and mapping) are its key, `module` is the unit that is really built; `placed_luts` are those
#: after placement; `checked` counts the vectors that the mapped netlist was simulated with.
POINT_COLUMNS = {
    "unit": "str",
    "point": "str",
    "module": "str",
    "technology": "str",
    "area": "float64",
    "area_unit": "str",
    "luts": "Int64",
    "placed_luts": "Int64",
    "carries": "Int64",
    "ffs": "Int64",
    "dsps": "Int64",
    "period_ns": "float64",
    "energy_fj_per_mac": "float64",
    "leakage_nw": "float64",
    "stimulus": "str",
    "latency": "Int64",
    "macs_per_cycle": "float64",
    "wires": "str",
    "checked": "Int64",
    "flow": "str",
    "tool_versions": "str",
    "rtlil_sha256": "str",
    "verilog_sha256": "str",
    "source": "str",
}

#: Mappings of structures for speed: those for area alone differ by a percent.
_FOR_SPEED = ("amap_plain", "map", "nf", "nf_area", "map_sized", "nf_sized")

Point = dict[str, Any]


def characterize_points(
    specs: Sequence[Unit],
    technology: Technology,
    *,
    dsp: bool = False,
    stimulus: str = "gauss",
    curve: bool = True,
    jobs: int | None = None,
    executor: Executor | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> pd.DataFrame:
    """Points of many units, made side by side or taken from the cache.

    Parameters
    ----------
    specs, technology, dsp, jobs, executor, progress
        As for :func:`macwright.costmodel.characterize.many.characterize`.
    stimulus : str
        What energies are measured with.
    curve : bool
        Whether to try other structures and mappings for speed, too.

    Returns
    -------
    DataFrame
        Columns of :data:`POINT_COLUMNS`; the points of a unit follow each other by rising area.

    Raises
    ------
    ToolError
        If a unit cannot be mapped or placed, or a mapped netlist is not the unit.
    """
    units = list(dict.fromkeys(specs))
    pool = executor or ThreadPoolExecutor(max_workers=jobs)
    stage = f"points of units on {technology.name}"
    if progress is not None:
        progress(stage, 0, len(units))
    futures = {
        pool.submit(unit_points, spec, technology, dsp=dsp, stimulus=stimulus, curve=curve): spec
        for spec in units
    }
    points: dict[Any, list[Point]] = {}
    try:
        for done, future in enumerate(as_completed(futures), 1):
            points[futures[future]] = future.result()
            if progress is not None:
                progress(stage, done, len(units))
    finally:
        for future in futures:
            future.cancel()
        if executor is None:
            pool.shutdown(cancel_futures=True)
    return point_frame([point for spec in units for point in points[spec]])


def point_frame(points: Sequence[Point]) -> pd.DataFrame:
    """Points as a table with all columns, empty where a point lacks one."""
    return pd.DataFrame(
        {
            name: pd.Series([point.get(name) for point in points], dtype=kind)
            for name, kind in POINT_COLUMNS.items()
        }
    )


def with_mappings(technology: Technology, *, dsp: bool) -> Technology:
    """The technology as points are made in it: an FPGA maps each unit for depth and for area."""
    if technology.record.kind != "fpga" or dsp or technology.endings:
        return technology
    return smallest_mapping(technology)


def unit_points(
    spec: Unit,
    technology: Technology,
    *,
    dsp: bool = False,
    stimulus: str = "gauss",
    curve: bool = True,
) -> list[Point]:
    """Non-dominated points of one unit, by rising area.

    Parameters
    ----------
    spec : unit spec or OperatingMode
        The unit; of one in a mode, energies are those of the mode.
    technology, dsp, stimulus, curve
        As for `characterize_points`.

    Returns
    -------
    list of dict
        By column; none where the technology has no periods.
    """
    unit = spec.spec if isinstance(spec, OperatingMode) else spec
    if technology.name not in PLACERS and technology.energy is None:
        return []
    technology = with_mappings(technology, dsp=dsp)
    family = structures(unit, technology.name) if curve else {"": unit}
    hashes = {label: unit_hashes(each) for label, each in family.items()}
    placer = find_placer(technology.name)
    key = content_key(
        unit=spec.row,
        modules={label: verilog for label, (_, verilog) in hashes.items()},
        technology=technology.key(dsp=dsp),
        curve=list(technology.curve.items()) if curve else None,
        yosys=str(find_yosys()),
        placer=None if placer is None else placer.describe(),
        stimulus=energy_key("", spec, stimulus),
        code=modules_sha256(
            __name__,
            "macwright.costmodel.characterize.golden_check",
            "macwright.costmodel.characterize.structures",
            "macwright.costmodel.placement.nextpnr",
        ),
    )
    cached = Cache("points").get(key)
    if cached is not None:
        return [{**point, "source": "cache"} for point in cached]
    measured = []
    for label, each in family.items():
        texts = {"rtlil_sha256": hashes[label][0], "verilog_sha256": hashes[label][1]}
        for point in _structure_points(label, each, technology, dsp=dsp, curve=curve):
            measured.append({**point, **texts})
    if technology.energy is None:
        chosen = _non_dominated(measured, ("area", "period_ns", "ffs"))
    elif hasattr(unit, "modes"):
        # The same points in every mode, whatever the energies.
        chosen = _one_or_two_sums(measured, ("area", "period_ns"))
        for point in chosen:
            _measure_energy(point, spec, family, technology, stimulus)
    else:
        for point in measured:
            _measure_energy(point, spec, family, technology, stimulus)
        chosen = _one_or_two_sums(measured, ("area", "period_ns", "energy_fj_per_mac"))
    points = [_row(point, spec, family, technology) for point in chosen]
    Cache("points").put(key, points)
    return [{**point, "source": "characterised"} for point in points]


def _structure_points(
    label: str, spec: Unit, technology: Technology, *, dsp: bool, curve: bool = True
) -> list[dict[str, Any]]:
    """Each mapping of one structure, timed (and placed, where there is a placer) and checked."""
    every = None if not label or not technology.curve else _FOR_SPEED
    endings, netlists, note = _mapped(spec, technology, dsp=dsp, curve=curve, only=every)
    placer = find_placer(technology.name)
    points = []
    for ending, netlist in zip(endings, netlists, strict=True):
        figures: dict[str, Any] = technology.measure(netlist, spec.name)
        # A mapping for area that saves nothing is only slower.
        if placer is not None and any(figures["luts"] >= point["luts"] for point in points):
            continue
        flow = technology.describe(dsp=dsp, ending=ending) + note
        if placer is not None:
            try:
                figures |= placer.place(netlist, spec.name)
                figures["area"] = figures["placed_luts"]
                flow += f"; {placer.describe()}"
            except ToolError as error:
                flow += f"; not placed: {error}"
        points.append(
            {
                **figures,
                "point": " ".join(filter(None, (label, f"map={ending}" if ending else ""))),
                "structure": label,
                "flow": flow,
                "netlist": slim_netlist(netlist, spec.name),
            }
        )
    points = _non_dominated(points, ("area", "period_ns"))
    for point in points:
        if technology.simulable is not None and not point.get("dsps"):
            mapped = technology.simulable(point["netlist"], spec.name)
            point["checked"] = check_netlist(mapped, spec)
    return points


def _mapped(
    spec: Unit,
    technology: Technology,
    *,
    dsp: bool,
    curve: bool,
    only: Sequence[str] | None = None,
) -> tuple[list[str], list[dict[str, Any]], str]:
    """Endings of the synthesis with their netlists, and what is to be said of those that failed.

    ABC's mappings for speed crash on libraries of few cells; the others remain then.
    """
    texts = {**technology.texts(), "unit.v": generate_unit(spec)[0]}
    fast = curve and bool(technology.curve)
    for speed in (True, False) if fast else (False,):
        script, endings = technology.script(spec.name, dsp=dsp, curve=speed, only=only)
        try:
            netlists = run_yosys(find_yosys(), script, texts, outputs=list(endings.values()))
        except ToolError as error:
            if speed:
                continue
            raise ToolError(f"Unit {spec.name} could not be characterised: {error}") from None
        note = "; mappings for speed failed" if fast and not speed else ""
        return list(endings), netlists, note
    raise ToolError(f"Unit {spec.name} could not be characterised")


def _measure_energy(
    point: dict[str, Any],
    spec: Unit,
    family: Mapping[str, Any],
    technology: Technology,
    stimulus: str,
) -> None:
    """Add the energy to a point, in technologies that have one."""
    if technology.energy is None:
        return
    unit = family[point["structure"]]
    mode = spec
    if isinstance(spec, OperatingMode):
        mode = OperatingMode(**{**vars(spec), "spec": unit})
    else:
        mode = unit
    point |= dict(technology.energy(point["netlist"], mode, stimulus))


def _row(
    point: Mapping[str, Any], spec: Unit, family: Mapping[str, Any], technology: Technology
) -> Point:
    """A point as a row of the table."""
    unit = family[point["structure"]]
    row = {
        **point,
        "unit": spec.row,
        "module": unit.name,
        "technology": technology.name,
        "area_unit": technology.area_unit,
        "latency": unit.latency,
        "macs_per_cycle": spec.macs_per_cycle,
        "wires": technology.wires,
        "tool_versions": f"{generator_versions()}, {find_yosys()}",
    }
    return {name: row[name] for name in POINT_COLUMNS if row.get(name) is not None}


def _one_or_two_sums(points: list[dict[str, Any]], columns: Sequence[str]) -> list[dict[str, Any]]:
    """Points that none beats; carry-save ones beat no others, which can stand where they cannot."""
    single = [point for point in points if has_one_sum(point["point"])]
    best = _non_dominated(points, columns)
    chosen = _non_dominated(single, columns)
    chosen += [point for point in best if not has_one_sum(point["point"])]
    return sorted(chosen, key=lambda point: (point["area"], point["point"]))


def _non_dominated(points: list[dict[str, Any]], columns: Sequence[str]) -> list[dict[str, Any]]:
    """Points that none beats, by rising area; a figure that is absent is worse than any."""

    def figures(point: Mapping[str, Any]) -> tuple[float, ...]:
        values = (point.get(name) for name in columns)
        return tuple(float("inf") if value is None else float(value) for value in values)

    ordered = sorted(points, key=lambda point: (figures(point), point["point"]))
    best: list[dict[str, Any]] = []
    for point in ordered:
        mine = figures(point)
        if not any(all(a <= b for a, b in zip(figures(k), mine, strict=True)) for k in best):
            best.append(point)
    return best
