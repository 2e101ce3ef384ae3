"""The network itself, checked when it is made."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from macwright.hw.accelerator.network.checks import check_node
from macwright.hw.accelerator.network.edge import Edge, levels_of
from macwright.hw.accelerator.network.mac_nodes import Add, AveragePool, Conv, Gemm
from macwright.hw.accelerator.network.node import Node, Requant
from macwright.hw.accelerator.network.wiring_nodes import Pad, Table
from macwright.hw.errors import RefusedInput, RefusedType

__all__ = ["Network"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """A network of integers: what hardware computes.

    Parameters
    ----------
    name : str
        Name.
    model_sha256 : str
        Digest of the model that it was made from, hexadecimal.
    input, output : str
        Edges that are given and wanted.
    edges : tuple of Edge
        All edges, one for each tensor of codes.
    nodes : tuple of Node
        In an order of execution.

    Raises
    ------
    ValueError
        If it is not one that can be computed; the message names the node or the edge.
    """

    name: str
    model_sha256: str
    input: str
    output: str
    edges: tuple[Edge, ...]
    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        for what, names in (
            ("edges", [edge.name for edge in self.edges]),
            ("nodes", [node.name for node in self.nodes]),
        ):
            twice = [name for name, count in Counter(names).items() if count > 1]
            if twice:
                raise RefusedInput(
                    f"Network must have {what} of different names, not two {twice[0]}"
                )
        named = {edge.name: edge for edge in self.edges}
        for role in (self.input, self.output):
            if role not in named:
                raise RefusedInput(f"Network must have its input and output as edges, not {role!r}")
        known = {self.input}
        for node in self.nodes:
            for name in node.inputs:
                if name not in known:
                    raise RefusedInput(
                        f"Node {node.name} must read the input or what nodes before it produce, "
                        f"not {name!r}"
                    )
            for name in node.produced:
                if name not in named or name in known:
                    raise RefusedInput(
                        f"Node {node.name} must produce edges of the network that nothing else "
                        f"produces, not {name!r}"
                    )
                known.add(name)
            check_node(node, named)
        missing = [edge.name for edge in self.edges if edge.name not in known]
        if missing:
            raise RefusedInput(f"Edge {missing[0]} must be produced by a node")

    def edge(self, name: str) -> Edge:
        """Edge of a name.

        Raises
        ------
        KeyError
            If there is none.
        """
        return self._named[name]

    @cached_property
    def _named(self) -> dict[str, Edge]:
        return {edge.name: edge for edge in self.edges}

    @cached_property
    def readers(self) -> dict[str, list[Node]]:
        """Nodes that read each edge; none for what only the output is."""
        result: dict[str, list[Node]] = {edge.name: [] for edge in self.edges}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                result[name].append(node)
        return result

    @cached_property
    def ranges(self) -> dict[str, tuple[int, int]]:
        """Least and greatest level that each edge can have."""
        first = self.edge(self.input)
        result = {self.input: (first.low, first.high)}
        for node in self.nodes:
            for name, bounds in self._result_ranges(node, result):
                result[name] = bounds
        return result

    def _result_ranges(
        self, node: Node, known: dict[str, tuple[int, int]]
    ) -> Iterator[tuple[str, tuple[int, int]]]:
        if isinstance(node, Table):
            for table in node.outputs:
                levels = self.edge(table.edge).levels(table.codes)
                yield table.edge, (int(levels.min()), int(levels.max()))
            return
        outputs: tuple[Requant, ...] | None = getattr(node, "outputs", None)
        if outputs is not None:
            for output in outputs:
                yield output.edge, (output.low, output.high)
            return
        lows, highs = zip(*(known[name] for name in node.inputs), strict=True)
        extra = (node.level,) if isinstance(node, Pad) else ()
        yield node.produced[0], (min(*lows, *extra, lows[0]), max(*highs, *extra, highs[0]))

    def sums(self, node: Node) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Least and greatest sum `t` that a node can have, bias included.

        Parameters
        ----------
        node : Conv, Gemm, Add or AveragePool
            A node of this network.

        Returns
        -------
        low, high : ndarray of int64, shape (channels,) or (1,)
            Proved by the weights and the ranges of the inputs.
        """
        low, high = self.products(node)
        if isinstance(node, (Conv, Gemm)):
            return (low << node.fraction) + node.bias, (high << node.fraction) + node.bias
        return low, high

    def products(self, node: Node) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Least and greatest sum of products, without the bias; also partial sums lie within."""
        bounds = [self.ranges[name] for name in node.inputs]
        if isinstance(node, Add):
            low, high = (sum(pair) for pair in zip(*bounds, strict=True))
            return np.array([min(low, 0)]), np.array([max(high, 0)])
        ((low, high),) = bounds
        if isinstance(node, AveragePool):
            taps = int(np.prod(node.kernel))
            return np.array([min(low, 0) * taps]), np.array([max(high, 0) * taps])
        if not isinstance(node, (Conv, Gemm)):
            raise RefusedType(f"Node with sums must be given, not {node.kind} {node.name}")
        if any(map(any, getattr(node, "pads", ()))):
            zero = self.edge(node.input).zero
            low, high = min(low, zero), max(high, zero)
        weights = levels_of(node.weight_format, node.weights).reshape(len(node.weights), -1)
        ends = np.stack([weights * low, weights * high])
        return (
            np.minimum(ends.min(axis=0), 0).sum(axis=1),
            np.maximum(ends.max(axis=0), 0).sum(axis=1),
        )
