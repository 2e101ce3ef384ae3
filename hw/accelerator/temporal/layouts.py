"""How frames come into a temporal machine and results go out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ResultLayout", "SourceLayout"]

_Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class SourceLayout:
    """How frames come in, and become a tensor.

    Words of few channels that only one dense layer reads are *joined*: a word of memory has all
    columns of one of its windows, and as many of its rows as are `stacked`, the lowest one first.
    Columns after the input take a cycle each, also in the rows below it that are written.

    Parameters
    ----------
    edge : str
        Edge of the network.
    bits, lanes : int
        Of a code, and codes of a word of the stream.
    words : int
        Words of a position.
    height, width : int
        Positions of a frame.
    tensor : str
        Tensor that they become.
    tables : ndarray of int64, shape (lanes, 2**bits)
        Code in memory for each code that comes.
    joined : int
        Columns in a word of memory; 1 if nothing is joined.
    stacked : int
        Rows in a word of memory.
    below : int
        Rows after the input that have words of memory.
    before : int
        Columns before the input in the first word of a row.
    windows : int
        Words of memory of a row.
    pad : int
        Code beside the input.
    """

    edge: str
    bits: int
    lanes: int
    words: int
    height: int
    width: int
    tensor: str
    tables: _Ints
    joined: int = 1
    stacked: int = 1
    below: int = 0
    before: int = 0
    windows: int
    pad: int = 0

    @property
    def frame_words(self) -> int:
        """Words of a frame."""
        return self.words * self.height * self.width

    @property
    def beyond(self) -> int:
        """Columns after the input that the last word of a row has."""
        return max(0, self.windows + self.joined - 1 - self.before - self.width)

    @property
    def cycles(self) -> int:
        """Cycles in which a frame comes in."""
        columns = self.width + self.beyond
        return self.frame_words + self.height * self.beyond + self.below * columns


@dataclass(frozen=True, kw_only=True)
class ResultLayout:
    """How results go out, one channel after the other.

    Parameters
    ----------
    edge : str
        Edge of the network.
    bits : int
        Of a code word.
    base : int
        What is added to a code to give the level.
    channels, lanes : int
        Of a position, and of a word of memory.
    positions : int
        Positions.
    """

    edge: str
    bits: int
    base: int
    channels: int
    lanes: int
    positions: int

    @property
    def words(self) -> int:
        """Words of memory of a position."""
        return -(-self.channels // self.lanes)
