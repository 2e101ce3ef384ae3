"""Operators that are defined by others, written out."""

from pathlib import Path

import onnx
from onnx import helper, inliner

from macwright.hw.errors import RefusedInput

__all__ = ["written_out"]

#: Standard operators with a definition by others, in which matrix products show.
_DEFINED = ("Attention",)
#: Names of ONNX's own domain.
_DOMAINS = ("", "ai.onnx")


def written_out(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    """Model without functions of its own, and with the standard's definition of Attention.

    Raises
    ------
    ValueError
        If a function cannot be written out.
    """
    for function in model.functions:
        if function.domain in _DOMAINS and onnx.defs.has(function.name):
            raise RefusedInput(
                f"Function {function.name!r} of {path.name} must have a domain of its own, as its "
                "name is that of a standard operator, which runtimes take instead; rename it when "
                "exporting"
            )
    # The inliner leaves functions of another opset where they are unless they are converted.
    convert = any(_opset(function) not in (0, _opset(model)) for function in model.functions)
    standard = [
        ("", name)
        for name in _DEFINED
        if any(x.op_type == name and x.domain in _DOMAINS for x in model.graph.node)
    ]
    try:
        if model.functions:
            if convert:
                model = onnx.shape_inference.infer_shapes(_with_types(model))
            model = inliner.inline_local_functions(model, convert_version=convert)
        if standard:
            model = inliner.inline_selected_functions(
                _with_types(model), standard, exclude=False, inline_schema_functions=True
            )
    except Exception as error:  # its errors share no class
        reason = " ".join(str(error).split())[:200]
        raise RefusedInput(
            f"{path} must have functions that ONNX can write out, not some where: {reason}; export "
            "the model with one opset and plain operators"
        ) from error
    return model


def _opset(item: onnx.ModelProto | onnx.FunctionProto) -> int:
    return max((x.version for x in item.opset_import if x.domain in _DOMAINS), default=0)


def _with_types(model: onnx.ModelProto) -> onnx.ModelProto:
    """Model that says the types of its initializers, without which the inliner does nothing."""
    known = {value.name for value in (*model.graph.input, *model.graph.value_info)}
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.graph.value_info.extend(
        helper.make_tensor_value_info(item.name, item.data_type, item.dims)
        for item in model.graph.initializer
        if item.name not in known
    )
    return copy
