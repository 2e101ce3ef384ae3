"""Models that prescribe formats: quantisers become float operators that round as they do."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from macwright.dse.workload import contrib, fused, qdq, qonnx, qoperator
from macwright.dse.workload.carry import carry, on_codes
from macwright.dse.workload.constants import Constants
from macwright.dse.workload.fixed_tensor import FixedTensor
from macwright.dse.workload.layer import Layer
from macwright.dse.workload.lowering import Lowering
from macwright.dse.workload.onnx_rounding import expressible
from macwright.dse.workload.opset import upgraded
from macwright.hw.errors import RefusedInput

__all__ = ["Fixed", "prescribed", "strip_quantisers"]

Fixed = tuple[FixedTensor | None, FixedTensor | None]
_Rewrite = Callable[[Lowering, onnx.NodeProto], None]
_STANDARD: dict[str, _Rewrite] = {
    "QuantizeLinear": qdq.quantize,
    "DequantizeLinear": qdq.dequantize,
    "DynamicQuantizeLinear": qdq.dynamic_quantize,
    **qoperator.OPERATORS,
}
#: What rewrites each operator, by domain.
_REWRITES: dict[str, dict[str, _Rewrite]] = {
    "": _STANDARD,
    "ai.onnx": _STANDARD,
    contrib.DOMAIN: contrib.OPERATORS | fused.OPERATORS,
    **dict.fromkeys(qonnx.DOMAINS, qonnx.OPERATORS),
}


def strip_quantisers(model: onnx.ModelProto, path: Path) -> tuple[onnx.ModelProto, Constants]:
    """Rewrite quantisers as float operators, and compute what no input changes.

    Parameters
    ----------
    model : onnx.ModelProto
        Any model; it is not changed.
    path : Path
        Its file, for messages.

    Returns
    -------
    model : onnx.ModelProto
        Model of float operators only, without initializers, that computes what the original does,
        rounding included. What it gave as codes are whole numbers in floating point.
    constants : Constants
        Its constants, with the formats that the model prescribes for tensors, computed ones too.

    Raises
    ------
    ValueError
        If a quantiser is of a kind that is not supported; the message names the node, the reason
        and what would help.
    """
    model = upgraded(model, path)
    low = Lowering(model, path)
    for node in model.graph.node:
        low.start(node)
        rewrite = _REWRITES.get(node.domain, {}).get(node.op_type)
        if rewrite is not None:
            try:
                rewrite(low, node)
            except RefusedInput:
                raise
            except (IndexError, ValueError) as error:  # NumPy's, of shapes that do not fit
                raise low.refusal(
                    node,
                    f"must have as many operands as {node.op_type} needs, of shapes that fit each "
                    "other and its attributes",
                ) from error
            continue
        for part in on_codes(low, node) if low.codes.intersection(node.input) else [node]:
            if not low.constants.fold(part):
                low.nodes.append(part)
            carry(low, part)
    outputs = [_real(item, low) for item in model.graph.output]
    # Not a copy of the whole: initializers, which may be large, are left behind.
    graph = helper.make_graph(
        _needed(low.nodes, [item.name for item in outputs]),
        model.graph.name,
        [item for item in model.graph.input if item.name not in low.constants.values],
        outputs,
    )
    others = [x for x in model.opset_import if x.domain not in _REWRITES] + [
        x for x in model.opset_import if x.domain in ("", "ai.onnx")
    ]
    return helper.make_model(
        graph, opset_imports=others, ir_version=max(model.ir_version, 4)
    ), low.constants


def prescribed(layers: Sequence[Layer], constants: Constants, path: Path) -> dict[str, Fixed]:
    """Formats of weights and activations by layer, None where they are free.

    Raises
    ------
    ValueError
        If hardware has no such operands: with a scale for each channel of the activations, or of
        more than 16 bits.
    """
    pairs: dict[str, Fixed] = {}
    for layer in layers:
        weight, act = (constants.formats.get(name) for name in (layer.weight, layer.act))
        for tensor, what in ((act, "Activations"), (weight, "Weights")):
            if tensor is None:
                continue
            where = f"{what} of layer {layer.name} of {path.name} must have"
            if not expressible(tensor.format):
                raise RefusedInput(f"{where} at most 16 bits, not {tensor.format}")
            if what == "Weights" and not layer.dynamic:
                continue
            if tensor.scale.ndim:
                raise RefusedInput(
                    f"{where} one scale for all channels, not {tensor.scale.size} scales; quantise "
                    "activations per tensor"
                )
            if isinstance(tensor.zero, np.ndarray):
                raise RefusedInput(
                    f"{where} one whole zero point, not {tensor.zero.size} from "
                    f"{tensor.zero.min():g} to {tensor.zero.max():g}"
                )
        if weight is not None or act is not None:
            pairs[layer.name] = weight, act
    return pairs


def _real(value: onnx.ValueInfoProto, low: Lowering) -> onnx.ValueInfoProto:
    """An output of the model in floating point, if it holds codes."""
    if value.name not in low.codes:
        return value
    copy = onnx.ValueInfoProto()
    copy.CopyFrom(value)
    copy.type.tensor_type.elem_type = TensorProto.FLOAT
    return copy


def _needed(nodes: list[onnx.NodeProto], outputs: list[str]) -> list[onnx.NodeProto]:
    """Nodes that the outputs depend on."""
    used, rest = set(outputs), []
    for node in reversed(nodes):
        if used.intersection(node.output):
            rest.append(node)
            used.update(node.input)
    return rest[::-1]
