"""Bit-accurate reference models.

A golden model states what the hardware must do in plain Python integers. It imports number
formats and specifications, never a component, and shares no arithmetic with the hardware.
"""

from typing import Any

from macwright.sim.golden.decode import Special, decode, legal_codes
from macwright.sim.golden.dot import DotModel, lane_codes
from macwright.sim.golden.float_mac import FloatMacModel
from macwright.sim.golden.mac import IntMacModel, MacModel, MinifloatMacModel

__all__ = [
    "DotModel",
    "FloatMacModel",
    "IntMacModel",
    "MacModel",
    "MinifloatMacModel",
    "Special",
    "decode",
    "golden_model",
    "lane_codes",
    "legal_codes",
]


def golden_model(spec: Any) -> Any:
    """Golden model of a unit.

    Parameters
    ----------
    spec : UnitSpec
        Of any family.

    Returns
    -------
    MacModel, DotModel or PortModel
        ``step(**codes, clear=…)`` is a clock edge; `acc` the accumulator as an unsigned code word,
        None where the contract leaves it open.

    Examples
    --------
    >>> from macwright.hw.pe import IntMacSpec
    >>> model = golden_model(IntMacSpec())
    >>> model.step(a=3, w=0xFE, clear=1)  # 3 x -2
    >>> model.step(a=5, w=1, clear=0)
    >>> hex(model.acc)
    '0xffffffff'
    """
    # Families know the models; this is where users look for them.
    from macwright.sim.families import verification

    return verification(spec).model(spec)
