"""Rounding to a format, written in plain ONNX operators.

Running inside onnxruntime, a quantiser costs a few passes over a tensor that is still in cache;
leaving it for NumPy would break the network into pieces.
"""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from macwright.hw.formats import BinaryFormat, FloatFormat, Format, IntFormat, TernaryFormat

__all__ = ["expressible", "rounding_nodes"]


def expressible(fmt: Format) -> bool:
    """Whether the format can be written in ONNX operators."""
    if isinstance(fmt, FloatFormat):
        return fmt.width <= 16
    return isinstance(fmt, (BinaryFormat, TernaryFormat)) or (
        isinstance(fmt, IntFormat) and fmt.width <= 16
    )


def rounding_nodes(
    fmt: Format, tensor: str, scale: float, prefix: str
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto], str]:
    """Nodes that round a tensor to the values of a format, left unscaled.

    Parameters
    ----------
    fmt : Format
        An `expressible` format.
    tensor : str
        Tensor that is rounded, float32.
    scale : float
        Value of one unit of the format. The result is in such units: multiply it to get back.
    prefix : str
        Start of the new names.

    Returns
    -------
    nodes : list of NodeProto
    constants : list of TensorProto
    result : str
        Name of the rounded tensor.
    """
    build = _Chain(tensor, prefix)
    build("Mul", float(1 / np.float32(scale)))
    if isinstance(fmt, BinaryFormat):
        positive = build("GreaterOrEqual", 0.0)
        one, minus = build.constant(1.0), build.constant(-1.0)
        build.node("Where", [positive, one, minus])
    elif isinstance(fmt, FloatFormat):
        _float(build, fmt)
    else:
        build("Clip", fmt.min, fmt.max)
        build("Round")
    return build.nodes, build.constants, build.tensor


def _float(build: "_Chain", fmt: FloatFormat) -> None:
    """Round a minifloat by adding a number whose last place is as large as the format's step.

    ``(x + big) - big`` rounds x to nearest even at the last place of `big`. With
    ``big = abs(x) * 2**(23 - man_bits)`` that place is the format's step in x's binade, for
    subnormals ``1.5 * 2**23`` smallest steps. The sum leaves the binade of `big` only where x is
    so close to a power of two that it is rounded to it all the same.
    """
    step = 2.0 ** (fmt.min_exponent - fmt.man_bits)
    top = min(fmt.max, 2.0 ** (127 - 24 + fmt.man_bits))
    rounded = build("Clip", -top, top)
    build("Abs")
    build("Mul", 2.0 ** (23 - fmt.man_bits))
    big = build("Max", 1.5 * 2.0**23 * step)
    build.node("Add", [rounded, big])
    build.node("Sub", [build.tensor, big])


class _Chain:
    """Nodes, each of which works on the result of the one before."""

    def __init__(self, tensor: str, prefix: str) -> None:
        self.tensor, self.prefix = tensor, prefix
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def __call__(self, op: str, *operands: float) -> str:
        return self.node(op, [self.tensor, *(self.constant(value) for value in operands)])

    def node(self, op: str, inputs: list[str]) -> str:
        self.tensor = f"{self.prefix}::{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [self.tensor], name=self.tensor))
        return self.tensor

    def constant(self, value: float) -> str:
        name = f"{self.prefix}::c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(value, np.float32), name))
        return name
