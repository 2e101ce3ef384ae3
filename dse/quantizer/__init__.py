"""Quantiser: formats put into a network, as its hardware would compute it."""

from macwright.dse.quantizer.options import (
    QuantOptions,
    act_format,
    fixed_allocation,
    layer_formats,
)
from macwright.dse.quantizer.plan import LayerPlan
from macwright.dse.quantizer.quantise import quantise

__all__ = [
    "LayerPlan",
    "QuantOptions",
    "act_format",
    "fixed_allocation",
    "layer_formats",
    "quantise",
]
