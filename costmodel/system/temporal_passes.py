"""Passes of the temporal machine: what the array does for each layer.

Words of this module are those of :mod:`macwright.costmodel.system.temporal_cycles`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from macwright.hw.errors import RefusedInput

__all__ = ["Pass", "addition", "check_count", "dense", "depthwise", "largest"]


@dataclass(frozen=True, kw_only=True)
class Pass:
    """What the array does for one layer and one result.

    Parameters
    ----------
    mode : {"dense", "depthwise", "largest"}
        How rows and columns are used.
    height, width : int
        Positions of the output.
    words : int
        Words of output channels.
    taps : tuple of int
        Taps of each step, at least 1; dense: at most C.
    """

    mode: Literal["dense", "depthwise", "largest"]
    height: int
    width: int
    words: int
    taps: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.mode not in ("dense", "depthwise", "largest"):
            raise RefusedInput(f"Mode must be dense, depthwise or largest, not {self.mode!r}")
        for name in ("height", "width", "words"):
            check_count(f"Pass {name}", getattr(self, name))
        if not self.taps:
            raise RefusedInput("Taps of a pass must be those of one step or more, not none")
        for taps in self.taps:
            check_count("Taps of a step", taps)


def dense(
    *,
    height: int,
    width: int,
    in_channels: int,
    out_channels: int,
    columns: int,
    kernel: Sequence[int] = (1, 1),
    joined: int = 0,
    split: int = 1,
) -> Pass:
    """Convolution over all input channels, or fully connected layer (1 by 1 positions).

    Parameters
    ----------
    height, width : int
        Positions of the output.
    in_channels, out_channels : int
        Channels; a convolution of several groups that is not depthwise counts all of them.
    columns : int
        C.
    kernel : (int, int)
        Taps along each axis.
    joined : int
        Rows of a window of which a word of the input has all columns; 0 if it has channels only.
    split : int
        Weights that a unit uses in a cycle.
    """
    if joined:
        row = in_channels * kernel[1]
        if joined * row > columns:
            raise RefusedInput(
                f"Channels times kernel width times rows must fit {columns} columns to be joined, "
                f"not be {joined * row}"
            )
        taps = _pieces(kernel[0] * row, joined * row)
    else:
        taps = _pieces(in_channels, columns) * (kernel[0] * kernel[1])
    taps = tuple(min(n, columns // split) for n in taps)
    return Pass(
        mode="dense", height=height, width=width, words=-(-out_channels // columns), taps=taps
    )


def depthwise(
    *,
    height: int,
    width: int,
    channels: int,
    columns: int,
    kernel: Sequence[int],
    stride: int = 1,
    parts: int = 1,
) -> Pass:
    """Depthwise convolution or average pool.

    Parameters
    ----------
    height, width, channels : int
        Output.
    columns : int
        C.
    kernel : (int, int)
        Taps along each axis; the width with the gaps of a dilation.
    stride : int
        Along the width.
    parts : int
        2 where the input has more bits than the PEs take.
    """
    phases = [len(range(phase, kernel[1], stride)) for phase in range(min(stride, kernel[1]))]
    return Pass(
        mode="depthwise",
        height=height,
        width=width,
        words=-(-channels // columns),
        taps=tuple(phases * (kernel[0] * parts)),
    )


def addition(
    *, height: int, width: int, channels: int, columns: int, parts: Sequence[int] = (1, 1)
) -> Pass:
    """Sum of two tensors; `parts` of each as for `depthwise`."""
    return Pass(
        mode="depthwise",
        height=1,
        width=height * width,
        words=-(-channels // columns),
        taps=(1,) * sum(parts),
    )


def largest(*, height: int, width: int, channels: int, columns: int, kernel: Sequence[int]) -> Pass:
    """Max pooling; for each kernel row one step over its width."""
    return Pass(
        mode="largest",
        height=height,
        width=width,
        words=-(-channels // columns),
        taps=(kernel[1],) * kernel[0],
    )


def _pieces(whole: int, most: int) -> tuple[int, ...]:
    """A number as a sum of the largest one and a rest."""
    rest = whole % most
    return (most,) * (whole // most) + ((rest,) if rest else ())


def check_count(name: str, value: int) -> None:
    """Refuse what is no number of at least 1."""
    if type(value) is not int or value < 1:
        raise RefusedInput(f"{name} must be an integer of at least 1, not {value!r}")
