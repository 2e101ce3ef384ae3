"""A part of a machine, as the model of its resources sees it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Part", "bits_of"]


@dataclass(frozen=True)
class Part:
    """A part of a machine, or several equal ones.

    Parameters
    ----------
    kind : str
        What it is; parts of a kind share coefficients.
    features : mapping of str to float
        What it is made of.
    memories : tuple of (int, int, bool)
        Words, bits of a word, and whether they are constants, of each memory.
    products : tuple of (int, int)
        Bits of both factors of each multiplication.
    count : int
        How many there are.
    mixed_constants : bool
        Whether constants in logic are optimised with what is around them, so that a feature says
        what look-up tables they take, not a rule.
    """

    kind: str
    features: Mapping[str, float]
    memories: tuple[tuple[int, int, bool], ...] = ()
    products: tuple[tuple[int, int], ...] = ()
    count: int = 1
    unit: Any = field(default=None)
    mixed_constants: bool = False


def bits_of(count: int) -> int:
    """Bits of a counter of so many values."""
    return (count - 1).bit_length() if count > 1 else 0
