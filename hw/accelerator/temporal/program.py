"""Programs of the temporal machine: what its controller does, one pass after another.

All numbers that the memories hold are *codes*: level minus the *base* of their tensor, which is
even (so that a tie rounds alike) and not above any of its levels, so that codes are unsigned.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from macwright.hw.accelerator.temporal.layouts import ResultLayout, SourceLayout
from macwright.hw.accelerator.temporal.weight_stream import WeightStreamSpec

__all__ = [
    "FRAME_OVERHEAD",
    "LARGEST_OVERHEAD",
    "LEAST_STEP",
    "OVERHEAD",
    "SETTLED_FRAMES",
    "STREAM_OVERHEAD",
    "LayerPass",
    "Program",
    "Step",
    "Tiling",
]

#: Cycles of the shortest step: the one after it is fetched meanwhile.
LEAST_STEP = 2
#: Cycles from the last step of a pass to the first one of the next, besides positions of the last
#: tile and stages of the unit; and those after a pass of maxima.
OVERHEAD, LARGEST_OVERHEAD = 11, 6
#: Cycles of a frame besides its input, its passes and its results.
FRAME_OVERHEAD = 1
#: Cycles of each pass in which weights from outside are waited for, at least.
STREAM_OVERHEAD = 1
#: Frames after which those that follow take as long, where weights come from outside.
SETTLED_FRAMES = 4
_Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Step:
    """Taps of a window that are done together.

    Parameters
    ----------
    tensor : str
        Tensor that is read.
    offset : int
        Address of the word, from the tensor's first one, for the position at row 0 and column 0.
    down, right : int
        Rows and columns from a position to the word, to find out whether it is outside.
    taps : int
        Cycles with weights: channels of the word (dense), or neighbouring words.
    part : {"whole", "upper", "lower"}
        What is taken of each code: its lowest bits that an array takes, or all above the lowest
        ``Program.low_bits`` ones, or those.
    """

    tensor: str
    offset: int
    down: int
    right: int
    taps: int
    part: str = "whole"


@dataclass(frozen=True)
class Tiling:
    """Tiles of a pass.

    Attributes
    ----------
    words : int
        Words of output channels that are done one after the other.
    groups : int
        Parts of the positions that tiles do not cross.
    tiles : int
        Tiles of a group.
    whole, last : int
        Rows that a tile takes, and that the last one of a group does.
    """

    words: int
    groups: int
    tiles: int
    whole: int
    last: int


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerPass:
    """What the array does for one edge, or for some of its words.

    Parameters
    ----------
    node, edge : str
        Node that is computed, and which of its results.
    base, lanes : int
        Base of the result, and channels of its words.
    mode : {"dense", "connected", "depthwise", "largest"}
        See :mod:`macwright.costmodel.system.temporal_cycles`.
    first_word, words : int
        Words of output channels: the first of the edge, and how many.
    height, width : int
        Positions of the output.
    stride, origin : (int, int)
        Rows and columns of the input between positions, and those of the first position.
    size : (int, int)
        Rows and columns of the input, beyond which `pad` is read.
    plane : int
        Words of memory from a word of input channels to that of the next output word.
    gap : int
        Columns from one word of a step to the next; not dense.
    pad : int
        Code outside of the input.
    steps : tuple of Step
        Those of each tile.
    weights : ndarray of int64, shape (words, taps of all steps * split, columns)
        In the order in which they are used; nothing where `largest`.
    bias, scale : ndarray of int64, shape (words, columns)
        Of the requantisers.
    fraction : int
        Bits of the bias below a unit of the sums.
    shift, zero, low, high : int
        The same for all channels; bounds and zero are codes.
    split : int
        Weights of a column in a word of the weight memory: those of channels that are a part of a
        word of the activation memory apart, all used in one cycle.
    """

    node: str
    edge: str
    base: int
    lanes: int
    mode: str
    first_word: int
    words: int
    height: int
    width: int
    stride: tuple[int, int]
    origin: tuple[int, int]
    size: tuple[int, int]
    plane: int
    gap: int
    pad: int
    steps: tuple[Step, ...]
    weights: _Ints
    bias: _Ints
    scale: _Ints
    fraction: int
    shift: int
    zero: int
    low: int
    high: int
    split: int = 1

    @property
    def positions(self) -> int:
        """Positions of the output."""
        return self.height * self.width

    @property
    def word_weights(self) -> int:
        """Words of weights that a word of output channels takes."""
        return int(self.weights.shape[1]) // self.split

    def tiling(self, rows: int) -> Tiling:
        """Tiles on an array of so many rows."""
        if self.mode == "largest":
            return Tiling(self.words, 1, self.positions, 1, 1)
        words, groups, each = {
            "dense": (self.words, 1, self.positions),
            "connected": (1, 1, self.words),
            "depthwise": (self.words, self.height, self.width),
        }[self.mode]
        tiles = -(-each // rows)
        return Tiling(words, groups, tiles, rows, each - (tiles - 1) * rows)

    def lengths(self, rows: int) -> list[tuple[int, int]]:
        """Cycles of each step, in a whole tile and in the last one of a group.

        A tile takes no fewer cycles than the tile before had rows.
        """
        tiling = self.tiling(rows)
        result = []
        for step in self.steps:
            result.append(
                tuple(
                    max(LEAST_STEP, valid + step.taps - 1)
                    if self.mode in ("depthwise", "largest")
                    else max(LEAST_STEP, valid, step.taps)
                    for valid in (tiling.whole, tiling.last)
                )
            )
        before = tiling.whole if tiling.tiles > 1 else tiling.last
        lacking = before - sum(last for _, last in result)
        whole, last = result[-1]
        result[-1] = whole, last + max(0, lacking)
        return result

    def issue_cycles(self, rows: int) -> int:
        """Cycles of all steps."""
        tiling = self.tiling(rows)
        whole, last = map(sum, zip(*self.lengths(rows), strict=True))
        return tiling.words * tiling.groups * ((tiling.tiles - 1) * whole + last)

    def cycles(self, rows: int, stages: int) -> int:
        """Cycles until the next pass begins, with so many stages of a unit."""
        if self.mode == "largest":
            return self.issue_cycles(rows) + LARGEST_OVERHEAD
        return self.issue_cycles(rows) + self.tiling(rows).last + OVERHEAD + stages


@dataclass(frozen=True, kw_only=True, eq=False)
class Program:
    """All that a temporal machine does for a frame.

    Parameters
    ----------
    name : str
        Name of the network.
    rows, columns : int
        Of the array.
    lane_bits, act_bits, low_bits : int
        Bits of a code in memory, of those that the array takes, and of a lower part.
    weight_bits, sum_bits : int
        Of weights and sums, signed.
    split : int
        Most weights that a unit uses in a cycle: 1, 2 or 4, each with its part of the bits.
    depth : int
        Words of the activation memory.
    address : mapping of str to int
        First word of each tensor.
    source, result
        What comes in and goes out.
    passes : tuple of LayerPass
        In order.
    bus_bits : int, optional
        Of a bus over which weights come from outside; without it they are in the machine.
    """

    name: str
    rows: int
    columns: int
    lane_bits: int
    act_bits: int
    low_bits: int
    weight_bits: int
    sum_bits: int
    split: int
    depth: int
    address: Mapping[str, int]
    source: SourceLayout
    result: ResultLayout
    passes: tuple[LayerPass, ...]
    bus_bits: int | None = None

    @cached_property
    def weight_stream(self) -> WeightStreamSpec | None:
        """Where weights come from outside: how."""
        if self.bus_bits is None:
            return None
        return WeightStreamSpec(
            bus_bits=self.bus_bits,
            word_bits=self.columns * self.weight_bits,
            frame_words=self.weight_words,
            most=max(layer.word_weights for layer in self.passes),
        )

    @cached_property
    def shifts(self) -> tuple[int, ...]:
        """Shifts of the requantisers, rising."""
        used = {layer.shift for layer in self.passes if layer.mode != "largest"}
        return tuple(sorted(used)) or (0,)

    @property
    def fraction(self) -> int:
        """Bits of all biases below a unit of the sums."""
        return max((layer.fraction for layer in self.passes), default=0)

    @property
    def weight_words(self) -> int:
        """Words of the weight memories of all rows."""
        memory, rows = self.weight_depths
        return memory + sum(rows)

    @cached_property
    def weight_depths(self) -> tuple[int, tuple[int, ...]]:
        """Words of the weight memory, and of those of rows 1, 2 and so on for connected layers."""
        depth, connected, used = 0, 0, 1
        for layer in self.passes:
            tiling, taps = layer.tiling(self.rows), layer.word_weights
            if layer.mode == "connected":
                connected += tiling.tiles * taps
                used = max(used, min(self.rows, layer.words))
                depth += tiling.tiles * taps
            else:
                depth += layer.words * taps
        return depth, (connected,) * (used - 1)

    def frame_cycles(self, stages: int) -> int:
        """Cycles of a frame, with so many stages of a unit, if nothing stalls.

        Where weights come from outside they are there in time; see
        :mod:`macwright.costmodel.system.weight_streaming` for when they are not.
        """
        passes = sum(layer.cycles(self.rows, stages) for layer in self.passes)
        passes += STREAM_OVERHEAD * len(self.passes) * (self.bus_bits is not None)
        return (
            self.source.cycles
            + passes
            + self.result.channels * self.result.positions
            + FRAME_OVERHEAD
        )
