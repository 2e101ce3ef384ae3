"""Formats that machines on a device have."""

from collections.abc import Callable, Sequence
from typing import Any

from macwright.hw.accelerator.network import level_unit
from macwright.hw.errors import NotSupported, RefusedInput
from macwright.hw.formats import FloatFormat, Format, IntFormat, TernaryFormat, parse_format
from macwright.hw.formats.scaled import FixedFormat

__all__ = ["array_formats", "buildable"]

_Kept = tuple[tuple[str, ...], tuple[str, ...]]
_KINDS = "integers, fixed point, and minifloats whose values span less than 48 bits as fixed point"


def buildable(activations: Sequence[str]) -> _Kept:
    """Formats of activations that machines with an engine for each layer have.

    Returns
    -------
    tuple of (tuple of str, tuple of str)
        They, and what is to be said of the others.

    Raises
    ------
    NotSupported
        If they have none of them.
    """
    return _split(activations, _is_built, ("Activations", "a machine", "machines", _KINDS))


def array_formats(names: Sequence[str], what: str) -> _Kept:
    """The same of weights, or of activations, of one array; `what` begins the sentence."""
    words = (what, "an array", "arrays on a device", "integers")
    return _split(names, lambda fmt: isinstance(fmt, IntFormat), words)


def _split(
    names: Sequence[str], is_built: Callable[[Any], bool], words: tuple[str, str, str, str]
) -> _Kept:
    """Formats that are built; the words are what they are of, one machine, many, and kinds."""
    what, machine, machines, kinds = words
    built = tuple(name for name in names if is_built(parse_format(name)))
    others = ", ".join(name for name in names if name not in built)
    if not built:
        raise NotSupported(f"{what} of {machine} on a device must be {kinds}, not {others}")
    note = f"{what.lower()} of {others} are left out: {machines} have {kinds} alone"
    return built, (note,) if others else ()


def _is_built(fmt: Format) -> bool:
    try:
        level_unit(fmt)
    except RefusedInput:
        return False
    return isinstance(fmt, IntFormat | TernaryFormat | FixedFormat | FloatFormat)
