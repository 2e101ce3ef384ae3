"""QDQ: QuantizeLinear and DequantizeLinear of 4 and 8 bits, as ONNX itself defines them."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, version_converter

from macwright.dse.export.rewrite import refusal, rewrite, serialised, without_unused
from macwright.dse.export.source import SourceRun
from macwright.dse.export.weights import WeightTensor
from macwright.dse.quantizer.activation import Operand
from macwright.dse.workload.onnx_builder import Chain
from macwright.hw.errors import RefusedInput
from macwright.hw.files import write_atomic
from macwright.hw.formats import Format, IntFormat

__all__ = ["export"]

#: Element type of each format.
_TYPES = {
    IntFormat(8): TensorProto.INT8,
    IntFormat(8, signed=False): TensorProto.UINT8,
    IntFormat(4): TensorProto.INT4,
    IntFormat(4, signed=False): TensorProto.UINT4,
}
#: Opset that has elements of 4 bits, and the version of the file format that goes with it.
OPSET, IR_VERSION = 21, 10


def export(run: SourceRun, point: int, folder: Path) -> list[Path]:
    """Write ``MODEL-N.qdq.onnx``: weights as integers, opset 21 where something has 4 bits."""
    quantised = run.quantised(point)
    pairs = [fmt for layer in quantised.allocation.layers.values() for fmt in layer.formats]
    model = onnx.ModelProto()
    model.CopyFrom(quantised.network.model)
    if any(fmt.width == 4 for fmt in pairs):
        model = _in_opset(model, quantised.network.path)
    rewrite(model.graph, quantised.plans, _Qdq())
    without_unused(model)
    path = folder / f"{quantised.stem}.qdq.onnx"
    write_atomic(path, serialised(model, quantised.network.model))
    return [path]


class _Qdq:
    def activation(self, chain: Chain, operand: Operand, where: str) -> None:
        kind = _element_type(operand.format, where)
        scale = chain.constant(np.asarray(operand.scale, np.float32))
        zero = _integers(chain, kind, np.asarray(operand.zero))
        chain.node("QuantizeLinear", [chain.tensor, scale, zero])
        chain.node("DequantizeLinear", [chain.tensor, scale, zero])

    def weight(self, chain: Chain, weights: WeightTensor, where: str) -> None:
        kind = _element_type(weights.format, where)
        axes = [axis for axis, size in enumerate(weights.scale.shape) if size > 1]
        if len(axes) > 1:
            raise refusal(where, "a format with one scale a channel", "one with scales of groups")
        levels = _integers(chain, kind, weights.levels)
        scale = weights.scale.reshape(-1) if axes else weights.scale.reshape(())
        along = {"axis": axes[0]} if axes else {}
        chain.node("DequantizeLinear", [levels, chain.constant(scale)], **along)


def _element_type(fmt: Format, where: str) -> int:
    if not isinstance(fmt, IntFormat) or fmt not in _TYPES:
        raise refusal(where, ", ".join(map(str, _TYPES)), fmt)
    return _TYPES[fmt]


def _integers(chain: Chain, kind: int, values: np.ndarray) -> str:
    """Name of a constant of integers."""
    name = f"{chain.prefix}::i{len(chain.constants)}"
    whole = [int(value) for value in values.reshape(-1)]
    chain.constants.append(helper.make_tensor(name, kind, values.shape, whole))
    return name


def _in_opset(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    """The same network in the opset that has elements of 4 bits."""
    opsets = {item.domain: item.version for item in model.opset_import}
    if max(opsets.get("", 0), opsets.get("ai.onnx", 0)) < OPSET:
        try:
            model = version_converter.convert_version(model, OPSET)
        except Exception as error:  # its errors share no class
            reason = " ".join(str(error).split())[:200]
            raise RefusedInput(
                f"Network of {path.name} must be one that onnx.version_converter brings to opset "
                f"{OPSET}, which has integers of 4 bits, not one with: {reason}; export it with "
                f"opset {OPSET}"
            ) from error
    model.ir_version = max(model.ir_version, IR_VERSION)
    return model
