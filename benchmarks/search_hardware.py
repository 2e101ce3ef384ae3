"""Joint choice of formats and hardware against the best sequential one, on two networks."""

import time
from collections.abc import Iterator

from search_networks import network, unit_options

from macwright.dse.hardware import dataflow_table, temporal_problem
from macwright.dse.joint import JointResult, joint_points
from macwright.dse.joint_problem import JointProblem
from macwright.dse.recipe import Dataset
from macwright.dse.settings import Dataflow, Temporal
from macwright.dse.solver import Budget
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
        "gain is the geometric mean and the largest of how many times less is lost.",
        "",
        "| network | hardware | cost | points of the joint front, all | points compared | worse | "
        "times less loss, mean | largest | CPU |",
        "|---|---|---|---|---|---|---|---|---|",
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
    table, arrays = temporal_problem(workload.layers, options, units, rows, chip, technology)
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
        f"{len(gains)} | {worse} | {mean:.2f} | {max(gains, default=1.0):.2f} | {spent:.0f} s |"
    )


def _gains(found: JointResult) -> list[float]:
    return [
        before.totals["loss"] / after.totals["loss"]
        for before, after in zip(found.sequential, found.beside, strict=True)
    ]
