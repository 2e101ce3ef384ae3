"""Weights of a layer as the words that its engine reads, one a cycle."""

import numpy as np

from macwright.hw.accelerator.folding import Folding, LayerShape
from macwright.hw.accelerator.network import Conv, Gemm
from macwright.hw.accelerator.plan import Tensor
from macwright.hw.errors import RefusedInput

__all__ = ["weight_words"]


def weight_words(
    node: Conv | Gemm, source: Tensor, folding: Folding, shape: LayerShape
) -> list[int]:
    """Words of the memory of weights, in the order of the beats.

    Parameters
    ----------
    node : Conv or Gemm
        Layer.
    source : Tensor
        What it reads.
    folding : Folding
        What its engine does at a time: a word has a weight for each product of a cycle.
    shape : LayerShape
        Groups, outputs, inputs and taps.

    Returns
    -------
    list of int
        The first product's code in the lowest bits of each.

    Raises
    ------
    RefusedInput
        If a code stands for no number of the format.
    """
    codes, fmt = np.asarray(node.weights, np.int64), node.weight_format
    values = fmt.decode(codes)
    if values.min() < fmt.min or values.max() > fmt.max:
        raise RefusedInput(f"Weights of {node.name} must be codes of {fmt} to be built")
    if isinstance(node, Gemm):
        codes = codes.reshape(len(codes), source.channels, source.positions)
    codes = codes.reshape(shape.groups, shape.outputs, shape.inputs, shape.taps)
    codes = codes.reshape(
        shape.groups // folding.groups,
        folding.groups,
        shape.outputs // folding.pe,
        folding.pe,
        shape.inputs // folding.simd,
        folding.simd,
        shape.taps,
    )
    # fold, pass, tap, chunk, then what goes in parallel: group, PE, product.
    order = codes.transpose(0, 2, 6, 4, 1, 3, 5).reshape(-1, folding.units)
    width = node.weight_format.width
    return [sum(int(code) << (k * width) for k, code in enumerate(row)) for row in order.tolist()]
