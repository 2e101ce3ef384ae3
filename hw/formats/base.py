"""What every number format offers, and what they share."""

from abc import ABC, abstractmethod
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from macwright.hw.errors import RefusedInput, RefusedType
from macwright.hw.formats.rounding import as_float

__all__ = ["Format", "SymmetricFormat"]

#: Widest format whose values are kept in a table.
TABLE_WIDTH = 16


class Format(ABC):
    """Number format: what a code word of so many bits stands for.

    Formats are immutable values: equal where all fields are equal, hashable, and
    ``parse_format(str(fmt)) == fmt``, which is how they show themselves.

    Attributes
    ----------
    width : int
        Bits in a code word.
    signed : bool
        Whether there are negative values.
    block : int
        Values that share a scale; 1 for formats without one.

    Examples
    --------
    >>> from macwright.hw.formats import parse_format
    >>> fmt = parse_format("e2m1fn")
    >>> fmt
    parse_format('e2m1fn')
    >>> fmt.levels()
    array([-6. , -4. , -3. , -2. , -1.5, -1. , -0.5,  0. ,  0.5,  1. ,  1.5,
            2. ,  3. ,  4. ,  6. ])
    >>> fmt.encode([0.6, -100.0]), fmt.quantize([0.6, -100.0])
    (array([ 1, 15]), array([ 0.5, -6. ]))
    """

    width: int
    signed: bool
    block: int = 1

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        # A dataclass writes its own, of all fields, where the class has none.
        if "__repr__" not in cls.__dict__:
            cls.__repr__ = Format.__repr__

    @abstractmethod
    def __str__(self) -> str:
        """Name that `parse_format` reads."""

    def __repr__(self) -> str:
        return f"parse_format({str(self)!r})"

    @property
    @abstractmethod
    def min(self) -> float:
        """Smallest finite value."""

    @property
    @abstractmethod
    def max(self) -> float:
        """Largest finite value."""

    @property
    def bits_per_value(self) -> float:
        """Bits that one value occupies in memory, its part of the block's scale included."""
        return float(self.width)

    @property
    def has_nan(self) -> bool:
        """Whether some code word is not a number."""
        return False

    @property
    def has_inf(self) -> bool:
        """Whether some code word is an infinity."""
        return False

    @property
    def smallest_positive(self) -> float:
        """Smallest value above zero."""
        levels = self.levels()
        return float(levels[levels > 0][0]) if self.max > 0 else 0.0

    @property
    def level_count(self) -> int:
        """Number of finite values; both zeros count as one."""
        return len(self.levels())

    def levels(self) -> NDArray[np.float64]:
        """Finite values, each once, in rising order; both zeros count as one.

        Returns
        -------
        ndarray of float64, shape (n_levels,)

        Raises
        ------
        ValueError
            If the format is wider than 16 bits.
        """
        self._check_table("Levels")
        table = _value_table(self)
        return np.unique(table[np.isfinite(table)] + 0.0)

    def decode(self, codes: ArrayLike) -> NDArray[np.float64]:
        """Value of each code word, exact in float64.

        Parameters
        ----------
        codes : array_like of int, any shape
            Code words, ``0 <= code < 2**width``.

        Returns
        -------
        ndarray of float64, same shape

        Raises
        ------
        ValueError
            If a code word is out of range, or the format is too wide for float64.
        """
        array = np.asarray(codes)
        if array.dtype.kind not in "iub" and array.size:
            raise RefusedType(f"Code words must be integers, not {array.dtype}")
        array = array.astype(np.int64, copy=False)
        if array.size and (array.min() < 0 or array.max() >> self.width):
            wrong = array.min() if array.min() < 0 else array.max()
            raise RefusedInput(
                f"Code words of {self} must be from 0 to {(1 << self.width) - 1}, not {wrong}"
            )
        if self.width <= TABLE_WIDTH:
            return _value_table(self)[array]
        return self._decode(np.atleast_1d(array)).reshape(array.shape)

    def encode(
        self,
        values: ArrayLike,
        *,
        rounding: str = "nearest",
        saturate: bool = True,
        rng: np.random.Generator | None = None,
    ) -> NDArray[np.int64]:
        """Code word of each value, rounded; parameters as in `quantize`.

        Returns
        -------
        ndarray of int64, same shape
            Code words, ``0 <= code < 2**width``.

        Raises
        ------
        ValueError
            Where `quantize` does, and for a NaN that the format cannot hold.
        """
        # A wider copy is exact, so that the one rounding is that of quantize.
        with np.errstate(invalid="ignore"):  # a signalling NaN
            wide = as_float(values).astype(np.float64, copy=False)
        grid = self.quantize(wide, rounding=rounding, saturate=saturate, rng=rng)
        if not self.has_nan and np.isnan(grid).any():
            raise RefusedInput(f"Values of {self} must be numbers, not NaN")
        return self._encode(np.atleast_1d(grid).astype(np.float64, copy=False)).reshape(grid.shape)

    @abstractmethod
    def quantize(
        self,
        values: ArrayLike,
        *,
        rounding: str = "nearest",
        saturate: bool = True,
        rng: np.random.Generator | None = None,
        axis: int = -1,
    ) -> NDArray[np.floating]:
        """Round to the values of the format, at scale one (block formats choose their scales).

        Parameters
        ----------
        values : array_like, any shape
            Numbers; float16, float32 and float64 arrays keep their type, others become float64.
        rounding : {"nearest", "toward_zero", "stochastic"}
            To nearest with ties to the even code word; toward zero; or up or down with
            probabilities that make the mean exact.
        saturate : bool
            Whether what is too large, infinities included, becomes the largest value. Otherwise
            it becomes infinity, or NaN, in formats that have them (as in ml_dtypes); formats that
            have neither saturate all the same.
        rng : numpy.random.Generator, optional
            Source of random numbers, needed for stochastic rounding.
        axis : int
            Axis along which blocks lie; of no effect in formats without blocks.

        Returns
        -------
        ndarray of float, same shape
            NaN stays NaN (but see `FloatFormat`).

        Raises
        ------
        ValueError
            If `rounding` is unknown, or is stochastic and `rng` is missing.
        """

    @abstractmethod
    def _decode(self, codes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Value of each code word; the codes are in range."""

    @abstractmethod
    def _encode(self, grid: NDArray[np.float64]) -> NDArray[np.int64]:
        """Code word of each value of the format."""

    def _repr_html_(self) -> str:
        """Table for notebooks."""
        specials = [name for name, has in (("inf", self.has_inf), ("NaN", self.has_nan)) if has]
        rows = {
            "bits of a code word": self.width,
            "bits of a value in memory": f"{self.bits_per_value:g}",
            "smallest and largest value": f"{self.min:g} to {self.max:g}",
            "values in a block": self.block,
            "special values": ", ".join(specials) or "none",
        }
        cells = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in rows.items())
        return f"<table><caption>{self}</caption>{cells}</table>"

    def _check_table(self, what: str) -> None:
        if self.width > TABLE_WIDTH:
            raise RefusedInput(f"{what} need a format of at most {TABLE_WIDTH} bits, not {self}")


class SymmetricFormat(Format):
    """Base of formats that have the negative of every value."""

    @property
    def min(self) -> float:
        """Smallest finite value."""
        return -self.max


@lru_cache(maxsize=256)
def _value_table(fmt: Format) -> NDArray[np.float64]:
    """Value of every code word, shape (2**width,)."""
    table = fmt._decode(np.arange(1 << fmt.width, dtype=np.int64))
    table.flags.writeable = False
    return table
