"""Formats of activations that dataflow machines have."""

from collections.abc import Sequence

from macwright.hw.accelerator.network import level_unit
from macwright.hw.errors import NotSupported, RefusedInput
from macwright.hw.formats import FloatFormat, IntFormat, TernaryFormat, parse_format
from macwright.hw.formats.scaled import FixedFormat

__all__ = ["buildable"]

_KINDS = "integers, fixed point, and minifloats whose values span less than 48 bits as fixed point"


def buildable(activations: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Formats of activations that machines have, and what is to be said of the others.

    Raises
    ------
    NotSupported
        If they have none of them.
    """
    kept = tuple(name for name in activations if _is_built(name))
    others = ", ".join(name for name in activations if name not in kept)
    if not kept:
        raise NotSupported(f"Activations of a machine on a device must be {_KINDS}, not {others}")
    note = f"activations of {others} are left out: machines have {_KINDS} alone"
    return kept, (note,) if others else ()


def _is_built(name: str) -> bool:
    fmt = parse_format(name)
    try:
        level_unit(fmt)
    except RefusedInput:
        return False
    return isinstance(fmt, IntFormat | TernaryFormat | FixedFormat | FloatFormat)
