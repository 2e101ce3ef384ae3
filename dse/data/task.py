"""How the outputs of a model are scored, task by task."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from macwright.dse.data.task_fit import other_task
from macwright.hw.errors import RefusedInput

__all__ = ["TASKS", "Task", "rank", "spearman"]


@dataclass(frozen=True, kw_only=True)
class Task:
    """Scoring of one kind of task.

    Parameters
    ----------
    metric_name : str
        What `metric` gives, with its unit.
    higher_is_better : bool
        Whether a larger metric is a better one.
    metric : callable
        Takes outputs, shape (n_samples, ...), and labels; returns a number.
    standard_error : callable
        Takes the same; returns the standard error of `metric` as an estimate from a sample, None
        where there is none.
    check_labels : callable
        Takes labels and the name of their file; raises ValueError for those that will not do.
    parts : int
        Model inputs for each label: 2 where pairs are compared.
    probabilities : bool
        Whether the last axis of the outputs holds logits of classes.
    labels : bool
        Whether samples have labels; else outputs are compared with those of the float network.
    """

    metric_name: str
    higher_is_better: bool
    metric: Callable[[np.ndarray, np.ndarray], float]
    standard_error: Callable[[np.ndarray, np.ndarray], float | None]
    check_labels: Callable[[np.ndarray, str], None]
    parts: int = 1
    probabilities: bool = False
    labels: bool = True


def rank(values: np.ndarray) -> np.ndarray:
    """Ranks from 0, equal values sharing their mean rank, shape (n,)."""
    order = np.argsort(values, kind="stable")
    _, inverse, counts = np.unique(values[order], return_inverse=True, return_counts=True)
    first = np.cumsum(counts) - counts
    ranks = np.empty(len(values))
    ranks[order] = (first + (counts - 1) / 2)[inverse]
    return ranks


def spearman(left: np.ndarray, right: np.ndarray) -> float:
    """Spearman's rank correlation; NaN if either is constant.

    Examples
    --------
    >>> round(spearman(np.array([1, 2, 3]), np.array([1, 8, 9])), 6)
    1.0
    """
    a, b = rank(np.asarray(left)), rank(np.asarray(right))
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / scale) if scale else float("nan")


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Log probabilities along the last axis, in float64."""
    wide = logits.astype(np.float64)
    wide = wide - wide.max(axis=-1, keepdims=True)
    return wide - np.log(np.exp(wide).sum(axis=-1, keepdims=True))


def _top_1(outputs: np.ndarray, labels: np.ndarray) -> float:
    # One division, so that 92.6 is 92.6.
    return 100 * int((outputs.argmax(axis=1) == labels).sum()) / len(labels)


def _pair_spearman(outputs: np.ndarray, labels: np.ndarray) -> float:
    left, right = np.split(outputs.astype(np.float64).reshape(len(outputs), -1), 2)
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return 100 * spearman((left * right).sum(axis=1) / np.maximum(lengths, 1e-30), labels)


def _perplexity(outputs: np.ndarray, labels: np.ndarray) -> float:
    chosen = np.take_along_axis(log_softmax(outputs), labels[..., None], axis=-1)
    return float(np.exp(-chosen.mean()))


def _mean_squared_error(outputs: np.ndarray, labels: np.ndarray) -> float:
    wide = outputs.reshape(len(outputs), -1).astype(np.float64)
    return float(np.mean((wide - labels.reshape(len(labels), -1)) ** 2))


def _of_mean(scores: np.ndarray) -> float | None:
    """Standard error of the mean of independent scores, shape (n,)."""
    if len(scores) < 2:
        return None
    return float(scores.std(ddof=1) / np.sqrt(len(scores)))


def _top_1_error(outputs: np.ndarray, labels: np.ndarray) -> float | None:
    return _of_mean(100.0 * (outputs.argmax(axis=1) == labels))


def _pair_spearman_error(outputs: np.ndarray, labels: np.ndarray) -> float | None:
    """Of a rank correlation r of n pairs: (1 + r**2 / 2) / (n - 3) in Fisher's z (Bonett, 2000)."""
    if len(labels) < 4:
        return None
    r = _pair_spearman(outputs, labels) / 100
    error = 100 * (1 - r**2) * np.sqrt((1 + r**2 / 2) / (len(labels) - 3))
    return float(error) if np.isfinite(error) else None


def _perplexity_error(outputs: np.ndarray, labels: np.ndarray) -> float | None:
    """Of the exponential of a mean, to first order; sequences are independent, tokens are not."""
    chosen = np.take_along_axis(log_softmax(outputs), labels[..., None], axis=-1)
    error = _of_mean(chosen.reshape(len(chosen), -1).mean(axis=1))
    return None if error is None else float(np.exp(-chosen.mean())) * error


def _squared_error_error(outputs: np.ndarray, labels: np.ndarray) -> float | None:
    wide = outputs.reshape(len(outputs), -1).astype(np.float64)
    return _of_mean(((wide - labels.reshape(len(labels), -1)) ** 2).mean(axis=1))


def _energies(outputs: np.ndarray, exact: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Squares of the errors and of the exact outputs, summed for each sample, shape (n,)."""
    wide = exact.reshape(len(exact), -1).astype(np.float64)
    errors = outputs.reshape(len(outputs), -1).astype(np.float64) - wide
    return (errors**2).sum(axis=1), (wide**2).sum(axis=1)


def _output_error(outputs: np.ndarray, exact: np.ndarray) -> float:
    errors, powers = _energies(outputs, exact)
    return 100 * float(errors.sum() / (powers.sum() or 1.0))


def _output_error_error(outputs: np.ndarray, exact: np.ndarray) -> float | None:
    """Of a ratio of two means, to first order (Cochran, Sampling Techniques, 1977, eq. 2.39)."""
    errors, powers = _energies(outputs, exact)
    if len(errors) < 2:
        return None
    mean = float(powers.mean()) or 1.0
    ratio = float(errors.mean()) / mean
    spread = float((errors - ratio * powers).std(ddof=1))
    return 100 * spread / mean / float(np.sqrt(len(errors)))


def _check_tokens(labels: np.ndarray, file: str, remedy: str = "") -> None:
    if labels.dtype.kind not in "iu" or (labels.size and labels.min() < 0):
        what = labels.min() if labels.dtype.kind == "i" else labels.dtype
        raise RefusedInput(f"Labels of {file} must be integers from 0, not {what}{remedy}")


def _check_classes(labels: np.ndarray, file: str) -> None:
    _check_tokens(labels, file, other_task("classification"))


def _check_numbers(labels: np.ndarray, file: str) -> None:
    if labels.dtype.kind not in "iuf":
        raise RefusedInput(f"Labels of {file} must be numbers, not {labels.dtype}")


TASKS = {
    "classification": Task(
        metric_name="top-1 accuracy (%)",
        higher_is_better=True,
        metric=_top_1,
        standard_error=_top_1_error,
        check_labels=_check_classes,
        probabilities=True,
    ),
    "similarity": Task(
        metric_name="Spearman correlation x 100",
        higher_is_better=True,
        metric=_pair_spearman,
        standard_error=_pair_spearman_error,
        check_labels=_check_numbers,
        parts=2,
    ),
    "language-model": Task(
        metric_name="perplexity",
        higher_is_better=False,
        metric=_perplexity,
        standard_error=_perplexity_error,
        check_labels=_check_tokens,
        probabilities=True,
    ),
    "regression": Task(
        metric_name="mean squared error",
        higher_is_better=False,
        metric=_mean_squared_error,
        standard_error=_squared_error_error,
        check_labels=_check_numbers,
    ),
    "unlabelled": Task(
        metric_name="squared error of the outputs (% of the float network's)",
        higher_is_better=False,
        metric=_output_error,
        standard_error=_output_error_error,
        check_labels=lambda labels, file: None,
        labels=False,
    ),
}
