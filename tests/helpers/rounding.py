"""Nearest rounding by other means than the quantiser's."""

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

from macwright.dse.quantizer import QuantOptions

__all__ = ["NEAREST", "round_weights", "run"]

NEAREST = QuantOptions(
    rounding="nearest",
    weight_scale="max",
    act_scale="max",
    bias_correction=False,
    equalise=False,
    asymmetric=False,
)


def run(proto, x, output="logits"):
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    del copy.graph.output[:]
    copy.graph.output.extend([onnx.ValueInfoProto(name=output)])
    running = onnxruntime.InferenceSession(copy.SerializeToString())
    return np.asarray(running.run(None, {"x": x})[0])


def round_weights(proto, name, *, bits):
    """Put an integer grid of each output channel, which just holds its largest, on weights."""
    item = next(i for i in proto.graph.initializer if i.name == name)
    w = numpy_helper.to_array(item)
    flat, top = w.reshape(len(w), -1), 2 ** (bits - 1) - 1
    scale = np.abs(flat).max(axis=1, keepdims=True) / top
    rounded = (np.clip(np.rint(flat / scale), -top - 1, top) * scale).astype(np.float32)
    item.CopyFrom(numpy_helper.from_array(rounded.reshape(w.shape), item.name))
