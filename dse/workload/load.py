"""Reading an ONNX model into a workload."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import networkx as nx
import numpy as np
import onnx
from onnx.helper import np_dtype_to_tensor_dtype

from macwright.dse.workload.batch_axis import with_batch_axis
from macwright.dse.workload.branches import without_branches
from macwright.dse.workload.constants import Constants
from macwright.dse.workload.decompose import decomposed
from macwright.dse.workload.fixed import Fixed, prescribed, strip_quantisers
from macwright.dse.workload.functions import written_out
from macwright.dse.workload.layer import Workload
from macwright.dse.workload.layout import with_steps_first
from macwright.dse.workload.mac_operators import MAC_OPERATORS
from macwright.dse.workload.names import with_plain_names
from macwright.dse.workload.normalise import normalise
from macwright.dse.workload.onnx_file import digest, read_model
from macwright.dse.workload.outputs import with_output
from macwright.dse.workload.precision import in_float32
from macwright.dse.workload.probe import probe
from macwright.dse.workload.samples import Samples
from macwright.dse.workload.session import LARGEST_INLINE
from macwright.dse.workload.shape_values import with_shape_values
from macwright.dse.workload.shapes import find_layers
from macwright.dse.workload.signs import non_negative
from macwright.dse.workload.size import check_range, check_size
from macwright.dse.workload.support import check_support
from macwright.hw.errors import RefusedInput

__all__ = ["load_workload"]

_Dimension = onnx.TensorShapeProto.Dimension


def load_workload(
    path: Path | str, dataset: Samples | None = None, *, output: str | None = None
) -> Workload:
    """Read an ONNX model: its MAC layers, their sizes and its graph.

    Parameters
    ----------
    path : path
        An ONNX file, with the weights in it or beside it.
    dataset : Dataset, optional
        Data of the model. It fixes dimensions that the model leaves open (other than the batch),
        and tells whether the inputs are never negative.
    output : str, optional
        Which result counts, of a model that has several; what only the others need is left out.

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

    Examples
    --------
    >>> from macwright.dse.models import embedded_model
    >>> [layer.op for layer in load_workload(embedded_model()).layers].count("Conv")
    8
    """
    path = Path(path)
    model = read_model(path)
    model = with_output(model, output, path)
    sha256 = digest(model)
    # Before version 4, all initializers had to be inputs, too.
    model.ir_version = max(model.ir_version, 4)
    model, notes = in_float32(written_out(model, path))
    with_plain_names(model)
    model = with_steps_first(model)
    with_batch_axis(model, dataset)
    model = without_branches(model, path, dataset)
    model = with_shape_values(model, path, dataset)
    model, constants = strip_quantisers(model, path)
    for value in model.graph.output:
        if value.name in constants.values:
            raise RefusedInput(
                f"Output of {path.name} must be one that the inputs change, not {value.name!r}, "
                "which is a constant"
            )
    check_support(model, constants, path)
    _check_weights(constants, path)
    model = normalise(model, constants)
    _check(model, path)
    check_size(model, path)
    seen = probe(model, path, dataset)
    for value in model.graph.output:
        kind = value.type.tensor_type
        if not kind.HasField("shape"):
            kind.shape.dim.extend(_Dimension() for _ in seen.shapes[value.name])
        kind.elem_type = kind.elem_type or np_dtype_to_tensor_dtype(seen.dtypes[value.name])
    while (plain := decomposed(model, constants, seen)) is not None:
        model = normalise(plain, constants)
        seen = probe(model, path, dataset)
    layers = find_layers(model, seen, constants, non_negative(model, dataset))
    if not layers:
        raise RefusedInput(
            f"{path} must have a layer that multiplies by weights ({', '.join(MAC_OPERATORS)}), "
            "not only "
            f"{', '.join(sorted({node.op_type for node in model.graph.node})) or 'no node at all'}"
        )
    check_range(layers, constants, seen.tops, path)
    fixed = prescribed(layers, constants, path)
    return Workload(
        fixed=fixed,
        path=path,
        sha256=sha256,
        model=model,
        layers=layers,
        graph=_graph(model),
        shapes=seen.shapes,
        dtypes=seen.dtypes,
        batch=seen.batch,
        fixed_batch=seen.fixed,
        batch_axes=seen.axes,
        notes=(*notes, *_sharing(constants), *_blocked(fixed)),
    )


def _sharing(constants: Constants) -> list[str]:
    """What is to be said of weights that several layers use."""
    notes = [
        f"weights {name!r} are shared by {count} layers in the file; here each layer has a copy, "
        "quantised by itself and counted in weight_bytes"
        for name, count in constants.shared.items()
        if count > 1
    ]
    if steps := max(Counter(constants.copies.values()).values(), default=0):
        notes.append(
            f"steps of recurrent layers ({steps} at most) are layers, quantised by themselves; "
            "each counts its share of the weights, one tensor only if all steps' formats agree"
        )
    return notes


def _blocked(fixed: Mapping[str, Fixed]) -> list[str]:
    """What is to be said of weights that the file gives scales in blocks."""
    names = [
        name
        for name, (weight, _) in fixed.items()
        if weight is not None and sum(size > 1 for size in weight.scale.shape) > 1
    ]
    if not names:
        return []
    more = f" and {len(names) - 1} others" if len(names) > 1 else ""
    return [
        f"weights of layer {names[0]}{more} have scales in blocks, as the file says; weight_bytes "
        "counts their codes without the scales"
    ]


def _check(model: onnx.ModelProto, path: Path) -> None:
    large = [x for x in model.graph.initializer if len(x.raw_data) > LARGEST_INLINE]
    names = {item.name for item in large}
    # The checker copies all that it is given: what is large is declared as an input instead.
    graph = onnx.helper.make_graph(
        model.graph.node,
        model.graph.name,
        [
            *model.graph.input,
            *(onnx.helper.make_tensor_value_info(x.name, x.data_type, x.dims) for x in large),
        ],
        [_of_some_type(value) for value in model.graph.output],
        [item for item in model.graph.initializer if item.name not in names],
    )
    try:
        onnx.checker.check_model(
            onnx.helper.make_model(
                graph, opset_imports=model.opset_import, ir_version=model.ir_version
            )
        )
    except onnx.checker.ValidationError as error:
        reason = " ".join(str(error).split())[:200]
        raise RefusedInput(f"{path} must be a valid ONNX model, not one where {reason}") from error


def _of_some_type(value: onnx.ValueInfoProto) -> onnx.ValueInfoProto:
    """An output as the checker wants it, which exporters leave without a type or a shape."""
    copy = onnx.ValueInfoProto()
    copy.CopyFrom(value)
    kind = copy.type.tensor_type
    kind.elem_type = kind.elem_type or onnx.TensorProto.FLOAT
    kind.shape.SetInParent()
    return copy


def _check_weights(constants: Constants, path: Path) -> None:
    for name, values in constants.values.items():
        if values.dtype.kind == "f" and np.isnan(values).any():
            raise RefusedInput(f"Weights {name!r} of {path.name} must be numbers, not NaN")


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
