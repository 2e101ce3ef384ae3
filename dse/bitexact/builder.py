"""An integer network under construction: sums whose readers become known one by one."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from macwright.dse.bitexact.requests import Request
from macwright.hw.accelerator.network import Edge, Network, Node, Requant
from macwright.hw.errors import RefusedInput

__all__ = ["NetworkBuilder", "Sums", "coarser", "fraction_bits"]

#: Bits of a multiplier.
MULTIPLIER_BITS = 16
#: Units of biases beside a code, of wider ones beside one of so many bits, and bits that biases
#: have below a unit of the sums at most.
FINE, CODE_BITS, MOST_FRACTION = 0.25, 8, 8
_Outputs = tuple[Requant, ...]


@dataclass(kw_only=True, eq=False)
class Sums:
    """Sums of a node, and the edges that are made of them.

    Parameters
    ----------
    name : str
        Name of the node.
    factor : ndarray of float64, shape (channels,) or (1,)
        Value of one unit of the sums.
    shape : tuple of int
        Shape of the results.
    make : callable
        Node from its requantisers, biases, and the bits of these below a unit of the sums.
    bias : ndarray of float64, shape (channels,)
        What is added to the results, as numbers.
    constant : ndarray of int64, shape (channels,)
        What is added to the sums besides.
    """

    name: str
    factor: NDArray[np.float64]
    shape: tuple[int, ...]
    make: Callable[[_Outputs, NDArray[np.int64], int], Node]
    bias: NDArray[np.float64] = field(default_factory=lambda: np.zeros(1))
    constant: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64))
    requests: dict[str, Request] = field(default_factory=dict)

    def node(self) -> Node:
        """The node, when all readers are known.

        Biases are in the units that the first reader's multipliers stand for: rounding a small
        multiplier then does not change a large bias. Where a unit of the sums is coarse beside a
        code, biases have bits below it.
        """
        fraction = self._fraction() if self.bias.any() else 0
        requants = [
            self._requant(name, request, fraction) for name, request in self.requests.items()
        ]
        scale = next(iter(self.requests.values())).scale
        unit = np.ldexp(requants[0].multiplier * scale, -requants[0].shift)
        units = np.rint(self.bias / unit)
        if not np.abs(units).max() < 2.0**62:
            raise RefusedInput(
                f"Biases of layer {self.name} must fit 62 bits in units of its sums, not "
                f"{np.abs(units).max():.3g}"
            )
        biases = units.astype(np.int64) + (self.constant << fraction)
        return self.make(tuple(requants), biases, fraction)

    def _fraction(self) -> int:
        """Bits of the biases below a unit of the sums, so that one is `FINE` of a code at most."""
        return fraction_bits(
            max(
                float(self.factor.max()) / request.scale / coarser(request.format.width)
                for request in self.requests.values()
            )
        )

    def _requant(self, edge: str, request: Request, fraction: int) -> Requant:
        factor = self.factor / request.scale / 2.0**fraction
        largest = float(factor.max())
        shift = min(MULTIPLIER_BITS - 1 - math.floor(math.log2(largest)), 63)
        if shift > 0 and round(largest * 2.0**shift) >> MULTIPLIER_BITS:
            shift -= 1
        if shift < 0 or not math.isfinite(largest):
            raise RefusedInput(
                f"Results of node {self.name} must have a scale of at least "
                f"{self.factor.max() / 2.0**MULTIPLIER_BITS:.3g} for their multipliers to fit 16 "
                f"bits, not {request.scale:.3g}"
            )
        return Requant(
            edge=edge,
            multiplier=np.rint(factor * 2.0**shift).astype(np.int64),
            shift=shift,
            low=request.low,
            high=request.high,
        )


def coarser(width: int) -> float:
    """By how much a code of so many bits is finer than the coarsest that biases are exact for."""
    return float(2 ** max(0, width - CODE_BITS))


def fraction_bits(finest: float) -> int:
    """Bits of biases below a unit of the sums that is so many codes."""
    if not finest > FINE:
        return 0
    return min(math.ceil(math.log2(finest / FINE)), MOST_FRACTION)


class NetworkBuilder:
    """Edges and nodes; each wish for a tensor is met once."""

    def __init__(self) -> None:
        self.edges: dict[str, Edge] = {}
        self.sums: dict[str, Sums] = {}
        self.nodes: dict[str, Node] = {}

    def edge(self, tensor: str, request: Request, shape: tuple[int, ...]) -> str:
        """New edge with the codes of a tensor; its name."""
        name, count = tensor, 1
        while name in self.edges:
            name, count = f"{tensor}::{request.format}", count + 1
            name = name if count == 2 else f"{name}::{count - 1}"
        self.edges[name] = Edge(
            name=name, format=request.format, scale=request.scale, zero=request.zero, shape=shape
        )
        return name

    def requantised(self, sums: Sums, tensor: str, request: Request) -> str:
        """Edge made of sums."""
        name = self.edge(tensor, request, sums.shape)
        sums.requests[name] = request
        return name

    def network(self, *, name: str, model_sha256: str, source: str, output: str) -> Network:
        """The network of what the output needs."""
        nodes = [*self.nodes.values(), *(sums.node() for sums in self.sums.values())]
        producer = {edge: node for node in nodes for edge in node.produced}
        ordered: dict[str, Node] = {}

        def visit(edge: str) -> None:
            pending = [edge]
            while pending:
                node = producer.get(pending[-1])
                waiting = [] if node is None else [
                    i for i in node.inputs if i in producer and producer[i].name not in ordered
                ]  # fmt: skip
                if waiting:
                    pending += waiting
                    continue
                pending.pop()
                if node is not None:
                    ordered.setdefault(node.name, node)

        visit(output)
        used = {source, *(edge for node in ordered.values() for edge in node.produced)}
        return Network(
            name=name,
            model_sha256=model_sha256,
            input=source,
            output=output,
            edges=tuple(edge for edge in self.edges.values() if edge.name in used),
            nodes=tuple(ordered.values()),
        )
