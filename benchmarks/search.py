"""Proofs, times and hypervolumes of the solver, beside NSGA-II and the ratio greedy.

    python benchmarks/search.py [--write]

Prints a table and, with ``--write``, puts it between its markers in `benchmarks/RESULTS.md`.
Needs `../shared/reference/allocation` and, for NSGA-II, `pip install pymoo`. Real losses of
ResNet-20 come from there; instances named "made" have losses drawn at random around those of
uniform formats, on the layers of the given size.
"""

import argparse
import json
import resource
import time
from pathlib import Path

import numpy as np

from macwright.dse.solver import Budget, Count, OptionTable, confirm, front, solve

REFERENCE = Path(__file__).resolve().parents[2] / "shared" / "reference" / "allocation"
BEGIN, END = "<!-- search: begin -->", "<!-- search: end -->"
#: Word lengths and relative mean squared errors of uniform formats, weights and activations.
WEIGHTS = {"int2": (2, 1.0), "int3": (3, 0.15), "int4": (4, 0.03), "int6": (6, 1.6e-3)}
WEIGHTS |= {"int8": (8, 1e-4), "e2m1fin": (4, 0.018)}
ACTS = {"int4": (4, 0.04), "int6": (6, 2.2e-3), "int8": (8, 1.4e-4), "e4m3fn": (8, 1.1e-3)}


def made(n_layers: int, seed: int) -> OptionTable:
    """Layers of a residual network with 24 options each."""
    rng = np.random.default_rng(seed)
    stage = np.arange(n_layers) * 3 // n_layers
    macs, weights = np.full(n_layers, 2_359_296), 2304 * 4**stage
    names = [f"{w}/{a}" for w in WEIGHTS for a in ACTS]
    loss, bops, size = [], [], []
    for layer in range(n_layers):
        of_w, of_a = np.exp(rng.normal(0, 1.3, 2))
        noise = np.exp(rng.normal(0, 0.3, len(names)))
        pairs = [(w, a) for w in WEIGHTS.values() for a in ACTS.values()]
        losses = [of_w * w[1] + of_a * a[1] for w, a in pairs]
        loss.append((np.array(losses) * noise).tolist())
        bops.append([float(macs[layer] * w[0] * a[0]) for w, a in pairs])
        size.append([float(weights[layer] * w[0] / 8) for w, _ in pairs])
    layers = [f"conv{i}" for i in range(n_layers)]
    return OptionTable.from_arrays(
        layers, [names] * n_layers, loss=loss, bops=bops, weight_bytes=size
    )


def reference_lines() -> list[str]:
    """The given instances, by every solver."""
    instances = json.loads((REFERENCE / "instances.json").read_text())
    lines = ["| instance | status | agrees with the given optimum | list merging | CP-SAT | SCIP |"]
    lines.append("|---|---|---|---|---|---|")
    for name, instance in instances.items():
        table = OptionTable.from_csv(REFERENCE / instance["file"])
        budgets = [Budget(b["column"], min=b["min"], max=b["max"]) for b in instance["budgets"]]
        found = [
            solve(table, budgets=budgets, ties=instance["ties"], solver=solver)
            for solver in ("auto", "cp-sat", "scip")
        ]
        off = max(abs(s.objective / instance["optimum"] - 1) for s in found)
        times = " | ".join(f"{s.seconds:.3f} s" for s in found)
        lines.append(f"| {name} | {found[0].status} | to {off:.0e} | {times} |")
    return lines


def volume(points: np.ndarray, worst: np.ndarray) -> float:
    """Area that points dominate, both coordinates minimised, up to the worst corner."""
    points = points[(points <= worst).all(axis=1)]
    total, ceiling = 0.0, worst[1]
    for cost, loss in points[np.lexsort((points[:, 1], points[:, 0]))]:
        if loss < ceiling:
            total += (worst[0] - cost) * (ceiling - loss)
            ceiling = loss
    return total


def ratio_greedy(table: OptionTable, cost: str) -> np.ndarray:
    """From the cheapest options on, always the step of most loss saved for its cost."""
    rows = [range(a, b) for a, b in zip(table.start[:-1], table.start[1:], strict=True)]
    loss, costs = table.values["loss"], table.values[cost]
    chosen = [min(options, key=lambda row: (costs[row], loss[row])) for options in rows]
    points = [(costs[chosen].sum(), loss[chosen].sum())]
    while True:
        steps = [
            ((loss[now] - loss[row]) / max(costs[row] - costs[now], 1e-9), layer, row)
            for layer, now in enumerate(chosen)
            for row in rows[layer]
            if loss[row] < loss[now]
        ]
        if not steps:
            return np.array(points)
        _, layer, row = max(steps)
        chosen[layer] = row
        points.append((costs[chosen].sum(), loss[chosen].sum()))


def nsga2(table: OptionTable, cost: str, generations: int) -> tuple[np.ndarray, float]:
    """Front of pymoo's NSGA-II with a population of 100, and its seconds."""
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.problem import Problem
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.mutation.pm import PM
    from pymoo.operators.repair.rounding import RoundingRepair
    from pymoo.operators.sampling.rnd import IntegerRandomSampling
    from pymoo.optimize import minimize

    start, sizes = table.start[:-1], np.diff(table.start)

    class Allocation(Problem):
        def __init__(self) -> None:
            super().__init__(n_var=len(sizes), n_obj=2, xl=0, xu=sizes - 1, vtype=int)

        def _evaluate(self, x: np.ndarray, out: dict, *args: object, **kwargs: object) -> None:
            rows = start + x.astype(int)
            totals = [table.values[name][rows].sum(axis=1) for name in (cost, "loss")]
            out["F"] = np.column_stack(totals)

    algorithm = NSGA2(
        pop_size=100,
        sampling=IntegerRandomSampling(),
        crossover=SBX(vtype=float, repair=RoundingRepair()),
        mutation=PM(vtype=float, repair=RoundingRepair()),
        eliminate_duplicates=True,
    )
    began = time.perf_counter()
    found = minimize(Allocation(), algorithm, ("n_gen", generations), seed=1)
    return np.atleast_2d(found.F), time.perf_counter() - began


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
    began = time.perf_counter()
    budgets = [Budget(size, max=0.97 * middle.totals[size]), Count("*[tT]8*", max=4)]
    fifty = front(table, cost="bops", budgets=budgets, points=50)
    lines.append(
        f"  Under limits of {size} and of layers with 8-bit integers: {len(fifty)} points, "
        f"{sum(p.status == 'optimal' for p in fifty)} proved, {time.perf_counter() - began:.1f} s."
    )
    return lines


def type_lines(name: str, table: OptionTable) -> list[str]:
    """At most K of 24 unit types, at two budgets."""
    costs = front(table, cost="bops", points=2).costs
    lines = []
    for part in (0.1, 0.4):
        budget = Budget("bops", max=float(costs[0] + part * (costs[-1] - costs[0])))
        found = [solve(table, budgets=[budget], types=("option", k)) for k in (1, 2, 3)]
        text = ", ".join(
            f"K={k} {s.status} {s.objective:.4g} in {s.seconds:.2f} s"
            for k, s in enumerate(found, 1)
        )
        lines.append(f"- At most K unit types, {name}, {part:.0%} of the range of BOPs: {text}.")
    return lines


def million_line() -> str:
    """10^6 groups of three options under a budget of 3.5 bits a weight."""
    n, rng = 10**6, np.random.default_rng(1)
    size = rng.integers(64, 2048, n)
    scale = np.exp(rng.normal(0, 1.5, n)) * size / 1e6
    loss = scale[:, None] * [1, 0.06, 3e-4] * rng.uniform(0.8, 1.2, (n, 3))
    bits = (size[:, None] * np.array([2.0, 4.0, 8.0])).ravel()
    table = OptionTable(
        [f"g{i}" for i in range(n)],
        np.arange(0, 3 * n + 1, 3),
        ["int2", "int4", "int8"] * n,
        {"loss": loss.ravel(), "bits": bits},
    )
    found = solve(table, budgets=[Budget("bits", max=3.5 * float(size.sum()))])
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return (
        f"- 10^6 groups x 3 options: {found.status}, gap {found.gap:.1e}, {found.seconds:.1f} s, "
        f"{memory:.2f} GB."
    )


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description="Measure the solver.")
    parser.add_argument("--write", action="store_true", help="put it into benchmarks/RESULTS.md")
    parser.add_argument("--generations", type=int, default=500, help="of NSGA-II")
    args = parser.parse_args()
    resnet20 = OptionTable.from_csv(REFERENCE / "resnet20_pairs.csv")
    lines = ["## Search", "", "`python benchmarks/search.py --write`", "", *reference_lines(), ""]
    lines += front_lines("ResNet-20 x 256 pairs", resnet20, args.generations)
    lines += front_lines("56 layers x 24 options (made)", made(56, 0), args.generations)
    for n_layers in (20, 56):
        lines += type_lines(f"{n_layers} layers x 24 (made)", made(n_layers, 0))
    lines.append(million_line())
    text = "\n".join(lines)
    print(text)
    if args.write:
        path = Path(__file__).with_name("RESULTS.md")
        old = path.read_text() if path.exists() else ""
        before, _, rest = old.partition(BEGIN)
        after = rest.partition(END)[2]
        path.write_text(f"{before.rstrip()}\n\n{BEGIN}\n{text}\n{END}\n{after.lstrip()}".lstrip())


if __name__ == "__main__":
    main()
