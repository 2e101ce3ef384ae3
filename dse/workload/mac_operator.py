"""What all MAC operators answer, and those that multiply matrices."""

import math
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray

from macwright.dse.workload.nodes import attribute

__all__ = ["Gemm", "MacOperator", "MatMul", "Products", "spread"]

_Array = NDArray[np.float32]
_Shape = tuple[int, ...]
_Shapes = Mapping[str, _Shape]
_Sizes = tuple[int, int, int, int]


class Products(Protocol):
    """What an operator needs to know of a layer, a :class:`macwright.dse.workload.Layer`."""

    @property
    def n(self) -> int: ...
    @property
    def k(self) -> int: ...
    @property
    def groups(self) -> int: ...
    @property
    def attributes(self) -> Mapping[str, Any]: ...


class MacOperator:
    """An ONNX operator that multiplies and accumulates; the second operand holds the weights.

    Attributes
    ----------
    takes_bias : bool
        Whether the node has a third operand, which is added to each output channel.
    spatial : bool
        Whether channels are axis 1, and positions the axes after it; otherwise channels are last.
    """

    takes_bias = True
    spatial = False

    def problem(self, node: onnx.NodeProto, *, dynamic: bool) -> str | None:
        """What is wrong with a node, as a clause that follows "must be", or None."""
        raise NotImplementedError

    def sizes(self, node: onnx.NodeProto, shapes: _Shapes) -> _Sizes:
        """M, K, N and groups of all that a node computes."""
        raise NotImplementedError

    def attributes(self, node: onnx.NodeProto, shapes: _Shapes) -> dict[str, Any]:
        """Attributes that a layer needs and the node may leave out."""
        return {}

    def sum_axis(self, rank: int) -> int:
        """Axis of the first operand that sums go along, negative; that of its channels."""
        return 1 - rank if self.spatial else -1

    def other_axes(self, rank: int) -> tuple[int, ...]:
        """Axes of the result that are not its channels."""
        return (0, *range(2, rank)) if self.spatial else tuple(range(rank - 1))

    def scale_axes(self, rank: int) -> tuple[int, ...]:
        """Axes, negative, of the first operand that share a scale found for each sample or row."""
        return tuple(range(1 - rank, 0)) if self.spatial else (-1,)

    def kernel_size(self, layer: Products) -> int:
        """Positions of a kernel."""
        return 1

    def along_outputs(self, node: onnx.NodeProto, values: NDArray, shape: _Shape) -> NDArray:
        """A number for each output channel, in a shape that broadcasts against the weights."""
        raise NotImplementedError

    def to_matrix(self, layer: Products, weight: _Array) -> _Array:
        """Weights with a row for each output channel, shape (groups * n, k)."""
        raise NotImplementedError

    def from_matrix(self, layer: Products, matrix: _Array, shape: _Shape) -> _Array:
        """Weights in the model's own layout; the inverse of `to_matrix`."""
        raise NotImplementedError

    def output_shape(self, layer: Products, act_shape: _Shape, weight_shape: _Shape) -> _Shape:
        """Shape of the results, from those of the operands."""
        return (*act_shape[:-1], layer.n)

    def im2col(
        self, layer: Products, act: _Array, out: _Array, weight_shape: _Shape, limit: int
    ) -> tuple[_Array, _Array]:
        """Input columns of at most `limit` outputs, and those outputs, spread evenly.

        Returns
        -------
        columns : ndarray of float32, shape (groups, n_columns, k)
        outputs : ndarray of float32, shape (groups, n_columns, n)
        """
        columns, results = act.reshape(-1, layer.k), out.reshape(-1, layer.n)
        chosen = spread(len(columns), limit)
        return columns[chosen][None], results[chosen][None]


class Gemm(MacOperator):
    """Product of a matrix of samples by one of weights."""

    def problem(self, node: onnx.NodeProto, *, dynamic: bool) -> str | None:
        if attribute(node, "transA", 0):
            return (
                "a Gemm of samples by weights, not one that transposes its first operand; use "
                "MatMul and Transpose"
            )
        return None

    def sizes(self, node: onnx.NodeProto, shapes: _Shapes) -> _Sizes:
        rows, columns = shapes[node.input[1]]
        k, n = (columns, rows) if attribute(node, "transB", 0) else (rows, columns)
        return shapes[node.input[0]][0], k, n, 1

    def along_outputs(self, node: onnx.NodeProto, values: NDArray, shape: _Shape) -> NDArray:
        return values[:, None] if attribute(node, "transB", 0) else values

    def to_matrix(self, layer: Products, weight: _Array) -> _Array:
        return np.ascontiguousarray(weight if layer.attributes.get("transB") else weight.T)

    def from_matrix(self, layer: Products, matrix: _Array, shape: _Shape) -> _Array:
        return np.ascontiguousarray(matrix if layer.attributes.get("transB") else matrix.T)


class MatMul(Gemm):
    """Product of matrices, or of stacks of them if both are computed."""

    takes_bias = False

    def problem(self, node: onnx.NodeProto, *, dynamic: bool) -> str | None:
        return None

    def sizes(self, node: onnx.NodeProto, shapes: _Shapes) -> _Sizes:
        left, right = shapes[node.input[0]], shapes[node.input[1]]
        if len(right) == 2:
            return math.prod(left[:-1]), left[-1], right[1], 1
        return left[-2], left[-1], right[-1], math.prod(shapes[node.output[0]][:-2])


def spread(total: int, limit: int) -> NDArray[np.int64]:
    """At most `limit` of `total` indices, evenly."""
    if total <= limit:
        return np.arange(total)
    # An odd irrational stride, so that columns do not line up with rows of the image.
    return np.unique((np.arange(limit) * (total / limit)).astype(np.int64))
