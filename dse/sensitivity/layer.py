"""Sensitivities of one layer: its operands changed, and the rest of the network run again."""

from collections.abc import Callable, Mapping
from functools import cached_property

import numpy as np
import onnxruntime as ort

from macwright.dse.quantizer.activation import Operand, fit_operand
from macwright.dse.quantizer.im2col import from_matrix, layer_bias, to_matrix
from macwright.dse.quantizer.layer import prescribed_grid, prescribed_operand
from macwright.dse.quantizer.layer_weights import LayerWeights
from macwright.dse.quantizer.observers import HistogramObserver
from macwright.dse.quantizer.options import QuantOptions
from macwright.dse.quantizer.partial_run import PartialRun, Parts, run_batches
from macwright.dse.quantizer.rotation import rotated
from macwright.dse.quantizer.subgraph import cut
from macwright.dse.sensitivity.metrics import relative_error
from macwright.dse.workload.layer import Layer, Workload
from macwright.dse.workload.session import session
from macwright.hw.formats import Format, parse_format

__all__ = ["LayerStudy", "Roundings"]

_Arrays = dict[str, np.ndarray]
Roundings = dict[tuple[str, str], Operand | np.ndarray]


class LayerStudy:
    """Measurements of one layer; `loss` may be called from several threads."""

    def __init__(
        self,
        workload: Workload,
        layer: Layer,
        partial_run: PartialRun,
        options: QuantOptions,
        metric: str,
        measure: Callable[[np.ndarray], float],
        reference: _Arrays,
    ) -> None:
        self.workload, self.layer, self.options = workload, layer, options
        self.metric, self.measure, self.reference = metric, measure, reference
        self.batches, self.parts = partial_run.batches, dict(partial_run.parts)
        own = [layer.act, layer.out, *([layer.weight] if layer.dynamic else [])]
        self.values: _Arrays = {
            name: self.batches.join(name, self.parts[name]) for name in own if name in self.parts
        }
        self.alone = session(cut(workload, [layer.act, layer.weight], [layer.out]))
        known = {layer.out, *self.parts}
        later = [item.out for item in workload.layers[workload.layers.index(layer) + 1 :]]
        self.points = [
            name
            for name in dict.fromkeys([*later, workload.output])
            if name in reference and name not in known
        ]
        #: How tensors are rounded, by tensor and format, as far as it is known.
        self.roundings: Roundings = {}
        self.width = options.rotations.get(layer.name, 1)
        act = self.values[layer.act]
        act = act if self.width == 1 else rotated(act, self.width)
        self.histograms = {"activation": HistogramObserver(act)}
        if layer.dynamic:
            self.histograms["weight"] = HistogramObserver(self.values[layer.weight])
            self.weight = self.values[layer.weight]
        else:
            self.weight = workload.tensor(layer.weight).astype(np.float32)
            matrix = to_matrix(layer, self.weight)
            bias = layer_bias(workload, layer)
            self.weights = LayerWeights(layer, matrix, bias, self.weight.shape)
            if self.width > 1:
                self.weights = self.weights.rotated(self.width)
            self.moments = None
            if options.by_outputs:
                self.moments = self.weights.moments(act, self.values[layer.out], options)

    @cached_property
    def after(self) -> ort.InferenceSession | None:
        """The network after the layer; None after the last."""
        if self.layer.out == self.workload.output:
            return None
        known = {self.layer.out, *self.parts}
        return session(cut(self.workload, known, self.points), outputs=self.points)

    def loss(self, question: tuple[str, str]) -> float:
        """Mean squared change of the outputs with one tensor in a format."""
        return self._change(self.layer_output(question))

    def network_output(self, question: tuple[str, str]) -> np.ndarray:
        """The network's outputs with one tensor in a format."""
        return self._after(self.layer_output(question))[self.workload.output]

    def layer_output(self, question: tuple[str, str]) -> np.ndarray:
        """Layer's outputs with one tensor in a format."""
        return self._output(*self._changed(question))

    def _changed(self, question: tuple[str, str]) -> tuple[str, np.ndarray]:
        """Name of a tensor, and its values in the format."""
        rounding = self.rounding(question)
        which = self.layer.act if question[0] == "activation" else self.layer.weight
        if isinstance(rounding, Operand):
            return which, rounding.applied(self.values[which])
        return which, rounding

    def rounding(self, question: tuple[str, str]) -> Operand | np.ndarray:
        """How a tensor is rounded: rounded weights, or the operand of what is computed."""
        if question not in self.roundings:
            tensor, fmt = question[0], parse_format(question[1])
            if tensor == "weight" and not self.layer.dynamic:
                self.roundings[question] = self._rounded(fmt)
            else:
                which = self.layer.act if tensor == "activation" else self.layer.weight
                rank = self.values[which].ndim
                self.roundings[question] = self._operand(tensor, fmt, rank)
        return self.roundings[question]

    def _operand(self, tensor: str, fmt: Format, rank: int) -> Operand:
        operand = None
        if tensor == "activation":
            operand = prescribed_operand(self.workload, self.layer, fmt, rank)
        return operand or fit_operand(
            self.histograms[tensor],
            self.layer,
            fmt,
            self.options,
            rank,
            second=tensor == "weight",
            rotation=self.width,
        )

    def _output(self, which: str, values: np.ndarray) -> np.ndarray:
        """Layer's outputs with one operand replaced."""
        operands = {self.layer.act: self.values[self.layer.act], self.layer.weight: self.weight}
        operands[which] = values
        return self._run(self.alone, [self.layer.out], operands)[0]

    def _run(
        self, model: ort.InferenceSession, names: list[str], feeds: Mapping[str, np.ndarray | Parts]
    ) -> list[np.ndarray]:
        results = run_batches(self.batches, model, names, feeds)
        return [self.batches.join(name, results[name]) for name in names]

    def _change(self, out: np.ndarray) -> float:
        if self.metric == "layer_mse":
            return relative_error(out, self.values[self.layer.out])
        final = self._after(out)
        if self.metric == "distance":
            return float(np.mean([relative_error(final[x], self.reference[x]) for x in final]))
        return self.measure(final[self.workload.output])

    def _after(self, out: np.ndarray) -> _Arrays:
        """The network's outputs, and those of later layers that count, from the layer's."""
        if self.after is None:
            return {self.workload.output: out}
        feeds = {
            value.name: out if value.name == self.layer.out else self.parts[value.name]
            for value in self.after.get_inputs()
        }
        outputs = self._run(self.after, self.points, feeds)
        return dict(zip(self.points, outputs, strict=True))

    def _rounded(self, fmt: Format) -> np.ndarray:
        """Rounded weights."""
        matrix = self.weights.matrix
        grid = prescribed_grid(self.workload, self.layer, fmt, len(matrix))
        if grid:
            rounded = grid.round(matrix)
        else:
            _, rounded, _ = self.weights.round(fmt, self.moments, self.options)
        if self.width > 1:  # as if the layer read its input untransformed
            rounded = rotated(rounded, self.width)
        return from_matrix(self.layer, rounded, self.weight.shape)
