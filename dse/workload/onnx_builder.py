"""ONNX nodes written one after another."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

__all__ = ["Chain"]


class Chain:
    """Nodes, each of which works on the result of the one before.

    Parameters
    ----------
    tensor : str
        Tensor that the first node reads.
    prefix : str
        Start of the new names.

    Attributes
    ----------
    nodes : list of NodeProto
    constants : list of TensorProto
    tensor : str
        Result of the last node.
    """

    def __init__(self, tensor: str, prefix: str) -> None:
        self.tensor, self.prefix = tensor, prefix
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def __call__(self, op: str, *operands: float) -> str:
        """Add a node that reads the last result and some numbers."""
        return self.node(op, [self.tensor, *(self.constant(value) for value in operands)])

    def node(self, op: str, inputs: list[str], **attributes: Any) -> str:
        """Add a node that reads any tensors."""
        self.tensor = f"{self.prefix}::{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(op, inputs, [self.tensor], name=self.tensor, **attributes)
        )
        return self.tensor

    def constant(self, value: float | np.ndarray) -> str:
        """Name of a constant; numbers are float32."""
        name = f"{self.prefix}::c{len(self.constants)}"
        if not isinstance(value, np.ndarray):
            value = np.array(value, np.float32)
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def reshape(self, shape: Sequence[int]) -> str:
        """Add a Reshape; a size of 0 is kept."""
        return self.node("Reshape", [self.tensor, self.constant(np.array(shape, np.int64))])

    def largest(self, axis: int) -> str:
        """Add a maximum over an axis, which stays with size 1.

        TopK, as the axes of ReduceMax are an attribute in some versions and an input in others.
        """
        count = self.constant(np.array([1], np.int64))
        source, self.tensor = self.tensor, f"{self.prefix}::{len(self.nodes)}"
        outputs = [self.tensor, f"{self.tensor}::index"]
        self.nodes.append(
            helper.make_node("TopK", [source, count], outputs, name=self.tensor, axis=axis)
        )
        return self.tensor
