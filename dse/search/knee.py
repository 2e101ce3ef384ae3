"""The point of a front where more cost begins to buy little."""

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["knee_index"]


def knee_index(costs: ArrayLike, losses: ArrayLike) -> int | None:
    """Index of the point farthest below the line between the front's ends, both axes logarithmic.

    Parameters
    ----------
    costs, losses : array_like of float, shape (n_points,)
        At least zero, by rising cost; a zero counts as the smallest positive value of its axis.

    Returns
    -------
    int or None
        None with fewer than three points, or where no point is below the line.

    Examples
    --------
    >>> knee_index([1, 2, 4, 8], [8, 1, 0.5, 0.25])
    1
    """
    x, y = (_log(values) for values in (costs, losses))
    if len(x) < 3:
        return None
    depth = (y[-1] - y[0]) * (x - x[0]) - (x[-1] - x[0]) * (y - y[0])
    best = int(depth.argmax())
    return best if depth[best] > 1e-9 * abs((x[-1] - x[0]) * (y[-1] - y[0])) else None


def _log(values: ArrayLike) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    positive = values[values > 0]
    return np.log(np.maximum(values, positive.min() if len(positive) else 1.0))
