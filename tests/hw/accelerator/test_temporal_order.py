"""Order of passes and places of tensors: least memory, by brute force."""

import random
from dataclasses import dataclass
from itertools import permutations

import pytest

from macwright.hw.accelerator.temporal.order import in_least_memory
from macwright.hw.accelerator.temporal.tensors import allocate


@dataclass(frozen=True)
class Read:
    """As much of a step as the order knows."""

    tensor: str


@dataclass(frozen=True)
class Pass:
    """As much of a pass as the order knows."""

    edge: str
    steps: tuple[Read, ...]


def random_passes(draw):
    """A graph whose last pass is the output, and the words of its tensors."""
    count = draw.randint(2, 6)
    names, passes = ["x"], []
    for index in range(count):
        sources = draw.sample(names, draw.randint(1, min(2, len(names))))
        edge = f"t{index}"
        passes += [Pass(edge, tuple(map(Read, sources)))] * draw.randint(1, 2)
        names.append(edge)
    unread = set(names) - {step.tensor for p in passes for step in p.steps} - {names[-1]}
    passes.append(Pass("y", tuple(map(Read, sorted({*unread, names[-1]})))))
    return passes, {name: draw.randint(1, 20) for name in names}


def peak(order, sizes):
    """Most words in use while any tensor is made; None if one is read before it is there."""
    there, most = {"x"}, sizes["x"]
    edges = list(dict.fromkeys(p.edge for p in order))
    for place, edge in enumerate(edges):
        reads = {step.tensor for p in order if p.edge == edge for step in p.steps}
        if not reads <= there:
            return None
        later = {s.tensor for p in order if p.edge in edges[place:] for s in p.steps}
        most = max(most, sum(sizes[n] for n in there & later) + sizes.get(edge, 0))
        there.add(edge)
    return most


@pytest.mark.parametrize("seed", range(60))
def test_the_order_takes_the_least_memory(seed):
    passes, sizes = random_passes(random.Random(seed))
    ordered = in_least_memory(passes, sizes, "x")
    assert sorted(map(repr, ordered)) == sorted(map(repr, passes))
    assert ordered[-1].edge == "y"
    edges = list(dict.fromkeys(p.edge for p in passes))[:-1]
    every = []
    for order in permutations(edges):
        whole = [p for edge in (*order, "y") for p in passes if p.edge == edge]
        if (words := peak(whole, sizes)) is not None:
            every.append(words)
    assert peak(ordered, sizes) == min(every)
    if peak(passes, sizes) == min(every):
        assert ordered == passes


@pytest.mark.parametrize("seed", range(40))
def test_tensors_in_use_at_a_time_do_not_overlap(seed):
    draw = random.Random(seed)
    names = [f"t{i}" for i in range(draw.randint(1, 9))]
    sizes = {name: draw.randint(1, 20) for name in names}
    born = {name: draw.randint(0, 6) for name in names}
    last = {name: born[name] + draw.randint(0, 4) for name in names}
    places, words = allocate(sizes, born, last)
    cells: dict[tuple[int, int], str] = {}
    for name in names:
        assert 0 <= places[name] <= words - sizes[name]
        for step in range(born[name], last[name] + 1):
            for cell in range(places[name], places[name] + sizes[name]):
                assert cells.setdefault((step, cell), name) == name
    at_once = [sum(sizes[n] for n in names if born[n] <= s <= last[n]) for s in range(11)]
    assert max(at_once) <= words <= sum(sizes.values())


def test_the_largest_first_where_that_is_smaller():
    """In the order of writing, `c` is left no room below `b`."""
    sizes = {"a": 1, "b": 8, "c": 16, "d": 8}
    born, last = {"a": 0, "b": 1, "c": 2, "d": 3}, {"a": 1, "b": 2, "c": 3, "d": 3}
    assert allocate(sizes, born, last)[1] == 24
