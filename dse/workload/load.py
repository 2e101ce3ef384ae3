"""Reading an ONNX model into a workload."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
import onnx
import onnx.numpy_helper
from google.protobuf.message import DecodeError

from macwright.dse.workload.fixed import strip_quantisers
from macwright.dse.workload.layer import Layer, Workload
from macwright.dse.workload.normalise import normalise
from macwright.dse.workload.probe import probe_shapes
from macwright.dse.workload.shapes import find_layers
from macwright.dse.workload.signs import non_negative
from macwright.dse.workload.support import check_support
from macwright.hw.formats import IntFormat

if TYPE_CHECKING:
    from macwright.dse.recipe import Dataset

__all__ = ["load_workload", "read_model"]


def load_workload(path: Path | str, dataset: "Dataset | None" = None) -> Workload:
    """Read an ONNX model: its MAC layers, their sizes and its graph.

    Parameters
    ----------
    path : path
        An ONNX file of opset 13 or later, with the weights in it or beside it.
    dataset : Dataset, optional
        Data of the model. It fixes dimensions that the model leaves open (other than the batch),
        and tells whether the inputs are never negative.

    Returns
    -------
    Workload

    Raises
    ------
    FileNotFoundError
        If the model, or a file with its weights, is absent.
    ValueError
        If the file is not a valid model, or holds what is not supported; the message names the
        node, the reason and what would help.
    """
    path = Path(path)
    model = read_model(path)
    digest = hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()
    model, quantised = strip_quantisers(model, path)
    _check(model, path)
    check_support(model, path)
    _check_weights(model, path)
    model = normalise(model, path)
    shapes, dtypes, batch, fixed = probe_shapes(model, path, dataset)
    signs = non_negative(model, dataset)
    layers = find_layers(model, shapes, batch, signs)
    if not layers:
        raise ValueError(
            f"{path} must have a layer that multiplies by weights (Conv, Gemm or MatMul), not only "
            f"{', '.join(sorted({node.op_type for node in model.graph.node})) or 'no node at all'}"
        )
    prescribed = _fixed(layers, quantised, path)
    return Workload(
        fixed=prescribed,
        path=path,
        sha256=digest,
        model=model,
        layers=layers,
        graph=_graph(model),
        shapes=shapes,
        dtypes=dtypes,
        batch=batch,
        fixed_batch=fixed,
    )


def read_model(path: Path, *, weights: bool = True) -> onnx.ModelProto:
    """Read an ONNX file, and the weights beside it if `weights`; errors as of `load_workload`."""
    if not path.is_file():
        raise FileNotFoundError(f"Model must be an ONNX file, and {path} is not a file")
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except DecodeError as error:
        raise ValueError(f"{path} must be an ONNX model, not something else ({error})") from error
    if not model.ir_version or not model.graph.node:
        raise ValueError(f"{path} must be an ONNX model, not a file without a graph of nodes")
    if not weights:
        return model
    try:
        onnx.load_external_data_for_model(model, str(path.parent))
    except (onnx.checker.ValidationError, OSError) as error:
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
            raise ValueError(f"{path} must have readable external weights, not {error}") from error
        raise FileNotFoundError(
            f"{path} keeps its weights in {name!r}, which must be beside it and is missing"
        ) from error
    return model


def _check(model: onnx.ModelProto, path: Path) -> None:
    opset = max(item.version for item in model.opset_import if item.domain in ("", "ai.onnx"))
    if opset < 13:
        raise ValueError(
            f"{path} must be of ONNX opset 13 or later, not {opset}; "
            "onnx.version_converter.convert_version makes it so"
        )
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{path} must be a valid ONNX model, not one where {reason}") from error


def _fixed(layers: list[Layer], quantised: dict, path: Path) -> dict:
    """Prescribed formats by layer."""
    outputs = {layer.out: layer for layer in layers}
    for name, (weight, _) in quantised.items():
        if name not in outputs:
            raise ValueError(
                f"Quantised layer with output {name!r} of {path.name} must not be followed by "
                "batch normalisation; fold it into the weights before they are quantised"
            )
        signed = None if weight is None else weight.of(IntFormat(weight.format.width))
        if signed is not None and signed.zero and not outputs[name].dynamic:
            raise ValueError(
                f"Weights of layer {outputs[name].name} of {path.name} must have no zero point, "
                f"not {signed.zero}"
            )
    return {outputs[name].name: pair for name, pair in quantised.items()}


def _check_weights(model: onnx.ModelProto, path: Path) -> None:
    for item in model.graph.initializer:
        values = onnx.numpy_helper.to_array(item)
        if values.dtype.kind == "f" and np.isnan(values).any():
            raise ValueError(f"Weights {item.name!r} of {path.name} must be numbers, not NaN")


def _graph(model: onnx.ModelProto) -> nx.DiGraph:
    graph = nx.DiGraph()
    source = {}
    for node in model.graph.node:
        graph.add_node(node.name, op=node.op_type)
        for tensor in node.input:
            if tensor in source:
                graph.add_edge(source[tensor], node.name, tensor=tensor)
        source.update(dict.fromkeys(node.output, node.name))
    return graph
