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
    """Golden model of a unit."""
    if spec.family in PORT_MODELS:
        return port_model(spec)
    if spec.family == "dot":
        return DotModel(spec)
    if spec.family == "minifloat_mac" and isinstance(spec.acc, FloatFormat):
        return FloatMacModel(spec)
    return _MODELS[spec.family](spec)
