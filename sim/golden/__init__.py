"""Bit-accurate reference models.

A golden model states what the hardware must do in plain Python integers. It imports number
formats and specifications, never a component, and shares no arithmetic with the hardware.
"""

from typing import Any

from macwright.hw.formats import FloatFormat
from macwright.sim.golden.decode import Special, decode, legal_codes
from macwright.sim.golden.dot import DotModel, lane_codes
from macwright.sim.golden.float_mac import FloatMacModel
from macwright.sim.golden.mac import IntMacModel, MacModel, MinifloatMacModel
from macwright.sim.golden.port_models import PORT_MODELS, port_model

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

_MODELS: dict[str, type[MacModel]] = {
    "int_mac": IntMacModel,
    "minifloat_mac": MinifloatMacModel,
}


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
    if spec.family in PORT_MODELS:
        return port_model(spec)
    if spec.family == "dot":
        return DotModel(spec)
    if spec.family == "minifloat_mac" and isinstance(spec.acc, FloatFormat):
        return FloatMacModel(spec)
    return _MODELS[spec.family](spec)
