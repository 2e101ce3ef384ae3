"""Networks computed as their hardware would: codes, accumulators and requantisers, bit by bit."""

from macwright.dse.bitexact.layer import LayerCodes, layer_codes, layer_outputs
from macwright.dse.bitexact.network import Distance, bit_exact_outputs, fake_quant_distance

__all__ = [
    "Distance",
    "LayerCodes",
    "bit_exact_outputs",
    "fake_quant_distance",
    "layer_codes",
    "layer_outputs",
]
