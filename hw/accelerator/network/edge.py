"""Tensors of codes between the nodes of an integer network."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from macwright.hw.errors import RefusedInput
from macwright.hw.formats import (
    ApotFormat,
    BinaryFormat,
    FixedFormat,
    FloatFormat,
    Format,
    IntFormat,
    PotFormat,
    TernaryFormat,
)

__all__ = ["Edge", "level_unit", "levels_of"]

#: Bits of the largest level.
LARGEST_WIDTH = 48


def level_unit(fmt: Format) -> float:
    """Largest power of two that all values of a format are multiples of.

    A value divided by it is a *level*: an integer, whatever the format.

    Raises
    ------
    ValueError
        If values of the format are no levels, as those of blocks, or the largest has too many bits.

    Examples
    --------
    >>> from macwright.hw.formats import parse_format
    >>> [level_unit(parse_format(name)) for name in ("int4", "int8q6", "e2m1fn")]
    [1.0, 0.015625, 0.5]
    """
    if isinstance(fmt, FloatFormat):
        unit = 2.0 ** (fmt.min_exponent - fmt.man_bits)
    elif isinstance(fmt, FixedFormat):
        unit = 2.0**-fmt.fraction
    elif isinstance(fmt, (IntFormat, TernaryFormat, BinaryFormat, PotFormat, ApotFormat)):
        unit = 1.0
    else:
        raise RefusedInput(
            f"Formats of an integer network must be integers, binary, ternary, powers of two, "
            f"fixed point or minifloats, not {fmt}"
        )
    if fmt.max / unit >= 2.0**LARGEST_WIDTH:
        raise RefusedInput(
            f"Formats of an integer network must span less than {LARGEST_WIDTH} bits as fixed "
            f"point, not {fmt} with {math.log2(fmt.max / unit):.0f}; take fewer exponent bits"
        )
    return unit


def levels_of(fmt: Format, codes: ArrayLike) -> NDArray[np.int64]:
    """Levels of code words.

    Raises
    ------
    ValueError
        If a code word is out of range, or is not a finite number.
    """
    values = fmt.decode(codes)
    if not np.isfinite(values).all():
        raise RefusedInput(f"Code words of {fmt} must be finite numbers in an integer network")
    return (values / level_unit(fmt)).astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class Edge:
    """Tensor of codes.

    A code stands for the level ``value / level_unit(format)`` of its format, and a level for the
    number ``(level - zero) * scale``.

    Parameters
    ----------
    name : str
        Name, unique in the network.
    format : Format
        Format of the codes, without blocks.
    scale : float
        Value of one level, positive.
    zero : int
        Level that stands for 0; padding of convolutions has it.
    shape : tuple of int
        Shape for one sample, channels first: ``(C,)``, ``(C, L)`` or ``(C, H, W)``.
    """

    name: str
    format: Format
    scale: float
    zero: int
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        unit = level_unit(self.format)
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise RefusedInput(
                f"Scale of edge {self.name} must be a positive number, not {self.scale!r}"
            )
        if type(self.zero) is not int or not self.low <= self.zero <= self.high:
            raise RefusedInput(
                f"Zero of edge {self.name} must be a level from {self.low} to {self.high}, "
                f"not {self.zero!r}"
            )
        if not isinstance(self.format, BinaryFormat) and (
            self.format.quantize(self.zero * unit) != self.zero * unit
        ):
            raise RefusedInput(
                f"Zero of edge {self.name} must be a level of {self.format}, not {self.zero}"
            )
        if not self.shape or any(type(size) is not int or size < 1 for size in self.shape):
            raise RefusedInput(
                f"Shape of edge {self.name} must be positive integers, not {self.shape!r}"
            )

    @property
    def level_unit(self) -> float:
        """Value of one level in the format; see `level_unit`."""
        return level_unit(self.format)

    @property
    def low(self) -> int:
        """Smallest level of the format."""
        return int(self.format.min / level_unit(self.format))

    @property
    def high(self) -> int:
        """Largest level of the format."""
        return int(self.format.max / level_unit(self.format))

    @property
    def has_zero(self) -> bool:
        """Whether a code stands for `zero`; only binary codes have none for 0."""
        return not isinstance(self.format, BinaryFormat) or abs(self.zero) == 1

    @property
    def size(self) -> int:
        """Codes of one sample."""
        return math.prod(self.shape)

    def levels(self, codes: ArrayLike) -> NDArray[np.int64]:
        """Levels of code words; see `levels_of`."""
        return levels_of(self.format, codes)

    def codes(self, levels: ArrayLike) -> NDArray[np.int64]:
        """Code words of levels, ``0 <= code < 2**width``."""
        return self.format.encode(np.asarray(levels, np.float64) * level_unit(self.format))

    def numbers(self, levels: ArrayLike) -> NDArray[np.float64]:
        """Numbers that levels stand for."""
        return (np.asarray(levels, np.float64) - self.zero) * self.scale
