"""Joint choice of formats and hardware against the best sequential one, on two networks."""

import time
from collections.abc import Iterator

import numpy as np
from search_networks import network, unit_options

from macwright.costmodel.technology.catalogue import RECORDS
from macwright.dse.architecture.hardware import dataflow_table, temporal_problem
from macwright.dse.data.recipe import Dataset
from macwright.dse.search.joint import JointResult, joint_points
from macwright.dse.search.joint_problem import JointProblem
from macwright.dse.search.points import Point
from macwright.dse.settings import Dataflow, Temporal
from macwright.dse.solver import Budget, Effort, Rules, solve
from macwright.dse.solver.joint.problem import with_columns
from macwright.dse.solver.joint.sequential import restricted_table
from macwright.dse.workload import Workload

__all__ = ["hardware_lines"]

NETWORKS = ("resnet20_cifar10", "dscnn_kws")
#: Samples a second, for arrays and for engines at 200 MHz.
ARRAY_RATE = {"resnet20_cifar10": 250.0, "dscnn_kws": 2000.0}
ENGINE_RATES = {"resnet20_cifar10": (50.0, 200.0, 800.0), "dscnn_kws": (500.0, 2000.0, 8000.0)}


def hardware_lines(technology: str) -> Iterator[str]:
    """One table of all comparisons, line by line."""
    yield from (
        "Joint against sequential: the loss of each at the costs that the sequential choice "
        "(points of the front of loss against BOPs, each with its best hardware) reaches. The "
        "gain is the geometric mean and the largest of how many times less is lost. Last column: "
        "the middle point of the joint front again by CP-SAT and by SCIP, at its frame rate or on "
        "its array (for the area, with its unit types), and the largest difference in the loss.",
        "",
        "| network | hardware | cost | points of the joint front, all | points compared | worse | "
        "times less loss, mean | largest | CPU | CP-SAT, SCIP |",
        "|---|---|---|---|---|---|---|---|---|---|",
    )
    for name in NETWORKS:
        workload, dataset = network(name)
        rate = Budget("latency_ms", max=1e3 / ARRAY_RATE[name])
        chip = Temporal(types=2)
        problem = _temporal(workload, dataset, technology, chip)
        for cost in ("energy_uj", "area"):
            what = f"temporal, {technology}, at most 2 types, {ARRAY_RATE[name]:g} samples/s"
            yield _line(name, what, cost, problem, [rate])
        problem = _dataflow(workload, dataset, "ecp5")
        for fps in ENGINE_RATES[name]:
            limit = Budget("frame_ms", max=1e3 / fps)
            what = f"dataflow, ecp5, {fps:g} samples/s"
            yield _line(name, what, "luts", problem, [limit])


def _temporal(
    workload: Workload, dataset: Dataset, technology: str, chip: Temporal
) -> JointProblem:
    units, rows, options = unit_options(workload, dataset, technology)
    node_nm = RECORDS[technology].node_nm
    table, arrays = temporal_problem(workload.layers, options, units, rows, chip, node_nm)
    return JointProblem(table=table, arrays=arrays, types=chip.types)


def _dataflow(workload: Workload, dataset: Dataset, technology: str) -> JointProblem:
    units, rows, options = unit_options(workload, dataset, technology)
    table = dataflow_table(workload.layers, options, units, rows, Dataflow())
    return JointProblem(table=table, area="luts")


def _line(name: str, what: str, cost: str, problem: JointProblem, budgets: list[Budget]) -> str:
    began = time.process_time()
    found = joint_points(problem, cost, budgets, points=12, format_points=12)
    spent = time.process_time() - began
    gains = _gains(found)
    worse = sum(gain < 1 - 1e-12 for gain in gains)
    mean = 1.0
    for gain in gains:
        mean *= gain ** (1 / len(gains))
    statuses = {point.status for point in found.front}
    return (
        f"| {name} | {what} | {cost} | {len(found.front)}, {' and '.join(map(str, statuses))} | "
        f"{len(gains)} | {worse} | {mean:.2f} | {max(gains, default=1.0):.2f} | {spent:.0f} s | "
        f"{_agreement(problem, found.front[len(found.front) // 2], cost, budgets)} |"
    )


def _agreement(problem: JointProblem, point: Point, cost: str, budgets: list[Budget]) -> str:
    """What CP-SAT and SCIP find of a point whose time, or array, is given."""
    table, types, limits = problem.table, None, [Budget(cost, max=point.totals[cost])]
    units = np.asarray(table.labels["unit"], object).astype(str)
    if problem.arrays:
        array = next(a for a in problem.arrays if a.name == point.hardware["array"])
        built = point.hardware["unit_types"] if cost == problem.area else list(array.area)
        types = ("unit", problem.types)
        limits = [*budgets, *(limit for limit in limits if limit.column != problem.area)]
        rows = np.flatnonzero(np.isin(units, built))
        table = with_columns(table, array)
    else:
        rows = np.flatnonzero(table.column(budgets[0].column) <= (budgets[0].max or 0))
    part = restricted_table(table, rows)
    said = []
    for solver in ("cp-sat", "scip"):
        try:
            s = solve(
                part,
                budgets=limits,
                rules=Rules(types=types),
                effort=Effort(solver=solver, time_limit_s=60),
            )
        except TimeoutError:
            said.append("nothing in 60 s")
            continue
        off = abs(s.objective / point.totals["loss"] - 1)
        said.append(f"{off:.0e}" if s.status == "optimal" else f"{off:.0e}, gap {s.gap:.0e}")
    return "; ".join(said)


def _gains(found: JointResult) -> list[float]:
    return [
        before.totals["loss"] / after.totals["loss"]
        for before, after in zip(found.sequential, found.beside, strict=True)
    ]
