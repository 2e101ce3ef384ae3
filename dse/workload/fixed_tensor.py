"""A format that a model prescribes for a tensor."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from macwright.hw.formats import BinaryFormat, FloatFormat, IntFormat

__all__ = ["FixedTensor"]


@dataclass(frozen=True, kw_only=True, eq=False)
class FixedTensor:
    """Format of a tensor, with its scale.

    Parameters
    ----------
    format : IntFormat, FloatFormat or BinaryFormat
        Format of the codes.
    scale : ndarray of float32, shape () or one that broadcasts against the tensor
        Value of one unit, positive; with as many axes as the tensor, so that it says itself which
        of them it changes along.
    zero : int or ndarray
        Code that stands for 0; an array where it is none, or not the same everywhere.
    """

    format: IntFormat | FloatFormat | BinaryFormat
    scale: NDArray[np.float32]
    zero: int | NDArray[np.float32] = 0

    def of(self, fmt: object) -> "FixedTensor | None":
        """The same values in a format of the same width; None if they do not fit it."""
        if fmt == self.format:
            return self
        if not isinstance(fmt, IntFormat) or not isinstance(self.format, IntFormat):
            return None
        if fmt.width != self.format.width or fmt.symmetric:
            return None
        shift = (self.format.signed - fmt.signed) << (fmt.width - 1)
        return FixedTensor(format=fmt, scale=self.scale, zero=self.zero + shift)
