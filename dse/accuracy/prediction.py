"""From predicted loss to predicted accuracy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from macwright.hw.errors import RefusedInput

__all__ = ["FEWEST_POINTS", "AccuracyPrediction", "calibrate_accuracy"]

#: Different losses that a prediction needs: fewer say nothing of its error.
FEWEST_POINTS = 5

#: Exponents that are tried.
_EXPONENTS = np.geomspace(0.2, 3.0, 272)

_Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class AccuracyPrediction:
    """Power law ``drop = scale * loss ** exponent`` below the float network's metric.

    No loss means no drop; more loss never means less drop.

    Parameters
    ----------
    reference : float
        Metric of the float network.
    scale, exponent : float
        Coefficients; the drop is in units of the metric, and positive where it got worse.
    higher_is_better : bool
        Whether what gets worse gets lower.
    error : float
        Mean absolute error, in units of the metric, of points that are each predicted by a fit
        without them; all but the one of most loss, beyond which nothing is to be predicted.
    points : int
        Evaluations.
    """

    reference: float
    scale: float
    exponent: float
    higher_is_better: bool
    error: float
    points: int

    def metric(self, loss: float) -> float:
        """Predicted metric of an allocation from its predicted loss."""
        drop = self.scale * max(loss, 0.0) ** self.exponent
        return self.reference - drop if self.higher_is_better else self.reference + drop


def calibrate_accuracy(
    losses: Sequence[float] | _Array,
    metrics: Sequence[float] | _Array,
    reference: float,
    *,
    higher_is_better: bool = True,
) -> AccuracyPrediction:
    """Fit what a network's metric loses, against the loss that was predicted.

    On ResNet-20 the logarithm of the KL divergence is a straight line over that of the predicted
    loss (R squared .96), and small drops of accuracy follow the same law; but drops may be zero,
    or negative by chance, so they are fitted themselves. A point weighs as if its error were in
    proportion to the median drop plus its own, so that neither the noise of small drops nor one
    large drop decides. Points that say little about the exponent leave it near 1.

    Parameters
    ----------
    losses : array_like, shape (n_points,)
        Predicted losses of allocations, at least zero.
    metrics : array_like, shape (n_points,)
        Their measured metrics.
    reference : float
        Metric of the float network on the same samples.
    higher_is_better : bool
        Whether a better network has the higher metric.

    Returns
    -------
    AccuracyPrediction

    Raises
    ------
    ValueError
        If there are fewer than five different losses, or a number is negative or not finite.

    Examples
    --------
    >>> fit = calibrate_accuracy([0, 1, 2, 4, 9], [92, 91, 90, 88, 83], 92)
    >>> round(fit.metric(2), 1), round(fit.error, 1)
    (90.0, 0.0)
    """
    x, y = np.asarray(losses, np.float64), np.asarray(metrics, np.float64)
    if x.shape != y.shape or np.unique(x).size < FEWEST_POINTS:
        raise RefusedInput(
            f"Calibration needs at least five different losses with their metrics, "
            f"not {x.size} and {y.size}"
        )
    for what, values in (("Losses", x), ("Metrics", y), ("Reference", np.array([reference]))):
        if not np.isfinite(values).all():
            raise RefusedInput(f"{what} must be finite numbers, not NaN or infinity")
    if x.min() < 0:
        raise RefusedInput(f"Losses must be at least zero, not {x.min():g}")
    drop = reference - y if higher_is_better else y - reference
    scale, exponent = _fit(x, drop)
    errors = []
    for i in np.flatnonzero(x < x.max()):
        others = np.arange(len(x)) != i
        factor, power = _fit(x[others], drop[others])
        errors.append(abs(factor * x[i] ** power - drop[i]))
    return AccuracyPrediction(
        reference=float(reference),
        scale=scale,
        exponent=exponent,
        higher_is_better=higher_is_better,
        error=float(np.mean(errors)),
        points=len(x),
    )


def _fit(x: _Array, drop: _Array) -> tuple[float, float]:
    """Scale and exponent of least weighted squared error."""
    size = np.median(np.abs(drop)) + np.abs(drop)
    if not size.any():
        return 0.0, 1.0
    weight = 1 / np.where(size > 0, size, size[size > 0].min()) ** 2
    # In units of the largest loss no power overflows.
    unit = x.max() or 1.0
    powers = (x / unit) ** _EXPONENTS[:, None]
    square = powers**2 @ weight
    scale = np.maximum(powers @ (weight * drop) / np.where(square > 0, square, 1), 0.0)
    errors = (scale[:, None] * powers - drop) ** 2 @ weight + np.log(_EXPONENTS) ** 2
    best = int(np.argmin(errors))
    return float(scale[best] / unit ** _EXPONENTS[best]), float(_EXPONENTS[best])
