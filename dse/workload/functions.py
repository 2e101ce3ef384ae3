"""Operators that are defined by others, written out."""

from pathlib import Path

import onnx
from onnx import inliner

from macwright.hw.errors import RefusedInput

__all__ = ["written_out"]

#: Standard operators with a definition by others, in which matrix products show.
_DEFINED = ("Attention",)


def written_out(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    """Model without functions of its own, and with the standard's definition of Attention.

    Raises
    ------
    ValueError
        If a function cannot be written out.
    """
    standard = [
        ("", name)
        for name in _DEFINED
        if any(x.op_type == name and x.domain in ("", "ai.onnx") for x in model.graph.node)
    ]
    try:
        if model.functions:
            model = inliner.inline_local_functions(model)
        if standard:
            model = inliner.inline_selected_functions(
                model, standard, exclude=False, inline_schema_functions=True
            )
    except Exception as error:  # its errors share no class
        reason = " ".join(str(error).split())[:200]
        raise RefusedInput(
            f"{path} must have functions that ONNX can write out, not some where: {reason}; export "
            "the model with plain operators"
        ) from error
    return model
