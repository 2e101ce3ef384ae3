"""Figures with the error that so many samples leave them."""

from math import floor, isfinite, log10

__all__ = ["decimals", "with_error", "within_error"]


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
