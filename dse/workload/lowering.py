"""What rewrites quantisers of all kinds as float operators: shared by QDQ, QONNX and QOperator.

Codes are whole numbers in float tensors from here on. Constants go through the same operators as
activations: they are folded on the way.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import helper

from macwright.dse.workload.constants import Constants
from macwright.dse.workload.fixed_tensor import FixedTensor
from macwright.dse.workload.onnx_builder import Chain
from macwright.dse.workload.onnx_rounding import rounding
from macwright.dse.workload.signs import non_negative
from macwright.hw.errors import RefusedInput
from macwright.hw.formats import BinaryFormat, FloatFormat, IntFormat

__all__ = ["ROUNDED", "UNROUNDED", "Lowering"]

_Format = IntFormat | FloatFormat | BinaryFormat
#: Types of inputs that hold codes.
_CODES = (onnx.TensorProto.INT8, onnx.TensorProto.UINT8)
#: Ends of the names of the tensors before and after the rounding of a quantiser.
UNROUNDED, ROUNDED = "::unrounded", "::rounded"


class Lowering:
    """Nodes of a model while they are rewritten.

    Parameters
    ----------
    model : onnx.ModelProto
        The model; not changed.
    path : Path
        Its file, for messages.

    Attributes
    ----------
    opset : int
        Opset of the model.
    constants : Constants
        Its constants, and the formats that it prescribes for tensors, computed ones too.
    nodes : list of NodeProto
        What has been rewritten so far.
    codes : set of str
        Tensors that hold codes, or whole numbers, in floating point.
    centred : dict
        By tensor of codes: that of codes less their zero point, and the zero point.
    """

    def __init__(self, model: onnx.ModelProto, path: Path) -> None:
        self.constants, self.path, self._model = Constants(model), path, model
        self.opset = max(x.version for x in model.opset_import if x.domain in ("", "ai.onnx"))
        self.nodes: list[onnx.NodeProto] = []
        self.codes: set[str] = set()
        self.centred: dict[str, tuple[str, NDArray]] = {}
        self._prefix, self._count = "", 0

    def start(self, node: onnx.NodeProto) -> None:
        """Let the names of new tensors begin with the node's result."""
        self._prefix, self._count = node.output[0], 0

    def refusal(self, node: onnx.NodeProto, text: str) -> RefusedInput:
        """Error that says what a node must be, not what it is."""
        return RefusedInput(f"Node {node.name or node.output[0]} of {self.path.name} {text}")

    def add(self, op: str, inputs: Sequence[str], result: str = "", **attributes: Any) -> str:
        """Add a node, or compute its result if all its operands are constants."""
        if not result:
            result, self._count = f"{self._prefix}::{self._count}", self._count + 1
        node = helper.make_node(op, inputs, [result], name=result, **attributes)
        self.put(node)
        return result

    def put(self, node: onnx.NodeProto) -> None:
        """Add a finished node, or compute its results if all its operands are constants."""
        if self.constants.fold(node):
            return
        if all(name in self.constants.values for name in node.input if name):
            raise RefusedInput(
                f"Tensor {self._prefix!r} of {self.path.name} must have scales, zero points and "
                f"widths of shapes that fit what is quantised, for {node.op_type} to be computed"
            )
        self.nodes.append(node)

    def number(self, value: ArrayLike, dtype: type = np.float32) -> str:
        """Name of a new constant."""
        name, self._count = f"{self._prefix}::c{self._count}", self._count + 1
        self.constants.values[name] = np.asarray(value, dtype)
        return name

    def constant(
        self, node: onnx.NodeProto, index: int, default: ArrayLike | None = None
    ) -> NDArray:
        """Value of an operand that must be a constant, such as a scale."""
        name = node.input[index] if len(node.input) > index else ""
        if name in self.constants.values:
            return self.constants.values[name]
        if not name and default is not None:
            return np.asarray(default)
        what = f"{name!r}, which is computed" if name else "a missing one"
        raise self.refusal(node, f"must have constant scales, zero points and widths, not {what}")

    def scale(self, node: onnx.NodeProto, index: int) -> NDArray[np.float32]:
        """Scale of a node: numbers, one of none if all are the same."""
        scale = one_of_same(self.constant(node, index).astype(np.float32))
        if not np.isfinite(scale).all():
            raise self.refusal(node, "must have scales that are numbers, not NaN or infinity")
        return scale

    def rank(self, node: onnx.NodeProto, tensor: str) -> int:
        """Number of axes of a tensor."""
        if tensor in self.constants.values:
            return self.constants.values[tensor].ndim
        kind = self._types.get(tensor)
        if kind is None or not kind.HasField("shape"):
            raise self.refusal(
                node,
                f"must quantise a tensor of known rank along an axis, and that of {tensor!r} is "
                "not known; run onnx.shape_inference.infer_shapes on the model",
            )
        return len(kind.shape.dim)

    def element_type(self, node: onnx.NodeProto, tensor: str) -> np.dtype:
        """Element type of a tensor of the model."""
        kind = self._types.get(tensor)
        if kind is None or not kind.elem_type:
            raise self.refusal(node, f"must read a tensor of known type, which {tensor!r} is not")
        return np.dtype(helper.tensor_dtype_to_np_dtype(kind.elem_type))

    def is_unsigned(self, tensor: str) -> bool:
        """Whether a tensor is proved to be at least zero."""
        used = {name for node in self.nodes for name in node.input}
        graph = helper.make_graph(
            self.nodes, "so far", [], [], self.constants.initializers(used | {tensor})
        )
        return tensor in non_negative(helper.make_model(graph), None)

    @cached_property
    def _types(self) -> dict[str, onnx.TypeProto.Tensor]:
        """Types of the tensors of the model, as far as they are known."""
        graph = onnx.shape_inference.infer_shapes(self._model).graph
        items = [*graph.input, *graph.value_info, *graph.output]
        return {item.name: item.type.tensor_type for item in items}

    def as_float(self, tensor: str) -> str:
        """Codes in floating point."""
        values = self.constants.values.get(tensor)
        if values is not None:
            return tensor if values.dtype == np.float32 else self.number(values.astype(np.float32))
        if tensor in self.codes:
            return tensor
        result, kind = self.add("Cast", [tensor], to=1), self._types.get(tensor)
        if kind is not None and kind.elem_type in _CODES:
            fmt = IntFormat(8, signed=kind.elem_type == onnx.TensorProto.INT8)
            self.constants.formats[result] = FixedTensor(format=fmt, scale=np.ones((), np.float32))
        return result

    def clip(self, tensor: str, low: ArrayLike, high: ArrayLike, result: str = "") -> str:
        """Add a saturation."""
        if np.ndim(low) or np.ndim(high):
            upper = self.add("Min", [tensor, self.number(high)])
            return self.add("Max", [upper, self.number(low)], result)
        return self.add("Clip", [tensor, self.number(low), self.number(high)], result)

    def divide(self, tensor: str, scale: NDArray) -> str:
        """Add a division; by 1 none is needed."""
        return tensor if (scale == 1).all() else self.add("Div", [tensor, self.number(scale)])

    def shift(self, tensor: str, zero: NDArray | int, op: str = "Add", result: str = "") -> str:
        """Add an addition (or a subtraction) of a zero point; of 0 none unless it has a name."""
        if not result and not np.any(zero):
            return tensor
        return self.add(op, [tensor, self.number(zero)], result)

    def to_grid(
        self, tensor: str, low: ArrayLike, high: ArrayLike, mode: str = "ROUND", *, result: str
    ) -> str:
        """Saturate, and round to whole numbers; the names begin with `result`."""
        before = self.clip(tensor, low, high, result + UNROUNDED)
        return self.to_whole(before, mode, result + ROUNDED)

    def to_whole(self, tensor: str, mode: str, result: str) -> str:
        """Round to whole numbers in one of QONNX's modes."""
        simple = {"ROUND": "Round", "HALF_EVEN": "Round", "CEIL": "Ceil", "FLOOR": "Floor"}
        if mode in simple:
            return self.add(simple[mode], [tensor], result)
        sign, size = self.add("Sign", [tensor]), self.add("Abs", [tensor])
        if mode in ("HALF_UP", "HALF_DOWN"):
            size = self.add("Add" if mode == "HALF_UP" else "Sub", [size, self.number(0.5)])
        op = "Ceil" if mode in ("UP", "HALF_DOWN") else "Floor"
        return self.add("Mul", [sign, self.add(op, [size])], result)

    def to_float_grid(self, tensor: str, fmt: FloatFormat, *, result: str) -> str:
        """Saturate, and round to a minifloat, to nearest even."""
        before = self.clip(tensor, -fmt.max, fmt.max, result + UNROUNDED)
        chain = Chain(before, f"{result}::float")
        rounding(chain, fmt)
        for item in chain.constants:
            self.constants.values[item.name] = onnx.numpy_helper.to_array(item)
        chain.nodes[-1].output[0] = result + ROUNDED
        for node in chain.nodes:
            self.put(node)
        return result + ROUNDED

    def to_binary(self, tensor: str, *, result: str) -> str:
        """-1 or 1, by the sign."""
        before = self.clip(tensor, -1, 1, result + UNROUNDED)
        positive = self.add("GreaterOrEqual", [before, self.number(0)])
        return self.add("Where", [positive, self.number(1), self.number(-1)], result + ROUNDED)

    def prescribe_codes(self, result: str, fmt: _Format) -> None:
        """Note that a tensor holds codes of a format."""
        self.codes.add(result)
        self.constants.formats[result] = FixedTensor(format=fmt, scale=np.ones((), np.float32))

    def prescribe(
        self, node: onnx.NodeProto, result: str, fmt: _Format, scale: NDArray, zero: NDArray | int
    ) -> None:
        """Note the format of a tensor, so that its value is ``(code - zero) * scale``."""
        zero = one_of_same(np.asarray(zero, np.float32))
        values = self.constants.values.get(result)
        if values is None and not (scale > 0).all():
            raise self.refusal(
                node, f"must have scales above 0, not {scale.min():g}; quantise the model anew"
            )
        whole = not zero.ndim and float(zero).is_integer()
        tensor = FixedTensor(format=fmt, scale=scale, zero=int(zero) if whole else zero)
        if values is not None:
            tensor = self._of_constant(node, tensor, values)
        self.constants.formats[result] = tensor

    def _of_constant(
        self, node: onnx.NodeProto, tensor: FixedTensor, values: NDArray
    ) -> FixedTensor:
        """Format of constants in positive scales, signed and without a zero point.

        Weights are signed and have no zero point in hardware: the codes are what is left when it
        is taken away, of one bit more where they need it. Where the scale is 0, so are the values.
        """
        scale = np.where(tensor.scale == 0, np.float32(1), np.abs(tensor.scale)).astype(np.float32)
        fmt = tensor.format
        if not isinstance(fmt, IntFormat):
            return FixedTensor(format=fmt, scale=scale)
        if fmt.signed and not np.any(tensor.zero) and (tensor.scale >= 0).all():
            return FixedTensor(format=fmt, scale=scale)
        codes = values / scale
        if codes.size and np.abs(codes - np.rint(codes)).max() > 0.01:
            raise self.refusal(node, "must have whole zero points, so that 0 is one of its values")
        low, high = (float(codes.min()), float(codes.max())) if codes.size else (0.0, 0.0)
        width = fmt.width
        while low < -(1 << (width - 1)) - 0.5 or high > (1 << (width - 1)) - 0.5:
            width += 1
        return FixedTensor(format=IntFormat(width), scale=scale)


def one_of_same(values: NDArray) -> NDArray:
    """The array, or its one value without axes where all are the same."""
    same = values.size and (values == values.reshape(-1)[0]).all()
    return np.asarray(values.reshape(-1)[0]) if same else values
