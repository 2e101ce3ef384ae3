"""Structures of a unit that compute the same at other speeds: adders and register stages."""

from dataclasses import replace
from typing import Any

from macwright.costmodel.placement.nextpnr import PLACERS
from macwright.hw.arith.multipliers import MULTIPLIERS
from macwright.hw.formats import BinaryFormat, FloatFormat, IntFormat, TernaryFormat

__all__ = ["built_spec", "has_one_sum", "structures"]

#: Sum in two registers: the port `acc_carry` comes on top, and an adder has to join them.
_TWO_SUMS = "carry_save"
#: What has been seen to pay. Integers are one tree with the accumulator, so that its adder decides.
_OF_INTEGERS = ("brent_kung", "kogge_stone", _TWO_SUMS)
#: Minifloats' products are aligned first, and may have a register behind them.
_OF_FLOATS, _OF_FLOATS_CUT = ("brent_kung", _TWO_SUMS), ("brent_kung", "sklansky")
_CUT = {"pipeline": 1, "cut": "product"}
#: Float accumulators that round in one cycle are slow; four that take turns may take four.
_SUMS = {"adder": "brent_kung", **_CUT, "sums": 4}
_INTEGERS = IntFormat | BinaryFormat | TernaryFormat


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
        Spec by what differs, such as ``"adder=brent_kung"``; the unit's is empty. A stage that
        registers the operands is left out, as the period assumes one. Carry-save accumulators
        and several sums that take turns are among them: `has_one_sum` tells them apart.
    """
    every: dict[str, dict[str, Any]] = {"": {}}
    if technology not in PLACERS and _is_tree(spec):
        every |= _trees(spec)
    elif spec.pipeline == 0:
        every |= {f"pipeline={stages}": {"pipeline": stages} for stages in _stages(spec)}
    specs = {}
    for label, changes in every.items():
        try:
            specs[label] = replace(spec, **changes)
        except ValueError:
            continue  # the family has not so many stages, or not that adder
    return specs


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


def has_one_sum(point: str) -> bool:
    """Whether the accumulator of a point is one number, the same in all cycles, at `acc` alone."""
    return f"adder={_TWO_SUMS}" not in point and "sums=" not in point


def _is_tree(spec: Any) -> bool:
    """Whether product and sum are one tree of cells, with a choice of its final adder."""
    multipliers = (*MULTIPLIERS, "array")
    return hasattr(spec, "adder") and spec.pipeline == 0 and spec.multiplier in multipliers


def _trees(spec: Any) -> dict[str, dict[str, Any]]:
    """Changes by label: final adders, and with floats a register in front of the sum, too."""
    turns = {}
    if getattr(spec, "sums", None) == 1 and isinstance(spec.acc, FloatFormat):
        turns = {"adder=brent_kung cut=product sums=4": _SUMS}
    lane = getattr(spec, "lane", spec)
    if all(isinstance(fmt, _INTEGERS) for fmt in (lane.act, lane.weight)):
        return {f"adder={adder}": {"adder": adder} for adder in _OF_INTEGERS} | turns
    changes = {f"adder={adder}": {"adder": adder} for adder in _OF_FLOATS}
    cut = {f"adder={adder} cut=product": {"adder": adder, **_CUT} for adder in _OF_FLOATS_CUT}
    return changes | cut | turns


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
