"""Convolutions as matrix products."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from macwright.dse.workload.mac_operator import MacOperator, Products, spread
from macwright.dse.workload.nodes import attribute

__all__ = ["Conv", "ConvTranspose"]

_Array = NDArray[np.float32]
_Shape = tuple[int, ...]
_Pads = list[tuple[int, int]]


class Conv(MacOperator):
    """Convolution of any rank, with weights of shape (groups * n, channels / groups, *kernel)."""

    spatial = True

    def problem(self, node: onnx.NodeProto, *, dynamic: bool) -> str | None:
        if dynamic:
            return f"one with constant weights, not {node.input[1]!r}, which is computed"
        return None

    def sizes(
        self, node: onnx.NodeProto, shapes: Mapping[str, _Shape]
    ) -> tuple[int, int, int, int]:
        groups = int(attribute(node, "group", 1))
        channels, *kernel = shapes[node.input[1]]
        out = shapes[node.output[0]]
        return out[0] * math.prod(out[2:]), math.prod(kernel), channels // groups, groups

    def attributes(self, node: onnx.NodeProto, shapes: Mapping[str, _Shape]) -> dict[str, Any]:
        return {"kernel_shape": list(shapes[node.input[1]][2:])}

    def kernel_size(self, layer: Products) -> int:
        return math.prod(layer.attributes["kernel_shape"])

    def along_outputs(self, node: onnx.NodeProto, values: NDArray, shape: _Shape) -> NDArray:
        return values.reshape(-1, *[1] * (len(shape) - 1))

    def to_matrix(self, layer: Products, weight: _Array) -> _Array:
        return np.ascontiguousarray(weight.reshape(layer.groups * layer.n, layer.k))

    def from_matrix(self, layer: Products, matrix: _Array, shape: _Shape) -> _Array:
        return np.ascontiguousarray(matrix.reshape(shape))

    def output_shape(self, layer: Products, act_shape: _Shape, weight_shape: _Shape) -> _Shape:
        kernel = layer.attributes["kernel_shape"]
        strides, dilations, pads = self.geometry(layer, act_shape[2:])
        spatial = [
            (size + sum(pad) - (k - 1) * dilation - 1) // stride + 1
            for size, k, stride, dilation, pad in zip(
                act_shape[2:], kernel, strides, dilations, pads, strict=True
            )
        ]
        return (act_shape[0], layer.groups * layer.n, *spatial)

    def im2col(
        self, layer: Products, act: _Array, out: _Array, weight_shape: _Shape, limit: int
    ) -> tuple[_Array, _Array]:
        strides, dilations, pads = self.geometry(layer, act.shape[2:])
        padded = np.pad(act, [(0, 0), (0, 0), *pads])
        return _gathered(layer, padded, out, (strides, dilations), limit)

    def geometry(self, layer: Products, size: _Shape) -> tuple[list[int], list[int], _Pads]:
        """Strides, dilations, and padding before and after, for each spatial axis."""
        kernel = layer.attributes["kernel_shape"]
        rank = len(kernel)
        strides = layer.attributes.get("strides") or [1] * rank
        dilations = layer.attributes.get("dilations") or [1] * rank
        mode = layer.attributes.get("auto_pad", "NOTSET")
        if mode in ("NOTSET", ""):
            pads = layer.attributes.get("pads") or [0] * (2 * rank)
            return strides, dilations, [(pads[i], pads[rank + i]) for i in range(rank)]
        if mode == "VALID":
            return strides, dilations, [(0, 0)] * rank
        pairs = []
        for i in range(rank):
            reach = (kernel[i] - 1) * dilations[i] + 1
            total = max((-(-size[i] // strides[i]) - 1) * strides[i] + reach - size[i], 0)
            pairs.append(_halves(total, upper=mode == "SAME_UPPER"))
        return strides, dilations, pairs


class ConvTranspose(Conv):
    """Transposed convolution, with weights of shape (channels, n, *kernel).

    Each input is multiplied by the whole kernel: M counts positions of the input. An output is the
    sum of at most K products; as a matrix product, the others are by the zeros that stand between
    inputs.
    """

    def sizes(
        self, node: onnx.NodeProto, shapes: Mapping[str, _Shape]
    ) -> tuple[int, int, int, int]:
        groups = int(attribute(node, "group", 1))
        channels, n, *kernel = shapes[node.input[1]]
        act = shapes[node.input[0]]
        return act[0] * math.prod(act[2:]), channels // groups * math.prod(kernel), n, groups

    def along_outputs(self, node: onnx.NodeProto, values: NDArray, shape: _Shape) -> NDArray:
        groups = int(attribute(node, "group", 1))
        rows = np.repeat(values.reshape(groups, -1), shape[0] // groups, axis=0)
        return rows.reshape(*shape[:2], *[1] * (len(shape) - 2))

    def to_matrix(self, layer: Products, weight: _Array) -> _Array:
        kernel = weight.shape[2:]
        parts = weight.reshape(layer.groups, -1, layer.n, math.prod(kernel))[..., ::-1]
        return np.ascontiguousarray(parts.transpose(0, 2, 1, 3)).reshape(-1, layer.k)

    def from_matrix(self, layer: Products, matrix: _Array, shape: _Shape) -> _Array:
        parts = matrix.reshape(layer.groups, layer.n, -1, math.prod(shape[2:]))[..., ::-1]
        return np.ascontiguousarray(parts.transpose(0, 2, 1, 3)).reshape(shape)

    def output_shape(self, layer: Products, act_shape: _Shape, weight_shape: _Shape) -> _Shape:
        given = layer.attributes.get("output_shape")
        if given:
            spatial = given[-len(layer.attributes["kernel_shape"]) :]
        else:
            strides, reaches, extra, pads = self._transposed(layer, act_shape[2:])
            spatial = [
                (size - 1) * stride + reach + more - sum(pad)
                for size, stride, reach, more, pad in zip(
                    act_shape[2:], strides, reaches, extra, pads, strict=True
                )
            ]
        return (act_shape[0], layer.groups * layer.n, *spatial)

    def im2col(
        self, layer: Products, act: _Array, out: _Array, weight_shape: _Shape, limit: int
    ) -> tuple[_Array, _Array]:
        strides, reaches, _, pads = self._transposed(layer, act.shape[2:])
        rank = len(strides)
        wide = [(n - 1) * stride + 1 for n, stride in zip(act.shape[2:], strides, strict=True)]
        apart = np.zeros((*act.shape[:2], *wide), act.dtype)
        apart[(slice(None), slice(None), *(slice(None, None, stride) for stride in strides))] = act
        size = self.output_shape(layer, act.shape, weight_shape)[2:]
        for i, (reach, (before, _)) in enumerate(zip(reaches, pads, strict=True)):
            left = reach - 1 - before
            right = size[i] + reach - 1 - left - wide[i]
            edges = [(0, 0)] * (2 + i) + [(max(left, 0), max(right, 0))]
            apart = np.pad(apart, edges + [(0, 0)] * (rank - 1 - i))
            start, stop = max(-left, 0), apart.shape[2 + i] - max(-right, 0)
            apart = apart.take(np.arange(start, stop), axis=2 + i)
        dilations = layer.attributes.get("dilations") or [1] * rank
        return _gathered(layer, apart, out, ([1] * rank, dilations), limit)

    def _transposed(
        self, layer: Products, size: _Shape
    ) -> tuple[list[int], list[int], list[int], _Pads]:
        """Strides, reach of the kernel, output padding, and padding that is cut off."""
        kernel = layer.attributes["kernel_shape"]
        rank = len(kernel)
        strides = layer.attributes.get("strides") or [1] * rank
        dilations = layer.attributes.get("dilations") or [1] * rank
        extra = layer.attributes.get("output_padding") or [0] * rank
        reaches = [(k - 1) * dilation + 1 for k, dilation in zip(kernel, dilations, strict=True)]
        mode = layer.attributes.get("auto_pad", "NOTSET")
        given = layer.attributes.get("output_shape")
        if not given and mode in ("NOTSET", "", "VALID"):
            pads = layer.attributes.get("pads") or [0] * (2 * rank)
            if mode == "VALID":
                pads = [0] * (2 * rank)
            return strides, reaches, extra, [(pads[i], pads[rank + i]) for i in range(rank)]
        target = given[-rank:] if given else [n * s for n, s in zip(size, strides, strict=True)]
        pairs = []
        for i in range(rank):
            total = (size[i] - 1) * strides[i] + reaches[i] + extra[i] - target[i]
            pairs.append(_halves(max(total, 0), upper=mode == "SAME_UPPER"))
        return strides, reaches, extra, pairs


def _halves(total: int, *, upper: bool) -> tuple[int, int]:
    small = total // 2
    return (small, total - small) if upper else (total - small, small)


def _gathered(
    layer: Products,
    padded: _Array,
    out: _Array,
    steps: tuple[list[int], list[int]],
    limit: int,
) -> tuple[_Array, _Array]:
    """Columns of a convolution without padding, and its outputs at the same places."""
    strides, dilations = steps
    kernel = layer.attributes["kernel_shape"]
    rank = len(kernel)
    chosen = spread(len(out) * math.prod(out.shape[2:]), limit)
    sample, *position = np.unravel_index(chosen, (len(out), *out.shape[2:]))
    offsets = np.indices(kernel).reshape(rank, -1)
    index = [
        position[i][:, None] * strides[i] + offsets[i][None] * dilations[i] for i in range(rank)
    ]
    # Advanced indices around the channel axis put it last: (columns, kernel positions, channels).
    taken = padded[(sample[:, None], slice(None), *index)]
    grouped = taken.reshape(len(chosen), offsets.shape[1], layer.groups, -1)
    columns = grouped.transpose(2, 0, 3, 1).reshape(layer.groups, len(chosen), layer.k)
    results = out[(sample, slice(None), *position)].reshape(len(chosen), layer.groups, layer.n)
    return columns, results.transpose(1, 0, 2)
