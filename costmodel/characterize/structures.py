"""Structures of a unit that compute the same at other speeds: adders and register stages."""

from dataclasses import replace
from typing import Any

from macwright.costmodel.placement.nextpnr import PLACERS
from macwright.hw.arith.multipliers import MULTIPLIERS

__all__ = ["built_spec", "structures"]

#: Final adders besides the smallest, by rising speed. One with two registers ("carry_save") has
#: another port and is not the same unit.
_ADDERS = ("brent_kung", "kogge_stone")


def structures(spec: Any, technology: str) -> dict[str, Any]:
    """The unit and what computes the same faster, the unit itself first.

    Parameters
    ----------
    spec : unit spec
        The unit, without register stages before its accumulator.
    technology : str
        Name of the technology: on FPGAs, whose adders are chains of their own, register stages
        alone.

    Returns
    -------
    dict
        Spec by what differs, such as ``"adder=brent_kung"``; the unit's is empty. One
        register stage is left out: it registers the operands, which the period assumes anyway.
    """
    every: dict[str, dict[str, Any]] = {"": {}}
    # Where product and sum are one tree of cells, its final adder decides, not a register between.
    tree = technology not in PLACERS and getattr(spec, "multiplier", "") in MULTIPLIERS
    if tree and hasattr(spec, "adder"):
        every |= {f"adder={adder}": {"adder": adder} for adder in _ADDERS}
    elif spec.pipeline == 0:
        every |= {f"pipeline={stages}": {"pipeline": stages} for stages in _stages(spec)}
    found = {}
    for label, changes in every.items():
        try:
            found[label] = replace(spec, **changes)
        except ValueError:
            continue  # the family has not so many stages, or not that adder
    return found


def built_spec(spec: Any, module: str, technology: str) -> Any:
    """Structure of a unit that has the name `module`.

    Raises
    ------
    KeyError
        If none has.
    """
    if module == spec.name:
        return spec
    return {each.name: each for each in structures(spec, technology).values()}[module]


def _stages(spec: Any) -> list[int]:
    """Numbers of register stages worth a try: two, and where rows allow more, half and all."""
    most = 2
    while _allowed(spec, most + 1):
        most += 1
    return sorted({2, (most + 3) // 2, most} if most > 2 else {2})


def _allowed(spec: Any, stages: int) -> bool:
    try:
        replace(spec, pipeline=stages)
    except ValueError:
        return False
    return True
