"""Nodes that pass codes on, or take the largest: what is asked of them is asked of their inputs."""

import math
from collections.abc import Sequence

import numpy as np
import onnx

from macwright.dse.bitexact.requests import Request
from macwright.dse.workload.layer import Workload
from macwright.dse.workload.normalise import attribute
from macwright.hw.accelerator.network import (
    Concat,
    MaxPool,
    Node,
    Pad,
    Reshape,
    Slice,
    Transpose,
)
from macwright.hw.errors import RefusedInput

__all__ = ["PASSING", "passing_node", "window"]

#: Operators whose results are some of the values that they read.
PASSING = {
    "Concat", "Flatten", "GlobalMaxPool", "MaxPool", "Pad", "Reshape", "Slice", "Split", "Squeeze",
    "Transpose", "Unsqueeze",
}  # fmt: skip
_Pairs = tuple[tuple[int, int], ...]


def passing_node(
    workload: Workload,
    node: onnx.NodeProto,
    tensor: str,
    sources: Sequence[str],
    output: str,
    request: Request,
) -> Node:
    """Node of an integer network for an ONNX node of `PASSING`.

    Parameters
    ----------
    workload : Workload
        The network.
    node : onnx.NodeProto
        Its node.
    tensor : str
        Which of its results.
    sources : sequence of str
        Edges that are read.
    output : str
        Edge that is made, and the name of the node.
    request : Request
        Codes of both.
    """
    kind = node.op_type
    shape, result = (workload.shapes[name][1:] for name in (node.input[0], tensor))
    fields = {"name": output, "input": sources[0] if sources else "", "output": output}
    if kind in ("MaxPool", "GlobalMaxPool"):
        kernel, strides, pads, dilations = window(node, shape)
        return MaxPool(**fields, kernel=kernel, strides=strides, pads=pads, dilations=dilations)
    if kind == "Concat":
        axis = int(attribute(node, "axis", 0)) % (len(shape) + 1)  # type: ignore[call-overload]
        _check(axis > 0, node, "join samples")
        return Concat(name=output, sources=tuple(sources), output=output, axis=axis - 1)
    if kind == "Pad":
        return _pad(workload, node, fields, request)
    if kind == "Slice":
        return _slice(workload, node, fields, shape)
    if kind == "Split":
        axis = int(attribute(node, "axis", 0)) % (len(shape) + 1)  # type: ignore[call-overload]
        _check(axis > 0, node, "split samples")
        before = list(node.output)[: list(node.output).index(tensor)]
        start = sum(workload.shapes[name][axis] for name in before)
        starts = [start if i == axis - 1 else 0 for i in range(len(shape))]
        stops = [a + n for a, n in zip(starts, result, strict=True)]
        return Slice(**fields, starts=tuple(starts), stops=tuple(stops), steps=(1,) * len(shape))
    if kind == "Transpose":
        perm = attribute(node, "perm", None) or range(len(shape) + 1)[::-1]
        order = [int(axis) for axis in perm]  # type: ignore[attr-defined]
        _check(order[0] == 0, node, "move samples")
        return Transpose(**fields, order=tuple(axis - 1 for axis in order[1:]))
    samples = workload.shapes[node.input[0]][:1], workload.shapes[tensor][:1]
    _check(samples[0] == samples[1] and math.prod(shape) == math.prod(result), node, "mix samples")
    return Reshape(**fields)


def window(
    node: onnx.NodeProto, shape: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...], _Pairs, tuple[int, ...]]:
    """Kernel, strides, pads and dilations of a pooling node, for an input without its samples."""
    sizes = tuple(shape[1:])
    rank = len(sizes)
    ones = (1,) * rank
    if node.op_type.startswith("Global"):
        return sizes, ones, ((0, 0),) * rank, ones
    kernel = tuple(attribute(node, "kernel_shape"))  # type: ignore[arg-type]
    strides = tuple(attribute(node, "strides", None) or ones)  # type: ignore[arg-type]
    dilations = tuple(attribute(node, "dilations", None) or ones)  # type: ignore[arg-type]
    mode = attribute(node, "auto_pad", b"NOTSET")
    mode = mode.decode() if isinstance(mode, bytes) else mode
    flat = list(attribute(node, "pads", None) or [0] * 2 * rank)  # type: ignore[call-overload]
    pads = []
    for i in range(rank):
        reach = (kernel[i] - 1) * dilations[i] + 1
        pair = (flat[i], flat[rank + i])
        if mode in ("SAME_UPPER", "SAME_LOWER"):
            total = max((-(-sizes[i] // strides[i]) - 1) * strides[i] + reach - sizes[i], 0)
            pair = (total // 2, total - total // 2)
            pair = pair if mode == "SAME_UPPER" else pair[::-1]
        elif attribute(node, "ceil_mode", 0):
            room = sizes[i] + sum(pair) - reach
            steps = -(-room // strides[i])
            if steps * strides[i] >= sizes[i] + pair[0]:
                steps -= 1  # a window must not begin in the padding
            pair = (pair[0], max(steps * strides[i] + reach - sizes[i] - pair[0], pair[1]))
        pads.append(pair)
    return kernel, strides, tuple(pads), dilations


def _pad(workload: Workload, node: onnx.NodeProto, fields: dict, request: Request) -> Pad:
    mode = attribute(node, "mode", b"constant")
    _check(mode in (b"constant", "constant"), node, f"pad by {mode!r}")
    pads = workload.tensor(node.input[1]).astype(int).tolist()
    rank = len(workload.shapes[node.input[0]])
    axes = list(range(rank))
    if len(node.input) > 3 and node.input[3]:
        axes = [int(axis) % rank for axis in workload.tensor(node.input[3])]
    pairs = {axis: (pads[i], pads[len(axes) + i]) for i, axis in enumerate(axes)}
    _check(pairs.get(0, (0, 0)) == (0, 0), node, "pad samples")
    value = 0.0
    if len(node.input) > 2 and node.input[2]:
        value = float(workload.tensor(node.input[2]).reshape(-1)[0])
    level = int(request.levels(np.array([value]))[0])
    return Pad(**fields, level=level, pads=tuple(pairs.get(i, (0, 0)) for i in range(1, rank)))


def _slice(workload: Workload, node: onnx.NodeProto, fields: dict, shape: Sequence[int]) -> Slice:
    names = [*node.input[1:], "", ""][:4]
    values = [workload.tensor(name).astype(int).tolist() if name else None for name in names]
    starts, ends, axes, steps = values
    assert starts is not None
    assert ends is not None
    rank = len(shape) + 1
    axes = axes or range(len(starts))
    chosen = {
        int(axis) % rank: slice(*ends)
        for axis, *ends in zip(axes, starts, ends, steps or [1] * len(starts), strict=True)
    }
    _check(0 not in chosen, node, "leave samples out")
    cuts = [chosen.get(i + 1, slice(None)).indices(n) for i, n in enumerate(shape)]
    _check(all(step > 0 for _, _, step in cuts), node, "run backwards")
    lows, highs, steps = zip(*cuts, strict=True)
    return Slice(**fields, starts=lows, stops=highs, steps=steps)


def _check(fits: bool, node: onnx.NodeProto, what: str) -> None:
    if not fits:
        raise RefusedInput(
            f"Node {node.name} ({node.op_type}) must not {what} in an integer network"
        )
