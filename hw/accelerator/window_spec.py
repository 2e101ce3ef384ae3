"""Windows over a tensor: what is read, when it must be there, and when it may be overwritten."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from macwright.hw.accelerator.storage import StorageSpec
from macwright.hw.accelerator.stream import check_count
from macwright.hw.errors import RefusedInput

__all__ = ["WindowSpec"]

Pair = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class WindowSpec(StorageSpec):
    """Everything that fixes a :class:`~macwright.hw.accelerator.window.Window`.

    Parameters
    ----------
    height, width, channels : int
        Tensor that comes in; a height of 1 makes windows of one axis.
    kernel, stride, dilation : (int, int)
        Along height and width.
    pads : (int, int, int, int)
        Positions beside the tensor: top, left, bottom, right.
    pad_code : int
        Code of a channel there.
    folds : int
        Groups of channels that are walked through one after the other: the groups of a grouped
        convolution by those computed at a time.
    passes : int
        How often a window is read: output channels of a group by those computed at a time.

    Notes
    -----
    For every position, in raster order: for every fold, for every pass, for every row and column of
    the kernel, the channels of the fold, `read_lanes` a beat. A *sum* is the beats of a pass.

    Examples
    --------
    >>> spec = WindowSpec(bits=4, write_lanes=1, read_lanes=2, depth=40, height=5, width=6,
    ...                   channels=4, kernel=(3, 3), pads=(1, 1, 1, 1), passes=2)
    >>> spec.outputs, spec.beats, spec.sums, spec.least_depth
    ((5, 6), 18, 60, 30)
    """

    height: int
    width: int
    channels: int
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    pad_code: int = 0
    folds: int = 1
    passes: int = 1

    #: Cycles from a beat to the one in which its channels are there: address, memory, register.
    latency = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("height", "width", "channels", "folds", "passes"):
            check_count(f"Window {name}", getattr(self, name))
        for name in ("kernel", "stride", "dilation"):
            for size in getattr(self, name):
                check_count(f"Window {name}", size)
        for pad in self.pads:
            check_count("Pads of a window", pad, least=0)
        if min(self.outputs) < 1:
            raise RefusedInput(
                f"Window must fit into its padded tensor of {self.height} x {self.width} with pads "
                f"{self.pads}, not be {self.kernel} with dilation {self.dilation}"
            )
        if self.channels % self.stored.lanes:
            raise RefusedInput(
                f"Lanes of a word must divide the {self.channels} channels, not be "
                f"{self.stored.lanes}"
            )
        if self.channels % (self.folds * self.read_lanes):
            raise RefusedInput(
                f"Folds times lanes must divide the {self.channels} channels of a window, not be "
                f"{self.folds} x {self.read_lanes}"
            )
        if not 0 <= self.pad_code < 1 << self.bits:
            raise RefusedInput(f"Pad code must have {self.bits} bits, not be {self.pad_code!r}")
        if self.written_words % self.burst:
            raise RefusedInput(
                f"Words of a burst must divide the {self.written_words} of a tensor, not be "
                f"{self.burst}"
            )
        if self.depth < self.least_depth:
            raise RefusedInput(
                f"Depth of a window must be at least {self.least_depth} words, not {self.depth}"
            )

    @property
    def span(self) -> Pair:
        """Rows and columns from the first tap to the last."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True))  # type: ignore[return-value]

    @property
    def outputs(self) -> Pair:
        """Positions of the window along height and width."""
        top, left, bottom, right = self.pads
        rows = (self.height + top + bottom - self.span[0]) // self.stride[0] + 1
        return rows, (self.width + left + right - self.span[1]) // self.stride[1] + 1

    @property
    def chunks(self) -> int:
        """Beats of a tap."""
        return self.channels // (self.folds * self.read_lanes)

    @property
    def beats(self) -> int:
        """Beats of a sum."""
        return self.kernel[0] * self.kernel[1] * self.chunks

    @property
    def sums(self) -> int:
        """Sums of a frame."""
        return self.outputs[0] * self.outputs[1] * self.folds * self.passes

    @property
    def written_words(self) -> int:
        """Words that are written for a frame."""
        return self.height * self.width * self.channels // self.write_lanes

    @property
    def position_words(self) -> int:
        """Words of the memory that a position of the tensor takes."""
        return self.channels // self.stored.lanes

    def rows_of(self, axis: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First row (column) of the tensor that a position needs, and the last.

        Parameters
        ----------
        axis : {0, 1}
            Rows or columns.

        Returns
        -------
        first, last : ndarray of int64, shape (positions along the axis,)
            The first is that of the size where the window lies beyond the tensor, and the last -1
            where it lies before.
        """
        size = (self.height, self.width)[axis]
        start = np.arange(self.outputs[axis]) * self.stride[axis] - self.pads[axis]
        taps = start[:, None] + np.arange(self.kernel[axis]) * self.dilation[axis]
        inside = (taps >= 0) & (taps < size)
        first = np.where(inside, taps, size).min(axis=1)
        return first, np.where(inside, taps, -1).max(axis=1)

    @cached_property
    def needs(self) -> NDArray[np.int64]:
        """Words of the memory, from the start of the frame, that must be there for each position.

        Shape (rows, columns). Not always rising: the last columns may lie beside the tensor. A
        window that lies before it waits for its first position, too.
        """
        rows, columns = (np.maximum(self.rows_of(axis)[1], 0) for axis in (0, 1))
        return (rows[:, None] * self.width + columns + 1) * self.position_words

    @cached_property
    def keeps(self) -> NDArray[np.int64]:
        """Words of the memory, from the start of the frame, that no position from there on needs.

        Shape (rows, columns), never falling.
        """
        first, columns = self.rows_of(0)[0], self.rows_of(1)[0]
        later = np.minimum.accumulate(np.append(first, self.height)[::-1])[::-1]
        columns = np.minimum.accumulate(columns[::-1])[::-1]
        count = later[:-1, None] * self.width + columns
        return np.minimum(count, later[1:, None] * self.width) * self.position_words

    @property
    def ahead(self) -> int:
        """Words of the memory, at most, that may be overwritten before they are even written.

        They are those that no window reads, such as a last row that a stride leaves out.
        """
        last = self.height * self.width * self.position_words
        keeps, needs = self.keeps.reshape(-1), self.needs.reshape(-1)
        after = np.append(keeps[1:], last + keeps[0]) - needs
        return max(0, int(keeps[0]), int(after.max()))

    @property
    def least_depth(self) -> int:
        """Fewest words of the memory with which no position waits for ever."""
        bursts = -(-self.needs * self.pack // self.burst) * self.burst
        most = int((bursts - self.keeps * self.pack).max())
        return max(-(-most // self.pack), -(-self.burst // self.pack), 1)
