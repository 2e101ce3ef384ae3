"""From predicted loss to predicted divergence."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from macwright.dse.data.task import spearman
from macwright.hw.errors import RefusedInput

__all__ = ["Prediction", "calibrate_prediction"]


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Power law ``log KL = a + b log loss`` from a few true evaluations.

    Parameters
    ----------
    a, b : float
        Coefficients.
    factor : float
        Typical factor between prediction and truth: e to the mean absolute error of log KL, each
        point predicted by a fit without it.
    rank : float
        Spearman's rank correlation between predicted loss and true KL.
    points : int
        Evaluations.
    """

    a: float
    b: float
    factor: float
    rank: float
    points: int

    def kl(self, loss: float) -> float:
        """Predicted KL divergence of an allocation from its predicted loss."""
        return float(np.exp(self.a + self.b * np.log(loss))) if loss > 0 else 0.0


def calibrate_prediction(losses: Sequence[float], divergences: Sequence[float]) -> Prediction:
    """Fit the power law by least squares of the logarithms.

    Parameters
    ----------
    losses : sequence of float, shape (n_points,)
        Predicted losses of allocations, positive.
    divergences : sequence of float, shape (n_points,)
        Their measured KL divergences, positive.

    Raises
    ------
    ValueError
        If there are fewer than three points, or one is not positive.

    Examples
    --------
    >>> fit = calibrate_prediction([1, 10, 100], [0.1, 1, 10])
    >>> round(fit.b, 6), round(fit.kl(50), 6)
    (1.0, 5.0)
    """
    x, y = np.asarray(losses, np.float64), np.asarray(divergences, np.float64)
    if x.shape != y.shape or len(x) < 3 or np.unique(x).size < 3:
        raise RefusedInput(
            f"Calibration needs at least three different losses with their divergences, "
            f"not {len(x)} and {len(y)}"
        )
    if not ((x > 0).all() and (y > 0).all()):
        raise RefusedInput(f"Losses and divergences must be positive, not {min(x.min(), y.min())}")
    log_x, log_y = np.log(x), np.log(y)
    b, a = np.polyfit(log_x, log_y, 1)
    errors = []
    for i in range(len(x)):
        others = np.arange(len(x)) != i
        slope, start = np.polyfit(log_x[others], log_y[others], 1)
        errors.append(abs(start + slope * log_x[i] - log_y[i]))
    return Prediction(
        a=float(a),
        b=float(b),
        factor=float(np.exp(np.mean(errors))),
        rank=spearman(x, y),
        points=len(x),
    )
