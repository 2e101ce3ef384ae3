"""Block Hadamard transforms, which spread what is large in one channel over a block of them.

Neighbouring channels are transformed together, activations when the network runs and weights once:
the products stay, ``W x = (W H / w) (H x)`` with ``H`` of ones and minus ones, and ``H H = w I``.
Tseng, Chee, Sun, Kuleshov, De Sa: QuIP# (ICML 2024); Ashkboos et al.: QuaRot (NeurIPS 2024).
"""

from collections.abc import Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

from macwright.dse.workload.layer import Layer, Workload
from macwright.hw.errors import RefusedInput

__all__ = [
    "GAIN",
    "WIDTHS",
    "check_rotations",
    "free_widths",
    "hadamard",
    "rotated",
    "rotation_additions",
    "widths",
]

_Array = NDArray[np.float32]
#: Channels of a block that are tried.
WIDTHS = (16, 32, 64, 128)
#: Share of a layer's error on samples held out that a transform must save.
GAIN = 0.05


@cache
def hadamard(width: int) -> _Array:
    """Symmetric matrix of ones and minus ones, Sylvester's, shape (width, width).

    Parameters
    ----------
    width : int
        Power of two.

    Examples
    --------
    >>> hadamard(2).tolist()
    [[1.0, 1.0], [1.0, -1.0]]
    """
    matrix = np.ones((1, 1), np.float32)
    while len(matrix) < width:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return matrix


def rotated(values: _Array, width: int) -> _Array:
    """Each `width` neighbours along the last axis times `hadamard`, shape of `values`."""
    blocks = values.reshape(*values.shape[:-1], -1, width)
    return (blocks @ hadamard(width)).reshape(values.shape)


def widths(layer: Layer) -> tuple[int, ...]:
    """Widths of blocks that the channels which a layer reads divide into; none if it cannot rotate.

    It can if it has weights, sums along the last axis of its input alone, and its activations have
    signs: a transform would give them to others, whose format has no room for them.
    """
    if layer.dynamic or layer.operator.spatial or layer.groups > 1 or not layer.act_signed:
        return ()
    return tuple(width for width in WIDTHS if layer.k % width == 0)


def rotation_additions(layer: Layer, width: int) -> int:
    """Additions and subtractions of a layer's transforms in one sample: log2(width) for a value."""
    return layer.activations * (width.bit_length() - 1)


def free_widths(workload: Workload, layer: Layer) -> tuple[int, ...]:
    """The same of `widths`, none where the model prescribes a format of either operand."""
    if workload.fixed.get(layer.name, (None, None)) != (None, None):
        return ()
    return widths(layer)


def check_rotations(workload: Workload, rotations: Mapping[str, int]) -> None:
    """Refuse transforms that a network's layers cannot have.

    Raises
    ------
    RefusedInput
        If a layer is unknown, or its channels do not divide into blocks of that width.
    """
    layers = {layer.name: layer for layer in workload.layers}
    for name, width in rotations.items():
        if name not in layers:
            raise RefusedInput(f"Rotations must be of layers of the network, not of {name!r}")
        possible = (1, *free_widths(workload, layers[name]))
        if width not in possible:
            raise RefusedInput(
                f"Rotation of layer {name!r} must have one of the widths "
                f"{', '.join(map(str, possible))}, not {width!r}"
            )
