"""Nodes of an integer network.

All arithmetic is on levels (see `Edge`), exact. A node with sums `t` (convolution, Gemm, addition,
average pool) gives a tensor for each format that a reader wants, always from the sums::

    level = clip(round((t * multiplier[c] + zero * 2**shift) / 2**shift), low, high)

`round` is to the nearest level of the edge's format, halfway to the even code word; `zero` is that
of the edge.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from macwright.hw.errors import RefusedInput

__all__ = ["Node", "Pairs", "Requant", "Shape", "SumNode", "TableOutput"]

Shape = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Requant:
    """From sums to the codes of one edge.

    Parameters
    ----------
    edge : str
        Edge that is produced.
    multiplier : ndarray of int64, shape (channels,) or (1,)
        From 0 to 65535, for each channel (first axis of the result) or for all.
    shift : int
        From 0 to 63.
    low, high : int
        Least and greatest level of the result: the format's, ReLU's or Clip's.
    """

    edge: str
    multiplier: NDArray[np.int64]
    shift: int
    low: int
    high: int


@dataclass(frozen=True, kw_only=True, eq=False)
class TableOutput:
    """Table of one edge.

    Parameters
    ----------
    edge : str
        Edge that is produced.
    codes : ndarray of int64, shape (channels or 1, 2**width of the input)
        Code word of the result for each code word of the input.
    """

    edge: str
    codes: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Node:
    """What all nodes have.

    Parameters
    ----------
    name : str
        Name, unique in the network; that of the ONNX node where there is one.
    """

    kind: ClassVar[str] = ""
    name: str

    @property
    def inputs(self) -> tuple[str, ...]:
        """Edges that are read."""
        return (self.input,)  # type: ignore[attr-defined]

    @property
    def produced(self) -> tuple[str, ...]:
        """Edges that are produced."""
        return (self.output,)  # type: ignore[attr-defined]

    def result_shape(self, *shapes: Shape) -> Shape | None:
        """Shape of the results for those of the inputs, for one sample; None if any will do.

        Raises
        ------
        ValueError
            If the inputs do not fit the node.
        """
        return shapes[0]

    def _check(self, fits: bool, must: str, given: object) -> None:
        if not fits:
            raise RefusedInput(f"Node {self.name} ({self.kind}) must have {must}, not {given}")


@dataclass(frozen=True, kw_only=True, eq=False)
class SumNode(Node):
    """Nodes whose sums are requantised for each reader.

    Parameters
    ----------
    outputs : tuple of Requant
        One for each reader.
    fraction : int
        Bits of the sums `t` below the units of the products: those of the biases.
    """

    outputs: tuple[Requant, ...]
    fraction: int = 0

    @property
    def produced(self) -> tuple[str, ...]:
        """Edges that are produced."""
        return tuple(output.edge for output in self.outputs)
