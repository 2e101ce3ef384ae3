"""Rounding to a format, written in plain ONNX operators.

Running inside onnxruntime, a quantiser costs a few passes over a tensor that is still in cache;
leaving it for NumPy would break the network into pieces.
"""

import numpy as np

from macwright.dse.workload.onnx_builder import Chain
from macwright.hw.formats import (
    BinaryFormat,
    BlockFormat,
    FixedFormat,
    FloatFormat,
    Format,
    IntFormat,
    TernaryFormat,
)

__all__ = ["block_rounding", "expressible", "rounding"]

#: Scale at which everything is rounded to zero.
HUGE = 1e30


def expressible(fmt: Format) -> bool:
    """Whether the format can be written in ONNX operators."""
    if isinstance(fmt, BlockFormat):
        return expressible(fmt.element)
    if isinstance(fmt, FloatFormat):
        return fmt.width <= 16
    if isinstance(fmt, FixedFormat):
        return True
    return isinstance(fmt, (BinaryFormat, TernaryFormat)) or (
        isinstance(fmt, IntFormat) and fmt.width <= 16
    )


def rounding(build: Chain, fmt: Format) -> None:
    """Add nodes that round to the values of an `expressible` format without blocks."""
    if isinstance(fmt, BinaryFormat):
        positive = build("GreaterOrEqual", 0.0)
        build.node("Where", [positive, build.constant(1.0), build.constant(-1.0)])
    elif isinstance(fmt, FloatFormat):
        _float(build, fmt)
    elif isinstance(fmt, FixedFormat):
        build("Mul", 2.0**fmt.fraction)
        rounding(build, fmt.integer)
        build("Mul", 2.0**-fmt.fraction)
    else:
        build("Clip", fmt.min, fmt.max)
        build("Round")


def _float(build: Chain, fmt: FloatFormat) -> None:
    """Round a minifloat by adding a number whose last place is as large as the format's step.

    ``(x + big) - big`` rounds x to nearest even at the last place of `big`. With
    ``big = abs(x) * (2**(23 - man_bits) - 1)`` that place is the format's step in x's binade, for
    subnormals ``1.5 * 2**23`` smallest steps. It is less by one than the power of two, so that the
    sum stays in the binade of `big`, even for an x just below a power of two; just above one,
    `big` may be in the binade below, where x is rounded to that power of two all the same.
    """
    step = 2.0 ** (fmt.min_exponent - fmt.man_bits)
    top = min(fmt.max, 2.0 ** (127 - 24 + fmt.man_bits))
    rounded = build("Clip", -top if fmt.signed else 0.0, top)
    build("Abs")
    build("Mul", 2.0 ** (23 - fmt.man_bits) - 1)
    big = build("Max", 1.5 * 2.0**23 * step)
    build.node("Add", [rounded, big])
    build.node("Sub", [build.tensor, big])
    if fmt.man_bits == 0:
        _ties_to_even_codes(build, rounded, step)


def _ties_to_even_codes(build: Chain, exact: str, step: float) -> None:
    """Mend ties of powers of two, of which the larger was taken where its code is odd.

    The middle of 2^k and 2^(k + 1) is 3/4 of the latter. Codes of powers of two count them, from 1
    for `step`: odd ones are even powers of it, whose square roots are whole.
    """
    result = build.tensor
    larger, size = build("Abs"), build.node("Abs", [exact])
    middle = build.node("Mul", [larger, build.constant(0.75)])
    tied = build.node("Equal", [middle, size])
    root = build.node("Sqrt", [build.node("Mul", [larger, build.constant(1 / step)])])
    odd = build.node("Equal", [build.node("Floor", [root]), root])
    beyond = build.node("Greater", [larger, build.constant(step)])
    down = build.node("And", [build.node("And", [tied, odd]), beyond])
    half = build.node("Mul", [result, build.constant(0.5)])
    build.node("Where", [down, half, result])


def block_rounding(
    build: Chain, fmt: BlockFormat, tensor_scale: float, shape: tuple[int, ...], axis: int
) -> None:
    """Add nodes that round blocks along an axis, as `BlockFormat.quantize` does.

    Parameters
    ----------
    build : Chain
        Nodes before; its tensor is rounded.
    fmt : BlockFormat
        An `expressible` format.
    tensor_scale : float
        The tensor's own scale, where those of blocks are not powers of two.
    shape : tuple of int
        Shape of the tensor; the first size is not relied upon.
    axis : int
        Axis of the blocks, negative and not the first.
    """
    rank, source = len(shape), build.tensor
    axis += rank
    size = shape[axis]
    missing = -size % fmt.block
    if missing:
        pads = np.zeros(2 * rank, np.int64)
        pads[rank + axis] = missing
        build.node("Pad", [source, build.constant(pads)])
    count = (size + missing) // fmt.block
    values = build.reshape([0, *shape[1:axis], count, fmt.block, *shape[axis + 1 :]])
    build("Abs")
    build.largest(axis + 1)
    scale = _block_scale(build, fmt, tensor_scale)
    build.node("Div", [values, scale])
    rounding(build, fmt.element)
    build.node("Mul", [build.tensor, scale])
    build.reshape([0, *shape[1:axis], size + missing, *shape[axis + 1 :]])
    if missing:
        bounds = [build.constant(np.array([at], np.int64)) for at in (0, size, axis)]
        build.node("Slice", [build.tensor, *bounds])


def _block_scale(build: Chain, fmt: BlockFormat, tensor_scale: float) -> str:
    """Scale of each block, from its largest magnitude; positive."""
    if isinstance(fmt.scale, FloatFormat):
        build("Mul", float(1 / np.float32(fmt.element.max * tensor_scale)))
        rounding(build, fmt.scale)
        build("Mul", tensor_scale)
        # A block whose scale is rounded to zero becomes zeros, as with a very large scale.
        scale = build.tensor
        empty = build("Equal", 0.0)
        return build.node("Where", [empty, build.constant(HUGE), scale])
    top = build("Max", 2.0**-120)
    build("Log")
    build("Mul", float(1 / np.log(2)))
    build("Floor")
    build("Add", 127.0)
    # The logarithm may be off by its last place, and with it the power of two next to it.
    index = build.node("Cast", [build.tensor], to=6)
    table = build.constant(np.exp2(np.arange(-127, 129).clip(max=127)).astype(np.float32))
    power = build.node("Gather", [table, index])
    double = build("Mul", 2.0)
    fits = build.node("LessOrEqual", [double, top])
    low = build.node("Where", [fits, double, power])
    high = build.node("Greater", [low, top])
    half = build.node("Mul", [low, build.constant(0.5)])
    build.node("Where", [high, half, low])
    return build("Mul", 2.0**-fmt.max_exponent)
