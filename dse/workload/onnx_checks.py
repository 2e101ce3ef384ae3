"""What must hold of an ONNX model before anything is computed from it."""

import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NoReturn

import onnx
from google.protobuf.message import Message
from onnx import TensorProto, helper, numpy_helper

from macwright.hw.errors import RefusedInput

__all__ = ["check_nodes", "check_structure", "check_values"]

#: Attributes of operators that are types.
_TYPES = ("to", "dtype", "output_dtype")
_STANDARD = ("", "ai.onnx")
_TERM = r"[A-Za-z]*(\.{3})?[A-Za-z]*"
_EQUATION = re.compile(rf"{_TERM}(,{_TERM})*(->{_TERM})?")
#: Types of which a byte holds several elements, with their bits.
_BITS = {
    kind: bits
    for name, bits in (("UINT4", 4), ("INT4", 4), ("FLOAT4E2M1", 4), ("UINT2", 2), ("INT2", 2))
    if (kind := getattr(TensorProto, name, None)) is not None
}


def check_structure(model: onnx.ModelProto, path: Path) -> None:
    """Refuse element types that ONNX does not have, and nodes that give nothing.

    Raises
    ------
    RefusedInput
        Names what is wrong.
    """
    _check_texts(model, path)
    known = set(TensorProto.DataType.values()) - {TensorProto.UNDEFINED}
    open_ = {*known, TensorProto.UNDEFINED}  # to be inferred, or by default
    kinds: list[tuple[str, int, set[int]]] = []
    for value in model.graph.input:
        kinds.append((f"Input {value.name!r}", value.type.tensor_type.elem_type, known))
    for what, tensor in _tensors(model):
        kinds.append((what, tensor.data_type, known))
        if tensor.HasField("segment"):
            raise RefusedInput(f"{what} of {path} must be whole, not a segment of a tensor")
    for node in _inside(model.graph.node):
        for item in node.attribute:
            if item.ref_attr_name:
                raise RefusedInput(
                    f"Attribute {item.name} of node {node.name!r} of {path} must have a value, not "
                    "that of another attribute, as nodes of functions may"
                )
    for node in _nodes(model):
        if not node.output:
            raise RefusedInput(
                f"Node {node.name!r} ({node.op_type}) of {path} must have an output, not none"
            )
        kinds += [
            (f"Attribute {item.name} of node {node.name!r}", item.i, open_)
            for item in node.attribute
            if item.name in _TYPES and item.type == onnx.AttributeProto.INT
        ]
    for what, kind, allowed in kinds:
        if kind not in allowed:
            raise RefusedInput(f"{what} of {path} must be of a type that ONNX knows, not {kind}")


def check_nodes(model: onnx.ModelProto, path: Path) -> None:
    """Refuse standard operators without the operands, results and attributes that they need.

    Raises
    ------
    RefusedInput
        Names the node.
    """
    for nodes in (model.graph.node, *(function.node for function in model.functions)):
        for node in _inside(nodes):
            _check_equation(node, path)
    opset = max((x.version for x in model.opset_import if x.domain in _STANDARD), default=0)
    single = onnx.defs.OpSchema.FormalParameterOption.Single
    for node in _inside(model.graph.node):
        if node.domain not in _STANDARD:
            continue
        try:
            schema = onnx.defs.get_schema(node.op_type, opset, "")
            # What became optional later (the biases of Gemm) runtimes and exporters leave out.
            latest = onnx.defs.get_schema(node.op_type)
        except (onnx.defs.SchemaError, TypeError):  # the latter for versions beyond 32 bits
            continue  # refused where all is checked, or known to onnxruntime alone
        given = {item.name for item in node.attribute}
        lacking = [
            name for name, x in schema.attributes.items() if x.required and name not in given
        ]
        if node.op_type == "Constant" and not given:
            lacking = ["value"]
        where = f"Node {node.name or ', '.join(node.output)} of {path.name} must have"
        if lacking:
            raise RefusedInput(
                f"{where} the attribute {lacking[0]!r}, which {node.op_type} of opset {opset} needs"
            )
        for what, names, formal, least in (
            ("operand", node.input, schema.inputs, min(schema.min_input, latest.min_input)),
            ("result", node.output, schema.outputs, min(schema.min_output, latest.min_output)),
        ):
            empty = any(
                not name and x.option == single
                for name, x in zip(names[:least], formal, strict=False)
                if what == "operand"
            )
            if len(names) < least or empty:
                raise RefusedInput(
                    f"{where} each {what} that {node.op_type} of opset {opset} needs, not "
                    f"{sum(map(bool, names))} of {least}"
                )


def _check_equation(node: onnx.NodeProto, path: Path) -> None:
    """Refuse an Einsum that is none: shape inference of ONNX does not end for some of them."""
    if node.op_type != "Einsum" or node.domain not in _STANDARD:
        return
    for item in node.attribute:
        if item.name == "equation" and not _EQUATION.fullmatch(
            "".join(item.s.decode("utf-8", "replace").split())
        ):
            raise RefusedInput(
                f"Node {node.name or ', '.join(node.output)} of {path.name} must have an equation "
                "of letters, commas, one '...' in a term at most and one '->', not "
                f"{item.s.decode('utf-8', 'replace')[:60]!r}"
            )


def check_values(model: onnx.ModelProto, path: Path) -> None:
    """Refuse tensors that do not hold what their type and shape say.

    Raises
    ------
    RefusedInput
        Names the tensor.
    """
    for what, tensor in _tensors(model):
        dims = list(tensor.dims)
        size = math.prod(dims)
        if min((*dims, 0)) < 0 or not _holds(tensor, size):
            raise RefusedInput(
                f"{what} of {path} must hold the {max(size, 0)} elements of their shape {dims}, "
                "not more or fewer"
            )


def _check_texts(message: Message, path: Path) -> None:
    """Refuse names and texts that are not in UTF-8, which Protobuf gives as bytes."""
    for field, value in message.ListFields():
        name, values = field.name, value if field.is_repeated else [value]
        if field.message_type is not None:
            for item in values:
                if not isinstance(item, TensorProto):
                    _check_texts(item, path)
                elif isinstance(item.name, bytes):
                    _refuse_text("name of a tensor", item.name, path)
        elif field.type == field.TYPE_STRING or name in ("s", "strings"):
            for item in values:
                if isinstance(item, bytes) and not _is_text(item):
                    _refuse_text(f"field {name}", item, path)


def _refuse_text(what: str, text: bytes, path: Path) -> NoReturn:
    raise RefusedInput(f"Each {what} of {path} must be text in UTF-8, not {text[:40]!r}")


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _holds(tensor: onnx.TensorProto, size: int) -> bool:
    """Whether a tensor's values are so many."""
    if tensor.HasField("raw_data"):
        if tensor.data_type == TensorProto.STRING:
            return False
        bits = _BITS.get(tensor.data_type)
        if bits is None:
            bits = 8 * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
        return len(tensor.raw_data) == -(-size * bits // 8)
    try:
        return numpy_helper.to_array(tensor).size == size
    except (ValueError, TypeError, OverflowError):
        return False


def _graphs(model: onnx.ModelProto) -> Iterator[onnx.GraphProto]:
    """All graphs of a model, also those in attributes."""
    yield model.graph
    for node in _nodes(model):
        for item in node.attribute:
            yield from (*([item.g] if item.HasField("g") else []), *item.graphs)


def _nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """All nodes of a model, also those of functions and of graphs in attributes."""
    yield from _inside([*model.graph.node, *(x for item in model.functions for x in item.node)])


def _inside(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """Nodes, and those of graphs in their attributes."""
    waiting = [*nodes]
    while waiting:
        node = waiting.pop()
        yield node
        for item in node.attribute:
            for graph in (item.g, *item.graphs):
                waiting += graph.node


def _tensors(model: onnx.ModelProto) -> Iterator[tuple[str, onnx.TensorProto]]:
    """All tensors that a model holds, and what a message calls them."""
    for graph in _graphs(model):
        for item in graph.initializer:
            yield f"Weights {item.name!r}", item
    for node in _nodes(model):
        for item in node.attribute:
            if item.HasField("t"):
                yield f"Constants of node {node.name!r}", item.t
