"""Integers for the solvers, with the error that this makes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from macwright.hw.errors import RefusedInput

__all__ = ["Scaled", "scale"]

#: Rounded totals have so many bits: those of a double, and room for a thousand options in each
#: group in the sums of 64 bits that CP-SAT makes over all options.
TOTAL_BITS = 52


@dataclass(frozen=True, eq=False)
class Scaled:
    """Integers that stand for a column of numbers.

    Parameters
    ----------
    integers : array of int64, shape (n_rows,)
    factor : float
        ``integers = round(values * factor)``.
    error : float
        Largest difference that rounding makes in the total of one allocation, in the unit of
        the column; 0 if the integers stand for the very decimals that were given.
    """

    integers: NDArray[np.int64]
    factor: float
    error: float


def scale(
    values: NDArray[np.float64], start: NDArray[np.int64], name: str, *, bits: int = TOTAL_BITS
) -> Scaled:
    """Scale a column to integers whose largest total has at most `bits` bits.

    Decimal numbers of few digits (``0.001742``) become exact integers. Others are scaled by a
    power of two and rounded.

    Parameters
    ----------
    values : array of float, shape (n_rows,)
        At least zero.
    start : array of int, shape (n_groups + 1,)
        Rows of each group, of which one is chosen.
    name : str
        Column, for messages.
    bits : int, default=52
        Of the largest total, dimensionless.

    Raises
    ------
    ValueError
        If whole totals do not fit into 64 bits.

    Examples
    --------
    >>> scale(np.array([0.25, 1.5]), np.array([0, 2]), "loss").integers
    array([ 25, 150])
    >>> scale(np.array([0.1, 1 / 3]), np.array([0, 1, 2]), "loss").error < 1e-15
    True
    """
    groups = len(start) - 1
    # Of the largest totals, both as a float and rounded up, so that the check is safe.
    with np.errstate(over="ignore"):  # what is infinite is refused
        total = float(np.maximum.reduceat(values, start[:-1]).sum()) if values.size else 0.0
    if total >= 2.0**62:
        raise RefusedInput(
            f"Total of {name!r} must be below 2**62 to be counted in 64 bits, not {total:.3g}; "
            "use a larger unit"
        )
    for digits in range(13):
        power = 10.0**digits
        # Doubles hold integers to 2**53: beyond, a product cannot be told from its neighbour.
        if total * power >= 2.0**53:
            break
        integers = np.rint(values * power)
        if np.array_equal(integers / power, values):
            return Scaled(integers.astype(np.int64), power, 0.0)
    # Below 2**-968, the factor would be beyond a double: rounding leaves a larger gap.
    exponent = bits - max(int(np.frexp(total)[1]), -968) if total else 0
    scaled = np.rint(np.ldexp(values, exponent))
    exact = bool(np.array_equal(np.ldexp(scaled, -exponent), values))
    error = 0.0 if exact else float(np.ldexp(0.5, -exponent)) * groups
    return Scaled(scaled.astype(np.int64), float(np.ldexp(1.0, exponent)), error)
