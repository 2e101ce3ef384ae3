"""QONNX: Quant, BipolarQuant and FloatQuant before each layer.

Definitions: Pappalardo, Umuroglu, Blott, Mitrevski, Hawks, Tran, Loncar, Summers, Borras, Muhizi,
Trahms, Hsu, Hauck, Duarte: QONNX (2022), and the operators' descriptions of the qonnx package.
"""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from macwright.dse.export.rewrite import refusal, rewrite, serialised, without_unused
from macwright.dse.export.source import SourceRun
from macwright.dse.export.weights import WeightTensor
from macwright.dse.quantizer.activation import Operand
from macwright.dse.workload.onnx_builder import Chain
from macwright.hw.files import write_atomic
from macwright.hw.formats import (
    BinaryFormat,
    FixedFormat,
    FloatFormat,
    Format,
    IntFormat,
    TernaryFormat,
)

__all__ = ["export"]

DOMAIN = "qonnx.custom_op.general"
_FORMATS = "an integer of two bits or more, binary, ternary, a fixed-point number or a minifloat"


def export(run: SourceRun, point: int, folder: Path) -> list[Path]:
    """Write ``MODEL-N.qonnx.onnx``, the quantised network in QONNX.

    Scales of weights are those of their channels (or blocks), biases stay in floating point. A
    minifloat with a level other than 0 for the value 0, which FloatQuant lacks, is written with an
    Add before and a Sub behind it.
    """
    quantised = run.quantised(point)
    model = onnx.ModelProto()
    model.CopyFrom(quantised.network.model)
    rewrite(model.graph, quantised.plans, _Qonnx())
    without_unused(model)
    if DOMAIN not in {item.domain for item in model.opset_import}:
        model.opset_import.append(helper.make_opsetid(DOMAIN, 1))
    path = folder / f"{quantised.stem}.qonnx.onnx"
    write_atomic(path, serialised(model, quantised.network.model))
    return [path]


class _Qonnx:
    def activation(self, chain: Chain, operand: Operand, where: str) -> None:
        scale = np.asarray(operand.scale, np.float32)
        if operand.zero and not isinstance(operand.format, IntFormat | FixedFormat):
            chain("Mul", float(1 / scale))
            chain("Add", operand.zero)
            _quantiser(chain, operand.format, np.ones((), np.float32), 0, where)
            chain("Sub", operand.zero)
            chain("Mul", float(scale))
        else:
            _quantiser(chain, operand.format, scale, operand.zero, where)

    def weight(self, chain: Chain, weights: WeightTensor, where: str) -> None:
        chain.tensor = chain.constant(weights.values)
        _quantiser(chain, weights.format, weights.scale, 0, where)


def _quantiser(
    chain: Chain, fmt: Format, scale: NDArray[np.float32], zero: float, where: str
) -> None:
    if isinstance(fmt, FixedFormat):
        unit = np.float32(2.0**-fmt.fraction)
        _quantiser(chain, fmt.integer, scale * unit, zero / float(unit), where)
    elif isinstance(fmt, BinaryFormat):
        chain.node("BipolarQuant", [chain.tensor, chain.constant(scale)], domain=DOMAIN)
    elif isinstance(fmt, TernaryFormat) or (
        isinstance(fmt, IntFormat) and fmt.width > int(fmt.signed)
    ):
        narrow = isinstance(fmt, TernaryFormat) or fmt.symmetric
        rest = [chain.constant(value) for value in (scale, float(zero), float(fmt.width))]
        chain.node(
            "Quant", [chain.tensor, *rest], domain=DOMAIN,
            signed=int(fmt.signed), narrow=int(narrow), rounding_mode="ROUND",
        )  # fmt: skip
    elif isinstance(fmt, FloatFormat):
        assert fmt.bias is not None
        sizes = (fmt.exp_bits, fmt.man_bits, fmt.bias, fmt.max)
        rest = [chain.constant(value) for value in (scale, *map(float, sizes))]
        chain.node(
            "FloatQuant", [chain.tensor, *rest], domain=DOMAIN, rounding_mode="ROUND",
            has_inf=0, has_nan=0, has_subnormal=1, saturation=1,
        )  # fmt: skip
    else:
        raise refusal(where, _FORMATS, fmt)
