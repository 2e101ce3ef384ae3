"""Tensors that no input of a model changes: one mechanism that computes them beforehand."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from macwright.dse.workload.fixed_tensor import FixedTensor
from macwright.dse.workload.operators import OPERATORS, Operator
from macwright.dse.workload.session import run_error, session
from macwright.hw.errors import RefusedInput

__all__ = ["Constants"]

_NOTHING = Operator()
#: Most elements of a tensor that is computed beforehand.
LARGEST = 1 << 28


class Constants:
    """Values of a model's constant tensors, and formats that the model prescribes for them.

    Parameters
    ----------
    model : onnx.ModelProto
        Model whose initializers they start with.

    Attributes
    ----------
    values : dict of ndarray
        By tensor; those of no axes stay so.
    formats : dict of FixedTensor
        Of some of them, by tensor.
    copies : dict of str
        Of constants that stand for one tensor in memory: the name of that tensor.
    shared : dict of int
        Layers that have a copy of a constant each, because they share it in the file.
    opset : int
        Opset of the model.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self._opsets, self._ir_version = list(model.opset_import), model.ir_version
        self.opset = max(
            (x.version for x in self._opsets if x.domain in ("", "ai.onnx")), default=1
        )
        self.copies: dict[str, str] = {}
        self.shared: dict[str, int] = {}
        self.values: dict[str, NDArray] = {
            item.name: numpy_helper.to_array(item) for item in model.graph.initializer
        }
        self.formats: dict[str, FixedTensor] = {}

    def fold(self, node: onnx.NodeProto) -> bool:
        """Compute the results of a node, if all its operands are constants.

        A prescribed format goes along where the node moves elements (Transpose, Reshape, ...),
        casts them, or multiplies or divides them by positive constants: what is done to the
        values is done to their scales.

        Returns
        -------
        bool
            Whether the node is not needed any more.
        """
        if node.op_type == "Constant" and (value := _constant(node)) is not None:
            self.values[node.output[0]] = value
            return True
        names = [name for name in node.input if name]
        random = OPERATORS.get(node.op_type, _NOTHING).random or node.op_type == "Dropout"
        if (
            node.domain not in ("", "ai.onnx")
            or random
            or not all(name in self.values for name in names)
            or any(item.g.node or item.graphs for item in node.attribute)
            or (not names and node.op_type != "Constant")
            or self._size(node) > LARGEST
        ):
            return False
        results = self._computed(node, self.values)
        if results is None:
            return False
        self.values.update(results)
        self._carry(node)
        return True

    def follow(self, node: onnx.NodeProto) -> None:
        """Give computed results the format of the operand whose elements they are."""
        tensor = self.formats.get(node.input[0])
        if tensor is not None and OPERATORS.get(node.op_type, _NOTHING).moves:
            self.formats.update(dict.fromkeys(node.output, tensor))

    def copy(self, name: str, other: str) -> None:
        """Give a constant a second name."""
        self.values[other] = self.values[name]
        if name in self.formats:
            self.formats[other] = self.formats[name]

    def multiply(self, name: str, factor: float) -> None:
        """Multiply a constant, and the scale of its format, by a positive number."""
        values = self.values[name]
        self.values[name] = np.asarray(values * factor, values.dtype)
        if name in self.formats:
            tensor = self.formats[name]
            self.formats[name] = replace(
                tensor, scale=np.asarray(tensor.scale * factor, np.float32)
            )

    def initializers(self, used: Sequence[str] | set[str]) -> list[onnx.TensorProto]:
        """Tensors of a graph, of those names that are constants."""
        return [
            numpy_helper.from_array(np.asarray(value, order="C"), name)
            for name, value in self.values.items()
            if name in used
        ]

    def _computed(
        self, node: onnx.NodeProto, values: dict[str, NDArray]
    ) -> dict[str, NDArray] | None:
        """What a node gives; None where onnxruntime does not have it."""
        feeds = {name: values[name] for name in node.input if name}
        names = [name for name in node.output if name]
        try:
            inputs = [
                helper.make_tensor_value_info(
                    name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
                )
                for name, value in feeds.items()
            ]
            outputs = [onnx.ValueInfoProto(name=name) for name in names]
            model = helper.make_model(
                helper.make_graph([node], "constant", inputs, outputs),
                opset_imports=self._opsets,
                ir_version=self._ir_version,
            )
            results = session(model, optimise=False).run(names, feeds)
        except (*run_error(), KeyError, TypeError, ValueError, RuntimeError):
            return None
        if not all(isinstance(item, np.ndarray | np.generic) for item in results):
            return None
        return {name: np.asarray(item) for name, item in zip(names, results, strict=True)}

    def _carry(self, node: onnx.NodeProto) -> None:
        """Give results the format of the operand that they are made of."""
        if not node.input or not any(name in self.formats for name in node.input):
            return
        first = node.input[0]
        if OPERATORS.get(node.op_type, _NOTHING).moves and first in self.formats:
            self._moved(node)
        elif node.op_type == "Concat":
            self._joined(node)
        elif node.op_type == "Cast" and first in self.formats:
            if self.values[node.output[0]].dtype.kind == "f":
                self.formats[node.output[0]] = self.formats[first]
        elif node.op_type in ("Mul", "Div"):
            self._scaled(node)

    def _moved(self, node: onnx.NodeProto) -> None:
        tensor = self.formats[node.input[0]]
        if tensor.scale.ndim == 0:
            self.formats.update(dict.fromkeys(node.output, tensor))
            return
        spread = np.broadcast_to(tensor.scale, self.values[node.input[0]].shape)
        scales = self._computed(node, {**self.values, node.input[0]: np.ascontiguousarray(spread)})
        for name, scale in (scales or {}).items():
            self.formats[name] = replace(tensor, scale=_narrow(scale))

    def _joined(self, node: onnx.NodeProto) -> None:
        tensors = [self.formats.get(name) for name in node.input]
        first = tensors[0]
        if first is None or any(
            x is None or x.format != first.format or x.zero != first.zero for x in tensors
        ):
            return
        spread = {
            name: np.ascontiguousarray(np.broadcast_to(x.scale, self.values[name].shape))
            for name, x in zip(node.input, tensors, strict=True)
            if x is not None
        }
        for name, scale in (self._computed(node, {**self.values, **spread}) or {}).items():
            self.formats[name] = replace(first, scale=_narrow(scale))

    def _scaled(self, node: onnx.NodeProto) -> None:
        index = next(i for i, name in enumerate(node.input) if name in self.formats)
        if node.op_type == "Div" and index == 1:
            return
        tensor = self.formats[node.input[index]]
        factor = self.values[node.input[1 - index]]
        result = self.values[node.output[0]]
        if not (factor > 0).all():
            raise RefusedInput(
                f"Node {node.name or node.output[0]} must multiply quantised weights by positive "
                "numbers, not by some that are not; put the sign into the weights before they are "
                "quantised"
            )
        scale = tensor.scale * factor if node.op_type == "Mul" else tensor.scale / factor
        if scale.ndim:
            scale = _narrow(np.broadcast_to(scale, result.shape))
        self.formats[node.output[0]] = replace(tensor, scale=scale.astype(np.float32))

    def _size(self, node: onnx.NodeProto) -> int:
        """Elements of the result of a node that can make much of little."""
        operands = [self.values[name] for name in node.input if name]
        if node.op_type in ("ConstantOfShape", "Expand"):
            return int(np.prod(np.maximum(operands[-1].astype(object), 1)))
        if node.op_type == "Tile":
            return int(operands[0].size * np.prod(operands[1].astype(object)))
        if node.op_type == "Range":
            start, limit, delta = (float(value.reshape(-1)[0]) for value in operands)
            return int(abs(limit - start) / abs(delta)) if delta else 0
        return 0


def _constant(node: onnx.NodeProto) -> NDArray | None:
    item = node.attribute[0]
    value = helper.get_attribute_value(item)
    if item.name == "value":
        return numpy_helper.to_array(value)
    kinds = {"value_float": np.float32, "value_int": np.int64}
    kinds |= {"value_floats": np.float32, "value_ints": np.int64}
    return np.asarray(value, kinds[item.name]) if item.name in kinds else None


def _narrow(scale: NDArray) -> NDArray[np.float32]:
    """The same scales, with one element along each axis that they do not change along."""
    for axis in range(scale.ndim):
        if scale.shape[axis] > 1:
            first = scale.take([0], axis=axis)
            if (scale == first).all():
                scale = first
    return np.ascontiguousarray(scale, np.float32) if scale.ndim else scale
