"""Widths of the array and of the memory, for all layers of a network."""

from dataclasses import dataclass

from macwright.hw.accelerator.network import Conv, Gemm, Network, Reshape, Table, levels_of
from macwright.hw.accelerator.temporal.tensors import tensor_of
from macwright.hw.accelerator.temporal.terms import Parts
from macwright.hw.arith.widths import range_width

__all__ = ["Widths", "machine_widths", "stored_bits", "widths_for"]


@dataclass(frozen=True, kw_only=True)
class Widths:
    """Bits of what all layers share.

    Parameters
    ----------
    parts : Parts
        What the array takes of codes.
    weight_bits, lane_bits : int
        Of weights, signed, and of codes in memory.
    """

    parts: Parts
    weight_bits: int
    lane_bits: int


def machine_widths(network: Network) -> Widths:
    """Widths of the machine of a network."""
    macs = [n for n in network.nodes if isinstance(n, Conv | Gemm)]
    lane_bits = max(stored_bits(network), default=1)
    act_bits = max((tensor_of(network, n.input, 1).bits for n in macs), default=1)
    levels = [levels_of(n.weight_format, n.weights) for n in macs]
    weight_bits = max([2, *(range_width(int(w.min()), int(w.max())) for w in levels)])
    return widths_for(lane_bits, act_bits, weight_bits)


def widths_for(lane_bits: int, act_bits: int, weight_bits: int) -> Widths:
    """Widths for codes of so many bits in memory, of matrix products, and of their weights.

    Codes in memory that are wider than those of matrix products come in two parts. The upper one
    has weights of ``2**low_bits``, which must be weights, and the lower one must fit the array;
    where not, the array takes more bits.

    Examples
    --------
    >>> parts = widths_for(10, 4, 4).parts
    >>> parts.act_bits, parts.low_bits
    (8, 2)
    """
    while lane_bits - act_bits > min(act_bits, weight_bits - 2):
        act_bits += 1
    parts = Parts(act_bits=act_bits, low_bits=max(0, lane_bits - act_bits))
    return Widths(parts=parts, weight_bits=weight_bits, lane_bits=max(lane_bits, act_bits))


def stored_bits(network: Network) -> list[int]:
    """Bits of a code of each tensor in the activation memory."""
    beside = _beside(network)
    names = [edge.name for edge in network.edges if edge.name not in beside]
    return [tensor_of(network, name, 1).bits for name in names]


def _beside(network: Network) -> set[str]:
    """Edges that are not in the activation memory: what a table reads, and the output."""
    result = {network.output}
    for node in reversed(network.nodes):
        if isinstance(node, Reshape) and node.output in result:
            result.add(node.input)
    if any(isinstance(n, Table) for n in network.readers[network.input]):
        result.add(network.input)
    return result
