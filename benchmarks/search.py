"""Proofs, times and hypervolumes of the solver, beside NSGA-II and the ratio greedy.

    python benchmarks/search.py [--write] [--parts solver,variants,accuracy,hardware]

Prints its parts and, with ``--write``, puts each into its file in `benchmarks/results`.
Needs `../shared/reference/allocation`, `../shared/data` and, for NSGA-II, `pip install pymoo`.
Losses of ResNet-20 x 256 pairs come from the reference; the others are measured by macwright once
and kept in its cache, like the evaluations and the costs of the units.
"""

import argparse
import json
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from search_accuracy import accuracy_lines, energy_lines
from search_hardware import hardware_lines
from search_networks import network, pairs_table
from search_rivals import highs_relaxation, nsga2, ratio_greedy, relaxation, volume
from search_variants import pair_lines, variant_lines
from section import write_section

from macwright.dse.solver import (
    Budget,
    Count,
    Effort,
    Front,
    OptionTable,
    Rules,
    confirm,
    front,
    solve,
)

REFERENCE = Path(__file__).resolve().parents[2] / "shared" / "reference" / "allocation"
#: The 24 pairs of the instances with measured losses.
WEIGHTS = ("int2", "int3", "int4", "int6", "int8", "e2m1fin")
ACTIVATIONS = ("int4", "int6", "int8", "e4m3fn")


def reference_lines() -> list[str]:
    """The given instances, by every solver."""
    instances = json.loads((REFERENCE / "instances.json").read_text())
    lines = [
        "| instance | status | all three equal the given optimum | list merging | CP-SAT | SCIP |",
        "|---|---|---|---|---|---|",
    ]
    for name, instance in instances.items():
        table = OptionTable.from_csv(REFERENCE / instance["file"])
        budgets = [Budget(b["column"], min=b["min"], max=b["max"]) for b in instance["budgets"]]
        found = [
            solve(
                table,
                budgets=budgets,
                rules=Rules(ties=instance["ties"]),
                effort=Effort(solver=solver),
            )
            for solver in ("auto", "cp-sat", "scip")
        ]
        off = max(abs(s.objective / instance["optimum"] - 1) for s in found)
        times = " | ".join(f"{s.seconds:.3f} s" for s in found)
        lines.append(f"| {name} | {found[0].status} | to {off:.0e} | {times} |")
    return lines


def front_lines(name: str, table: OptionTable, generations: int) -> list[str]:
    """Whole front, its confirmation, two more budgets, unit types, and the heuristics."""
    whole = front(table, cost="bops")
    checked = confirm(table, whole, 20)
    proved = sum(s.status == "optimal" for s in checked)
    lines = [
        f"- **{name}**: {len(whole)} points in {whole.seconds:.3f} s; CP-SAT confirms {proved} of "
        f"{len(checked)} (largest gap {max(s.gap for s in checked):.0e})."
    ]
    exact = np.column_stack((whole.costs, whole.objectives))
    worst = exact.max(axis=0)
    best = volume(exact, worst)
    greedy = volume(ratio_greedy(table, "bops"), worst) / best
    try:
        points, seconds = nsga2(table, "bops", generations)
        rival = f"NSGA-II {volume(points, worst) / best:.3f} ({seconds:.0f} s)"
    except ImportError:
        rival = "NSGA-II not run (pymoo is absent)"
    lines.append(f"  Hypervolume, exact = 1: ratio greedy {greedy:.4f}, {rival}.")
    size = next(c for c in table.values if c.startswith("weight"))
    middle = whole[len(whole) // 2]
    began = time.process_time()
    budgets = [Budget(size, max=0.97 * middle.totals[size]), Count("*[tT]8*", max=4)]
    fifty = front(table, cost="bops", budgets=budgets, points=50)
    spent = time.process_time() - began
    lines += agreement_lines(table, budgets, whole)
    lines.append(
        f"  Under limits of {size} and of layers with 8-bit integers: {len(fifty)} points, "
        f"{sum(p.status == 'optimal' for p in fifty)} proved, {spent:.1f} s CPU."
    )
    return lines


def agreement_lines(table: OptionTable, budgets: list[Budget | Count], whole: Front) -> list[str]:
    """CP-SAT and SCIP on the same instances: three costs, with and without the other limits."""
    off, times = 0.0, {"auto": 0.0, "cp-sat": 0.0, "scip": 0.0}
    proved = True
    for part in (0.2, 0.5, 0.8):
        limit = Budget("bops", max=float(np.quantile(whole.costs, part)))
        for limits in ([limit], [limit, *budgets]):
            found = {
                name: solve(table, budgets=limits, effort=Effort(solver=name)) for name in times
            }
            proved &= all(s.status == "optimal" for s in found.values())
            best = found["auto"].objective
            off = max(off, *(abs(s.objective / best - 1) for s in found.values()))
            for name, s in found.items():
                times[name] += s.seconds
    spent = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in times.items())
    status = "all optimal" if proved else "not all proved"
    return [f"  Six instances by three solvers: {status}, equal to {off:.0e} ({spent})."]


def type_lines(name: str, table: OptionTable) -> list[str]:
    """At most K of 24 unit types, at two budgets."""
    costs = front(table, cost="bops", points=2).costs
    lines = []
    for part in (0.1, 0.4):
        budget = Budget("bops", max=float(costs[0] + part * (costs[-1] - costs[0])))
        said, off, slowest = [], 0.0, {"cp-sat": 0.0, "scip": 0.0}
        for k in (1, 2, 3):
            began = time.process_time()
            s = solve(table, budgets=[budget], rules=Rules(types=("unit", k)))
            spent = time.process_time() - began
            said.append(f"K={k} {s.status} {s.objective:.4g} in {spent:.2f} s CPU")
            for solver in slowest:
                other = solve(
                    table,
                    budgets=[budget],
                    rules=Rules(types=("unit", k)),
                    effort=Effort(solver=solver),
                )
                # Without a proof the difference is that of the bound.
                off = max(off, abs(other.objective / s.objective - 1), other.gap)
                slowest[solver] = max(slowest[solver], other.seconds)
        others = " and ".join(f"{solver} ({t:.1f} s)" for solver, t in slowest.items())
        lines.append(
            f"- At most K unit types, {name}, {part:.0%} of the range of BOPs: {', '.join(said)}. "
            f"On their own {others} prove the same to {off:.0e}."
        )
    return lines


def groups_table(n: int) -> tuple[OptionTable, float]:
    """Groups of three options, and a budget of 3.5 bits a weight."""
    rng = np.random.default_rng(1)
    size = rng.integers(64, 2048, n)
    scale = np.exp(rng.normal(0, 1.5, n)) * size / 1e6
    loss = scale[:, None] * [1, 0.06, 3e-4] * rng.uniform(0.8, 1.2, (n, 3))
    bits = (size[:, None] * np.array([2.0, 4.0, 8.0])).ravel()
    table = OptionTable(
        [f"g{i}" for i in range(n)],
        np.arange(0, 3 * n + 1, 3),
        ["int2", "int4", "int8"] * n,
        {"loss": np.asarray(loss.ravel(), np.float64), "bits": np.asarray(bits, np.float64)},
    )
    return table, 3.5 * float(size.sum())


def million_lines() -> list[str]:
    """10^6 groups of three options; the bound beside that of other solvers on fewer groups."""
    lines = []
    for n, other in ((10**3, "cp-sat"), (10**3, "scip"), (10**5, "LP"), (10**6, "LP")):
        table, limit = groups_table(n)
        found = solve(table, budgets=[Budget("bits", max=limit)])
        said = f"{found.status}, gap {found.gap:.1e}, {found.seconds:.1f} s"
        if n == 10**6:
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
            said += f", {memory:.2f} GB"
        if other == "LP":
            # Every choice is also one of the relaxation: its optimum is at most ours.
            relaxed = relaxation(table, limit)
            said += f"; optimum of the linear relaxation {1 - relaxed / found.objective:.1e} below"
            if n < 10**6:
                said += f", by HiGHS {1 - highs_relaxation(table, limit) / found.objective:.1e}"
        else:
            s = solve(table, budgets=[Budget("bits", max=limit)], effort=Effort(solver=other))
            said += f"; {other} {s.status}, equal to {abs(s.objective / found.objective - 1):.0e}"
        lines.append(f"- {n} groups x 3 options: {said}.")
    return lines


def _solver_lines(args: argparse.Namespace) -> Iterator[list[str]]:
    """The solver alone, on tables of options."""
    yield [*reference_lines(), ""]
    resnet20 = OptionTable.from_csv(REFERENCE / "resnet20_pairs.csv")
    yield front_lines("ResNet-20 x 256 pairs", resnet20, args.generations)
    small, large = (
        pairs_table(*network(name), WEIGHTS, ACTIVATIONS)
        for name in ("resnet20_cifar10", "resnet56_cifar10")
    )
    yield front_lines("ResNet-56 x 24 pairs", large, args.generations)
    yield type_lines("ResNet-20 x 24", small)
    yield type_lines("ResNet-56 x 24", large)
    yield million_lines()


def _variant_lines(args: argparse.Namespace) -> Iterator[list[str]]:
    """Invented instances like the published one of 420 blocks, and with pairs."""
    instance = json.loads((REFERENCE / "instances.json").read_text())["window_420x3"]
    window = instance["budgets"][0]
    table = OptionTable.from_csv(REFERENCE / instance["file"])
    yield [*variant_lines(table, window["column"], (window["min"] + window["max"]) / 2), ""]
    yield pair_lines()


def _accuracy_lines(args: argparse.Namespace) -> Iterator[list[str]]:
    """Measured accuracy at three costs, and energy in place of bit operations."""
    yield [*accuracy_lines(), ""]
    yield energy_lines(args.technology)


def _hardware_lines(args: argparse.Namespace) -> Iterator[list[str]]:
    """Joint against sequential."""
    for line in hardware_lines(args.technology):
        yield [line]


PARTS = {
    "solver": _solver_lines,
    "variants": _variant_lines,
    "accuracy": _accuracy_lines,
    "hardware": _hardware_lines,
}


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description="Measure the solver.")
    parser.add_argument("--write", action="store_true", help="put it into benchmarks/results")
    parser.add_argument("--generations", type=int, default=500, help="of NSGA-II")
    parser.add_argument("--parts", default=",".join(PARTS), help="which (default: all)")
    parser.add_argument("--technology", default="asap7", help="of the arrays and of energy")
    args = parser.parse_args()
    for name in args.parts.split(","):
        lines = ["Seconds are of the clock where not called CPU.", ""]
        print(f"## Search: {name}\n", flush=True)
        for part in PARTS[name](args):
            print("\n".join(part), flush=True)
            lines += part
        if args.write:
            write_section(f"search {name}", f"Search: {name}", "\n".join(lines))


if __name__ == "__main__":
    main()
