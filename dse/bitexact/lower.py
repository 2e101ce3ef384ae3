"""From a quantised network to integers: every tensor as its readers want it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import onnx
from onnx import numpy_helper

from macwright.dse.bitexact.builder import NetworkBuilder, Sums
from macwright.dse.bitexact.functions import argument, function_values
from macwright.dse.bitexact.macs import mac_sums
from macwright.dse.bitexact.ranges import tensor_ranges
from macwright.dse.bitexact.requests import Request, operand_request, range_request
from macwright.dse.bitexact.wiring import PASSING, passing_node, window
from macwright.dse.data.arrays import InputCodes
from macwright.dse.data.recipe import Dataset
from macwright.dse.quantizer.options import QuantOptions
from macwright.dse.quantizer.plan import LayerPlan
from macwright.dse.settings import WIDE_BITS
from macwright.dse.workload.layer import Workload
from macwright.dse.workload.normalise import attribute
from macwright.hw.accelerator.network import Add, AveragePool, Network, Table, TableOutput
from macwright.hw.errors import RefusedInput
from macwright.hw.formats import IntFormat

__all__ = ["integer_network"]

#: Bits of indices of tables at most, and of the output.
TABLE_BITS, OUTPUT_BITS = 12, 16
#: How far the output's range reaches beyond that of the calibration samples.
HEADROOM = 2.0
_AVERAGES = ("GlobalAveragePool", "AveragePool", "ReduceMean")


def integer_network(
    workload: Workload,
    plans: Sequence[LayerPlan],
    dataset: Dataset,
    *,
    options: QuantOptions | None = None,
    wide_bits: int = WIDE_BITS,
) -> Network:
    """Integer network that computes what a quantised network does.

    It depends on calibration data alone.

    Parameters
    ----------
    workload : Workload
        Float network that was quantised, as `quantise` returns it.
    plans : sequence of LayerPlan
        From the same.
    dataset : Dataset
        Its calibration samples set the scales that the plans leave open.
    options : QuantOptions, optional
        Those of `quantise`.
    wide_bits : int
        Bits of the operands of residual additions and of average pools, from 2 to 16, and of
        indices of tables, at most 12.

    Raises
    ------
    ValueError
        Names what an integer network cannot do, such as a softmax inside, a format of blocks or a
        scale for each sample.
    """
    if type(wide_bits) is not int or not 2 <= wide_bits <= 16:
        raise RefusedInput(f"Width of operands must be from 2 to 16 bits, not {wide_bits!r}")
    if len(workload.inputs) != 1:
        raise RefusedInput(
            f"An integer network must have one input, not {', '.join(workload.inputs)}"
        )
    first = _Lowering(workload, plans, dataset.codes, wide_bits, None)
    first.network()
    ranges = tensor_ranges(
        workload, plans, dataset, sorted(first.wanted), options or QuantOptions()
    )
    return _Lowering(workload, plans, dataset.codes, wide_bits, ranges).network()


class _Lowering:
    """One pass over the network, from its output.

    Parameters
    ----------
    ranges : dict or None
        Smallest and largest values of tensors. Without them, `wanted` says which are needed, and
        the network computes nothing sensible.
    """

    def __init__(
        self,
        workload: Workload,
        plans: Sequence[LayerPlan],
        codes: InputCodes | None,
        bits: int,
        ranges: dict[str, tuple[float, float]] | None,
    ) -> None:
        self.workload, self.codes, self.bits, self.ranges = workload, codes, bits, ranges
        self.plans = {plan.layer.name: plan for plan in plans}
        self.producer = {name: node for node in workload.model.graph.node for name in node.output}
        self.constants = {item.name: item for item in workload.model.graph.initializer}
        self.build = NetworkBuilder()
        self.wanted: set[str] = set()
        self.known: dict[tuple[str, Request], str] = {}
        self.of_input: dict[str, Request] = {}

    def network(self) -> Network:
        """The network."""
        low, high = self._range(self.workload.output)
        top = HEADROOM * max(-low, high)
        output = self.edge(self.workload.output, range_request(-top, top, OUTPUT_BITS))
        return self.build.network(
            name=self.workload.path.stem,
            model_sha256=self.workload.sha256,
            source=self._source(),
            output=output,
        )

    def edge(self, tensor: str, request: Request) -> str:
        """Name of the edge that has a tensor's codes as they are wanted."""
        key = (tensor, request)
        if key not in self.known:
            self.known[key] = self._edge(tensor, request)
        return self.known[key]

    def _edge(self, tensor: str, request: Request) -> str:
        node = self.producer.get(tensor)
        if node is None:
            name = self.build.edge(tensor, request, self._shape(tensor))
            self.of_input[name] = request
            return name
        kind = node.op_type
        if kind in ("Relu", "Clip"):
            return self.edge(node.input[0], request.clipped(*self._bounds(node)))
        if kind in PASSING:
            sources = [self.edge(name, request) for name in node.input if self._computed(name)][
                : None if kind == "Concat" else 1
            ]
            if len(sources) < (len(node.input) if kind == "Concat" else 1):
                raise self._refusal(node, "constants joined to computed values")
            name = self.build.edge(tensor, request, self._shape(tensor))
            self.build.nodes[name] = passing_node(
                self.workload, node, tensor, sources, name, request
            )
            return name
        sums = self._sums(node)
        if sums is not None:
            return self.build.requantised(sums, tensor, request)
        index = argument(self.workload, self.producer, tensor)
        if index is None:
            raise self._refusal(node, kind)
        return self._table(tensor, index, request)

    def _sums(self, node: onnx.NodeProto) -> Sums | None:
        """Sums of a node that has some."""
        tensor = node.output[0]
        if tensor in self.build.sums:
            return self.build.sums[tensor]
        sums = None
        if node.name in self.plans:
            sums = self._mac(self.plans[node.name], np.zeros(1), tensor)
        elif node.op_type == "Add" and all(map(self._computed, node.input)):
            sums = self._addition(node)
        elif node.op_type == "Add":
            sums = self._biased(node)
        elif node.op_type in _AVERAGES:
            sums = self._average(node)
        if sums is not None:
            self.build.sums[tensor] = sums
        return sums

    def _mac(self, plan: LayerPlan, extra: np.ndarray, tensor: str) -> Sums:
        shape = self.workload.shapes[plan.layer.act]
        if not plan.layer.operator.spatial and len(shape) != 2:
            raise RefusedInput(
                f"Layer {plan.layer.name} must multiply vectors in an integer network, not tensors "
                f"of shape {shape[1:]}"
            )
        source = self.edge(plan.layer.act, operand_request(plan.act, plan.layer.name))
        return mac_sums(plan, self.build.edges[source], extra, self._shape(tensor))

    def _biased(self, node: onnx.NodeProto) -> Sums | None:
        """A layer whose biases are added by the node after it."""
        first, second = node.input
        tensor, constant = (second, first) if first in self.constants else (first, second)
        before = self.producer.get(tensor)
        if before is None or before.name not in self.plans or constant not in self.constants:
            return None
        values = numpy_helper.to_array(self.constants[constant]).astype(np.float64)
        spatial = self.plans[before.name].layer.operator.spatial
        axis = 1 if spatial else len(self._shape(tensor))
        channels = self.workload.shapes[tensor][axis]
        full = np.broadcast_shapes(values.shape, (1,) * (len(self._shape(tensor)) + 1))
        if values.size not in (1, channels) or full[axis] != values.size:
            return None
        readers = [n for n in self.workload.model.graph.node if tensor in n.input]
        if len(readers) > 1:
            return None
        return self._mac(self.plans[before.name], values.reshape(-1), node.output[0])

    def _addition(self, node: onnx.NodeProto) -> Sums:
        shapes = {self.workload.shapes[name] for name in node.input}
        if len(shapes) > 1:
            raise self._refusal(node, f"tensors of shapes {' and '.join(map(str, shapes))}")
        requests = [range_request(*self._range(name), self.bits) for name in node.input]
        scale = max(request.scale for request in requests)
        first, second = (
            self.edge(name, replace(request, scale=scale))
            for name, request in zip(node.input, requests, strict=True)
        )
        return Sums(
            name=node.name,
            factor=np.array([scale]),
            shape=self._shape(node.output[0]),
            make=lambda outputs, bias, fraction: Add(
                name=node.name, input_a=first, input_b=second, outputs=outputs
            ),
        )

    def _average(self, node: onnx.NodeProto) -> Sums:
        tensor, shape = node.input[0], self._shape(node.input[0])
        if node.op_type == "ReduceMean":
            self._check_means(node, len(shape))
            kernel, strides, pads = shape[1:], (1,) * (len(shape) - 1), ((0, 0),) * (len(shape) - 1)
        else:
            kernel, strides, pads, _ = window(node, shape)
        if any(map(any, pads)) and not attribute(node, "count_include_pad", 0):
            raise self._refusal(node, "averages of fewer values at the border")
        request = range_request(*self._range(tensor), self.bits)
        source = self.edge(tensor, request)
        result = self._shape(node.output[0])
        flat = len(result) < len(shape)
        sums = Sums(
            name=node.name,
            factor=np.array([request.scale / np.prod(kernel)]),
            shape=(*result, *[1] * (len(shape) - 1)) if flat else result,
            make=lambda outputs, bias, fraction: AveragePool(
                name=node.name, input=source, outputs=outputs, kernel=tuple(kernel),
                strides=tuple(strides), pads=tuple(pads),
            ),
        )  # fmt: skip
        return sums

    def _check_means(self, node: onnx.NodeProto, rank: int) -> None:
        axes = attribute(node, "axes", None)
        if axes is None and len(node.input) > 1 and node.input[1]:
            axes = self.workload.tensor(node.input[1]).tolist()
        chosen = sorted(int(axis) % (rank + 1) for axis in axes or [])  # type: ignore[attr-defined]
        if chosen != list(range(2, rank + 1)) or not chosen:
            raise self._refusal(node, f"means over axes {chosen}")
        if not attribute(node, "keepdims", 1):
            raise self._refusal(node, "means without keepdims")

    def _table(self, tensor: str, index: str, request: Request) -> str:
        source = self.edge(
            index, range_request(*self._range(index), min(self.bits, TABLE_BITS), offset=True)
        )
        edge = self.build.edges[source]
        fmt = edge.format
        levels = edge.levels(np.arange(1 << fmt.width))
        values = function_values(self.workload, index, tensor, edge.numbers(levels))
        if not np.isfinite(values).all():
            raise self._refusal(self.producer[tensor], "values that are not finite")
        return self._looked_up(tensor, source, f"{tensor}::table", request, values[None])

    def _looked_up(
        self, tensor: str, source: str, node: str, request: Request, values: np.ndarray
    ) -> str:
        """Edge of a table's values, shape (channels or 1, codes of the source)."""
        name = self.build.edge(tensor, request, self._shape(tensor))
        codes = self.build.edges[name].codes(request.levels(values))
        before = self.build.nodes.get(node)
        outputs = before.outputs if isinstance(before, Table) else ()
        self.build.nodes[node] = Table(
            name=node, input=source, outputs=(*outputs, TableOutput(edge=name, codes=codes))
        )
        return name

    def _source(self) -> str:
        """Edge of the input: 8-bit integers of the recipe, or codes as the first layer reads."""
        tensor = self.workload.inputs[0]
        if self.codes is None and len(self.of_input) == 1:
            return next(iter(self.of_input))
        if self.codes is not None:
            fmt = IntFormat(8, signed=self.codes.signed)
            ends = Request(format=fmt, scale=1.0, zero=0, low=fmt.min, high=fmt.max)
        else:
            ends = range_request(*self._range(tensor), min(self.bits, TABLE_BITS), offset=True)
        source = self.build.edge(f"{tensor}::given", ends, self._shape(tensor))
        edge = self.build.edges[source]
        levels = edge.levels(np.arange(1 << edge.format.width))
        if self.codes is not None:
            shape = (1, len(self.codes.gain.reshape(-1)), *[1] * (self.codes.gain.ndim - 2))
            shape = (1, max(self.codes.gain.size, self.codes.shift.size), *shape[2:])
            grid = np.broadcast_to(levels.reshape(-1, *[1] * (len(shape) - 1)), (256, *shape[1:]))
            values = self.codes.numbers(grid).reshape(256, -1).T.astype(np.float64)
        else:
            values = edge.numbers(levels)[None]
        outputs = []
        for name, request in self.of_input.items():
            codes = self.build.edges[name].codes(request.levels(values))
            outputs.append(TableOutput(edge=name, codes=codes))
        self.build.nodes[source] = Table(name=source, input=source, outputs=tuple(outputs))
        return source

    def _range(self, tensor: str) -> tuple[float, float]:
        self.wanted.add(tensor)
        return (-1.0, 1.0) if self.ranges is None else self.ranges[tensor]

    def _bounds(self, node: onnx.NodeProto) -> tuple[float, float]:
        """What ReLU or Clip lets through."""
        if node.op_type == "Relu":
            return 0.0, np.inf
        ends = [-np.inf, np.inf]
        for i, name in enumerate(node.input[1:3]):
            if name and name not in self.constants:
                raise self._refusal(node, "computed bounds")
            if name:
                ends[i] = float(numpy_helper.to_array(self.constants[name]).reshape(-1)[0])
        return ends[0], ends[1]

    def _computed(self, tensor: str) -> bool:
        return bool(tensor) and tensor not in self.constants

    def _shape(self, tensor: str) -> tuple[int, ...]:
        if self.workload.batch_axes.get(tensor) != 0:
            raise RefusedInput(
                f"Tensor {tensor} must have samples along its first axis in an integer network"
            )
        return tuple(int(n) for n in self.workload.shapes[tensor][1:])

    def _refusal(self, node: onnx.NodeProto, what: str) -> RefusedInput:
        return RefusedInput(
            f"Node {node.name} ({node.op_type}) cannot be part of an integer network: it has no "
            f"integers for {what}"
        )
