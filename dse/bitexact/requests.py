"""What a reader of a tensor wants its codes to be."""

from dataclasses import dataclass, replace

import numpy as np

from macwright.dse.quantizer.activation import Operand
from macwright.hw.accelerator.network import level_unit
from macwright.hw.errors import RefusedInput
from macwright.hw.formats import Format, IntFormat

__all__ = ["Request", "operand_request", "range_request"]


@dataclass(frozen=True, kw_only=True)
class Request:
    """Codes of a tensor.

    Parameters
    ----------
    format : Format
        Format of the codes.
    scale : float
        Value of one level.
    zero : int
        Level of 0.
    low, high : int
        Least and greatest level.
    """

    format: Format
    scale: float
    zero: int
    low: int
    high: int

    def levels(self, numbers: np.ndarray) -> np.ndarray:
        """Levels of numbers, rounded and bounded, int64."""
        unit = level_unit(self.format)
        steps = np.asarray(numbers, np.float64) / self.scale + self.zero
        levels = np.rint(np.asarray(self.format.quantize(steps * unit)) / unit)
        return np.clip(levels, self.low, self.high).astype(np.int64)

    def clipped(self, low: float, high: float) -> "Request":
        """The same after numbers are kept between bounds, which may be infinite."""
        bounds = self.levels(np.clip([low, high], -1e30, 1e30))
        return replace(self, low=int(bounds[0]), high=int(bounds[1]))


def operand_request(operand: Operand, layer: str) -> Request:
    """Codes that a layer reads.

    Raises
    ------
    ValueError
        If its activations have no one fixed scale.
    """
    if operand.rotation > 1:
        raise RefusedInput(
            f"Activations of layer {layer} must have no Hadamard transform in an integer network, "
            f"not one of {operand.rotation} channels"
        )
    if not operand.by_value or operand.channels is not None:
        what = "scales for each sample" if operand.dynamic else str(operand.format)
        what = "scales for each channel" if operand.channels is not None else what
        raise RefusedInput(
            f"Activations of layer {layer} must have one fixed scale in an integer network, "
            f"not {what}"
        )
    fmt, unit = operand.format, level_unit(operand.format)
    return Request(
        format=fmt,
        scale=float(operand.scale) * unit,
        zero=round(operand.zero / unit),
        low=int(fmt.min / unit),
        high=int(fmt.max / unit),
    )


def range_request(low: float, high: float, bits: int, *, offset: bool = False) -> Request:
    """Integers of so many bits that just hold numbers of a range.

    Parameters
    ----------
    low, high : float
        Smallest and largest number.
    bits : int
        Width.
    offset : bool
        Whether another level than 0 may stand for 0: for tables, which do not mind.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    fmt = IntFormat(bits, signed=low < 0 and not offset)
    if offset:
        scale = (high - low) / fmt.max or 1.0
        zero = int(np.clip(np.rint(-low / scale), 0, fmt.max))
    else:
        scale, zero = max(high, -low) / fmt.max or 1.0, 0
    return Request(format=fmt, scale=float(scale), zero=zero, low=fmt.min, high=fmt.max)
