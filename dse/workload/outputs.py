"""The result of a model that counts."""

from pathlib import Path

import onnx
from onnx import helper

from macwright.dse.workload.nodes import captured
from macwright.hw.errors import RefusedInput

__all__ = ["with_output"]


def with_output(model: onnx.ModelProto, output: str | None, path: Path) -> onnx.ModelProto:
    """Model with one result, and the nodes that it needs.

    Parameters
    ----------
    model : onnx.ModelProto
        Any model; not changed.
    output : str, optional
        Name of a result, needed if there are several.
    path : Path
        Its file, for messages.

    Raises
    ------
    ValueError
        If there are several results and none is named, or none of the name.
    """
    outputs = {value.name: value for value in model.graph.output}
    names = ", ".join(repr(name) for name in outputs)
    if output is None and len(outputs) != 1:
        raise RefusedInput(
            f"{path.name} must have one output, not {len(outputs)}; name the one that counts with "
            f"--output, out of {names}"
        )
    if output is not None and output not in outputs:
        raise RefusedInput(f"Output of {path.name} must be one of {names}, not {output!r}")
    if len(outputs) == 1:
        return model
    assert output is not None
    needed, nodes = {output}, []
    for node in reversed(model.graph.node):
        if needed.intersection(node.output):
            nodes.append(node)
            needed.update(node.input)
            needed.update(captured(node))
    graph = helper.make_graph(
        nodes[::-1],
        model.graph.name or "network",
        [value for value in model.graph.input if value.name in needed],
        [outputs[output]],
        [item for item in model.graph.initializer if item.name in needed],
    )
    return helper.make_model(
        graph,
        opset_imports=model.opset_import,
        ir_version=model.ir_version,
        functions=model.functions,
    )
