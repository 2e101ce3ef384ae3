"""OR-Tools' CP-SAT on groups of options."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from ortools.sat.python import cp_model

from macwright.dse.solver.model.pairs import Pair
from macwright.dse.solver.model.problem import Groups
from macwright.dse.solver.model.solution import Outcome
from macwright.hw.errors import RefusedInput

__all__ = ["CpSatResult", "solve_cpsat"]

Ints = NDArray[np.int64]

#: CP-SAT's linear relaxation is in doubles: larger objectives are rounded to this.
OBJECTIVE_BITS = 52


@dataclass(frozen=True, eq=False)
class CpSatResult:
    """What CP-SAT answered.

    Parameters
    ----------
    chosen : array of int, shape (n_groups,), or None
    bound : int
        Proved lower bound of the scaled loss.
    proved : bool
        CP-SAT's status was OPTIMAL (or INFEASIBLE, if `chosen` is ``None``).
    error : int
        Largest scaled loss by which a proved choice may miss the best one.
    """

    chosen: Ints | None
    bound: int
    proved: bool
    error: int

    def outcome(self, groups: Groups, pairs: Sequence[Pair] = ()) -> Outcome:
        """The same for the problem that was solved, with the loss of the choice and its pairs."""
        if self.chosen is None:
            return Outcome(None, self.bound, False, "CP-SAT", infeasible=self.proved)
        picked = set(self.chosen.tolist())
        loss = sum(groups.loss[self.chosen].tolist()) + sum(
            pair.loss for pair in pairs if pair.first in picked and pair.second in picked
        )
        return Outcome(self.chosen, min(self.bound, loss), self.proved, "CP-SAT", loss=loss)


def solve_cpsat(
    groups: Groups,
    *,
    pairs: Sequence[Pair] = (),
    classes: Ints | None = None,
    most_classes: int = 0,
    hint: Ints | None = None,
    most_loss: int | None = None,
    effort: float | None = None,
    deadline: float = float("inf"),
) -> CpSatResult:
    """Minimise the loss within the limits; one worker, so that the answer is always the same.

    Parameters
    ----------
    groups : Groups
        The problem.
    pairs : sequence of Pair
        Interactions, linearised.
    classes, most_classes
        Class of each option, and how many different ones may be chosen.
    hint : array of int, shape (n_groups,), optional
        A choice to start from.
    most_loss : int, optional
        Only choices of at most this scaled loss.
    effort : float, optional
        Give up after so much work, in CP-SAT's deterministic seconds.
    deadline : float
        Value of `time.perf_counter` at which to stop.
    """
    start = groups.start
    least = np.minimum.reduceat(groups.loss, start[:-1])
    above = groups.loss - np.repeat(least, np.diff(start))
    offset = sum(least.tolist())
    pair_losses = [pair.loss for pair in pairs]
    largest = sum(np.maximum.reduceat(above, start[:-1]).tolist()) + sum(map(abs, pair_losses))
    shift = max(0, largest.bit_length() - OBJECTIVE_BITS)
    model = cp_model.CpModel()
    chosen = [model.new_bool_var("") for _ in range(len(above))]
    for a, b in zip(start[:-1].tolist(), start[1:].tolist(), strict=True):
        model.add_exactly_one(chosen[a:b])
    terms: list[cp_model.IntVar] = list(chosen)
    weights = (above >> shift).tolist()
    products = _products(model, chosen, start, pairs)
    terms += products
    weights += [loss >> shift for loss in pair_losses]
    for row in groups.rows:
        total = cp_model.LinearExpr.weighted_sum(chosen, row.cost.tolist())
        model.add(total <= row.limit) if row.upper else model.add(total >= row.limit)
    if classes is not None:
        used = {int(c): model.new_bool_var("") for c in np.unique(classes)}
        for variable, c in zip(chosen, classes.tolist(), strict=True):
            model.add_implication(variable, used[c])
        model.add(sum(used.values()) <= most_classes)
    loss = cp_model.LinearExpr.weighted_sum(terms, weights)
    if most_loss is not None:
        model.add(loss <= (most_loss - offset) >> shift)
    model.minimize(loss)
    if hint is not None:
        hinted = np.zeros(len(above), bool)
        hinted[hint] = True
        for variable, value in zip(chosen, hinted.tolist(), strict=True):
            model.add_hint(variable, value)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    # Its handler would leave the one of C behind, which kills without a word.
    solver.parameters.catch_sigint_signal = False
    solver.parameters.linearization_level = 2
    solver.parameters.random_seed = 0
    solver.parameters.relative_gap_limit = 0.0
    solver.parameters.absolute_gap_limit = 0.0
    if effort is not None:
        solver.parameters.max_deterministic_time = effort
    if deadline < float("inf"):
        solver.parameters.max_time_in_seconds = max(deadline - perf_counter(), 0.01)
    status = solver.solve(model)
    # Each term was rounded down by less than one unit of the shift.
    error = (len(start) - 1 + len(pairs)) * ((1 << shift) - 1)
    if status == cp_model.MODEL_INVALID:
        raise RefusedInput(
            "Totals over all options must be below 2**63 for CP-SAT; use larger units"
        )
    if status == cp_model.INFEASIBLE:
        return CpSatResult(None, 0, True, 0)
    bound = offset + (round(solver.best_objective_bound) << shift)
    if status == cp_model.UNKNOWN:
        return CpSatResult(None, bound, False, error)
    picks = np.flatnonzero([solver.boolean_value(v) for v in chosen]).astype(np.int64)
    if status == cp_model.OPTIMAL:
        bound = offset + (round(solver.objective_value) << shift)
    return CpSatResult(picks, bound, status == cp_model.OPTIMAL, error)


def _products(
    model: cp_model.CpModel, chosen: list[cp_model.IntVar], start: Ints, pairs: Sequence[Pair]
) -> list[cp_model.IntVar]:
    """One variable for each pair, true where both options are chosen.

    Products of one option with all of another group sum to the option itself: this relaxation
    is far tighter than one inequality for each product.
    """
    group_of = np.repeat(np.arange(len(start) - 1), np.diff(start)).tolist()
    products: list[cp_model.IntVar] = []
    by_option: dict[tuple[int, int], list[tuple[int, cp_model.IntVar]]] = {}
    for pair in pairs:
        product = model.new_bool_var("")
        products.append(product)
        for option, other in ((pair.first, pair.second), (pair.second, pair.first)):
            by_option.setdefault((option, group_of[other]), []).append((other, product))
        model.add_bool_or([product, ~chosen[pair.first], ~chosen[pair.second]])
    for (option, group), members in by_option.items():
        total = sum(product for _, product in members)
        # Equal if every option of the other group has a product with this one.
        if len(members) == int(start[group + 1] - start[group]):
            model.add(total == chosen[option])
        else:
            model.add(total <= chosen[option])
    return products
