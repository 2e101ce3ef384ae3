"""Figures with the error that so many samples leave them."""

from collections.abc import Sequence
from math import floor, isfinite, log10

__all__ = ["decimals", "first_alike", "predicted_decimals", "with_error", "within_error"]


def decimals(error: float | None) -> int:
    """Decimals of a figure that its standard error allows: two digits of the error, two at most.

    Examples
    --------
    >>> decimals(0.5), decimals(1.4), decimals(12), decimals(0.004), decimals(None)
    (2, 1, 0, 2, 2)
    """
    if error is None or not isfinite(error) or error <= 0:
        return 2
    return min(max(1 - floor(log10(error)), 0), 2)


def predicted_decimals(*errors: float | None) -> int:
    """Decimals of a predicted figure: those that the largest of its known errors allows.

    Examples
    --------
    >>> predicted_decimals(0.05, None, 1.4), predicted_decimals(None)
    (1, 2)
    """
    return decimals(max((error for error in errors if error is not None), default=None))


def with_error(value: float, error: float | None) -> str:
    """A figure and its standard error, with no more digits than that allows.

    Examples
    --------
    >>> with_error(89.6, 1.365), with_error(89.6, None)
    ('89.6 ± 1.4', '89.60')
    """
    digits = decimals(error)
    return f"{value:.{digits}f}" + ("" if error is None else f" ± {error:.{digits}f}")


def within_error(
    value: float, error: float | None, other: float, other_error: float | None
) -> bool:
    """Whether two figures differ by no more than the standard error of their difference.

    That of independent samples is taken; on the same samples it is smaller.

    Examples
    --------
    >>> within_error(90.0, 0.4, 90.4, 0.3), within_error(90.0, 0.4, 91.0, 0.3)
    (True, False)
    """
    if error is None or other_error is None:
        return False
    return (value - other) ** 2 <= error**2 + other_error**2


def first_alike(figures: Sequence[tuple[float | None, float | None]], index: int) -> int | None:
    """Position of the first figure before `index` that it does not differ from; None for none.

    Parameters
    ----------
    figures : sequence of (value, standard error)
        Such as those of a front, in order of rising cost; None where not measured.
    index : int
        Of the figure in question.

    Examples
    --------
    >>> front = [(80.0, 1.0), (None, None), (83.0, 1.0), (84.2, 1.0)]
    >>> first_alike(front, 3), first_alike(front, 2), first_alike(front, 1)
    (2, None, None)
    """
    value, error = figures[index]
    for position, (other, other_error) in enumerate(figures[:index]):
        if value is not None and other is not None:
            if within_error(value, error, other, other_error):
                return position
    return None
