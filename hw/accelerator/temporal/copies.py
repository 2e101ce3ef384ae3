"""Slices, pads and concatenations as sums of one term each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from macwright.hw.accelerator.network import Concat, Pad, Slice
from macwright.hw.accelerator.temporal.shapes import Window
from macwright.hw.accelerator.temporal.tensors import Tensor
from macwright.hw.accelerator.temporal.terms import Term
from macwright.hw.errors import RefusedInput

__all__ = ["Copies", "copies"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Copies:
    """Codes that are moved.

    Parameters
    ----------
    terms : list of Term
        With weights of 1.
    window : Window
        Which positions.
    constants : ndarray of int64, shape (channels,)
        Levels of channels that have no source.
    level : int
        Level outside of the input.
    """

    terms: list[Term]
    window: Window
    constants: NDArray[np.int64]
    level: int


def copies(node: Slice | Pad | Concat, sources: Sequence[Tensor], channels: int) -> Copies:
    """What a node moves.

    Parameters
    ----------
    node
        The node.
    sources : sequence of Tensor
        What it reads.
    channels : int
        Of its result.
    """
    offsets, window, level = [0], Window(), 0
    taken = [np.arange(source.channels) for source in sources]
    if isinstance(node, Concat):
        if node.axis != 0:
            raise RefusedInput(
                f"Node {node.name} must join channels in a temporal machine, not axis {node.axis}"
            )
        offsets = np.cumsum([0, *[s.channels for s in sources]])[:-1].tolist()
    elif isinstance(node, Pad):
        offsets, level = [node.pads[0][0]], node.level
        window = Window(pads=[(0, 0), (0, 0), *node.pads[1:]][-2:])
    else:
        taken = [taken[0][node.starts[0] :: node.steps[0]][:channels]]
        down, right = [1, 1, *node.steps[1:]][-2:]
        first = [0, 0, *node.starts[1:]][-2:]
        window = Window(pads=[(-n, 0) for n in first], stride=(down, right))
    constants, terms = np.full(channels, level, np.int64), []
    for source, offset, channels_in in zip(sources, offsets, taken, strict=True):
        into = np.arange(len(channels_in)) + offset
        constants[into] = 0
        if channels == source.channels and (into == channels_in).all():
            terms.append(Term(tensor=source, kernel=np.ones((channels, 1, 1), np.int64)))
            continue
        kernel = np.zeros((channels, source.channels, 1, 1), np.int64)
        kernel[into, channels_in] = 1
        terms.append(Term(tensor=source, kernel=kernel, used=kernel[:, :, 0, 0] > 0))
    return Copies(terms=terms, window=window, constants=constants, level=level)
