"""Nodes written in place of another, with constants folded on the way."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import helper

from macwright.dse.workload.constants import Constants

__all__ = ["Rewriter"]


class Rewriter:
    """Nodes that replace one node.

    Parameters
    ----------
    node : onnx.NodeProto
        Node that is replaced; new names start with its name.
    constants : Constants
        Constants of the model, to which those of the new nodes are added.
    axes : mapping
        Axes along which samples lie, by tensor.

    Attributes
    ----------
    nodes : list of NodeProto
    """

    def __init__(self, node: onnx.NodeProto, constants: Constants, axes: Mapping[str, int]) -> None:
        self.node, self.constants, self.axes = node, constants, axes
        self.nodes: list[onnx.NodeProto] = []
        self._count = 0

    def add(
        self, op: str, inputs: Sequence[str], output: str = "", *, name: str = "", **attributes: Any
    ) -> str:
        """Append a node, unless its operands are constants; return its result."""
        fresh = f"{self.node.name}::{self._count}"
        self._count += 1
        result = output or fresh
        self._put(helper.make_node(op, list(inputs), [result], name=name or fresh, **attributes))
        return result

    def transposed(self, tensor: str, rank: int, output: str = "") -> str:
        """A tensor whose last two axes have changed places."""
        return self.add("Transpose", [tensor], output, perm=[*range(rank - 2), rank - 1, rank - 2])

    def split(self, tensor: str, count: int, axis: int) -> list[str]:
        """Equal parts of a tensor along an axis."""
        name = f"{self.node.name}::{self._count}"
        self._count += 1
        results = [f"{name}.{i}" for i in range(count)]
        size = self.constants.values[tensor].shape[axis] if tensor in self.constants.values else 0
        inputs = [tensor]
        if size:
            inputs.append(self.constant(np.full(count, size // count)))
        attributes: dict[str, Any] = {"axis": axis}
        if not size and self.constants.opset >= 18:
            attributes["num_outputs"] = count
        self._put(helper.make_node("Split", inputs, results, name=name, **attributes))
        return results

    def _put(self, node: onnx.NodeProto) -> None:
        if not self.constants.fold(node):
            self.constants.follow(node)
            self.nodes.append(node)

    def constant(self, values: ArrayLike) -> str:
        """Name of a new constant."""
        name = f"{self.node.name}::{self._count}"
        self._count += 1
        self.constants.values[name] = np.asarray(values)
        return name

    def value(self, tensor: str) -> NDArray:
        """Values of a constant."""
        return self.constants.values[tensor]

    def is_constant(self, tensor: str) -> bool:
        """Whether a tensor is a constant."""
        return tensor in self.constants.values
