"""Quantised models as onnxruntime's own quantiser writes them, in all its modes."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.matmul_nbits_quantizer import (
    DefaultWeightOnlyQuantConfig,
    MatMulNBitsQuantizer,
)

__all__ = ["MODES", "quantised_by_onnxruntime"]

_QDQ, _OPS = QuantFormat.QDQ, QuantFormat.QOperator
_I8, _U8, _I16, _U16 = QuantType.QInt8, QuantType.QUInt8, QuantType.QInt16, QuantType.QUInt16
_I4, _U4, _F8 = QuantType.QInt4, QuantType.QUInt4, QuantType.QFLOAT8E4M3FN


def _static(form: QuantFormat, act: QuantType, weight: QuantType, **others: Any) -> dict[str, Any]:
    return {"quant_format": form, "activation_type": act, "weight_type": weight, **others}


#: Arguments of the quantiser, by name of the mode; `kind` says which function it is.
MODES: dict[str, dict[str, Any]] = {
    "qdq u8 i8": _static(_QDQ, _U8, _I8),
    "qdq i8 i8": _static(_QDQ, _I8, _I8),
    "qdq u8 u8": _static(_QDQ, _U8, _U8),
    "qdq u8 i8 per channel": _static(_QDQ, _U8, _I8, per_channel=True),
    "qdq i8 i8 per channel symmetric": _static(
        _QDQ, _I8, _I8, per_channel=True,
        extra_options={"ActivationSymmetric": True, "WeightSymmetric": True},
    ),
    "qdq u8 u8 asymmetric per channel": _static(
        _QDQ, _U8, _U8, per_channel=True, extra_options={"WeightSymmetric": False}
    ),
    "qdq i8 i8 asymmetric": _static(
        _QDQ, _I8, _I8, extra_options={"WeightSymmetric": False}
    ),
    "qdq i16 i8": _static(_QDQ, _I16, _I8),
    "qdq u16 u8": _static(_QDQ, _U16, _U8),
    "qdq i16 i16": _static(_QDQ, _I16, _I16),
    "qdq u8 i4": _static(_QDQ, _U8, _I4),
    "qdq u8 u4 per channel": _static(_QDQ, _U8, _U4, per_channel=True),
    "qdq i4 i4": _static(_QDQ, _I4, _I4),
    "qdq fp8": _static(
        _QDQ, _F8, _F8, calibrate_method=CalibrationMethod.Distribution
    ),
    "qdq reduce range percentile": _static(
        _QDQ, _U8, _I8, reduce_range=True, calibrate_method=CalibrationMethod.Percentile
    ),
    "qdq entropy": _static(_QDQ, _U8, _I8, calibrate_method=CalibrationMethod.Entropy),
    "qdq pairs of weights": _static(
        _QDQ, _U8, _I8, extra_options={"AddQDQPairToWeight": True, "QuantizeBias": False}
    ),
    "qdq dedicated pairs": _static(_QDQ, _U8, _I8, extra_options={"DedicatedQDQPair": True}),
    "qdq microsoft domain": _static(
        _QDQ, _U8, _I8, extra_options={"UseQDQContribOps": True}
    ),
    "qdq only conv": _static(_QDQ, _U8, _I8, op_types_to_quantize=["Conv"]),
    "qoperator u8 i8": _static(_OPS, _U8, _I8),
    "qoperator u8 u8": _static(_OPS, _U8, _U8),
    "qoperator i8 i8 per channel": _static(_OPS, _I8, _I8, per_channel=True),
    "qoperator u8 u8 per channel": _static(_OPS, _U8, _U8, per_channel=True),
    "qoperator symmetric": _static(
        _OPS, _I8, _I8, extra_options={"ActivationSymmetric": True}
    ),
    "dynamic i8": {"kind": "dynamic", "weight_type": _I8},
    "dynamic u8": {"kind": "dynamic", "weight_type": _U8},
    "dynamic i8 per channel": {"kind": "dynamic", "weight_type": _I8, "per_channel": True},
    "dynamic of constant products": {
        "kind": "dynamic", "weight_type": _I8, "extra_options": {"MatMulConstBOnly": False}
    },
    "weights of 4 bits": {"kind": "nbits", "bits": 4},
    "weights of 4 bits symmetric": {"kind": "nbits", "bits": 4, "is_symmetric": True},
    "weights of 8 bits": {"kind": "nbits", "bits": 8},
    "weights of 4 bits as qdq": {"kind": "nbits", "bits": 4, "quant_format": _QDQ},
}  # fmt: skip


class _Reader(CalibrationDataReader):
    def __init__(self, feeds: dict[str, np.ndarray]) -> None:
        count = len(next(iter(feeds.values())))
        self._items = iter([{k: v[i : i + 1] for k, v in feeds.items()} for i in range(count)])

    def get_next(self) -> dict[str, np.ndarray]:
        return next(self._items, None)  # pyright: ignore[reportReturnType]


def quantised_by_onnxruntime(
    source: Path, target: Path, mode: str, feeds: dict[str, np.ndarray]
) -> None:
    """Write a network quantised in a mode of `MODES`, calibrated on some samples."""
    arguments = dict(MODES[mode])
    kind = arguments.pop("kind", "static")
    logging.disable(logging.WARNING)
    try:
        if kind == "static":
            quantize_static(source, target, _Reader(feeds), **arguments)
        elif kind == "dynamic":
            quantize_dynamic(source, target, **arguments)
        else:
            form = arguments.pop("quant_format", _OPS)
            config = DefaultWeightOnlyQuantConfig(block_size=16, quant_format=form, **arguments)
            quantizer = MatMulNBitsQuantizer(onnx.load(source), algo_config=config)
            quantizer.process()
            # An ONNXModel by now, whatever it was made from.
            onnx.save(quantizer.model.model, target)  # pyright: ignore
    finally:
        logging.disable(logging.NOTSET)
