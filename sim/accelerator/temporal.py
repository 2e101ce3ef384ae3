"""Interpreter of the temporal machine: words and steps as the hardware has them, without a clock.

It shares no code with the hardware or the integer network: tiles, addresses, sums and rounding are
done anew from the fields of the program.
"""

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from macwright.hw.accelerator.temporal.program import LayerPass, Program, Step

__all__ = ["Interpreted", "interpret"]

_Ints = NDArray[np.int64]


@dataclass
class Interpreted:
    """What a program did with a frame.

    Attributes
    ----------
    results : ndarray of int64, shape (channels, positions)
        Levels of the output.
    cycles : list of int
        Cycles of the steps of each pass.
    written : list of ndarray of int64
        Codes that each pass wrote, shape (words, positions, lanes).
    """

    results: _Ints
    cycles: list[int] = field(default_factory=list)
    written: list[_Ints] = field(default_factory=list)


def interpret(program: Program, codes: _Ints) -> Interpreted:
    """Run a program on a frame.

    Parameters
    ----------
    program : Program
        The program.
    codes : ndarray of int64, shape (words of the stream, lanes)
        Code words as they come in.
    """
    source = program.source
    memory = np.full((program.depth, program.columns), -1, np.int64)
    lanes = np.arange(source.lanes)
    frame = np.stack([source.tables[lanes, word] for word in np.asarray(codes)])
    frame = frame.reshape(source.height, source.width, source.words, source.lanes)
    begin, lines = program.address[source.tensor], source.height + source.below
    for row, window in np.ndindex(lines, source.windows):
        for index in range(source.words):
            place = begin + (index * lines + row) * source.windows + window
            for up, number in np.ndindex(source.stacked, source.joined):
                y, x = row - up, window - source.before + number
                inside = 0 <= y < source.height and 0 <= x < source.width
                taken = frame[y, x, index] if inside else source.pad
                memory[place, (up * source.joined + number) * source.lanes + lanes] = taken
    result = program.result
    out = np.zeros((result.words * result.positions, program.columns), np.int64)
    run = Interpreted(results=np.zeros(0, np.int64))
    for layer in program.passes:
        if layer.mode == "largest":
            cycles, written = _largest(program, layer, memory)
        else:
            cycles, written = _summed(program, layer, memory)
        flat = written.reshape(-1, program.columns)
        begin = layer.first_word * layer.positions
        if layer.edge in program.address:
            begin += program.address[layer.edge]
            memory[begin : begin + len(flat)] = flat
        else:
            out[begin : begin + len(flat)] = flat
        run.cycles.append(cycles)
        run.written.append(written)
    shaped = out.reshape(result.words, result.positions, -1)[:, :, : result.lanes]
    channels = shaped.transpose(0, 2, 1).reshape(-1, result.positions)[: result.channels]
    run.results = channels + result.base
    return run


def _tiles(program: Program, layer: LayerPass) -> list[list[tuple[int, int, int]]]:
    """Words and positions of each tile, in order: of each row of the array one."""
    tiles: list[list[tuple[int, int, int]]] = []
    most = 1 if layer.mode == "largest" else program.rows
    for word, y, x in np.ndindex(layer.words, layer.height, layer.width):
        fresh = not tiles or len(tiles[-1]) == most
        if layer.mode != "connected":
            fresh = fresh or tiles[-1][0][0] != word
        if fresh or (layer.mode == "depthwise" and tiles[-1][0][1] != y):
            tiles.append([])
        tiles[-1].append((word, y, x))
    return tiles


def _word(
    program: Program, layer: LayerPass, memory: _Ints, step: Step, at: tuple[int, int], plane: int
) -> _Ints:
    """Codes of a word that a step reads for a row and column of the input."""
    y, x = at[0] + step.down, at[1] + step.right
    if not (0 <= y < layer.size[0] and 0 <= x < layer.size[1]):
        word = np.full(program.columns, layer.pad, np.int64)
    else:
        place = program.address[step.tensor] + step.offset + plane
        word = memory[place + at[0] * layer.size[1] + at[1]]
    if step.part == "upper":
        return word >> program.low_bits
    if step.part == "lower":
        return word % (1 << program.low_bits)
    return word


def _summed(program: Program, layer: LayerPass, memory: _Ints) -> tuple[int, _Ints]:
    """Cycles and codes of a pass on the array."""
    cycles, before, written = 0, 0, []
    for tile in _tiles(program, layer):
        sums = np.zeros((len(tile), program.columns), np.int64)
        spent, used = 0, 0
        for step in layer.steps:
            for row, (index, y, x) in enumerate(tile):
                weights = layer.weights[index, used : used + step.taps * layer.split]
                at = layer.origin[0] + y * layer.stride[0], layer.origin[1] + x * layer.stride[1]
                if layer.mode != "depthwise":
                    word = _word(program, layer, memory, step, at, index * layer.plane)
                    apart = program.columns // layer.split
                    for tap, part in np.ndindex(step.taps, layer.split):
                        sums[row] += word[part * apart + tap] * weights[tap * layer.split + part]
                    continue
                for tap in range(step.taps):
                    # Words of neighbouring rows are shared, which their places must allow.
                    place = at[0], at[1] + tap * layer.gap
                    word = _word(program, layer, memory, step, place, index * layer.plane)
                    sums[row] += np.where(weights[tap] != 0, word, 0) * weights[tap]
            used += step.taps * layer.split
            length = step.taps + len(tile) - 1
            spent += max(2, length if layer.mode == "depthwise" else max(step.taps, len(tile)))
        cycles += max(spent, before)
        before = len(tile)
        for (index, _, _), row in zip(tile, sums, strict=True):
            totals = ((row << layer.fraction) + layer.bias[index]) * layer.scale[index]
            codes = [round(Fraction(n, 1 << layer.shift) + layer.zero) for n in totals.tolist()]
            written.append(np.clip(codes, layer.low, layer.high))
    return cycles, np.array(written, np.int64).reshape(layer.words, -1, program.columns)


def _largest(program: Program, layer: LayerPass, memory: _Ints) -> tuple[int, _Ints]:
    """Cycles and codes of a pass of the maxima."""
    cycles, written = 0, []
    for ((index, y, x),) in _tiles(program, layer):
        at = layer.origin[0] + y * layer.stride[0], layer.origin[1] + x * layer.stride[1]
        words = [
            _word(
                program, layer, memory, step, (at[0], at[1] + tap * layer.gap), index * layer.plane
            )
            for step in layer.steps
            for tap in range(step.taps)
        ]
        written.append(np.max(words, axis=0))
        cycles += sum(max(2, step.taps) for step in layer.steps)
    return cycles, np.array(written, np.int64).reshape(layer.words, -1, program.columns)
