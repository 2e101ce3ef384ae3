"""Second moments of a layer's inputs and outputs, and the weights that they ask for."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DAMPING",
    "ENOUGH",
    "Half",
    "Moments",
    "damped",
    "elimination",
    "held_out",
    "lost_means",
    "retarget",
    "token_weights",
]

_Array = NDArray[np.float32]
#: Share of the mean second moment that is added to the diagonal.
DAMPING = 0.02
#: Energy of a token, as a multiple of the median's, from which on all count alike.
LARGEST_ENERGY = 4.0
#: Columns for each term of a sum from which on they are not scarce: tokens of a text resemble each
#: other more than images do, and what a transformer's layers are fitted to adds up.
ENOUGH, ENOUGH_TOKENS = 4, 64


@dataclass(frozen=True, kw_only=True, eq=False)
class Half:
    """`Moments` of some of the columns; means of inputs and outputs are its own.

    `energy` is the mean squared norm of the outputs, as `square` and `cross` are taken.
    """

    square: _Array
    cross: _Array
    energy: float
    mean_in: _Array
    mean_out: _Array

    def error(self, weights: _Array) -> float:
        """Mean squared error of the outputs with some weights, shape (groups, n, k)."""
        product = (weights @ self.square * weights).sum()
        return float(product - 2 * (weights * self.cross).sum()) + self.energy


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
        held = held_out(count)
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
                    energy=float(np.square(right).sum(dtype=np.float64)) / size,
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


def held_out(count: int) -> NDArray[np.bool_]:
    """Which of so many columns are held out, a quarter of them, shape (count,)."""
    # Of each half, as the second texts of pairs, which resemble the first, come last.
    return (np.arange(count) * 8 // count) % 4 == 3


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
    square = damped(part.square).astype(np.float64)
    step = np.linalg.solve(square, missing.transpose(0, 2, 1).astype(np.float64))
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
    moments = damped(square, damping)
    order = np.argsort(-np.diagonal(moments, axis1=1, axis2=2), axis=1, kind="stable")
    rows = np.arange(len(square))[:, None]
    sorted_square = moments[rows[:, :, None], order[:, :, None], order[:, None, :]]
    inverse = np.linalg.inv(sorted_square.astype(np.float64))
    return order, np.linalg.cholesky(inverse).transpose(0, 2, 1).astype(np.float32)


def damped(square: _Array, damping: float = DAMPING) -> _Array:
    """Second moments with a share of their mean added to the diagonal, shape (groups, k, k)."""
    diagonal = np.diagonal(square, axis1=1, axis2=2)
    mean = diagonal.mean(axis=1)
    added = np.where(mean > 0, damping * mean, 1.0)
    identity = np.eye(square.shape[1], dtype=np.float32)
    return (square + added[:, None, None] * identity).astype(np.float32)
