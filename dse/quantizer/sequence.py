"""Layers of a network, quantised one after the other."""

from collections.abc import Mapping

import numpy as np
import onnx

from macwright.dse.quantizer.fine import fine_plan, is_fine
from macwright.dse.quantizer.layer import plan_layer
from macwright.dse.quantizer.options import QuantOptions
from macwright.dse.quantizer.partial_run import PartialRun
from macwright.dse.quantizer.plan import LayerPlan, apply_plan
from macwright.dse.quantizer.shared import SharedPlan
from macwright.dse.workload.layer import Layer, Workload
from macwright.hw.formats import Format

__all__ = ["LayerSequence"]


class LayerSequence:
    """The float and the quantised network, run as far as the plans of their layers need.

    Each layer sees the inputs that the quantised layers before it produce, and aims at the outputs
    of the float network. Layers of fine formats with no others before them see those of the float
    network, which are next to the same.

    Plans that are known already are added without a run. What a plan is made from does not depend
    on which of those before it were: the networks are run in the same steps.

    Parameters
    ----------
    workload : Workload
        The float network.
    feeds : dict of ndarray
        Calibration samples.
    formats : mapping from str to (Format, Format)
        Of each layer.
    before : mapping from str to set of str
        Layers that each depends on, itself included: see
        :func:`macwright.dse.quantizer.shared.upstream`.
    options : QuantOptions
        Techniques.

    Attributes
    ----------
    known : list of SharedPlan
        Plans of the first layers.
    """

    def __init__(
        self,
        workload: Workload,
        feeds: dict[str, np.ndarray],
        formats: Mapping[str, tuple[Format, Format]],
        before: Mapping[str, frozenset[str]],
        options: QuantOptions,
    ) -> None:
        self.workload, self.feeds, self.formats = workload, feeds, formats
        self.before, self.options = before, options
        self.known: list[SharedPlan] = []
        self._exact = PartialRun(workload, workload.model.graph, feeds)
        self._graph = onnx.GraphProto()
        self._graph.CopyFrom(workload.model.graph)
        self._rounded = PartialRun(workload, self._graph, feeds)
        self._runs = 0  # layers whose inputs the networks were run for

    @property
    def plans(self) -> list[LayerPlan]:
        """Plans of the first layers."""
        return [shared.plan for shared in self.known]

    def add(self, shared: SharedPlan) -> None:
        """Take the plan of the next layer."""
        self.known.append(shared)
        apply_plan(self._graph, shared.plan, self.workload.shapes)

    def next_plan(self) -> SharedPlan:
        """Make the plan of the next layer; it is not added."""
        while self._runs < len(self.known):
            layer = self.workload.layers[self._runs]
            if self._may_be_near(layer):
                self._exact_tensors(layer)
            if not self.known[self._runs].near:
                self._rounded_tensors(layer)
            self._runs += 1
        layer = self.workload.layers[self._runs]
        formats = self.formats[layer.name]
        plan = None
        if self._may_be_near(layer):
            acts, wanted = self._exact_tensors(layer)
            plan = fine_plan(self.workload, layer, formats, acts, wanted, self.options)
        near = plan is not None
        if plan is None:
            acts, wanted = self._rounded_tensors(layer)
            plan = plan_layer(self.workload, layer, formats, acts, wanted, self.options)
        self._runs += 1
        return SharedPlan(plan=plan, near=near)

    def _may_be_near(self, layer: Layer) -> bool:
        """Whether the float network's inputs may stand for those of the quantised one."""
        layers = [x.name for x in self.workload.layers[: self._runs]]
        near = {name for name, known in zip(layers, self.known, strict=False) if known.near}
        return (
            self.options.nearest_if_fine
            and layer.name not in self.workload.fixed
            and self.options.rotations.get(layer.name, 1) == 1
            and all(is_fine(fmt) for fmt in self.formats[layer.name])
            and self.before[layer.name] <= near | {layer.name}
        )

    def _exact_tensors(self, layer: Layer) -> tuple[list[np.ndarray], np.ndarray]:
        """What a layer reads and gives in the float network."""
        *acts, wanted = self._exact.advance([*_operands(layer), layer.out])
        return self._counted(layer, acts, wanted)

    def _rounded_tensors(self, layer: Layer) -> tuple[list[np.ndarray], np.ndarray]:
        """What a layer reads in the quantised network, and what it should give."""
        wanted = self._target(layer)
        return self._counted(layer, self._rounded.advance(_operands(layer)), wanted)

    def _target(self, layer: Layer) -> np.ndarray:
        """Outputs that a layer should have.

        They are those of the float network; where the outputs are added to a tensor that the
        quantised network already has, they also make up for the error of that tensor.
        """
        workload = self.workload
        readers = [node for node in workload.model.graph.node if layer.out in node.input]
        (wanted,) = self._exact.advance([layer.out])
        if len(readers) != 1 or readers[0].op_type != "Add" or layer.out == workload.output:
            return wanted
        other = next((name for name in readers[0].input if name != layer.out), layer.out)
        pending = {item.name for item in workload.layers[self._runs :]}
        if other in workload.dtypes and not pending & set(self._rounded.pending(other)):
            (right,), (wrong,) = self._exact.advance([other]), self._rounded.advance([other])
            if right.shape == wanted.shape == wrong.shape:
                return wanted + (right - wrong)
        return wanted

    def _counted(
        self, layer: Layer, acts: list[np.ndarray], wanted: np.ndarray
    ) -> tuple[list[np.ndarray], np.ndarray]:
        """Rows of tokens that count, where the model is told which do."""
        mask = self.feeds.get("attention_mask")
        if layer.dynamic or layer.operator.spatial or mask is None:
            return acts, wanted
        if acts[0].shape[: mask.ndim] != mask.shape or wanted.ndim != acts[0].ndim:
            return acts, wanted
        counted = mask.astype(bool)
        return [acts[0][counted]], wanted[counted]


def _operands(layer: Layer) -> list[str]:
    return [layer.act, layer.weight] if layer.dynamic else [layer.act]
