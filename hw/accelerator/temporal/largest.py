"""Max pooling as a pass of a temporal machine."""

import numpy as np

from macwright.hw.accelerator.network import MaxPool
from macwright.hw.accelerator.temporal.program import LayerPass, Step
from macwright.hw.accelerator.temporal.shapes import window_of
from macwright.hw.accelerator.temporal.tensors import Tensor

__all__ = ["largest_pass"]


def largest_pass(node: MaxPool, source: Tensor, target: Tensor, columns: int) -> LayerPass:
    """The pass of a node; the result has the codes of its input.

    Parameters
    ----------
    node : MaxPool
        The node.
    source, target : Tensor
        What it reads and gives, as the activation memory holds them.
    columns : int
        Of the array.
    """
    window = window_of(node)
    down, right = window.dilation
    steps = tuple(
        Step(
            tensor=source.name, offset=y * down * source.width, down=y * down, right=0,
            taps=window.kernel[1],
        )
        for y in range(window.kernel[0])
    )  # fmt: skip
    none = np.zeros((target.words, 0, columns), np.int64)
    return LayerPass(
        node=node.name, edge=node.output, base=target.base, lanes=target.lanes, mode="largest",
        first_word=0, words=target.words, height=target.height, width=target.width,
        stride=window.stride, origin=window.origin, size=(source.height, source.width),
        plane=source.plane, gap=right, pad=0, steps=steps, weights=none,
        bias=none.sum(axis=1), scale=none.sum(axis=1), fraction=0, shift=0, zero=0, low=0,
        high=(1 << target.bits) - 1,
    )  # fmt: skip
