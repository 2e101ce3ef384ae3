"""Reading an ONNX file."""

import hashlib
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from macwright.dse.workload.onnx_checks import check_nodes, check_structure, check_values
from macwright.dse.workload.order import put_in_order
from macwright.dse.workload.sparse import with_dense_constants
from macwright.hw.errors import RefusedInput

__all__ = ["digest", "read_model"]

#: Bytes of weights up to which a model is one Protobuf message, of at most 2 GiB.
LARGEST_MESSAGE = (1 << 31) - (1 << 24)


def read_model(path: Path, *, weights: bool = True) -> onnx.ModelProto:
    """Read an ONNX file, and the weights beside it if `weights`; errors as of `load_workload`."""
    if not path.is_file():
        raise FileNotFoundError(f"Model must be an ONNX file, and {path} is not a file")
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except DecodeError as error:
        raise RefusedInput(f"{path} must be an ONNX model, not something else ({error})") from error
    if not model.ir_version or not model.graph.node:
        raise RefusedInput(f"{path} must be an ONNX model, not a file without a graph of nodes")
    check_structure(model, path)
    check_nodes(model, path)
    put_in_order(model, path)
    if not weights:
        return model
    try:
        onnx.load_external_data_for_model(model, str(path.parent))
    except (onnx.checker.ValidationError, OSError, ValueError) as error:
        name = next(
            (
                entry.value
                for tensor in model.graph.initializer
                for entry in tensor.external_data
                if entry.key == "location" and not (path.parent / entry.value).is_file()
            ),
            None,
        )
        if name is None:
            # The message of a number that cannot be read is Python's.
            is_number = "invalid literal" in str(error)
            reason = "entries offset and length that are no whole numbers" if is_number else error
            raise RefusedInput(
                f"{path} must have readable external weights, not {reason}"
            ) from error
        raise FileNotFoundError(
            f"{path} keeps its weights in {name!r}, which must be beside it and is missing"
        ) from error
    check_values(model, path)
    with_dense_constants(model, path)
    return model


def digest(model: onnx.ModelProto) -> str:
    """SHA-256 of a model with its weights, in pieces where it is too large for one message."""
    weights = sum(len(item.raw_data) for item in model.graph.initializer)
    if weights < LARGEST_MESSAGE:
        return hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()
    total = hashlib.sha256()
    for item in [*model.graph.initializer, *model.graph.node]:
        total.update(item.SerializeToString(deterministic=True))
    return total.hexdigest()
