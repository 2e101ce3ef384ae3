"""Pairwise terms that couple few groups: those become one group, and no terms are left."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import TypeVar

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from macwright.dse.solver.model.pairs import Pair
from macwright.dse.solver.model.problem import Groups
from macwright.dse.solver.model.solution import Outcome

__all__ = ["MergedPairs", "connected_parts", "merge_pairs"]

T = TypeVar("T", bound=Hashable)

Ints = NDArray[np.int64]

#: Options that a merged group may have: three layers of 100, say.
MOST_OPTIONS = 1_000_000


@dataclass(frozen=True, eq=False)
class MergedPairs:
    """The same problem without pairwise terms.

    Parameters
    ----------
    groups : Groups
        Its options are combinations of options; losses start from zero in each group. It has no
        rows of the table.
    members : list of array of int, shape (n_options of the group, n_members)
        Options of the first problem that each option stands for, by group.
    constant : int
        What its losses lack.
    """

    groups: Groups
    members: list[Ints]
    constant: int

    def expand(self, chosen: Ints) -> Ints:
        """Options of the first problem, one for each of its groups."""
        places = (chosen - self.groups.start[:-1]).tolist()
        return np.sort(
            np.concatenate([part[at] for part, at in zip(self.members, places, strict=True)])
        )

    def outcome(self, merged: Outcome) -> Outcome:
        """What an outcome of these groups says of the first problem."""
        if merged.chosen is None:
            return merged
        loss = sum(self.groups.loss[merged.chosen].tolist()) if merged.loss is None else merged.loss
        return replace(
            merged,
            chosen=self.expand(merged.chosen),
            bound=merged.bound + self.constant,
            loss=loss + self.constant,
        )


def connected_parts(options: Mapping[T, int], edges: Iterable[tuple[T, T]]) -> list[list[T]] | None:
    """What is connected, of things with so many options; None if a part has too many together."""
    place = {name: i for i, name in enumerate(options)}
    graph = nx.Graph()
    graph.add_nodes_from(place)
    graph.add_edges_from(edges)
    parts = [sorted(part, key=place.__getitem__) for part in nx.connected_components(graph)]
    if any(prod(options[name] for name in part) > MOST_OPTIONS for part in parts):
        return None
    return sorted(parts, key=lambda part: place[part[0]])


def merge_pairs(groups: Groups, pairs: Sequence[Pair]) -> MergedPairs | None:
    """Groups that pairs connect as one group each; None if one would have too many options."""
    group_of = np.repeat(np.arange(groups.n_groups), np.diff(groups.start))
    parts = connected_parts(
        dict(enumerate(np.diff(groups.start).tolist())),
        {(int(group_of[p.first]), int(group_of[p.second])) for p in pairs},
    )
    if parts is None:
        return None
    members, losses = [], []
    by_group: dict[int, list[Pair]] = {}
    for pair in pairs:
        by_group.setdefault(int(group_of[pair.first]), []).append(pair)
    for part in parts:
        axes = [np.arange(groups.start[i], groups.start[i + 1]) for i in part]
        loss = np.zeros([len(axis) for axis in axes], np.int64)
        for i, axis in enumerate(axes):
            loss += groups.loss[axis].reshape([-1 if i == j else 1 for j in range(len(part))])
        for pair in (pair for i in part for pair in by_group.get(i, ())):
            at: list[int | slice] = [slice(None)] * len(part)
            for option in (pair.first, pair.second):
                group = int(group_of[option])
                at[part.index(group)] = int(option - groups.start[group])
            loss[tuple(at)] += pair.loss
        losses.append(loss.ravel())
        members.append(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(part)))
    least = [int(loss.min()) for loss in losses]
    merged = replace(
        groups,
        start=np.concatenate(([0], np.cumsum([len(loss) for loss in losses]))).astype(np.int64),
        loss=np.concatenate([loss - low for loss, low in zip(losses, least, strict=True)]),
        rows=[
            replace(row, cost=np.concatenate([row.cost[part].sum(axis=1) for part in members]))
            for row in groups.rows
        ],
        table_row=np.zeros(sum(map(len, losses)), np.int64),
        tied={},
    )
    return MergedPairs(merged, members, sum(least))
