"""Invented instances: like the published ones, with windows, ties and counts; and with pairs."""

import time

import numpy as np

from macwright.dse.solver import Budget, Count, Effort, OptionTable, Rules, solve
from macwright.dse.solver.model.pairs import PairTerm

__all__ = ["pair_lines", "variant_lines"]

#: Widths of the window, relative; the published one has 5e-3.
WIDTHS = (5e-3, 2e-4)
#: Middles of the window, relative to the published one.
MIDDLES = (1.0, 0.9, 1.15)


def variant_lines(table: OptionTable, column: str, middle: float) -> list[str]:
    """Variants of an instance of 420 blocks with three options, ours and CP-SAT's.

    Parameters
    ----------
    table : OptionTable
        Its options, named int2, int4 and int8.
    column : str
        Cost that must be in a window.
    middle : float
        Of the published window.
    """
    lines = [
        "| window, middle and width | further limits | status | agrees with CP-SAT | CPU | "
        "CP-SAT |",
        "|---|---|---|---|---|---|",
    ]
    for width in WIDTHS:
        for number, part in enumerate(MIDDLES):
            low, high = (middle * part * (1 + sign * width / 2) for sign in (-1, 1))
            ties = [(table.layers[i], table.layers[i + 1]) for i in range(number, 400, 4)]
            counts = [Count("int8", max=60 + 20 * number), Count("int2", min=100)]
            for what, limits, tied in (
                ("none", [], []),
                ("100 ties", [], ties),
                ("two counts", counts, []),
                ("100 ties, two counts", counts, ties),
            ):
                budgets = [Budget(column, min=low, max=high), *limits]
                began = time.process_time()
                found = solve(table, budgets=budgets, rules=Rules(ties=tied))
                middle_time = time.process_time()
                other = solve(
                    table,
                    budgets=budgets,
                    rules=Rules(ties=tied),
                    effort=Effort(solver="cp-sat", time_limit_s=60),
                )
                spent, others = middle_time - began, time.process_time() - middle_time
                off = abs(other.objective / found.objective - 1)
                lines.append(
                    f"| {part:g}, {width:.0e} | {what} | {found.status} | to {off:.0e} | "
                    f"{spent:.2f} s | {others:.2f} s |"
                )
    return lines


#: Instances with pairs: layers, options, pairs, seconds at most.
LAYERS, BITS, PAIRS, SECONDS = 60, (2, 3, 4, 5, 6, 8, 10, 16), 200, 60
#: Standard deviation of the loss of a pair, as a part of what its options lose: of single pairs of
#: options, and of every combination of the options of two layers.
SINGLE, EVERY = 0.3, 0.05


def pair_lines() -> list[str]:
    """Instances with losses of pairs of options, and CP-SAT with all pairs on its own."""
    lines = [
        f"{LAYERS} layers of {len(BITS)} options, {PAIRS} pairs at random, at most {SECONDS} s:",
        "",
        "| pairs of | terms | seed | solver | status | gap | CPU | CP-SAT | gap | CPU | "
        "its loss over ours |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for what, every in (("options", False), ("layers at most 4 apart", True)):
        for seed in range(3):
            table, terms, limit = _with_pairs(seed, every)
            said, losses = [], []
            for solver in ("auto", "cp-sat"):
                began = time.process_time()
                try:
                    found = solve(
                        table,
                        budgets=[limit],
                        rules=Rules(pairs=terms),
                        effort=Effort(solver=solver, time_limit_s=SECONDS),
                    )
                except TimeoutError:
                    said += [f"nothing in {SECONDS} s", "", ""]
                    continue
                spent = time.process_time() - began
                said += [found.solver] if solver == "auto" else []
                said += [found.status, f"{found.gap:.0e}", f"{spent:.2f} s"]
                losses.append(found.objective)
            ratio = f"1 + {losses[1] / losses[0] - 1:.0e}" if len(losses) == 2 else ""
            lines.append(f"| {what} | {len(terms)} | {seed} | {' | '.join([*said, ratio])} |")
    return lines


def _with_pairs(seed: int, every: bool) -> tuple[OptionTable, list[PairTerm], Budget]:
    """Layers of random sensitivity that lose a quarter for each bit more, and pairs of them."""
    rng = np.random.default_rng(seed)
    bits = np.array(BITS)
    losses = 100 * rng.lognormal(0, 1.2, (LAYERS, 1)) * rng.uniform(0.7, 1.3, (1, 8)) / 4.0**bits
    costs = rng.integers(100, 2000, (LAYERS, 1)) * bits.astype(float)
    names, options = [f"l{i}" for i in range(LAYERS)], [f"int{b}" for b in BITS]
    table = OptionTable.from_arrays(
        names, [options] * LAYERS, loss=losses.tolist(), cost=costs.tolist()
    )
    near = [(a, b) for a in range(LAYERS) for b in range(a + 1, LAYERS) if not every or b - a <= 4]
    terms: list[PairTerm] = []
    for pick in rng.permutation(len(near))[:PAIRS]:
        a, b = near[pick]
        places = np.ndindex(8, 8) if every else [tuple(rng.integers(0, 8, 2))]
        for i, j in places:
            size = 2 * (losses[a, i] * losses[b, j]) ** 0.5
            value = (EVERY if every else SINGLE) * size * rng.normal()
            terms.append((names[a], options[i], names[b], options[j], float(value)))
    least, most = costs.min(axis=1).sum(), costs.max(axis=1).sum()
    return table, terms, Budget("cost", max=float(least + (most - least) / 5))
