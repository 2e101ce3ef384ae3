"""Invented instances in the manner of the published ones: windows, ties and cardinality limits."""

import time

from macwright.dse.solver import Budget, Count, OptionTable, solve

__all__ = ["variant_lines"]

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
                found = solve(table, budgets=budgets, ties=tied)
                middle_time = time.process_time()
                other = solve(table, budgets=budgets, ties=tied, solver="cp-sat", time_limit_s=60)
                spent, others = middle_time - began, time.process_time() - middle_time
                off = abs(other.objective / found.objective - 1)
                lines.append(
                    f"| {part:g}, {width:.0e} | {what} | {found.status} | to {off:.0e} | "
                    f"{spent:.2f} s | {others:.2f} s |"
                )
    return lines
