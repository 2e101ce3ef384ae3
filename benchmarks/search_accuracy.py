"""Accuracy of the proved allocations of ResNet-20, and how the energy front differs from BOPs'."""

from search_networks import network, pairs_table, unit_options

from macwright.dse.accuracy.evaluate import evaluate
from macwright.dse.report.energy import energy_fronts, why
from macwright.dse.search.options import split_pairs
from macwright.dse.solver import Budget, OptionTable, solve

__all__ = ["accuracy_lines", "energy_lines"]

#: BOPs per MAC, and the accuracy that may be lost against FP32, points.
TARGETS = {16: 0.7, 12: 1.8, 9: 3.6}
FEW_BITS = ("int2", "int3", "int4", "int5", "int6", "int8", "e2m1fn", "e3m2fn", "e2m3fn", "e4m3fin")
FEW_BITS_ACTS = ("int2", "int3", "int4", "int5", "int6", "int8", "e2m1fn", "e2m3fn", "e4m3fin")


def accuracy_lines() -> list[str]:
    """Least loss at three budgets of BOPs, measured on the evaluation images."""
    workload, dataset = network("resnet20_cifar10")
    table = pairs_table(workload, dataset, FEW_BITS, FEW_BITS_ACTS)
    macs = sum(layer.macs for layer in workload.layers)
    reference = evaluate(workload, dataset, None)
    lines = [
        f"ResNet-20, {reference.images} evaluation images, default recipe, FP32 "
        f"{reference.metric:.2f} %:",
        "",
        "| BOPs per MAC | predicted loss | top-1 (%) | lost, points | allowed |",
        "|---|---|---|---|---|",
    ]
    for bops, allowed in TARGETS.items():
        found = solve(table, budgets=[Budget("bops", max=bops * macs)])
        top = evaluate(workload, dataset, split_pairs(found.allocation)).metric
        lines.append(
            f"| {bops} | {found.objective:.4g} ({found.status}) | {top:.2f} | "
            f"{reference.metric - top:.2f} | {allowed} |"
        )
    return lines


def energy_lines(technology: str) -> list[str]:
    """At the same loss: the least energy, and the energy of the allocation of least BOPs."""
    workload, dataset = network("resnet20_cifar10")
    found = energy_fronts(OptionTable.from_frame(unit_options(workload, dataset, technology)[2]))
    lines = [
        f"ResNet-20 on {technology}, energy of the products: the allocation of least BOPs against "
        "that of least energy, at the same loss, as the report of a run has it.",
        "",
        "| loss at most | energy by BOPs, uJ | least energy, uJ | more | layers that differ |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {d.loss:.3g} | {d.by_bops_uj:.3f} | {d.least_uj:.3f} | "
        f"{d.by_bops_uj / d.least_uj - 1:.0%} | {d.layers} of {found.n_layers} |"
        for d in found.differences
    ]
    return [*lines, "", why(found)]
