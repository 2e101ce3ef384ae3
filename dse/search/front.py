"""The front of a run: of formats alone, or of formats and hardware together."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil
from time import perf_counter

import numpy as np
import pandas as pd

from macwright.costmodel.progress import Progress
from macwright.costmodel.technology.devices import DEVICES
from macwright.dse.architecture.clocks import Clocked, ClockTooFastError, too_fast
from macwright.dse.architecture.engines import DeviceEngines
from macwright.dse.architecture.hardware import dataflow_table, temporal_problem
from macwright.dse.architecture.mapping import NO_FORMATS
from macwright.dse.cost_columns import FRAME, LATENCY
from macwright.dse.search.hardware import Hardware
from macwright.dse.search.joint import joint_points
from macwright.dse.search.joint_problem import JointProblem
from macwright.dse.search.options import cost_columns
from macwright.dse.search.over_clocks import over_clocks, with_latency
from macwright.dse.search.points import Point
from macwright.dse.search.result import SearchResult
from macwright.dse.search.selection import (
    baseline_points,
    baselines,
    points_to_measure,
    reported_points,
)
from macwright.dse.settings import Dataflow, Settings, Temporal
from macwright.dse.solver import (
    Budget,
    Effort,
    OptionTable,
    Rules,
    Solution,
    confirm,
    front,
    front_of_three,
)
from macwright.dse.solver.model.pairs import PairTerm
from macwright.dse.solver.reduce.merge_pairs import connected_parts
from macwright.dse.workload import Layer, Workload
from macwright.hw.errors import Infeasible, RefusedInput

__all__ = ["search"]


def search(
    workload: Workload,
    options: pd.DataFrame,
    hardware: Hardware,
    clocked: Sequence[Clocked],
    settings: Settings,
    progress: Progress | None = None,
    *,
    pairs: Sequence[PairTerm] = (),
    node_nm: float | None = None,
) -> SearchResult:
    """Find the points of a run, at whatever clock is best for each.

    Parameters
    ----------
    workload : Workload
        The network.
    options : DataFrame
        Of :func:`macwright.dse.search.options.option_table`, at each clock.
    hardware : Hardware
        Units and machines to choose from.
    clocked : sequence of Clocked
        Costs of the units at each clock.
    settings : Settings
        Objectives, limits, architecture.
    progress : callable, optional
        Called with stage, done and total.
    pairs : sequence of PairTerm
        Losses that two options add together; not with an architecture.
    node_nm : float or None
        Node of the memories beside a temporal array; None leaves them out.

    Raises
    ------
    ValueError
        If an objective is unknown, nothing is within the limits, or no clock is met.
    TimeoutError
        If the time passed before any point was found.
    """
    at_clocks, limited = [], None
    on_device = isinstance(hardware.machines, DeviceEngines)
    own = settings
    if on_device:
        # What one clock finds, another one beats about every other time.
        own = replace(settings, points=ceil(2 * settings.points / len(clocked)))
    for at in clocked:
        mine = options
        if "clock_mhz" in options:
            mine = pd.DataFrame(options[options["clock_mhz"] == at.clock_mhz])
            mine = mine.drop(columns="clock_mhz")
        try:
            result = _search_at(
                workload,
                mine,
                hardware,
                at,
                own,
                progress,
                pairs=pairs,
                node_nm=node_nm,
            )
        except ClockTooFastError:
            continue
        except RefusedInput as error:
            # Limits that no choice keeps at this clock may be kept at another one.
            if len(clocked) == 1:
                raise
            if on_device:  # the lowest clock has the largest machines
                error = limited or RefusedInput(f"{error} (at {at.label})")
            limited = error
            continue
        at_clocks.append((at, result))
    if not at_clocks:
        raise limited or too_fast(clocked, hardware.units)
    # Clocks of machines on a device are what they are expected to reach: of equal ones the fastest.
    every = over_clocks(at_clocks[::-1] if on_device else at_clocks, settings)
    if isinstance(hardware.machines, DeviceEngines):
        every = with_latency(every, hardware.machines)
    return replace(every, measured=points_to_measure(every.front, every.uniforms, settings))


def _search_at(
    workload: Workload,
    options: pd.DataFrame,
    hardware: Hardware,
    at: Clocked,
    settings: Settings,
    progress: Progress | None,
    *,
    pairs: Sequence[PairTerm],
    node_nm: float | None,
) -> SearchResult:
    """Points at one clock.

    Raises
    ------
    ClockTooFastError
        If some layer has no unit that meets the clock.
    """
    costs = at.costs
    if not len(costs):
        raise ClockTooFastError(f"No unit meets {at.label}")
    deadline = float("inf")
    if settings.time_limit_s is not None:
        deadline = perf_counter() + settings.time_limit_s
    layers, same = workload.layers, baselines(workload, settings)
    if settings.architecture is not None:
        chip = replace(settings.architecture, clock_mhz=at.clock_mhz)
        problem = _problem(layers, options, hardware, costs, chip, progress, node_nm)
        return _joint(layers, problem, at, settings, same, deadline, progress)
    options = pd.DataFrame(options[options["area_time"].notna()])
    if set(options["layer"]) != {layer.name for layer in layers}:
        raise ClockTooFastError(f"A layer has no unit for {at.label}")
    same = {
        name: formats
        for name, formats in same.items()
        if {*formats.items()} <= {*zip(options["layer"], options["option"], strict=True)}
    }
    table = OptionTable.from_frame(options)
    columns = cost_columns(options, costs, timed=at.clock_mhz is not None)
    _check(columns, settings)
    uniforms = baseline_points(options, same, settings, pairs)
    if settings.second is not None:
        three = front_of_three(
            table,
            "loss",
            [settings.objective, settings.second],
            settings.budgets,
            points=settings.points,
            rules=Rules(pairs=pairs),
            effort=Effort(time_limit_s=settings.time_limit_s),
            progress=progress,
        )
        points = [_point(str(n), solution) for n, solution in enumerate(three)]
        return SearchResult(
            front=points,
            uniforms=uniforms,
            size=len(points),
            columns=columns,
            solver=three[0].solver,
            complete=three.complete,
        )
    sizes = {str(name): len(rows) for name, rows in options.groupby("layer")}
    few = connected_parts(sizes, {(first, second) for first, _, second, _, _ in pairs}) is not None
    limited = None if settings.types is None else ("unit", settings.types)
    few = few and limited is None
    whole = front(
        table,
        cost=settings.objective,
        budgets=settings.budgets,
        points=None if few else settings.points,
        rules=Rules(types=limited, pairs=pairs),
        effort=Effort(time_limit_s=settings.time_limit_s),
        progress=progress,
    )
    index = reported_points(whole.costs, whole.objectives, uniforms, settings)
    reported = whole.at(index)
    # With pairs CP-SAT takes its time for each point.
    proved = [] if pairs or limited else confirm(table, reported, len(index))
    points = [_point(str(n), solution) for n, solution in enumerate(reported)]
    return SearchResult(
        front=points,
        uniforms=uniforms,
        size=len(whole),
        columns=columns,
        solver=reported[0].solver,
        confirmed=sum(answer.status == "optimal" for answer in proved),
        complete=whole.complete,
        whole=whole if few else None,
    )


def _problem(
    layers: Sequence[Layer],
    options: pd.DataFrame,
    hardware: Hardware,
    costs: pd.DataFrame,
    chip: Temporal | Dataflow,
    progress: Progress | None,
    node_nm: float | None,
) -> JointProblem:
    """Formats and hardware to choose together."""
    area = "luts" if set(costs["area_unit"]) == {"luts"} else "area"
    units, machines = hardware.units, hardware.machines
    if isinstance(machines, DeviceEngines):
        table = machines.table(options, chip.clock_mhz, progress)
        return JointProblem(table=table, area=area)
    if isinstance(chip, Dataflow):
        return JointProblem(table=dataflow_table(layers, options, units, costs, chip), area=area)
    if machines is not None:
        table, arrays = machines.problem(layers, options, chip)
    else:
        network = hardware.network
        table, arrays = temporal_problem(layers, options, units, costs, chip, node_nm, network)
    return JointProblem(table=table, arrays=arrays, types=chip.types, area=area)


def _joint(
    layers: Sequence[Layer],
    problem: JointProblem,
    at: Clocked,
    settings: Settings,
    same: Mapping[str, Mapping[str, str]],
    deadline: float,
    progress: Progress | None,
) -> SearchResult:
    """Points of formats and hardware together."""
    area, unit = problem.area, str(at.costs["area_unit"].iloc[0])
    limits = (*settings.limits, *at.limits)
    known = {
        **{area: unit, "dsps": "DSP blocks", "energy_uj": "uJ, one sample"},
        **{LATENCY: "ms, one sample", FRAME: "ms between two samples"},
        **{"bops": "bit operations", "weight_bytes": "bytes"},
        **{"ffs": "flip-flops", "block_rams": "block RAMs"},
    }
    columns = {name: text for name, text in known.items() if name in problem.columns}
    _check(columns, settings)
    if settings.device is not None and not problem.arrays:  # of the control model, at last
        columns = {name: known[name] for name in known if name in (*columns, LATENCY)}
    try:
        result = joint_points(
            problem,
            settings.objective,
            limits,
            points=settings.points,
            second=settings.second,
            deadline=deadline,
            progress=progress,
        )
    except Infeasible as error:
        if settings.device is None:
            raise
        raise Infeasible(_too_small(problem, settings, str(error))) from None
    uniforms = []
    texts = np.asarray(problem.table.labels["formats"], object).astype(str)
    for name, pairs in same.items():
        chosen = np.array([pairs.get(layer, NO_FORMATS) for layer in problem.table.layers])
        rows = np.flatnonzero(texts == chosen[problem.table.layer_of_row])
        if len(set(problem.table.layer_of_row[rows].tolist())) == len(chosen):
            part = problem.restricted(rows)
            answer = part.best(settings.objective, limits)
            if answer is not None:
                uniforms.append(part.point(name, *answer, None))
    uniforms.sort(key=lambda point: (point.totals[settings.objective], point.name))
    return SearchResult(
        front=result.front,
        uniforms=uniforms,
        size=len(result.front),
        columns=columns,
        solver="arrays and type sets" if problem.arrays else "foldings",
        complete=result.complete,
        sequential=result.sequential,
        beside=result.beside,
    )


def _too_small(problem: JointProblem, settings: Settings, reason: str) -> str:
    """Why a machine does not fit a device, and which one it would fit."""
    device = settings.device
    assert device is not None
    others = []
    for other in DEVICES.values():
        limits = [Budget(name, max=most) for name, most in other.resources.items()]
        if other.family == device.family and other.luts > device.luts:
            budgets = [*settings.budgets, *limits]
            others += [other.name] if problem.best(settings.objective, budgets) else []
    fits = f"; it fits {others[0]}" if others else ""
    return f"Machine must fit device {device.name}{fits}: {reason}"


def _check(columns: Mapping[str, str], settings: Settings) -> None:
    names = [("Objective", settings.objective)]
    if settings.second is not None:
        names.append(("Objective", settings.second))
        if settings.second == settings.objective:
            raise RefusedInput(f"Objectives must be different, not {settings.second!r} twice")
    names += [("Budget column", b.column) for b in settings.budgets if b.column != "loss"]
    for what, name in names:
        if name not in columns:
            raise RefusedInput(f"{what} must be one of {', '.join(columns)} here, not {name!r}")


def _point(name: str, solution: Solution) -> Point:
    return Point(
        name=name,
        pairs=solution.allocation,
        totals={**solution.totals, "loss": solution.objective},
        status=solution.status,
        gap=solution.gap,
    )
