"""From an integer network to the program of a temporal machine."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from macwright.hw.accelerator.network import (
    Add,
    AveragePool,
    Concat,
    Conv,
    Gemm,
    MaxPool,
    Network,
    Node,
    Pad,
    Requant,
    Reshape,
    Slice,
    SumNode,
    Table,
    levels_of,
)
from macwright.hw.accelerator.stream import check_count
from macwright.hw.accelerator.temporal.copies import copies
from macwright.hw.accelerator.temporal.finish import (
    allocated,
    ordered,
    with_few_shifts,
    with_one_fraction,
)
from macwright.hw.accelerator.temporal.largest import largest_pass
from macwright.hw.accelerator.temporal.layouts import ResultLayout
from macwright.hw.accelerator.temporal.program import LayerPass, Program
from macwright.hw.accelerator.temporal.shapes import Window, window_of, without_ones
from macwright.hw.accelerator.temporal.source import joined_term, source_layout
from macwright.hw.accelerator.temporal.tensors import Tensor, tensor_of
from macwright.hw.accelerator.temporal.terms import (
    Term,
    grouped,
    is_depthwise,
    steps_of,
    with_split,
    words_of,
)
from macwright.hw.accelerator.temporal.weight_stream import check_bus
from macwright.hw.accelerator.temporal.widths import Widths, machine_widths
from macwright.hw.arith.widths import range_width
from macwright.hw.errors import RefusedInput

__all__ = ["compile_network"]


def compile_network(
    network: Network,
    *,
    rows: int,
    columns: int,
    split: int = 1,
    bus_bits: int | None = None,
    widths: Widths | None = None,
) -> Program:
    """Program of a network for an array.

    Parameters
    ----------
    network : Network
        What is computed.
    rows, columns : int
        Of the array.
    split : int
        Most weights that a unit uses in a cycle: 1, 2 or 4 of the widest weight's part of the bits.
        Layers whose weights fit such parts, and whose steps are shorter then, are done so.
    bus_bits : int, optional
        Of a bus over which weights come from outside: one of those of AXI4. All rows then use the
        same weights.
    widths : Widths, optional
        Those of another network of the same shape, whose cycles and memories are asked for; the
        network's own if absent.

    Raises
    ------
    RefusedInput
        If a temporal machine cannot compute it; names the node or the edge.
    """
    check_count("Array rows", rows)
    check_count("Array columns", columns)
    if split not in (1, 2, 4):
        raise RefusedInput(f"Weights that a unit uses in a cycle must be 1, 2 or 4, not {split!r}")
    if bus_bits is not None:
        check_bus(bus_bits)
    widths = widths or machine_widths(network)
    return _Compiler(network, rows, columns, split, bus_bits, widths).program()


class _Compiler:
    """One pass over the network."""

    def __init__(
        self,
        network: Network,
        rows: int,
        columns: int,
        split: int,
        bus_bits: int | None,
        widths: Widths,
    ) -> None:
        self.network, self.rows, self.columns, self.split = network, rows, columns, split
        self.bus_bits = bus_bits
        self.tensors: dict[str, Tensor] = {}
        self.passes: list[LayerPass] = []
        self.joined: str | None = None
        self.stacked = 1
        self.parts, self.lane_bits = widths.parts, widths.lane_bits
        self.weight_bits = widths.weight_bits
        if split > 1:
            self.weight_bits = split * max(2, -(-self.weight_bits // split))
        # A unit holds any one product, also where no layer has the largest.
        most = (1 << self.parts.act_bits) - 1
        half = 1 << self.weight_bits - 1
        self.sum_bits = range_width(-half * most, (half - 1) * most)

    def program(self) -> Program:
        """The program."""
        source, tensor, self.joined = source_layout(
            self.network, rows=self.rows, columns=self.columns
        )
        self.stacked = source.stacked
        self.tensors[tensor.name] = tensor
        for node in self.network.nodes:
            if isinstance(node, Table):
                continue
            self._node(node)
        output = self.tensors[self.network.output]
        result = self._result(output)
        passes = ordered(source.tensor, self.tensors, self.passes, output.name)
        passes = with_few_shifts(with_one_fraction(passes))
        address, depth = allocated(source.tensor, self.tensors, passes, output.name)
        return Program(
            name=self.network.name,
            rows=self.rows,
            columns=self.columns,
            lane_bits=self.lane_bits,
            act_bits=self.parts.act_bits,
            low_bits=self.parts.low_bits,
            weight_bits=self.weight_bits,
            sum_bits=self.sum_bits,
            split=self.split,
            depth=depth,
            address=address,
            source=source,
            result=result,
            passes=tuple(passes),
            bus_bits=self.bus_bits,
        )

    def _add(self, name: str, lanes: int) -> Tensor:
        self.tensors[name] = tensor_of(self.network, name, lanes)
        return self.tensors[name]

    def _node(self, node: Node) -> None:
        if isinstance(node, Reshape):
            self.tensors[node.output] = self._reshaped(node)
        elif isinstance(node, MaxPool):
            self._largest(node)
        elif isinstance(node, Conv | Gemm):
            self._products(node)
        elif isinstance(node, Add):
            terms = [self._same(name) for name in node.inputs]
            self._sums(node, terms, Window(), node.outputs, [0], self.tensors[node.input_a])
        elif isinstance(node, AveragePool):
            source = self.tensors[node.input]
            window = window_of(node)
            kernel = np.ones((source.channels, *window.kernel), np.int64)
            self._sums(
                node, [Term(tensor=source, kernel=kernel)], window, node.outputs, [0], source
            )
        elif isinstance(node, Slice | Pad | Concat):
            self._copies(node)
        else:
            raise RefusedInput(
                f"Node {node.name} must be of a kind that a temporal machine computes, not "
                f"{node.kind}"
            )

    def _reshaped(self, node: Reshape) -> Tensor:
        """The same tensor: what reads it knows in which order its channels are."""
        source = self.tensors[node.input]
        shape = self.network.edge(node.output).shape
        before = self.network.edge(node.input).shape
        same_shape = without_ones(shape) == without_ones(before)
        flat = len(shape) == 1 and all(
            isinstance(reader, Gemm) for reader in self.network.readers[node.output]
        )
        if not same_shape and (not flat or node.output == self.network.output):
            raise RefusedInput(
                f"Node {node.name} must keep its shape, or be read by matrix products only, in a "
                f"temporal machine, not make {shape} of {before}"
            )
        return source

    def _same(self, name: str) -> Term:
        tensor = self.tensors[name]
        return Term(tensor=tensor, kernel=np.ones((tensor.channels, 1, 1), np.int64))

    def _products(self, node: Conv | Gemm) -> None:
        source = self.tensors[node.input]
        levels = levels_of(node.weight_format, node.weights)
        if isinstance(node, Gemm):
            kernel = levels.reshape(len(levels), source.channels, source.height, source.width)
            window = Window(kernel=(source.height, source.width))
            term = Term(tensor=source, kernel=kernel)
        else:
            window = window_of(node)
            kernel = levels.reshape(*levels.shape[:2], *window.kernel)
            if node.name == self.joined:
                term, window = joined_term(source, kernel, window, self.stacked)
            elif node.groups == source.channels == len(levels):
                term = Term(tensor=source, kernel=kernel[:, 0], dilation=window.dilation)
            else:
                term = grouped(source, kernel, node.groups, window.dilation)
        self._sums(node, [term], window, node.outputs, node.bias, source)

    def _copies(self, node: Slice | Pad | Concat) -> None:
        """Codes that are moved: sums of one term each, requantised by 1."""
        edge = self.network.edge(node.produced[0])
        sources = [self.tensors[name] for name in node.inputs]
        copied = copies(node, sources, edge.shape[0])
        low, high = self.network.ranges[edge.name]
        whole = Requant(
            edge=edge.name, multiplier=np.ones(1, np.int64), shift=0, low=low, high=high
        )
        self._sums(
            node, copied.terms, copied.window, (whole,), copied.constants, sources[0],
            level=copied.level, zero=0,
        )  # fmt: skip

    def _sums(
        self,
        node: Node,
        terms: Sequence[Term],
        window: Window,
        outputs: Sequence[Requant],
        bias: Any,
        source: Tensor,
        *,
        level: int | None = None,
        zero: int | None = None,
    ) -> None:
        """Passes of a node with sums, for each of its results."""
        for output in outputs:
            edge = self.network.edge(output.edge)
            target = self._add(output.edge, self.columns)
            channels = target.channels
            depthwise = is_depthwise(terms, self.columns)
            full = np.broadcast_to(np.asarray(bias, np.int64), channels).copy()
            fraction = node.fraction if isinstance(node, SumNode) else 0
            low = high = np.zeros(channels, np.int64)
            for term in terms:
                full += term.tensor.base * term.sums << fraction
                ends = term.largest((1 << term.tensor.bits) - 1)
                low, high = low + ends[0], high + ends[1]
            self.sum_bits = max(self.sum_bits, range_width(int(low.min()), int(high.max())))
            pad = (self.network.edge(source.name).zero if level is None else level) - source.base
            shape = target.height, target.width
            size = source.height, source.width
            if depthwise and window.is_point and shape == size:
                # Positions in one row, so that tiles are whole.
                shape = size = (1, source.plane)
            chunks = steps_of(
                terms,
                columns=self.columns,
                channels=channels,
                stride=window.stride[1],
                parts=self.parts,
            )
            for chunk in chunks:
                words = len(chunk.weights)
                several = min(words, self.rows) > 1 and shape == (1, 1)
                several &= self.bus_bits is None
                mode = "depthwise" if depthwise else "connected" if several else "dense"
                split = 1
                if not depthwise:
                    chunk, split = with_split(chunk, bits=self.weight_bits, most=self.split)
                self.passes.append(
                    LayerPass(
                        node=node.name,
                        edge=output.edge,
                        base=target.base,
                        lanes=target.lanes,
                        mode=mode,
                        first_word=chunk.first_word,
                        words=words,
                        height=shape[0],
                        width=shape[1],
                        stride=window.stride,
                        origin=window.origin,
                        size=size,
                        plane=source.plane if depthwise else 0,
                        gap=window.stride[1],
                        pad=pad,
                        steps=chunk.steps,
                        weights=chunk.weights,
                        split=split,
                        bias=words_of(full, chunk.first_word, words, self.columns),
                        scale=words_of(
                            np.broadcast_to(output.multiplier, channels),
                            chunk.first_word, words, self.columns,
                        ),
                        shift=output.shift,
                        fraction=fraction,
                        zero=(edge.zero if zero is None else zero) - target.base,
                        low=output.low - target.base,
                        high=output.high - target.base,
                    )
                )  # fmt: skip

    def _largest(self, node: MaxPool) -> None:
        source, target = (
            self.tensors[node.input],
            self._add(node.output, self.tensors[node.input].lanes),
        )
        if (target.base, target.bits) != (source.base, source.bits):
            self.tensors[node.output] = target = replace(target, base=source.base, bits=source.bits)
        self.passes.append(largest_pass(node, source, target, self.columns))

    def _result(self, tensor: Tensor) -> ResultLayout:
        edge = self.network.edge(self.network.output)
        if not any(part.edge == tensor.name for part in self.passes):
            raise RefusedInput(
                f"Output {edge.name} must be computed by a layer in a temporal machine"
            )
        if self.network.readers[tensor.name] and any(
            not isinstance(n, Reshape) for n in self.network.readers[tensor.name]
        ):
            raise RefusedInput(
                f"Output {edge.name} must be read by nothing else in a temporal machine"
            )
        return ResultLayout(
            edge=edge.name,
            bits=edge.format.width,
            base=tensor.base,
            channels=tensor.channels,
            lanes=tensor.lanes,
            positions=tensor.plane,
        )
