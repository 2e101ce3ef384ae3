"""The order of passes in which tensors take the least memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import groupby

from macwright.hw.accelerator.temporal.program import LayerPass

__all__ = ["in_least_memory"]

#: Sets of tensors that are tried; networks of few parallel branches have far fewer.
_MOST_STATES = 20_000


@dataclass(frozen=True)
class _Group:
    """Passes of one tensor, which are done together.

    Attributes
    ----------
    passes : tuple of LayerPass
        Those passes, in order.
    reads : int
        The groups that they read from, as bits of a number.
    size : int
        Words of the tensor; 0 for the output, which is not kept.
    """

    passes: tuple[LayerPass, ...]
    reads: int
    size: int


def in_least_memory(
    passes: Sequence[LayerPass], sizes: Mapping[str, int], source: str
) -> list[LayerPass]:
    """The passes, those of a tensor together, in an order whose tensors take the fewest words.

    That is the least that any order has of the most words in use at a time, whether or not places
    can be found without gaps; the last pass stays the last. Passes keep their order where another
    one takes no less, or where there are too many orders.

    Parameters
    ----------
    passes : sequence of LayerPass
        In an order in which they can be done.
    sizes : mapping
        Words of each tensor but the output.
    source : str
        Tensor that comes in.
    """
    groups = _groups(passes, sizes, source)
    first = tuple(range(len(groups)))
    best = _search(groups, sizes[source])
    if best is None or _peak(groups, best, sizes[source]) >= _peak(groups, first, sizes[source]):
        return list(passes)
    return [layer for index in best for layer in groups[index].passes]


def _groups(
    passes: Sequence[LayerPass], sizes: Mapping[str, int], source: str
) -> tuple[_Group, ...]:
    """Passes by the tensor that they write; the source is the highest bit of what they read."""
    by_edge = [(edge, tuple(run)) for edge, run in groupby(passes, key=lambda layer: layer.edge)]
    number = {edge: index for index, (edge, _) in enumerate(by_edge)} | {source: len(by_edge)}
    groups = []
    for edge, run in by_edge:
        read = {number[step.tensor] for layer in run for step in layer.steps} - {number[edge]}
        groups.append(_Group(run, sum(1 << index for index in read), sizes.get(edge, 0)))
    return tuple(groups)


def _words(groups: Sequence[_Group], done: int, source: int) -> int:
    """Words of what is there and still read by a group that is not done."""
    left = [group for index, group in enumerate(groups) if not done >> index & 1]
    wanted = 0
    for group in left:
        wanted |= group.reads
    held = sum(g.size for i, g in enumerate(groups) if (done & wanted) >> i & 1)
    return held + (source if wanted >> len(groups) & 1 else 0)


def _peak(groups: Sequence[_Group], order: Sequence[int], source: int) -> int:
    """Most words in use at a time."""
    peak, done = source, 0
    for index in order:
        peak = max(peak, _words(groups, done, source) + groups[index].size)
        done |= 1 << index
    return peak


def _search(groups: Sequence[_Group], source: int) -> tuple[int, ...] | None:
    """Order of the least peak, of those the first; None if there are too many sets of groups."""
    given, whole = 1 << len(groups), (1 << len(groups)) - 1
    heap: list[tuple[int, tuple[int, ...], int]] = [(source, (), 0)]
    seen: set[int] = set()
    while heap:
        peak, order, done = heappop(heap)
        if done == whole:
            return order
        if done in seen:
            continue
        seen.add(done)
        if len(seen) > _MOST_STATES:
            return None
        held = _words(groups, done, source)
        for index, group in enumerate(groups):
            last = index == len(groups) - 1 and done | 1 << index != whole
            if done >> index & 1 or last or group.reads & ~(done | given):
                continue
            heappush(heap, (max(peak, held + group.size), (*order, index), done | 1 << index))
    raise AssertionError("passes must be in an order in which they can be done")
