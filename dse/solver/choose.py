"""Which solver answers a problem: by its size, its unit types, its pairwise terms, or by name."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import ceil

import numpy as np

from macwright.dse.solver.backends.cp_sat import CpSatResult, solve_cpsat
from macwright.dse.solver.backends.mip import SOLVERS, solve_linear
from macwright.dse.solver.exact.infeasible import explain
from macwright.dse.solver.exact.optimise import optimise, why_infeasible
from macwright.dse.solver.exact.pairs import optimise_pairs, share_of_pairs
from macwright.dse.solver.exact.type_sets import TypeLimit, optimise_types
from macwright.dse.solver.model.pairs import Pair, PairTerm, scaled_pairs
from macwright.dse.solver.model.problem import Groups
from macwright.dse.solver.model.rules import NO_RULES, Rules
from macwright.dse.solver.model.solution import Outcome
from macwright.dse.solver.reduce.dominance import drop_dominated
from macwright.dse.solver.reduce.merge_pairs import merge_pairs
from macwright.dse.solver.reduce.restriction import Restriction, restrict
from macwright.hw.errors import Infeasible, RefusedInput

__all__ = ["Dispatcher", "dispatcher_of"]

#: Where no more than this share of the options of two groups that pairs connect are a pair, CP-SAT
#: alone is faster than sharing the pairs between the options (`benchmarks/search.py --parts
#: variants` has instances of both kinds).
FEW = 0.25


@dataclass(frozen=True, eq=False, kw_only=True)
class Dispatcher:
    """How problems on the same groups are solved, whatever their limits.

    Parameters
    ----------
    limit : TypeLimit, optional
        At most so many unit types.
    pairs : sequence of Pair
        Losses that two options add together, scaled like the objective.
    solver : str
        ``"auto"``, ``"cp-sat"`` or the name of a linear solver.
    terms, error
        The pairs in the units of the table, and the largest rounding of their total.
    """

    limit: TypeLimit | None = None
    pairs: Sequence[Pair] = ()
    solver: str = "auto"
    terms: Sequence[PairTerm] = field(default=())
    error: float = 0.0

    @property
    def plain(self) -> bool:
        """Whether there is nothing but limits of totals."""
        return self.limit is None and not self.pairs and self.solver == "auto"

    def without_pairs(self) -> "Dispatcher":
        """The same for an objective that pairs add nothing to."""
        return replace(self, pairs=(), terms=(), error=0.0)

    def __call__(
        self,
        groups: Groups,
        deadline: float = float("inf"),
        known: np.ndarray | None = None,
    ) -> Outcome:
        """Best choice within the limits; `known` is one, if there is one to start from."""
        if self.pairs:
            if self.limit is None and self.solver == "auto":
                merged_pairs = merge_pairs(groups, self.pairs)
                if merged_pairs is not None:
                    return merged_pairs.outcome(optimise(merged_pairs.groups, deadline=deadline))
                if share_of_pairs(groups, self.pairs) > FEW:
                    return optimise_pairs(groups, self.pairs, deadline=deadline)
            return self._with_cpsat(groups, deadline)
        if self.solver == "cp-sat":
            return self._with_cpsat(groups, deadline)
        if self.solver == "auto":
            if self.limit is not None:
                return optimise_types(groups, self.limit, deadline=deadline)
            return optimise(groups, deadline=deadline, known=known)
        classes = None if self.limit is None else self.limit.classes
        smaller = drop_dominated(groups, classes)
        result = solve_linear(
            smaller.groups,
            self.solver,
            classes=None if classes is None else smaller.values(classes),
            most_classes=0 if self.limit is None else self.limit.most,
            deadline=deadline,
        )
        if result.chosen is None:
            return Outcome(None, 0, False, self.solver, infeasible=result.proved)
        chosen = smaller.expand(result.chosen)
        # Losses are integers.
        bound = min(ceil(result.bound - result.error), int(groups.loss[chosen].sum()))
        return Outcome(chosen, bound, result.proved, self.solver)

    def _with_cpsat(self, groups: Groups, deadline: float) -> Outcome:
        smaller, result = self.ask_cpsat(groups, deadline)
        return smaller.outcome(result.outcome(smaller.groups, self.pairs))

    def ask_cpsat(self, groups: Groups, deadline: float) -> tuple[Restriction, CpSatResult]:
        """What CP-SAT alone says, of the options that are not dominated."""
        classes = None if self.limit is None else self.limit.classes
        if self.pairs:
            # An option may be dominated in its own loss and better in a pair.
            smaller = restrict(groups, np.arange(len(groups.loss)))
        else:
            smaller = drop_dominated(groups, classes)
        result = solve_cpsat(
            smaller.groups,
            pairs=self.pairs,
            classes=None if classes is None else smaller.values(classes),
            most_classes=0 if self.limit is None else self.limit.most,
            deadline=deadline,
        )
        return smaller, result

    def why(self, groups: Groups) -> Infeasible:
        """What to relax: the limits of totals, or the number of types."""
        limit = self.limit
        if limit is None or optimise(groups).infeasible:
            return why_infeasible(groups)
        enough = limit.most + 1
        total = len(np.unique(limit.classes))
        while enough < total and optimise_types(groups, replace(limit, most=enough)).infeasible:
            enough += 1
        if not groups.rows or optimise_types(replace(groups, rows=[]), limit).infeasible:
            others = ""
        else:
            others = f"; or, with {limit.most}: " + str(
                explain(groups, lambda other: optimise_types(other, limit).chosen)
            )
        return Infeasible(
            f"Number of types must be at least {enough} with the other limits as they are, not "
            f"{limit.most}{others}"
        )


def dispatcher_of(
    groups: Groups, rules: Rules = NO_RULES, solver: str = "auto"
) -> tuple[Dispatcher, Groups]:
    """How to solve a problem, and its groups, in finer units if there are pairs.

    Raises
    ------
    ValueError
        If a name is unknown, or the solver cannot do what is asked.
    """
    if solver not in ("auto", "cp-sat", *SOLVERS):
        raise RefusedInput(
            f"Solver must be one of auto, cp-sat, {', '.join(SOLVERS)}, not {solver!r}"
        )
    terms = list(rules.pairs)
    if terms and solver in SOLVERS:
        raise RefusedInput(f"Solver must be auto or cp-sat for pairs, not {solver!r}")
    limit = None if rules.types is None else _type_limit(groups, *rules.types)
    scaled: list[Pair] = []
    error = 0.0
    if terms:
        scaled, groups, error = scaled_pairs(groups, terms)
    return Dispatcher(limit=limit, pairs=scaled, solver=solver, terms=terms, error=error), groups


def _type_limit(groups: Groups, column: str, most: int) -> TypeLimit:
    if most < 1:
        raise RefusedInput(f"Number of types must be at least 1, not {most}")
    names = np.asarray(groups.table.label(column), object)[groups.table_row]
    for option, more in groups.tied.items():
        if any(groups.table.label(column)[row] != names[option] for row in more):
            raise RefusedInput(
                f"Tied options must have the same {column}, not {names[option]!r} and another"
            )
    return TypeLimit(np.unique(names.astype(str), return_inverse=True)[1].astype(np.int64), most)
