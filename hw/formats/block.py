"""Block formats: values in runs that share a scale (OCP MX, NVFP4, block floating point)."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from macwright.hw.errors import RefusedInput, RefusedType
from macwright.hw.formats.base import Format
from macwright.hw.formats.integer import IntFormat
from macwright.hw.formats.minifloat import FloatFormat
from macwright.hw.formats.rounding import CHUNK, as_float, check_rounding
from macwright.hw.formats.scaled import E8M0Format, FixedFormat

__all__ = ["PRESETS", "BlockCodes", "BlockFormat"]

#: Fields of the formats that have names of their own.
PRESETS = {
    "mxfp8e4m3": (FloatFormat(4, 3, specials="fn"), 32, E8M0Format()),
    "mxfp8e5m2": (FloatFormat(5, 2), 32, E8M0Format()),
    "mxfp6e3m2": (FloatFormat(3, 2, specials="none"), 32, E8M0Format()),
    "mxfp6e2m3": (FloatFormat(2, 3, specials="none"), 32, E8M0Format()),
    "mxfp4": (FloatFormat(2, 1, specials="none"), 32, E8M0Format()),
    "mxint8": (FixedFormat(IntFormat(8), 6), 32, E8M0Format()),
    "nvfp4": (FloatFormat(2, 1, specials="none"), 16, FloatFormat(4, 3, specials="fn")),
}
_NAMES = {fields: name for name, fields in PRESETS.items()}


class BlockCodes(NamedTuple):
    """An array in a block format, as it is stored.

    Attributes
    ----------
    codes : ndarray of int64
        Element code words, in the shape of the values.
    scales : ndarray of int64
        Scale code words, in the shape of the values with the blocked axis as long as there are
        blocks; the last block may be shorter than the others.
    tensor_scale : float
        What multiplies all values; 1 where the scales are powers of two.

    Examples
    --------
    >>> from macwright.hw.formats import parse_format
    >>> fmt = parse_format("mxfp4")
    >>> stored = fmt.encode_blocks([0.5, 3.0, -6.0, 12.0])
    >>> stored.codes, stored.scales
    (array([ 0,  3, 13,  7]), array([128]))
    >>> fmt.decode_blocks(stored)
    array([ 0.,  3., -6., 12.])
    """

    codes: NDArray[np.int64]
    scales: NDArray[np.int64]
    tensor_scale: float


@dataclass(frozen=True)
class BlockFormat(Format):
    """Runs of `block` elements along an axis that share a scale.

    A value is element times scale (times the tensor's scale). How scales are chosen:

    - `scale` is `E8M0Format` (OCP Microscaling Formats v1.0, section 6.3; also block floating
      point): the largest power of two that is not above the block's largest magnitude, divided by
      the largest power of two of the element format, within 2**-127 to 2**127. What is then too
      large for an element saturates.
    - `scale` is a `FloatFormat` (NVFP4): the tensor's scale is float32 of its largest magnitude
      divided by ``element.max * scale.max`` (1 for a tensor of zeros); the block's is its
      largest magnitude divided by ``element.max`` and the tensor's scale, rounded to nearest.

    A block with an infinity or a NaN in it gets the scale NaN, which makes all of it NaN, as the
    MX standard says of that scale. `width`, `levels`, `decode` and `encode` are the element's, at
    scale one; `quantize`, `encode_blocks` and `decode_blocks` deal with whole arrays.

    Parameters
    ----------
    element : FloatFormat or FixedFormat
        Format of the elements.
    block : int
        Elements in a block, 2 to 4096.
    scale : E8M0Format or FloatFormat
        Format of the scales.

    Examples
    --------
    >>> fmt = BlockFormat(FloatFormat(2, 1, specials="none"), 32, E8M0Format())
    >>> str(fmt), fmt.bits_per_value
    ('mxfp4', 4.25)
    >>> fmt.quantize([7.0, 1.3, 0.2]).tolist()
    [6.0, 1.5, 0.0]
    """

    element: FloatFormat | FixedFormat
    block: int = 32
    scale: E8M0Format | FloatFormat = E8M0Format()  # noqa: RUF009 (a frozen value)

    def __post_init__(self) -> None:
        if not isinstance(self.element, FloatFormat | FixedFormat):
            raise RefusedType(
                f"Block elements must be a FloatFormat or FixedFormat, not {self.element!r}"
            )
        if not self.element.signed or not 2 <= self.element.width <= 16:
            raise RefusedInput(
                f"Block elements must be signed and of 2 to 16 bits, not {self.element}"
            )
        if not isinstance(self.scale, E8M0Format | FloatFormat):
            raise RefusedType(f"Block scales must be E8M0 or a FloatFormat, not {self.scale!r}")
        if not self.scale.has_nan or self.scale.width > 16:
            raise RefusedInput(
                f"Block scales must have at most 16 bits and a NaN, not be {self.scale}"
            )
        if type(self.block) is not int or not 2 <= self.block <= 4096:
            raise RefusedInput(f"Blocks must be of 2 to 4096 elements, not {self.block!r}")

    @property
    def width(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Bits in an element's code word, without the scale."""
        return self.element.width

    @property
    def signed(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether there are negative values: always."""
        return True

    @property
    def min(self) -> float:
        """Smallest finite value of an element, at scale one."""
        return self.element.min

    @property
    def max(self) -> float:
        """Largest finite value of an element, at scale one."""
        return self.element.max

    @property
    def has_nan(self) -> bool:
        """Whether some element is not a number."""
        return self.element.has_nan

    @property
    def has_inf(self) -> bool:
        """Whether some element is an infinity."""
        return self.element.has_inf

    @property
    def bits_per_value(self) -> float:
        """Bits of an element and its part of the scale; a tensor's one scale is not counted."""
        return self.element.width + self.scale.width / self.block

    @property
    def max_exponent(self) -> int:
        """Exponent of the largest power of two of the element format."""
        return math.frexp(self.element.max)[1] - 1

    def quantize(
        self,
        values: ArrayLike,
        *,
        rounding: str = "nearest",
        saturate: bool = True,
        rng: np.random.Generator | None = None,
        axis: int = -1,
    ) -> NDArray[np.floating]:
        """Choose the scale of each block, round its elements, and scale them back.

        Parameters as in `Format.quantize`; `rounding` and `saturate` are of the elements, scales
        are always rounded to nearest. Results are exact but for float16 and float32 subnormals.

        Returns
        -------
        ndarray of float, same shape
        """
        check_rounding(rounding, rng)
        source = np.asarray(values)
        blocks = _split(as_float(source), axis, self.block)
        tensor_scale = self._tensor_scale(blocks)
        # Scaling by powers of two is exact in float32 too, where the exponents fit.
        narrow = isinstance(self.scale, E8M0Format) and -64 <= self.max_exponent <= 64
        dtype = blocks.dtype if narrow else np.dtype(np.float64)
        result = np.empty_like(blocks)
        step = max(1, CHUNK // self.block)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            for start in range(0, len(blocks), step):
                # Transposed, so that the long axis is the inner one.
                piece = np.array(blocks[start : start + step].T, dtype=dtype, order="C")
                largest = np.max(np.abs(piece), axis=0).astype(np.float64)
                scale = self._scales(largest, tensor_scale) * tensor_scale
                scale[largest == 0] = 0  # any other would do, but 2**-127 is slow
                divisor = np.where(scale == 0, np.inf, scale)
                if narrow:
                    piece *= (1 / divisor).astype(dtype)
                else:
                    piece /= divisor
                grid = self.element.quantize(piece, rounding=rounding, saturate=saturate, rng=rng)
                grid *= scale.astype(dtype)
                result[start : start + step] = grid.T
            joined = _join(result, source.shape, axis)
            return joined.astype(source.dtype if source.dtype.kind == "f" else joined.dtype)

    def encode_blocks(
        self,
        values: ArrayLike,
        *,
        rounding: str = "nearest",
        saturate: bool = True,
        rng: np.random.Generator | None = None,
        axis: int = -1,
    ) -> BlockCodes:
        """Code words of elements and scales; parameters as in `quantize`.

        Elements of blocks whose scale is NaN have code word 0.

        Returns
        -------
        BlockCodes
        """
        check_rounding(rounding, rng)
        source = np.asarray(values)
        blocks = _split(as_float(source).astype(np.float64), axis, self.block)
        tensor_scale = self._tensor_scale(blocks)
        scales = self._scales(np.max(np.abs(blocks), axis=1, initial=0), tensor_scale)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            divisor = np.where((scales == 0) | np.isnan(scales), np.inf, scales * tensor_scale)
            scaled = np.where(np.isnan(scales)[:, np.newaxis], 0, blocks) / divisor[:, np.newaxis]
        codes = self.element.encode(scaled, rounding=rounding, saturate=saturate, rng=rng)
        shape = list(np.atleast_1d(source).shape)
        shape[axis] = -(-shape[axis] // self.block)
        return BlockCodes(
            _join(codes, source.shape, axis),
            _join(self.scale.encode(scales)[:, np.newaxis], tuple(shape), axis),
            tensor_scale,
        )

    def decode_blocks(self, stored: BlockCodes, *, axis: int = -1) -> NDArray[np.float64]:
        """Values of what `encode_blocks` returned, with the same `axis`.

        Returns
        -------
        ndarray of float64, shape of ``stored.codes``
        """
        scales = np.repeat(self.scale.decode(stored.scales), self.block, axis=axis)
        codes = np.asarray(stored.codes)
        scales = np.take(scales, np.arange(codes.shape[axis]), axis=axis)
        return self.element.decode(codes) * (scales * stored.tensor_scale)

    def _tensor_scale(self, blocks: NDArray[np.floating]) -> float:
        """Scale of the whole array: float32, or 1 where block scales are powers of two."""
        if isinstance(self.scale, E8M0Format) or not blocks.size:
            return 1.0
        finite = np.where(np.isfinite(blocks), np.abs(blocks), 0)
        largest = float(finite.max())
        scale = float(np.float32(largest / (self.element.max * self.scale.max)))
        return scale if 0 < scale < math.inf else 1.0

    def _scales(self, largest: NDArray[np.float64], tensor_scale: float) -> NDArray[np.float64]:
        """Scale of each block without the tensor's, from its largest magnitude."""
        largest = np.where(np.isinf(largest), np.nan, largest)
        if isinstance(self.scale, E8M0Format):
            exponent = np.frexp(largest)[1] - 1 - self.max_exponent
            scales = np.ldexp(1.0, np.clip(np.where(largest == 0, -127, exponent), -127, 127))
            return np.where(np.isnan(largest), np.nan, scales)
        scales = self.scale.quantize(largest / (self.element.max * tensor_scale))
        return scales.astype(np.float64, copy=False)

    def _decode(self, codes: NDArray[np.int64]) -> NDArray[np.float64]:
        return self.element._decode(codes)

    def _encode(self, grid: NDArray[np.float64]) -> NDArray[np.int64]:
        return self.element._encode(grid)

    def __str__(self) -> str:
        name = _NAMES.get((self.element, self.block, self.scale))
        if name:
            return name
        element = self.element
        suffix = "" if isinstance(self.scale, E8M0Format) else f"s{self.scale}"
        if isinstance(element, FixedFormat) and not element.integer.symmetric:
            if not suffix and element.fraction == element.width - 2:
                return f"bfp{element.width}x{self.block}"
        return f"{element}x{self.block}{suffix}"


def _split(array: NDArray[np.floating], axis: int, block: int) -> NDArray[np.floating]:
    """Blocks along the axis, the last filled up with zeros, shape (n_blocks, block)."""
    rows = np.moveaxis(np.atleast_1d(array), axis, -1)
    missing = -rows.shape[-1] % block
    if missing:
        rows = np.pad(rows, [(0, 0)] * (rows.ndim - 1) + [(0, missing)])
    return np.ascontiguousarray(rows).reshape(-1, block)


def _join(blocks: NDArray, shape: tuple[int, ...], axis: int) -> NDArray:
    """Array of that shape from its blocks, the inverse of `_split`."""
    moved = np.moveaxis(np.empty(shape or (1,), dtype=bool), axis, -1).shape
    length = -(-moved[-1] // blocks.shape[1]) * blocks.shape[1]
    rows = blocks.reshape(*moved[:-1], length)[..., : moved[-1]]
    return np.ascontiguousarray(np.moveaxis(rows, -1, axis)).reshape(shape)
