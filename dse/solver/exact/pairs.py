"""Best choice with pairwise terms: move the pairs into the options, then search what is left."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from math import ceil, floor
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from ortools.linear_solver import pywraplp

from macwright.dse.solver.backends.cp_sat import solve_cpsat
from macwright.dse.solver.backends.mip import solve_linear
from macwright.dse.solver.exact.lagrangian import lagrangian_dual
from macwright.dse.solver.exact.rounding import round_choices
from macwright.dse.solver.model.pairs import Pair
from macwright.dse.solver.model.problem import Groups
from macwright.dse.solver.model.solution import Outcome
from macwright.dse.solver.reduce.restriction import restrict

__all__ = ["optimise_pairs", "share_of_pairs"]

Ints = NDArray[np.int64]
Blocks = dict[tuple[int, int], Ints]

#: With more pairs than this HiGHS is faster than CP-SAT by far; it computes in doubles, though,
#: and the gap says so.
MOST_PAIRS_CPSAT = 1000


def optimise_pairs(
    groups: Groups, pairs: Sequence[Pair], *, deadline: float = float("inf")
) -> Outcome:
    """Least loss of options and pairs within the limits.

    The dual of the linear relaxation says how to share the loss of a pair between its options such
    that hardly anything is left; what is left is shifted to be zero or more. The problem without
    the remainder is then a bound, and options that alone pass the best choice known are out.
    CP-SAT or, with many pairs, HiGHS solves the rest, with the remainder as pairs.

    Parameters
    ----------
    groups : Groups
        The problem.
    pairs : sequence of Pair
        Of options of different groups.
    deadline : float
        Value of `time.perf_counter` at which to stop.
    """
    blocks = _blocks(groups, pairs)
    shares = _shares(groups, blocks, deadline)
    loss = groups.loss.copy()
    constant = 0
    rests: Blocks = {}
    for (a, b), block in blocks.items():
        of_a, of_b = shares[(a, b)] if shares else (np.zeros(len(block)), np.zeros(block.shape[1]))
        # Whole numbers, so that nothing is lost.
        of_a, of_b = np.rint(of_a).astype(np.int64), np.rint(of_b).astype(np.int64)
        rest = block - of_a[:, None] - of_b[None, :]
        constant += int(rest.min())
        rests[(a, b)] = rest - rest.min()
        loss[groups.start[a] : groups.start[a + 1]] += of_a
        loss[groups.start[b] : groups.start[b + 1]] += of_b
    # Losses of groups from zero, as the other parts of the solver expect.
    least = np.minimum.reduceat(loss, groups.start[:-1])
    constant += sum(least.tolist())
    shared = replace(groups, loss=loss - np.repeat(least, np.diff(groups.start)))
    dual = lagrangian_dual(shared, deadline=deadline)
    if np.isinf(dual.bound):
        return Outcome(None, 0, False, "Lagrangian bound", infeasible=True)
    bound = ceil(dual.bound - dual.margin)
    best = round_choices(shared, dual)
    near = np.arange(len(loss))
    if best is not None:
        best = _descend(shared, rests, best)
        # No better choice has an option whose reduced loss alone is above the gap.
        mask = dual.reduced <= _total(shared, rests, best) - dual.bound + dual.margin
        mask[best] = True
        near = np.flatnonzero(mask)
    core, left = restrict(shared, near), _pairs_of(shared, rests, near)
    if len(left) > MOST_PAIRS_CPSAT:
        linear = solve_linear(core.groups, "highs", pairs=left, deadline=deadline)
        chosen, proved, solver = linear.chosen, linear.proved, "HiGHS"
        theirs = floor(linear.bound - linear.error) if chosen is not None else bound
    else:
        hint = None if best is None else core.reduce(best)
        left = [pair for pair in left if pair.loss]
        result = solve_cpsat(core.groups, pairs=left, hint=hint, deadline=deadline)
        chosen, proved, solver, theirs = result.chosen, result.proved, "CP-SAT", result.bound
    if chosen is None and proved:
        return Outcome(None, 0, False, solver, infeasible=True)
    if chosen is not None:
        answer = core.expand(chosen)
        if best is None or _total(shared, rests, answer) <= _total(shared, rests, best):
            best = answer
    bound = max(bound, theirs)
    if best is None:
        return Outcome(None, bound + constant, False, solver)
    total = _total(shared, rests, best)
    return Outcome(best, min(bound, total) + constant, proved, solver, loss=total + constant)


def share_of_pairs(groups: Groups, pairs: Sequence[Pair]) -> float:
    """Part of the combinations of options, of groups with pairs between them, that are a pair."""
    size = np.diff(groups.start)
    ends = np.array([(pair.first, pair.second) for pair in pairs])
    connected = np.unique(np.searchsorted(groups.start, ends, side="right") - 1, axis=0)
    return len(pairs) / int(size[connected].prod(axis=1).sum())


def _pairs_of(groups: Groups, rests: Blocks, near: Ints) -> list[Pair]:
    """All pairs of the options `near`, numbered by their place in it."""
    ends = np.searchsorted(near, groups.start).tolist()
    return [
        Pair(i, j, int(rest[near[i] - groups.start[a], near[j] - groups.start[b]]))
        for (a, b), rest in rests.items()
        for i in range(ends[a], ends[a + 1])
        for j in range(ends[b], ends[b + 1])
    ]


def _blocks(groups: Groups, pairs: Sequence[Pair]) -> Blocks:
    """Losses of each pair of groups, shape (n_options of the first, of the second)."""
    group_of = np.repeat(np.arange(groups.n_groups), np.diff(groups.start))
    blocks: Blocks = {}
    for pair in pairs:
        a, b = int(group_of[pair.first]), int(group_of[pair.second])
        if (a, b) not in blocks:
            shape = (groups.start[a + 1] - groups.start[a], groups.start[b + 1] - groups.start[b])
            blocks[(a, b)] = np.zeros(shape, np.int64)
        blocks[(a, b)][pair.first - groups.start[a], pair.second - groups.start[b]] += pair.loss
    return blocks


def _shares(
    groups: Groups, blocks: Blocks, deadline: float
) -> dict[tuple[int, int], tuple[NDArray[np.float64], NDArray[np.float64]]] | None:
    """Duals of the linear relaxation: share of each option in the loss of each pair of groups."""
    model = pywraplp.Solver.CreateSolver("GLOP")
    unit = float(max(np.abs(groups.loss).max(), *(np.abs(b).max() for b in blocks.values()), 1))
    goal = model.Objective()
    goal.SetMinimization()
    chosen = [model.NumVar(0.0, 1.0, "") for _ in range(len(groups.loss))]
    for variable, weight in zip(chosen, (groups.loss / unit * 1e3).tolist(), strict=True):
        goal.SetCoefficient(variable, weight)
    for a, b in zip(groups.start[:-1].tolist(), groups.start[1:].tolist(), strict=True):
        exactly_one = model.Constraint(1.0, 1.0)
        for variable in chosen[a:b]:
            exactly_one.SetCoefficient(variable, 1.0)
    for row in groups.rows:
        size = max(float(np.abs(row.cost).max()), 1.0)
        limit, infinity = row.limit / size, model.infinity()
        constraint = model.Constraint(*((-infinity, limit) if row.upper else (limit, infinity)))
        for variable, cost in zip(chosen, (row.cost / size).tolist(), strict=True):
            constraint.SetCoefficient(variable, cost)
    links = {}
    for (a, b), block in blocks.items():
        ends = []
        for group, size in ((a, block.shape[0]), (b, block.shape[1])):
            ends.append([model.Constraint(0.0, 0.0) for _ in range(size)])
            for offset, link in enumerate(ends[-1]):
                link.SetCoefficient(chosen[int(groups.start[group]) + offset], -1.0)
        for i in range(block.shape[0]):
            for j in range(block.shape[1]):
                both = model.NumVar(0.0, 1.0, "")
                goal.SetCoefficient(both, float(block[i, j]) / unit * 1e3)
                ends[0][i].SetCoefficient(both, 1.0)
                ends[1][j].SetCoefficient(both, 1.0)
        links[(a, b)] = ends
    if deadline < float("inf"):
        model.SetTimeLimit(max(1, int(1000 * (deadline - perf_counter()))))
    if model.Solve() != pywraplp.Solver.OPTIMAL:
        return None
    return {
        key: (
            np.array([link.dual_value() for link in ends[0]]) * unit / 1e3,
            np.array([link.dual_value() for link in ends[1]]) * unit / 1e3,
        )
        for key, ends in links.items()
    }


def _total(groups: Groups, rests: Blocks, chosen: Ints) -> int:
    place = (chosen - groups.start[:-1]).tolist()
    return sum(groups.loss[chosen].tolist()) + sum(
        int(rest[place[a], place[b]]) for (a, b), rest in rests.items()
    )


def _descend(groups: Groups, rests: Blocks, chosen: Ints) -> Ints:
    """Change one group at a time while that helps and the limits allow it."""
    chosen = chosen.copy()
    around: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for key in rests:
        around[key[0]].append(key)
        around[key[1]].append(key)
    totals = [int(row.cost[chosen].sum()) for row in groups.rows]
    moved = True
    while moved:
        moved = False
        for group in range(groups.n_groups):
            first, last = int(groups.start[group]), int(groups.start[group + 1])
            value = groups.loss[first:last].copy()
            for a, b in around[group]:
                other = b if group == a else a
                at = int(chosen[other] - groups.start[other])
                value += rests[(a, b)][:, at] if group == a else rests[(a, b)][at, :]
            now = int(chosen[group]) - first
            ok = np.ones(last - first, bool)
            for row, total in zip(groups.rows, totals, strict=True):
                after = total + row.cost[first:last] - row.cost[first + now]
                ok &= (after <= row.limit) if row.upper else (after >= row.limit)
            value[~ok] = np.iinfo(np.int64).max
            to = int(np.argmin(value))
            if value[to] < value[now]:
                totals = [
                    total + int(row.cost[first + to] - row.cost[first + now])
                    for row, total in zip(groups.rows, totals, strict=True)
                ]
                chosen[group] = first + to
                moved = True
    return chosen
