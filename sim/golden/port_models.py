"""Golden models of the units with packed operands and modes, by family."""

from typing import Any

from macwright.sim.golden.bitplane_dot import BitplaneDotModel
from macwright.sim.golden.composable_mac import ComposableMacModel
from macwright.sim.golden.packed_mac import PackedMacModel
from macwright.sim.golden.requant import RequantModel
from macwright.sim.golden.serial_mac import SerialMacModel
from macwright.sim.golden.shift_add_mac import ShiftAddMacModel

__all__ = ["PORT_MODELS", "port_model"]

PORT_MODELS: dict[str, Any] = {
    "bitplane_dot": BitplaneDotModel,
    "composable_mac": ComposableMacModel,
    "packed_mac": PackedMacModel,
    "requant": RequantModel,
    "serial_mac": SerialMacModel,
    "shift_add_mac": ShiftAddMacModel,
}


def port_model(spec: Any) -> Any:
    """Golden model of a unit of one of these families."""
    return PORT_MODELS[spec.family](spec)
