"""Widths of the array and of the memory, for all layers of a network."""

from macwright.hw.accelerator.network import Conv, Gemm, Network, Reshape, Table, levels_of
from macwright.hw.accelerator.temporal.tensors import tensor_of
from macwright.hw.accelerator.temporal.terms import Parts
from macwright.hw.arith.widths import range_width

__all__ = ["machine_widths"]


def machine_widths(network: Network) -> tuple[Parts, int, int]:
    """What the array takes of codes, bits of weights, and of codes in memory.

    Codes in memory that are wider than those of matrix products come in two parts. The upper one
    has weights of ``2**low_bits``, which must be weights, and the lower one must fit the array;
    where not, the array takes more bits.
    """
    macs = [n for n in network.nodes if isinstance(n, Conv | Gemm)]
    beside = _beside(network)
    stored = [
        tensor_of(network, edge.name, 1).bits for edge in network.edges if edge.name not in beside
    ]
    lane_bits = max(stored, default=1)
    act_bits = max((tensor_of(network, n.input, 1).bits for n in macs), default=1)
    levels = [levels_of(n.weight_format, n.weights) for n in macs]
    weight_bits = max([2, *(range_width(int(w.min()), int(w.max())) for w in levels)])
    while lane_bits - act_bits > min(act_bits, weight_bits - 2):
        act_bits += 1
    parts = Parts(act_bits=act_bits, low_bits=max(0, lane_bits - act_bits))
    return parts, weight_bits, max(lane_bits, act_bits)


def _beside(network: Network) -> set[str]:
    """Edges that are not in the activation memory: what a table reads, and the output."""
    result = {network.output}
    for node in reversed(network.nodes):
        if isinstance(node, Reshape) and node.output in result:
            result.add(node.input)
    if any(isinstance(n, Table) for n in network.readers[network.input]):
        result.add(network.input)
    return result
