"""The problem of each array: options, and sets of unit types that fit."""

from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from macwright.dse.solver.exact.optimise import beyond_limits
from macwright.dse.solver.exact.type_sets import MOST_SETS
from macwright.dse.solver.joint.problem import ArrayShape
from macwright.dse.solver.model.problem import LIMIT_ROUNDING, Groups
from macwright.dse.solver.reduce.dominance import drop_dominated
from macwright.dse.solver.reduce.restriction import Restriction, restrict
from macwright.hw.errors import RefusedInput

__all__ = ["Place", "place_on"]

Ints = NDArray[np.int64]


@dataclass(eq=False)
class Place:
    """The problem on one array: options, sets of unit types that fit, a bound of the loss."""

    index: int
    smaller: Restriction
    classes: Ints
    sets: NDArray[np.int16]
    areas: NDArray[np.float64]
    bound: float
    tight: bool = False

    @property
    def groups(self) -> Groups:
        """Options that can be on this array."""
        return self.smaller.groups


def place_on(
    index: int,
    groups: Groups,
    array: ArrayShape,
    names: NDArray[np.str_],
    most: int,
    most_area: float,
    every_set: bool,
) -> Place | None:
    """The problem on one array; ``None`` if some layer has no option there, or nothing fits."""
    used, place_of = np.unique(names, return_inverse=True)
    known = [name for name in used.tolist() if name in array.area]
    number = np.array([known.index(name) if name in known else -1 for name in used.tolist()])
    all_classes = number[place_of]
    here = restrict(groups, all_classes >= 0)
    if not here.complete or beyond_limits(here.groups):
        return None
    smaller = here.then(drop_dominated(here.groups, here.values(all_classes)))
    areas = np.array([array.area[name] for name in known])
    room = most_area - array.fixed_area + LIMIT_ROUNDING * abs(most_area)
    sets, total = _sets(areas, min(most, len(known)), room, every_set)
    if not len(sets):
        return None
    of_place = smaller.groups
    return Place(
        index,
        smaller,
        smaller.values(all_classes),
        sets,
        total + array.fixed_area,
        float(np.minimum.reduceat(of_place.loss, of_place.start[:-1]).sum()),
    )


def _sets(
    areas: NDArray[np.float64], most: int, room: float, every_set: bool
) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """Sets of at most so many types within the room, the last type repeated, and their areas.

    Unless every set is asked for, only those to which no further type can be added.
    """
    n = len(areas)
    if sum(comb(n, size) for size in range(1, most + 1)) > MOST_SETS:
        raise RefusedInput(
            f"Unit types must have at most {MOST_SETS} sets of at most {most}, not more: "
            f"there are {n} types"
        )
    by_size, totals = [np.zeros((0, most), np.int16)], [np.zeros(0)]
    for size in range(1, most + 1):
        sets = np.array(list(combinations(range(n), size)), np.int16)
        total = areas[sets].sum(axis=1)
        keep = total <= room
        if not every_set and size < most:
            # The least type outside of the set is what could still be added.
            inside = np.zeros((len(sets), n), bool)
            inside[np.arange(len(sets))[:, None], sets] = True
            least = np.where(inside, np.inf, areas).min(axis=1)
            keep &= total + least > room
        sets = sets[keep]
        by_size.append(np.concatenate((sets, *[sets[:, -1:]] * (most - size)), axis=1))
        totals.append(total[keep])
    return np.concatenate(by_size), np.concatenate(totals)
