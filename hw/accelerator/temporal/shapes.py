"""Windows of layers, as two spatial axes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from macwright.hw.accelerator.network import AveragePool, Conv, MaxPool

__all__ = ["Window", "window_of", "without_ones"]


@dataclass(frozen=True, kw_only=True)
class Window:
    """What a layer slides over its input.

    Parameters
    ----------
    kernel, stride, dilation : (int, int)
        Rows and columns.
    pads : sequence of (int, int)
        Before and after, of rows and of columns; negative where they are left out.
    """

    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    pads: Sequence[tuple[int, int]] = ((0, 0), (0, 0))
    dilation: tuple[int, int] = (1, 1)

    @property
    def origin(self) -> tuple[int, int]:
        """Row and column of the input at the first position."""
        return -self.pads[0][0], -self.pads[1][0]

    @property
    def is_point(self) -> bool:
        """Whether each position reads itself alone."""
        return (self.kernel, self.stride, self.origin) == ((1, 1), (1, 1), (0, 0))


def window_of(node: Conv | AveragePool | MaxPool) -> Window:
    """Window of a node; of one axis, it has one row."""
    spatial = node.weights.shape[2:] if isinstance(node, Conv) else node.kernel
    dilations = getattr(node, "dilations", (1,) * len(spatial))
    return Window(
        kernel=_two(spatial, 1),
        stride=_two(node.strides, 1),
        pads=_two(node.pads, (0, 0)),
        dilation=_two(dilations, 1),
    )


def without_ones(shape: Sequence[int]) -> tuple[int, ...]:
    """A shape without axes of one element at its end."""
    sizes = tuple(shape)
    while len(sizes) > 1 and sizes[-1] == 1:
        sizes = sizes[:-1]
    return sizes


def _two(values: Sequence[Any], fill: Any) -> Any:
    return tuple([fill] * (2 - len(values)) + list(values))
