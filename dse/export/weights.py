"""Weights of a layer as levels of a format, with scales."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from macwright.dse.quantizer.im2col import from_matrix
from macwright.dse.quantizer.plan import LayerPlan
from macwright.hw.errors import RefusedInput
from macwright.hw.formats import BlockFormat, Format

__all__ = ["WeightTensor", "weight_tensor"]


@dataclass(frozen=True, kw_only=True, eq=False)
class WeightTensor:
    """Weights in the model's own layout: ``value = level * scale``.

    Parameters
    ----------
    format : Format
        Format of the levels; of a block format that of its elements.
    levels : ndarray of float32, shape of the weights
        Values of the format.
    scale : ndarray of float32, as many axes as the weights
        Broadcasts against them; of size 1 along axes that it does not change along.
    """

    format: Format
    levels: NDArray[np.float32]
    scale: NDArray[np.float32]

    @property
    def values(self) -> NDArray[np.float32]:
        """The weights, rounded."""
        return self.levels * self.scale

    @property
    def codes(self) -> NDArray[np.int64]:
        """Code word of each level."""
        return self.format.encode(self.levels)


def weight_tensor(plan: LayerPlan) -> WeightTensor:
    """Levels and scales of a layer that has weights.

    Raises
    ------
    RefusedInput
        If both of its operands are computed.
    """
    if plan.weight is None or plan.weight_scale is None:
        raise RefusedInput(f"Layer {plan.layer.name} must have weights, not two computed operands")
    layer, shape = plan.layer, plan.weight.shape
    fmt = plan.weight_format
    element = fmt.element if isinstance(fmt, BlockFormat) else fmt
    rows = plan.weight_scale.reshape(len(plan.weight_scale), -1)
    matrix = np.broadcast_to(rows, (len(rows), layer.k)).astype(np.float32)
    scale = from_matrix(layer, matrix, shape)
    levels = element.quantize(plan.weight.astype(np.float64) / scale).astype(np.float32)
    for axis in range(scale.ndim):
        first = scale.take([0], axis=axis)
        if (scale == first).all():
            scale = first
    return WeightTensor(format=element, levels=levels, scale=scale)
