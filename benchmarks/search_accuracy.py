"""Accuracy of the proved allocations of ResNet-20, and how the energy front differs from BOPs'."""

from collections import Counter

import numpy as np
from search_networks import network, pairs_table, unit_options

from macwright.dse.evaluate import evaluate
from macwright.dse.options import split_pairs
from macwright.dse.solver import Budget, OptionTable, front, solve
from macwright.hw.formats import parse_format

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
    units, rows, options = unit_options(workload, dataset, technology)
    table = OptionTable.from_frame(options)
    energy = dict(zip(rows["unit"], rows["energy_fj_per_mac"], strict=True))
    by_bops, by_energy = (front(table, cost=name) for name in ("bops", "energy_uj"))
    lines = [
        f"ResNet-20 on {technology}, energy of the products: the allocation of least BOPs against "
        "that of least energy, at the same loss.",
        "",
        "| loss at most | energy by BOPs, uJ | least energy, uJ | more | layers that differ |",
        "|---|---|---|---|---|",
    ]
    gone: Counter[str] = Counter()
    come: Counter[str] = Counter()
    for loss in np.geomspace(by_bops.objectives[-1] * 4, by_bops.objectives[0] / 4, 6)[::-1]:
        one = by_bops[int(np.searchsorted(-by_bops.objectives, -loss))]
        other = by_energy[int(np.searchsorted(-by_energy.objectives, -loss))]
        differ = [name for name in one.allocation if one.allocation[name] != other.allocation[name]]
        gone.update(one.allocation[name] for name in differ)
        come.update(other.allocation[name] for name in differ)
        more = one.totals["energy_uj"] / other.totals["energy_uj"] - 1
        lines.append(
            f"| {loss:.3g} | {one.totals['energy_uj']:.3f} | {other.totals['energy_uj']:.3f} | "
            f"{more:.0%} | {len(differ)} of {len(one.allocation)} |"
        )
    per_bop = {}
    for (weight, act), spec in units.items():
        bits = parse_format(weight).bits_per_value * parse_format(act).bits_per_value
        per_bop["/".join((weight, act))] = energy[spec.name] / bits
    median = float(np.median(list(per_bop.values())))

    def named(counter: Counter[str]) -> str:
        return ", ".join(
            f"{pair} ({per_bop[pair] / median:.2f})" for pair, _ in counter.most_common(4)
        )

    lines += [
        "",
        "Why: a bit operation does not cost the same everywhere. In brackets, energy per bit "
        f"operation over the median of all pairs: the front of BOPs uses {named(gone)} where that "
        f"of energy uses {named(come)}.",
    ]
    return lines
