"""Pairwise terms: losses that two options of two layers add together."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import fsum, isfinite

import numpy as np

from macwright.dse.solver.model.problem import Groups
from macwright.dse.solver.model.scaling import Scaled
from macwright.hw.errors import RefusedInput

__all__ = ["Pair", "PairTerm", "pair_total", "scaled_pairs"]

#: Bits of the largest total of the options alone.
PAIR_BITS = 46

#: layer, option, layer, option, loss in the unit of the objective, any sign.
PairTerm = tuple[str, str, str, str, float]


@dataclass(frozen=True)
class Pair:
    """Loss that two options of two groups add together, scaled like the objective, any sign."""

    first: int
    second: int
    loss: int


def scaled_pairs(groups: Groups, terms: Iterable[PairTerm]) -> tuple[list[Pair], Groups, float]:
    """Terms as pairs of options, in integers of the objective.

    Terms within one group (tied layers) are losses of its options; options that filters took out
    drop their terms.

    Parameters
    ----------
    groups : Groups
        The problem.
    terms : iterable of PairTerm
        Each pair of options at most once.

    Returns
    -------
    tuple of (pairs, groups, error)
        The groups with the losses of terms inside groups; `error` is the largest rounding of a
        total, in the unit of the objective.

    Raises
    ------
    ValueError
        If a name is unknown, a pair is of one layer, given twice, or not finite.
    """
    table = groups.table
    index = {name: i for i, name in enumerate(table.layers)}
    rows = {
        (int(layer), table.options[row]): row
        for row, layer in enumerate(table.layer_of_row.tolist())
    }
    option_of_row = {int(row): option for option, row in enumerate(groups.table_row.tolist())}
    for option, more in groups.tied.items():
        option_of_row.update(dict.fromkeys(more, option))
    group_of = np.repeat(np.arange(groups.n_groups), np.diff(groups.start)).tolist()
    groups = _finer(groups)
    loss = groups.loss.copy()
    pairs: dict[tuple[int, int], int] = {}
    seen: set[tuple[int, int]] = set()
    error = 0.0
    for layer_a, option_a, layer_b, option_b, value in terms:
        term_rows = []
        for layer, option in ((layer_a, option_a), (layer_b, option_b)):
            if layer not in index:
                raise RefusedInput(f"Layer of a pair must be in the table, not {layer!r}")
            row = rows.get((index[layer], option))
            if row is None:
                raise RefusedInput(
                    f"Option of a pair must be one of layer {layer!r}, not {option!r}"
                )
            term_rows.append(row)
        if layer_a == layer_b:
            raise RefusedInput(f"Pair must be of two layers, not of {layer_a!r} twice")
        if not isfinite(value):
            raise RefusedInput(f"Loss of a pair must be a finite number, not {value}")
        key = (min(term_rows), max(term_rows))
        if key in seen:
            raise RefusedInput(
                f"Pair of {layer_a!r} {option_a!r} and {layer_b!r} {option_b!r} "
                "must be given once, not twice"
            )
        seen.add(key)
        first, second = (option_of_row.get(row) for row in term_rows)
        if first is None or second is None:
            continue
        product = value * groups.objective.factor
        if abs(product) >= 2.0**52:
            raise RefusedInput(
                f"Loss of a pair must be comparable with the others, not {value:.3g}"
            )
        whole = round(product)
        error += abs(whole - product) / groups.objective.factor
        if group_of[first] == group_of[second]:
            if first == second:
                loss[first] += whole
            continue
        ends = (min(first, second), max(first, second))
        pairs[ends] = pairs.get(ends, 0) + whole
    merged = [Pair(a, b, whole) for (a, b), whole in pairs.items() if whole]
    return merged, replace(groups, loss=loss), error


def _finer(groups: Groups) -> Groups:
    """The same losses in smaller units: decimals that are exact may be too coarse for pairs."""
    total = sum(np.maximum.reduceat(groups.loss, groups.start[:-1]).tolist())
    shift = max(0, PAIR_BITS - max(total, 1).bit_length())
    scaled = Scaled(
        groups.objective.integers << shift,
        groups.objective.factor * 2.0**shift,
        groups.objective.error,
    )
    return replace(groups, loss=groups.loss << shift, objective=scaled)


def pair_total(terms: Iterable[PairTerm], allocation: Mapping[str, str]) -> float:
    """Sum of the terms of an allocation, in the unit of the objective."""
    return fsum(
        value
        for layer_a, option_a, layer_b, option_b, value in terms
        if allocation[layer_a] == option_a and allocation[layer_b] == option_b
    )
