"""Programs as words of memories: one for each pass, step, tap and word of parameters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from amaranth.hdl import Shape, signed, unsigned
from amaranth.lib import data
from numpy.typing import NDArray

from macwright.hw.accelerator.temporal.program import LayerPass, Program
from macwright.hw.arith.widths import range_width

__all__ = ["Microcode"]

_PARTS = {"whole": 0, "upper": 1, "lower": 2}


@dataclass(frozen=True, eq=False)
class Microcode:
    """Words of a program, and what their fields are.

    Parameters
    ----------
    program : Program
        The program.
    """

    program: Program

    @cached_property
    def address_bits(self) -> int:
        """Bits of an address of the activation memory; arithmetic on them wraps."""
        return max(1, (self.program.depth - 1).bit_length())

    @cached_property
    def place_bits(self) -> int:
        """Bits of a row or column of the input, signed, also beside it."""
        least, most = 0, 0
        for layer in self.program.passes:
            for axis, count in ((0, layer.height), (1, layer.width)):
                span = max(step.down if axis == 0 else step.right for step in layer.steps)
                taps = 0 if axis == 0 else max(step.taps for step in layer.steps) * layer.gap
                end = layer.origin[axis] + (count - 1) * layer.stride[axis] + span + taps
                least, most = min(least, layer.origin[axis]), max(most, layer.size[axis], end)
        return range_width(least, most) + 1

    @cached_property
    def passes(self) -> list[dict[str, int]]:
        """Fields of each pass; counts are one less, as counters end at 0."""
        return [self._pass(layer) for layer in self.program.passes]

    @cached_property
    def steps(self) -> list[dict[str, int]]:
        """Fields of all steps, those of a pass after those of the pass before."""
        return [step for layer in self.program.passes for step in self._steps(layer)]

    @cached_property
    def pass_layout(self) -> data.StructLayout:
        """Fields of a pass."""
        return _layout(self.passes)

    @cached_property
    def step_layout(self) -> data.StructLayout:
        """Fields of a step."""
        return _layout(self.steps)

    @cached_property
    def pass_words(self) -> list[int]:
        """Content of the memory of passes."""
        return [_packed(self.pass_layout, fields) for fields in self.passes]

    @cached_property
    def step_words(self) -> list[int]:
        """Content of the memory of steps."""
        return [_packed(self.step_layout, fields) for fields in self.steps]

    @cached_property
    def weight_words(self) -> list[int]:
        """Content of the weight memory: of connected layers that of row 0."""
        rows = self.program.rows
        return [
            word
            for layer in self.program.passes
            for word in self._weights(
                layer, layer.weights[:: rows if layer.mode == "connected" else 1]
            )
        ] or [0]

    @cached_property
    def row_words(self) -> list[list[int]]:
        """Content of the weight memories of rows 1, 2 and so on: of connected layers."""
        rows, used = self.program.rows, len(self.program.weight_depths[1])
        result: list[list[int]] = [[] for _ in range(used)]
        for layer in self.program.passes:
            if layer.mode != "connected":
                continue
            lacking = -len(layer.weights) % rows
            every = np.pad(layer.weights, ((0, lacking), (0, 0), (0, 0)))
            for row, words in enumerate(result, 1):
                words += self._weights(layer, every[row::rows])
        return result

    @property
    def row_depth(self) -> int:
        """Words of the memory of each of these rows."""
        return max(self.program.weight_depths[1], default=1)

    @cached_property
    def bias_bits(self) -> int:
        """Bits of a bias, signed."""
        summed = [layer.bias for layer in self.program.passes if layer.mode != "largest"]
        ends = [(int(b.min()), int(b.max())) for b in summed] or [(0, 0)]
        return range_width(min(low for low, _ in ends), max(high for _, high in ends))

    @cached_property
    def scale_bits(self) -> int:
        """Bits of a multiplier."""
        summed = [layer.scale for layer in self.program.passes if layer.mode != "largest"]
        return max([1, *(int(s.max()).bit_length() for s in summed)])

    @cached_property
    def parameter_words(self) -> list[int]:
        """Content of the memory of parameters: for each channel bias, then multiplier above it."""
        words = []
        for layer in self.program.passes:
            if layer.mode == "largest":
                continue
            for bias, scale in zip(layer.bias.tolist(), layer.scale.tolist(), strict=True):
                pairs = [
                    (b & (1 << self.bias_bits) - 1) | s << self.bias_bits
                    for b, s in zip(bias, scale, strict=True)
                ]
                words.append(_joined(pairs, self.bias_bits + self.scale_bits))
        return words or [0]

    @property
    def program_bits(self) -> int:
        """Bits of the memories of passes and steps."""
        passes = len(self.passes) * Shape.cast(self.pass_layout).width
        return passes + len(self.steps) * Shape.cast(self.step_layout).width

    @property
    def parameter_bits(self) -> int:
        """Bits of the memory of parameters."""
        each = self.bias_bits + self.scale_bits
        return len(self.parameter_words) * self.program.columns * each

    def _weights(self, layer: LayerPass, weights: NDArray[np.int64]) -> list[int]:
        # Those of a column that are used together, the first in the lowest bits.
        columns, bits = weights.shape[-1], self.program.weight_bits // layer.split
        together = weights.reshape(-1, layer.split, columns).transpose(0, 2, 1)
        return [_joined(row, bits) for row in together.reshape(-1, columns * layer.split).tolist()]

    def _pass(self, layer: LayerPass) -> dict[str, int]:
        program, tiling = self.program, layer.tiling(self.program.rows)
        # Words of a connected layer are its positions, which all read the same.
        connected = layer.mode == "connected"
        line, (down, right) = layer.size[1], (0, 0) if connected else layer.stride
        wrap = (1 << self.address_bits) - 1
        result = layer.edge not in program.address
        out = layer.first_word * layer.positions + (0 if result else program.address[layer.edge])
        first = layer.origin[0] * line + layer.origin[1] + layer.first_word * layer.plane
        streamed = {} if program.bus_bits is None else {"needed": layer.word_weights}
        return streamed | {
            "depthwise": int(layer.mode == "depthwise"),
            "largest": int(layer.mode == "largest"),
            "connected": int(connected),
            "mode": layer.split.bit_length() - 1,
            "result": int(result),
            "words": tiling.words - 1,
            "groups": tiling.groups - 1,
            "tiles": tiling.tiles - 1,
            "last": tiling.last,
            "row": layer.origin[0],
            "column": layer.origin[1],
            "first": first & wrap,
            "down": down,
            "right": right,
            "next_line": (down * line - (layer.width - 1) * right) & wrap,
            "width": layer.width - 1,
            "plane": layer.plane & wrap,
            "gap": layer.gap,
            "height_in": layer.size[0],
            "width_in": layer.size[1],
            "pad": layer.pad,
            "shift": 0 if layer.mode == "largest" else program.shifts.index(layer.shift),
            "zero": layer.zero,
            "low": layer.low,
            "high": layer.high,
            "out": out,
            "positions": layer.positions - 1,
            "results": layer.words * layer.positions - 1,
        }

    def _steps(self, layer: LayerPass) -> list[dict[str, int]]:
        wrap = (1 << self.address_bits) - 1
        return [
            {
                "offset": (self.program.address[step.tensor] + step.offset) & wrap,
                "down": step.down,
                "right": step.right,
                "taps": step.taps,
                "part": _PARTS[step.part],
                "whole": whole - 1,
                "last": last - 1,
                "ends": int(step is layer.steps[-1]),
            }
            for step, (whole, last) in zip(
                layer.steps, layer.lengths(self.program.rows), strict=True
            )
        ]


def _layout(rows: Sequence[Mapping[str, int]]) -> data.StructLayout:
    """Fields just wide enough for all rows."""
    shapes: dict[str, Shape] = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        low, high = min(values), max(values)
        narrow = unsigned(max(1, high.bit_length()))
        shapes[name] = signed(range_width(low, high)) if low < 0 else narrow
    return data.StructLayout(shapes)


def _packed(layout: Any, fields: Mapping[str, int]) -> int:
    word = 0
    for name, value in fields.items():
        field = layout[name]
        word |= (value & (1 << field.width) - 1) << field.offset
    return word


def _joined(numbers: Sequence[int], bits: int) -> int:
    """Numbers as a word, the first in its lowest bits."""
    word = 0
    for number in reversed(numbers):
        word = word << bits | number & (1 << bits) - 1
    return word
