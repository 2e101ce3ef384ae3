"""Networks computed as their hardware would: integers alone, bit by bit."""

from macwright.dse.bitexact.evaluate import (
    Distance,
    evaluate_exact,
    fake_quant_distance,
    input_levels,
    network_outputs,
)
from macwright.dse.bitexact.layer import LayerCodes, layer_codes
from macwright.dse.bitexact.lower import integer_network

__all__ = [
    "Distance",
    "LayerCodes",
    "evaluate_exact",
    "fake_quant_distance",
    "input_levels",
    "integer_network",
    "layer_codes",
    "network_outputs",
]
