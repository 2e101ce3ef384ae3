"""Sums of a pass as steps and weights: every layer is one or more convolutions that are added."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macwright.hw.accelerator.temporal.program import Step
from macwright.hw.accelerator.temporal.tensors import Tensor
from macwright.hw.arith.widths import range_width

__all__ = [
    "Parts",
    "Steps",
    "Term",
    "grouped",
    "is_depthwise",
    "steps_of",
    "with_split",
    "words_of",
]

_Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Term:
    """A convolution of one tensor.

    Parameters
    ----------
    tensor : Tensor
        What is read.
    kernel : ndarray of int64
        Depthwise: shape (channels, height, width). Else (out channels, in channels, height, width).
    used : ndarray of bool, shape (out channels, in channels), optional
        Which channels can matter; all of them if absent. Not of depthwise ones.
    dilation : (int, int)
        Rows and columns between taps.
    first : int, optional
        Input channels in the first row of the kernel; all of them if absent. Not of depthwise ones.
    """

    tensor: Tensor
    kernel: _Ints
    used: NDArray[np.bool_] | None = None
    dilation: tuple[int, int] = (1, 1)
    first: int | None = None

    @property
    def sums(self) -> _Ints:
        """Sum of the weights of each output channel."""
        return self.kernel.reshape(len(self.kernel), -1).sum(axis=1)

    def largest(self, code: int) -> tuple[_Ints, _Ints]:
        """Least and greatest sum of each output channel, for codes from 0 to one."""
        flat = self.kernel.reshape(len(self.kernel), -1)
        return np.minimum(flat, 0).sum(axis=1) * code, np.maximum(flat, 0).sum(axis=1) * code

    def as_dense(self) -> "Term":
        """The same convolution, with weights of 0 between different channels."""
        if self.kernel.ndim == 4:
            return self
        channels = len(self.kernel)
        kernel = np.zeros((channels, *self.kernel.shape[:1], *self.kernel.shape[1:]), np.int64)
        kernel[np.arange(channels), np.arange(channels)] = self.kernel
        return replace(self, kernel=kernel, used=np.eye(channels, dtype=bool))


@dataclass(frozen=True, kw_only=True)
class Parts:
    """How codes that are too wide for the array are taken: in two steps.

    Parameters
    ----------
    act_bits, low_bits : int
        See :class:`~macwright.hw.accelerator.temporal.program.Program`.
    whole_bits : int
        Codes of up to so many bits are taken whole, however wide the array is: they stand for
        narrower ones of another network.
    """

    act_bits: int
    low_bits: int
    whole_bits: int = 0

    def of(self, tensor: Tensor) -> tuple[tuple[str, int], ...]:
        """Parts of a tensor's codes, and what a weight is multiplied by."""
        if tensor.bits <= max(self.act_bits, self.whole_bits):
            return (("whole", 1),)
        return (("upper", 1 << self.low_bits), ("lower", 1))


@dataclass(frozen=True, kw_only=True, eq=False)
class Steps:
    """Steps of some words of output channels, which are the same for all of these words.

    Parameters
    ----------
    first_word : int
        The first of the words.
    steps : tuple of Step
        Steps.
    weights : ndarray of int64, shape (words, taps, columns)
        Weights of all taps.
    """

    first_word: int
    steps: tuple[Step, ...]
    weights: _Ints


def grouped(tensor: Tensor, kernel: _Ints, groups: int, dilation: tuple[int, int]) -> Term:
    """Convolution of groups of channels, with weights of 0 between them.

    Parameters
    ----------
    tensor : Tensor
        What is read.
    kernel : ndarray of int64, shape (out channels, in channels / groups, height, width)
        Weights.
    groups : int
        How many.
    dilation : (int, int)
        Rows and columns between taps.
    """
    out, each = kernel.shape[:2]
    if groups == 1:
        return Term(tensor=tensor, kernel=kernel, dilation=dilation)
    full = np.zeros((out, tensor.channels, *kernel.shape[2:]), np.int64)
    used = np.zeros((out, tensor.channels), bool)
    share = out // groups
    for group in range(groups):
        rows = slice(group * share, (group + 1) * share)
        inner = slice(group * each, (group + 1) * each)
        full[rows, inner], used[rows, inner] = kernel[rows], True
    return Term(tensor=tensor, kernel=full, used=used, dilation=dilation)


def is_depthwise(terms: Sequence[Term], columns: int) -> bool:
    """Whether each column can use its own channel of all words that are read."""
    return all(
        term.kernel.ndim == 3 and (term.tensor.lanes == columns or term.tensor.words == 1)
        for term in terms
    )


def steps_of(
    terms: Sequence[Term], *, columns: int, channels: int, stride: int, parts: Parts
) -> list[Steps]:
    """Steps of terms that are added.

    Parameters
    ----------
    terms : sequence of Term
        All of one geometry.
    columns : int
        Of the array.
    channels : int
        Of the output.
    stride : int
        Columns of the input between positions.
    parts : Parts
        How wide codes are taken.
    """
    words = -(-channels // columns)
    if is_depthwise(terms, columns):
        pairs = [pair for term in terms for pair in _depthwise(term, columns, stride, parts)]
        steps = tuple(step for step, _ in pairs)
        return [Steps(first_word=0, steps=steps, weights=_stack([w for _, w in pairs]))]
    dense = [term.as_dense() for term in terms]
    result: list[Steps] = []
    for word in range(words):
        pairs = [pair for term in dense for pair in _dense(term, word, columns, parts)]
        if not pairs:
            # A word of constants still takes a cycle of its own.
            only = Step(tensor=terms[0].tensor.name, offset=0, down=0, right=0, taps=1)
            pairs = [(only, np.zeros((1, 1, columns), np.int64))]
        steps = tuple(step for step, _ in pairs)
        weights = _stack([w for _, w in pairs])
        if result and result[-1].steps == steps:
            joined = np.concatenate([result[-1].weights, weights])
            result[-1] = replace(result[-1], weights=joined)
        else:
            result.append(Steps(first_word=word, steps=steps, weights=weights))
    return result


def with_split(chunk: Steps, *, bits: int, most: int) -> tuple[Steps, int]:
    """Dense steps with as many weights in a cycle as fit and make them shorter.

    Channels of a word that meet are ``columns / split`` apart, so that a row always moves its word
    by one channel.

    Parameters
    ----------
    chunk : Steps
        Dense steps, with a weight of each column in a cycle.
    bits : int
        Bits of a word of weights of a column.
    most : int
        Most weights in it.

    Returns
    -------
    Steps, int
        Weights of shape (words, taps of all steps * split, columns), and the split.
    """
    columns, used = chunk.weights.shape[-1], range_width(*_ends(chunk.weights))
    result, best = chunk, 1
    for split in (2, 4):
        if split > most or columns % split or used > bits // split:
            break
        shorter = _split(chunk, columns // split)
        if _taps(shorter) < _taps(result):
            result, best = shorter, split
    return result, best


def _ends(weights: _Ints) -> tuple[int, int]:
    return int(weights.min()), int(weights.max())


def _taps(chunk: Steps) -> int:
    return sum(step.taps for step in chunk.steps)


def _split(chunk: Steps, each: int) -> Steps:
    """Steps whose words are cut into parts of so many channels that are used together."""
    words, _, columns = chunk.weights.shape
    steps, parts, used = [], [], 0
    for step in chunk.steps:
        taps = min(step.taps, each)
        padded = np.zeros((words, columns, columns), np.int64)
        padded[:, : step.taps] = chunk.weights[:, used : used + step.taps]
        together = padded.reshape(words, -1, each, columns)[:, :, :taps]
        parts.append(together.transpose(0, 2, 1, 3).reshape(words, -1, columns))
        steps.append(replace(step, taps=taps))
        used += step.taps
    return replace(chunk, steps=tuple(steps), weights=_stack(parts))


def _dense(term: Term, word: int, columns: int, parts: Parts) -> Iterator[tuple[Step, _Ints]]:
    """Steps of one word of output channels, and weights of shape (1, taps, columns)."""
    tensor, (down_gap, right_gap) = term.tensor, term.dilation
    rows = slice(word * columns, (word + 1) * columns)
    kernel = term.kernel[rows]
    for down in range(kernel.shape[2]):
        for right in range(kernel.shape[3]):
            y, x = down * down_gap, right * right_gap
            for index in range(tensor.words):
                taps = tensor.taken(index) if down or not term.first else term.first
                source = slice(index * tensor.lanes, index * tensor.lanes + taps)
                if term.used is not None and not term.used[rows, source].any():
                    continue
                weights = np.zeros((1, taps, columns), np.int64)
                weights[0, :, : len(kernel)] = kernel[:, source, down, right].T
                for part, factor in parts.of(tensor):
                    step = Step(
                        tensor=tensor.name, offset=index * tensor.plane + y * tensor.width + x,
                        down=y, right=x, taps=taps, part=part,
                    )  # fmt: skip
                    yield step, weights * factor


def _depthwise(term: Term, columns: int, stride: int, parts: Parts) -> Iterator[tuple[Step, _Ints]]:
    """Steps of all words, and weights of shape (words, taps, columns).

    Taps of a kernel row that are a multiple of the stride apart read neighbouring words.
    """
    tensor, (down_gap, right_gap) = term.tensor, term.dilation
    channels, height, width = term.kernel.shape
    words = -(-channels // columns)
    padded = np.zeros((words * columns, height, width), np.int64)
    padded[:channels] = term.kernel
    columns_of = np.arange(width) * right_gap
    for down in range(height):
        y = down * down_gap
        for phase in range(min(stride, int(columns_of[-1]) + 1)):
            chosen = np.flatnonzero(columns_of % stride == phase)
            if not len(chosen):
                continue
            places = (columns_of[chosen] - columns_of[chosen[0]]) // stride
            taps, x = int(places[-1]) + 1, int(columns_of[chosen[0]])
            weights = np.zeros((words, taps, columns), np.int64)
            shaped = padded[:, down, chosen].reshape(words, columns, -1)
            weights[:, places] = shaped.transpose(0, 2, 1)
            for part, factor in parts.of(tensor):
                step = Step(
                    tensor=tensor.name, offset=y * tensor.width + x, down=y, right=x,
                    taps=taps, part=part,
                )  # fmt: skip
                yield step, weights * factor


def _stack(weights: Sequence[Any]) -> _Ints:
    return np.concatenate(list(weights), axis=1)


def words_of(values: Any, first: int, words: int, columns: int) -> Any:
    """Numbers of channels as words of so many columns, 0 where there is no channel."""
    result = np.zeros((first + words) * columns, np.int64)
    count = min(len(values), len(result))
    result[:count] = values[:count]
    return result.reshape(-1, columns)[first:]
