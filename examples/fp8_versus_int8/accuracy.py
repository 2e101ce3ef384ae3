"""Bits of accuracy of a number format for data of a known distribution, by integration.

The bits are ``log2(E[x**2] / E[(x - q(x))**2]) / 2``: a uniform quantiser of n bits has n for
uniform data that just fill it. The scale of the format is the one of least error. Between two
decision levels the error is a sum of partial moments of the density, which have closed forms for
the three distributions, so that nothing is sampled and the tails count in full.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import erfc, exp, inf, log2, pi, sqrt

import numpy as np
from numpy.typing import NDArray

__all__ = ["DISTRIBUTIONS", "Distribution", "bits_of_accuracy", "mean_squared_error"]


@dataclass(frozen=True)
class Distribution:
    """A symmetric density by its partial moments.

    Parameters
    ----------
    name : str
        For tables.
    moments : callable
        ``moments(x)`` gives the integrals of p(t), t p(t) and t**2 p(t) from minus infinity to x.
    """

    name: str
    moments: Callable[[float], tuple[float, float, float]]

    @property
    def power(self) -> float:
        """Mean square."""
        return self.moments(inf)[2]


def _uniform(x: float) -> tuple[float, float, float]:
    """Between -1 and 1."""
    x = min(max(x, -1.0), 1.0)
    return (x + 1) / 2, (x * x - 1) / 4, (x**3 + 1) / 6


def _normal(x: float) -> tuple[float, float, float]:
    """Of variance 1."""
    below = erfc(-x / sqrt(2)) / 2
    density = exp(-x * x / 2) / sqrt(2 * pi)
    return below, -density, below - (x * density if density else 0.0)


def _student3(x: float) -> tuple[float, float, float]:
    """Student's t with three degrees of freedom, of variance 3."""
    if x in (inf, -inf):
        return (1.0, 0.0, 3.0) if x > 0 else (0.0, 0.0, 0.0)
    u = x / sqrt(3)
    bell, angle = u / (1 + u * u), np.arctan2(1.0, -u)
    return (angle + bell) / pi, -sqrt(3) / pi / (1 + u * u), 3 / pi * (angle - bell)


DISTRIBUTIONS = (
    Distribution("uniform", _uniform),
    Distribution("normal", _normal),
    Distribution("Student-t(3)", _student3),
)


def mean_squared_error(
    levels: NDArray[np.float64], distribution: Distribution, scale: float
) -> float:
    """Error of rounding to the nearest of some levels times a scale, saturating beyond the ends.

    Parameters
    ----------
    levels : ndarray of float64, shape (n_levels,)
        Increasing.
    distribution : Distribution
        Density of the data.
    scale : float
        Factor of the levels.
    """
    points = scale * levels
    return _negative_error(points, distribution) + _negative_error(-points[::-1], distribution)


def _negative_error(points: NDArray[np.float64], distribution: Distribution) -> float:
    """Share of the negative values, where the moments of the tail are not lost beside 1."""
    edges = [-inf, *np.minimum((points[1:] + points[:-1]) / 2, 0.0), 0.0]
    zeroth, first, second = np.diff(np.array([distribution.moments(x) for x in edges]), axis=0).T
    return float((second - 2 * points * first + points**2 * zeroth).sum())


def bits_of_accuracy(levels: NDArray[np.float64], distribution: Distribution) -> float:
    """Bits of accuracy at the best scale, found to a relative precision of 1e-6.

    Parameters
    ----------
    levels : ndarray of float64, shape (n_levels,)
        Values of the format, increasing.
    distribution : Distribution
        Density of the data.
    """
    spread = sqrt(distribution.power) / levels[-1]
    # The error over the scale has a valley for each power of two, all the way until the largest
    # values are too few to matter, so that the deepest must be found before it is descended.
    scales = spread * np.exp2(np.arange(-2, 24, 1 / 16))
    errors = [mean_squared_error(levels, distribution, scale) for scale in scales]
    best = scales[int(np.argmin(errors))]
    for step in (1 / 16, 0.004, 5e-4, 6e-5, 7e-6, 1e-6):
        scales = best * np.exp2(np.linspace(-step, step, 21))
        errors = [mean_squared_error(levels, distribution, scale) for scale in scales]
        best = scales[int(np.argmin(errors))]
    return log2(distribution.power / min(errors)) / 2
