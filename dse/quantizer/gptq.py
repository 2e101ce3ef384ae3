"""Rounding of a layer's weights that keeps its outputs."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macwright.dse.quantizer.grid import Grid
from macwright.dse.quantizer.scales import candidates, on_grid, to_power_of_two

__all__ = [
    "ENOUGH",
    "Moments",
    "best_scale",
    "descend",
    "elimination",
    "gptq",
    "lost_means",
    "output_error",
    "retarget",
    "token_weights",
]

_Array = NDArray[np.float32]
#: Columns whose errors are passed on together.
BLOCK = 64
#: Share of the mean second moment that is added to the diagonal.
DAMPING = 0.02
#: Energy of a token, as a multiple of the median's, from which on all count alike.
LARGEST_ENERGY = 4.0
#: Columns for each term of a sum from which on they are not scarce: tokens of a text resemble each
#: other more than images do, and what a transformer's layers are fitted to adds up.
ENOUGH, ENOUGH_TOKENS = 4, 64
#: Times that columns are rounded again.
SWEEPS = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Half:
    """`Moments` of some of the columns; means of inputs and outputs are its own."""

    square: _Array
    cross: _Array
    mean_in: _Array
    mean_out: _Array


class Moments:
    """Second moments of a layer's inputs, and with the outputs that are wanted.

    Parameters
    ----------
    columns : ndarray of float32, shape (groups, n_columns, k)
        Inputs as the quantised network computes them.
    outputs : ndarray of float32, shape (groups, n_columns, n)
        Outputs of the float network, without or with biases.
    centred : bool
        Whether means are taken out, to be made up for by the biases.
    weights : ndarray of float32, shape (n_columns,), optional
        How much each column counts; all alike if absent.

    Attributes
    ----------
    square : ndarray, shape (groups, k, k)
    cross : ndarray, shape (groups, n, k)
    mean_in, mean_out : ndarray, shapes (groups, k) and (groups, n)
    fitted, held : Half
        The same of three quarters of the columns, and of those held out.
    columns : int
        Number of columns.
    scarce : bool
        Whether they are so few that what is fitted to all of them may suit no others.
    """

    def __init__(
        self, columns: _Array, outputs: _Array, *, centred: bool, weights: _Array | None = None
    ) -> None:
        def mean(values: _Array, part: Any = slice(None)) -> _Array:
            if weights is None:
                return values[:, part].mean(axis=1)
            shares = weights[part] / weights[part].sum()
            return np.einsum("gnk,n->gk", values[:, part], shares)

        count, k = columns.shape[1:]
        self.columns = count
        self.scarce = count < (ENOUGH if weights is None else ENOUGH_TOKENS) * k
        # Of each half, as the second texts of pairs, which resemble the first, come last.
        held = (np.arange(count) * 8 // count) % 4 == 3
        parts = [~held, held if held.any() else ~held]
        means = [(mean(columns, part), mean(outputs, part)) for part in parts]
        self.mean_in, self.mean_out = mean(columns), mean(outputs)
        if centred:
            columns = columns - self.mean_in[:, None]
            outputs = outputs - self.mean_out[:, None]
        if weights is not None:
            roots = np.sqrt(weights)[:, None]
            columns, outputs = columns * roots, outputs * roots
        halves = []
        for part, (mean_in, mean_out) in zip(parts, means, strict=True):
            across, right = columns[:, part].transpose(0, 2, 1), outputs[:, part]
            size = right.shape[1]
            halves.append(
                Half(
                    square=across @ columns[:, part] / size,
                    cross=(across @ right / size).transpose(0, 2, 1),
                    mean_in=mean_in,
                    mean_out=mean_out,
                )
            )
        self._target: tuple[_Array, _Array] | None = None
        share = np.float32(1 - held.mean())
        self.fitted, self.held = halves
        self.square = share * self.fitted.square + (1 - share) * self.held.square
        self.cross = share * self.fitted.cross + (1 - share) * self.held.cross

    @cached_property
    def steps(self) -> tuple[NDArray[np.int64], _Array]:
        """What `elimination` gives of `square`: the same for all formats of a layer."""
        return elimination(self.square)

    def retargeted(self, weights: _Array) -> _Array:
        """What `retarget` gives; the last answer is kept, for other formats of the same weights."""
        known = self._target
        if known is None or not np.array_equal(known[0], weights):
            known = self._target = weights, retarget(weights, self)
        return known[1]


def token_weights(outputs: _Array) -> _Array:
    """How much each row of a matrix product counts, shape (n_columns,), at most 1.

    A few tokens of a transformer have outputs a hundred times larger than the others (Sun, Chen,
    Kolter, Liu: Massive Activations in Large Language Models, 2024), and the normalisation that
    follows divides by their size: unweighted, their errors would be all that counts.

    Parameters
    ----------
    outputs : ndarray of float32, shape (groups, n_columns, n)
        Outputs of the float network.
    """
    energy = np.einsum("gnk,gnk->n", outputs, outputs)
    most = LARGEST_ENERGY * np.median(energy)
    if most == 0:  # half of them are nothing, and none can be told to be too large
        return np.ones(len(energy), np.float32)
    return np.minimum(1, most / np.maximum(energy, most)).astype(np.float32)


def retarget(weights: _Array, moments: Moments) -> _Array:
    """Weights with which the quantised inputs give the float network's outputs best.

    The step from the float network's weights is as long as pays on data that it was not made
    from: few samples, or many alike, say little about many weights.

    Parameters
    ----------
    weights : ndarray of float32, shape (groups, n, k)
        Weights of the float network, to which the answer is drawn where the data says little.
    moments : Moments
        From the quantised inputs and the float outputs.
    """
    fitted, held = moments.fitted, moments.held
    step = _step(weights, fitted)
    missing = held.cross - weights @ held.square
    gain, cost = float((step * missing).sum()), float(((step @ held.square) * step).sum())
    share = gain / cost if cost > 0 else 0.0
    if share <= 0:
        return weights
    whole = step if moments.scarce else _step(weights, moments)
    return (weights + np.float32(min(share, 1.0)) * whole).astype(np.float32, copy=False)


def lost_means(weights: _Array, moments: Moments) -> _Array:
    """What the means of the outputs lack with some weights, shape (groups, n).

    As long as pays on data that it was not made from, as in `retarget`.
    """

    def lack(part: Moments | Half) -> _Array:
        return part.mean_out - np.einsum("gnk,gk->gn", weights, part.mean_in)

    first, second = lack(moments.fitted), lack(moments.held)
    size = float((first * first).sum())
    share = float((first * second).sum()) / size if size > 0 else 0.0
    return np.float32(min(max(share, 0.0), 1.0)) * lack(moments)


def _step(weights: _Array, part: Moments | Half) -> _Array:
    missing = part.cross - weights @ part.square
    damped = _damped(part.square).astype(np.float64)
    step = np.linalg.solve(damped, missing.transpose(0, 2, 1).astype(np.float64))
    return step.transpose(0, 2, 1).astype(np.float32)


def elimination(square: _Array, damping: float = DAMPING) -> tuple[NDArray[np.int64], _Array]:
    """Order of the columns in `gptq`, and how each one's error is passed on to those after it.

    Returns
    -------
    order : ndarray of int, shape (groups, k)
        By falling second moment.
    factor : ndarray of float32, shape (groups, k, k)
        Upper Cholesky factor of the inverse of the damped moments, in that order.
    """
    damped = _damped(square, damping)
    order = np.argsort(-np.diagonal(damped, axis1=1, axis2=2), axis=1, kind="stable")
    rows = np.arange(len(square))[:, None]
    sorted_square = damped[rows[:, :, None], order[:, :, None], order[:, None, :]]
    inverse = np.linalg.inv(sorted_square.astype(np.float64))
    return order, np.linalg.cholesky(inverse).transpose(0, 2, 1).astype(np.float32)


def gptq(
    weights: _Array,
    square: _Array,
    grid: Grid,
    *,
    damping: float = DAMPING,
    steps: tuple[NDArray[np.int64], _Array] | None = None,
) -> _Array:
    """Round column by column; the columns that follow make up for each rounding error.

    Frantar, Ashkboos, Hoefler, Alistarh: GPTQ (ICLR 2023), with columns in the order of falling
    second moment.

    Parameters
    ----------
    weights : ndarray of float32, shape (groups, n, k)
        Weights.
    square : ndarray of float32, shape (groups, k, k)
        Second moments of the inputs.
    grid : Grid
        Values that are allowed, of scales (groups, n, 1) or (groups, n, k).
    damping : float
        Share of the mean second moment that is added to the diagonal; the larger it is, the nearer
        is the result to nearest rounding.
    steps : tuple, optional
        What `elimination` gives, if it is known.
    """
    groups, _, k = weights.shape
    order, factor = elimination(square, damping) if steps is None else steps
    scales = grid.scale
    if scales.shape[-1] > 1:
        scales = np.take_along_axis(scales, order[:, None], axis=2)
    sorted_grid = Grid(format=grid.format, scale=scales)
    left = np.take_along_axis(weights, order[:, None], axis=2).transpose(0, 2, 1).copy()
    for start in range(0, k, BLOCK):
        stop = min(start + BLOCK, k)
        errors = np.empty((groups, stop - start, weights.shape[1]), np.float32)
        for j in range(start, stop):
            column = left[:, j]
            rounded = on_grid(grid.format, column, sorted_grid.column(j))
            error = (column - rounded) / factor[:, j, j, None]
            left[:, j] = rounded
            errors[:, j - start] = error
            left[:, j + 1 : stop] -= factor[:, j, j + 1 : stop, None] * error[:, None]
        left[:, stop:] -= factor[:, start:stop, stop:].transpose(0, 2, 1) @ errors
    result = np.empty_like(left)
    np.put_along_axis(result, order[:, :, None], left, axis=1)
    return result.transpose(0, 2, 1).copy()


def descend(
    rounded: _Array,
    weights: _Array,
    square: _Array,
    grid: Grid,
    *,
    sweeps: int = SWEEPS,
    damping: float = DAMPING,
) -> _Array:
    """Round each column again to what suits all the others best, a few times over.

    Cyclic coordinate descent on the layer's output error (Behdin et al.: QuantEase, 2023); the
    error never rises.

    Parameters
    ----------
    rounded : ndarray of float32, shape (groups, n, k)
        Rounded weights to start from, on the grid.
    weights, square, grid, damping
        As of `gptq`.
    sweeps : int
        Times that all columns are visited.
    """
    damped = _damped(square, damping)
    diagonal = np.diagonal(damped, axis1=1, axis2=2)
    now = rounded.transpose(0, 2, 1).copy()
    target = weights.transpose(0, 2, 1)
    for _ in range(sweeps):
        slope = damped @ (now - target)
        for j in range(now.shape[1]):
            wanted = now[:, j] - slope[:, j] / diagonal[:, j, None]
            better = on_grid(grid.format, wanted, grid.column(j))
            step = better - now[:, j]
            if step.any():
                slope += damped[:, :, j, None] * step[:, None]
                now[:, j] = better
    return now.transpose(0, 2, 1).copy()


def output_error(wrong: _Array, square: _Array) -> _Array:
    """Mean squared output error of each row of weight errors, shape (groups, n)."""
    return np.einsum("gnk,gnk->gn", wrong @ square, wrong)


def best_scale(
    weights: _Array,
    square: _Array,
    grid: Grid,
    *,
    rounding: str,
    power_of_two: bool = False,
) -> tuple[Grid, _Array]:
    """Scale of each row, and the rounded weights, with the least output error.

    Parameters
    ----------
    weights, square
        As of `gptq`.
    grid : Grid
        Format, and scales (groups, n, 1) that just hold the largest weights.
    rounding : {"gptq", "nearest"}
        How weights are rounded.
    power_of_two : bool
        Whether scales are powers of two.
    """
    groups, n, k = weights.shape
    fractions = candidates(grid.format)
    if rounding == "gptq":
        fractions = fractions[len(fractions) // 4 :: 2]
    # All candidates run as rows of one problem: the inverse and the loop over columns are shared.
    scales = (grid.scale[:, None, :, 0] * fractions[:, None]).reshape(groups, -1)
    if power_of_two:
        scales = to_power_of_two(scales)
    many = np.broadcast_to(weights[:, None], (groups, len(fractions), n, k))
    many = many.reshape(groups, -1, k)
    tried = Grid(format=grid.format, scale=scales[..., None])
    rounded = gptq(many, square, tried) if rounding == "gptq" else tried.round(many)
    errors = output_error(rounded - many, square).reshape(groups, len(fractions), n)
    pick = errors.argmin(axis=1)[:, None]
    scale = np.take_along_axis(scales.reshape(errors.shape), pick, axis=1)[:, 0]
    chosen = np.take_along_axis(rounded.reshape(*errors.shape, k), pick[..., None], axis=1)[:, 0]
    return Grid(format=grid.format, scale=scale[..., None]), chosen


def _damped(square: _Array, damping: float = DAMPING) -> _Array:
    diagonal = np.diagonal(square, axis1=1, axis2=2)
    mean = diagonal.mean(axis=1)
    added = np.where(mean > 0, damping * mean, 1.0)
    identity = np.eye(square.shape[1], dtype=np.float32)
    return (square + added[:, None, None] * identity).astype(np.float32)
