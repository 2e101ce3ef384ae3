"""What the modules of a machine compute, in NumPy: no clock, no buffers.

Nothing here shares code with the hardware but the specs' fields.
"""

from bisect import bisect_left
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "add_words",
    "concat_words",
    "engine_words",
    "from_words",
    "levels",
    "lookup_words",
    "minifloat",
    "pool_words",
    "requantised",
    "rounded",
    "to_words",
    "window_beats",
]

Codes = NDArray[np.int64]


def to_words(codes: ArrayLike, *, lanes: int, bits: int) -> list[int]:
    """Words of a stream.

    Parameters
    ----------
    codes : array_like of int
        Code words of a tensor with channels last; negative ones stand for two's complement.
    lanes, bits : int
        Channels in a word, and bits of a channel.
    """
    flat = np.asarray(codes, dtype=object).reshape(-1, lanes)
    mask = (1 << bits) - 1
    return [
        sum((int(code) & mask) << (lane * bits) for lane, code in enumerate(row)) for row in flat
    ]


def window_beats(spec: Any, codes: ArrayLike) -> list[int]:
    """Words that a window gives for a frame, beat by beat.

    Parameters
    ----------
    spec : WindowSpec
        Tensor and window.
    codes : array_like of int, shape (height, width, channels)
        Code words.
    """
    top, left, bottom, right = spec.pads
    tensor = np.asarray(codes).reshape(spec.height, spec.width, spec.channels)
    room = ((top, bottom), (left, right), (0, 0))
    padded = np.pad(tensor, room, constant_values=spec.pad_code)
    (rows, columns), (down, right), (row_gap, column_gap) = spec.kernel, spec.stride, spec.dilation
    last_y = padded.shape[0] - (rows - 1) * row_gap
    last_x = padded.shape[1] - (columns - 1) * column_gap
    beats: list[NDArray] = []
    for y in range(0, last_y, down):
        for x in range(0, last_x, right):
            taps = padded[
                y : y + (rows - 1) * row_gap + 1 : row_gap,
                x : x + (columns - 1) * column_gap + 1 : column_gap,
            ]
            for fold in np.split(taps, spec.folds, axis=2):
                beats += [fold.reshape(-1)] * spec.passes
    return to_words(np.concatenate(beats), lanes=spec.read_lanes, bits=spec.bits)


def from_words(words: list[int], *, lanes: int, bits: int) -> Codes:
    """Channels of the words of a stream, one after the other; the inverse of :func:`to_words`."""
    mask = (1 << bits) - 1
    return np.array([(word >> (lane * bits)) & mask for word in words for lane in range(lanes)])


def rounded(total: int, *, scale: int, shift: int, zero: int, low: int, high: int) -> int:
    """``clip(round((total * scale + zero * 2**shift) / 2**shift), low, high)``, ties to even."""
    exact = Fraction(total * scale + (zero << shift), 1 << shift)
    return max(low, min(high, round(exact)))


def minifloat(fmt: Any, total: int, *, scale: int, shift: int, zero: int, ends: Any) -> int:
    """Code of the level nearest to ``total * scale / 2**shift + zero``, ties to the even code.

    The nearest of all levels of the format is looked for; `ends` limit it.
    """
    exact = Fraction(total * scale + (zero << shift), 1 << shift)
    size = abs(exact)
    numbers = levels(fmt, np.arange(fmt.max_code + 1)).tolist()
    upper = min(bisect_left(numbers, size), fmt.max_code)
    code = min((abs(numbers[c] - size), c & 1, c) for c in (max(0, upper - 1), upper))[2]
    level = -numbers[code] if exact < 0 else numbers[code]
    level = max(ends[0], min(ends[1], level))
    code = numbers.index(abs(level))
    return code | (1 << (fmt.width - 1)) if level < 0 else code


def requantised(spec: Any, constants: Any, sums: Codes) -> list[list[int]]:
    """Words of each output of a drain.

    Parameters
    ----------
    spec : DrainSpec
        Lanes and requantisers.
    constants : mapping
        `bias` and `multipliers`.
    sums : ndarray of int64, shape (frames or positions, channels)
        Sums before the bias.
    """
    if not spec.outputs:
        return [to_words(sums, lanes=spec.lanes, bits=spec.sums)]
    bias = constants.get("bias") or [0] * spec.channels
    multipliers = iter(constants.get("multipliers", ()))
    result = []
    for output in spec.outputs:
        varying = output.constant is None
        scales = list(next(multipliers)) if varying else [output.constant] * spec.channels
        codes = [
            _code(output, (int(x) << output.fraction) + int(bias[c]), int(scales[c]))
            for row in sums
            for c, x in enumerate(row)
        ]
        result.append(to_words(codes, lanes=spec.lanes, bits=output.bits))
    return result


def _code(output: Any, total: int, scale: int) -> int:
    """Code of a sum in the format of an output."""
    known = {"scale": scale, "shift": output.shift, "zero": output.zero}
    if output.minifloat is not None:
        return minifloat(output.minifloat, total, ends=(output.low, output.high), **known)
    return rounded(total, low=output.low, high=output.high, **known)


def levels(fmt: Any, codes: ArrayLike) -> Codes:
    """Integers that code words stand for, in units of the smallest number of the format."""
    values = np.asarray(fmt.decode(np.asarray(codes)), np.float64)
    unit = 2.0 ** (1 - fmt.bias - fmt.man_bits) if hasattr(fmt, "man_bits") else 1.0
    return (values / unit).astype(np.int64)


def engine_words(spec: Any, constants: Any, words: list[int]) -> list[list[int]]:
    """Words of each output of an engine for the words of a frame.

    The window is applied to the stream, products are summed for each channel, in integers.
    """
    window, array, drain = spec.window, spec.array, spec.drain
    codes = from_words(words, lanes=window.write_lanes, bits=window.bits)
    beats = from_words(window_beats(window, codes), lanes=window.read_lanes, bits=window.bits)
    places = window.outputs[0] * window.outputs[1]
    beats = beats.reshape(places, window.folds, window.passes, window.beats, window.read_lanes)
    if hasattr(array, "operation"):
        level = levels(array.format, beats)
        if array.operation == "max":
            best = level.argmax(axis=3)[:, :, :, None]
            reduced = np.take_along_axis(beats, best, axis=3)
            reduced[np.take_along_axis(level, best, axis=3) == 0] = 0  # of two zeros the positive
        else:
            reduced = level.sum(axis=3)
        sums = reduced.reshape(places, drain.channels)
    else:
        unit = array.unit
        shape = (window.folds, window.passes, window.beats, array.groups, array.pe, array.simd)
        lanes = from_words(
            constants["weights"],
            lanes=array.groups * array.pe * array.simd,
            bits=unit.weight.width,
        )
        w = levels(unit.weight, lanes).reshape(shape)
        a = levels(unit.act, beats).reshape(*beats.shape[:-1], array.groups, array.simd)
        sums = np.einsum("mfnbgs,fnbgps->mfngp", a, w).reshape(places, drain.channels)
    return requantised(drain, constants, sums)


def add_words(spec: Any, constants: Any, *streams: list[int]) -> list[list[int]]:
    """Words of each output of an addition."""
    total: Any = 0
    for words, fifo, fmt in zip(streams, spec.fifos, spec.formats, strict=True):
        total = total + levels(fmt, from_words(words, lanes=fifo.write_lanes, bits=fifo.bits))
    return requantised(spec.drain, constants, total.reshape(-1, spec.drain.channels))


def pool_words(spec: Any, constants: Any, words: list[int]) -> list[list[int]]:
    """Words of each output of a pool of a whole tensor."""
    fifo = spec.fifos[0]
    codes = levels(spec.format, from_words(words, lanes=fifo.write_lanes, bits=fifo.bits))
    sums = codes.reshape(-1, spec.positions, spec.drain.channels).sum(axis=1)
    return requantised(spec.drain, constants, sums)


def lookup_words(spec: Any, constants: Any, words: list[int]) -> list[list[int]]:
    """Words of each output of a table."""
    fifo = spec.fifos[0]
    codes = from_words(words, lanes=fifo.write_lanes, bits=fifo.bits).reshape(-1, spec.channels)
    result = []
    for bits, tables in zip(spec.outputs, constants["tables"], strict=True):
        looked = [[int(tables[c][code]) for c, code in enumerate(row)] for row in codes]
        result.append(to_words(looked, lanes=spec.lanes, bits=bits))
    return result


def concat_words(spec: Any, *streams: list[int]) -> list[list[int]]:
    """Words of the result of a concatenation."""
    parts = [
        from_words(words, lanes=fifo.write_lanes, bits=fifo.bits).reshape(-1, share * spec.lanes)
        for words, fifo, share in zip(streams, spec.fifos, spec.shares, strict=True)
    ]
    joined = np.concatenate(parts, axis=1)
    return [to_words(joined, lanes=spec.lanes, bits=spec.fifos[0].bits)]
