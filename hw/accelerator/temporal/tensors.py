"""Tensors in the activation memory: their codes, their words, and where they lie."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from macwright.hw.accelerator.network import Edge, Network, Pad
from macwright.hw.errors import RefusedInput
from macwright.hw.formats import FixedFormat, IntFormat, TernaryFormat

__all__ = ["Tensor", "allocate", "code_range", "tensor_of"]


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A tensor as the machine stores it: word by word of its channels, each a plane of positions.

    Parameters
    ----------
    name : str
        Edge of the network.
    base : int
        Level that code 0 stands for, even.
    bits : int
        Of the largest code.
    channels, height, width : int
        Shape.
    lanes : int
        Channels of a word.
    """

    name: str
    base: int
    bits: int
    channels: int
    height: int
    width: int
    lanes: int

    @property
    def words(self) -> int:
        """Words of a position."""
        return -(-self.channels // self.lanes)

    @property
    def plane(self) -> int:
        """Positions."""
        return self.height * self.width

    @property
    def size(self) -> int:
        """Words of memory."""
        return self.words * self.plane

    def taken(self, word: int) -> int:
        """Channels in a word."""
        return min(self.lanes, self.channels - word * self.lanes)


def code_range(network: Network, edge: Edge) -> tuple[int, int]:
    """Base of a tensor and bits of its codes: of all levels that it has and that pad it.

    Raises
    ------
    RefusedInput
        If its format is not one of integers.
    """
    if not isinstance(edge.format, IntFormat | FixedFormat | TernaryFormat):
        raise RefusedInput(
            f"Edge {edge.name} must be of integers in a temporal machine, not {edge.format}"
        )
    low, high = network.ranges[edge.name]
    levels = [low, high, edge.zero]
    levels += [n.level for n in network.readers[edge.name] if isinstance(n, Pad)]
    base = min(levels) // 2 * 2
    return base, max(1, (max(levels) - base).bit_length())


def tensor_of(network: Network, name: str, lanes: int) -> Tensor:
    """Tensor of an edge.

    Raises
    ------
    RefusedInput
        If it has more than two spatial axes, or other levels than integers.
    """
    edge = network.edge(name)
    channels, *sizes = edge.shape
    if len(sizes) > 2:
        raise RefusedInput(
            f"Edge {name} must have two spatial axes at most in a temporal machine, not "
            f"{len(sizes)}"
        )
    height, width = [1, 1, *sizes][-2:]
    base, bits = code_range(network, edge)
    return Tensor(
        name=name, base=base, bits=bits, channels=channels, height=height, width=width, lanes=lanes
    )


def allocate(
    sizes: Mapping[str, int], born: Mapping[str, int], last: Mapping[str, int]
) -> tuple[dict[str, int], int]:
    """Addresses of tensors, and words of the memory: the lowest place that is free.

    Tensors are placed as they are written, or the largest first if that takes fewer words.

    Parameters
    ----------
    sizes : mapping
        Words of each tensor.
    born, last : mapping
        Step in which it is written, and the last one in which it is read.

    Examples
    --------
    >>> allocate({"a": 3, "b": 2, "c": 3}, {"a": 0, "b": 1, "c": 2}, {"a": 1, "b": 2, "c": 3})
    ({'a': 0, 'b': 3, 'c': 0}, 5)
    """
    orders = (
        sorted(sizes, key=lambda tensor: (born[tensor], -sizes[tensor], tensor)),
        sorted(sizes, key=lambda tensor: (-sizes[tensor], born[tensor], tensor)),
    )
    ways = [_placed(order, sizes, born, last) for order in orders]
    return min(ways, key=lambda way: way[1])


def _placed(
    order: Sequence[str],
    sizes: Mapping[str, int],
    born: Mapping[str, int],
    last: Mapping[str, int],
) -> tuple[dict[str, int], int]:
    """The same in a given order."""
    placed: dict[str, int] = {}
    for name in order:
        taken: Sequence[tuple[int, int]] = sorted(
            (placed[other], placed[other] + sizes[other])
            for other in placed
            if born[other] <= last[name] and born[name] <= last[other]
        )
        at = 0
        for begin, end in taken:
            if at + sizes[name] <= begin:
                break
            at = max(at, end)
        placed[name] = at
    return placed, max(placed[name] + sizes[name] for name in placed)
