"""What a change of a network's outputs is measured by."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from macwright.dse.data.recipe import Dataset
from macwright.dse.data.task import log_softmax
from macwright.dse.studies import check_metric
from macwright.hw.errors import RefusedInput

__all__ = ["output_metric", "relative_error"]

_Array = NDArray[np.floating]


def relative_error(changed: _Array, exact: _Array) -> float:
    """Mean squared difference over mean square."""
    size = float(np.mean(exact.astype(np.float64) ** 2))
    return float(np.mean((changed.astype(np.float64) - exact) ** 2)) / (size or 1.0)


def output_metric(
    name: str, dataset: Dataset, reference: _Array, samples: int
) -> Callable[[_Array], float]:
    """Measure of changed outputs against those of the float network.

    Raises
    ------
    ValueError
        If there is no such metric, or the task has no classes or the data no labels for it.
    """
    check_metric(name)
    if name in ("kl", "loss") and not dataset.rules.probabilities:
        raise RefusedInput(
            f"Sensitivity metric {name!r} must have outputs that are logits, not those of a "
            f"{dataset.task} task"
        )
    exact = reference.astype(np.float64)
    if name == "kl":
        log_exact = log_softmax(reference)
        return lambda out: float(
            (np.exp(log_exact) * (log_exact - log_softmax(out))).sum(axis=-1).mean()
        )
    if name == "loss":
        if dataset.y_calib is None:
            raise RefusedInput(
                "Sensitivity metric 'loss' must have labels of the calibration samples, and the "
                "data has none"
            )
        labels = dataset.y_calib[:samples][..., None].astype(np.int64)

        def entropy(out: _Array) -> float:
            return -float(np.take_along_axis(log_softmax(out), labels, axis=-1).mean())

        before = entropy(reference)
        return lambda out: max(entropy(out) - before, 0.0)
    return lambda out: float(np.mean((out - exact) ** 2))
