"""Where a machine first differs from its network, layer by layer."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from macwright.hw.accelerator.network import Network
from macwright.hw.accelerator.temporal.compile import compile_network
from macwright.sim.accelerator.golden import from_words
from macwright.sim.accelerator.record import MachineRecord, WordRecord

__all__ = ["first_difference", "levels_from_words"]

_Levels = NDArray[np.int64]
_Words = Mapping[str, list[list[int]]]


def first_difference(
    network: Network,
    record: MachineRecord,
    words: _Words,
    results: _Levels,
    traced: Mapping[str, _Levels],
    image: int,
) -> str:
    """The first difference of one frame in words, naming image, layer, channel and position.

    Parameters
    ----------
    network, record
        What the machine should compute, and what it is.
    words : mapping
        Words that each stage gave, by its name.
    results : ndarray of int64, shape (1, *shape of the output)
        Levels that came out.
    traced : mapping
        Levels of all edges, of one sample.
    image : int
        Its number.
    """
    outputs = _stages if record.array is None else _passes
    for node, edge, levels in outputs(network, record, words):
        where = _first(levels, traced[edge])
        if where:
            return f"image {image}, layer {node}, {where}"
    where = _first(results, traced[record.result.edge])
    return f"image {image}, output {record.result.edge}, {where or 'only after other images'}"


def _stages(
    network: Network, record: MachineRecord, words: _Words
) -> Iterator[tuple[str, str, _Levels]]:
    """Node, edge and levels of what each stage gave."""
    for stage in record.stages:
        for output, given in zip(stage.outputs, words[stage.name], strict=True):
            levels = levels_from_words(given[: output.words], output, network)
            yield stage.node, output.edge, levels


def _passes(
    network: Network, record: MachineRecord, words: _Words
) -> Iterator[tuple[str, str, _Levels]]:
    """The same of the passes of a temporal machine; an edge may be made by several."""
    rows, columns = record.array or (0, 0)
    program = compile_network(network, rows=rows, columns=columns)
    planes_of: dict[str, list[_Levels]] = {}
    for number, (step, stage) in enumerate(zip(program.passes, record.stages, strict=True)):
        (output,), (given,) = stage.outputs, words[stage.name]
        codes = from_words(given[: output.words], lanes=output.lanes, bits=output.bits)
        codes = codes.reshape(-1, output.lanes)
        # Missing words are no level of the edge.
        full = np.full((step.words * step.positions, output.lanes), -1 << 40, np.int64)
        full[: len(codes)] = codes + step.base
        lanes = full[:, : step.lanes]
        planes = lanes.reshape(step.words, step.positions, -1).transpose(0, 2, 1)
        planes_of.setdefault(step.edge, []).append(planes.reshape(-1, step.positions))
        if number + 1 == len(program.passes) or program.passes[number + 1].edge != step.edge:
            shape = network.edge(step.edge).shape
            yield (
                step.node,
                step.edge,
                np.concatenate(planes_of[step.edge])[: shape[0]].reshape(1, *shape),
            )


def _first(given: _Levels, expected: _Levels) -> str | None:
    if given.size != expected.size:
        return f"{given.size} codes where the network has {expected.size}"
    given = given.reshape(expected.shape)
    if (given == expected).all():
        return None
    # Position by position, as they are computed.
    moved = np.moveaxis(given != expected, 1, -1)
    _, *position, channel = [int(i) for i in np.argwhere(moved)[0]]
    at = (0, channel, *position)
    place = f", position {tuple(position)}" if position else ""
    return f"channel {channel}{place}: {given[at]}, where the network has {expected[at]}"


def levels_from_words(given: Sequence[int], words: WordRecord, network: Network) -> _Levels:
    """Levels of words, shape (frames, *shape of the edge)."""
    edge = network.edge(words.edge)
    channels, *rest = edge.shape
    codes = from_words(list(given), lanes=words.lanes, bits=words.bits)
    codes = codes[: len(codes) // edge.size * edge.size].reshape(-1, *rest, channels)
    if len(codes) == 0:
        return np.zeros(0, np.int64)
    return edge.levels(np.moveaxis(codes, -1, 1))
