"""JSON: weights as integer codes, with the values of all codes, scales, formats and biases."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from macwright.dse.export.source import SourceRun
from macwright.dse.export.weights import weight_tensor
from macwright.dse.quantizer.activation import Operand
from macwright.dse.quantizer.plan import LayerPlan
from macwright.dse.run.folder import json_text
from macwright.hw.files import write_atomic
from macwright.hw.formats import Format

__all__ = ["export"]

#: What the document says that it is, and its version.
KIND, VERSION = "macwright weights", 1


def export(run: SourceRun, point: int, folder: Path) -> list[Path]:
    """Write ``MODEL-N.json``.

    A weight is ``formats[weight_format].values[code] * weight_scale``, in the model's own layout;
    an activation is ``(level - zero) * scale``, of values divided by `channels`, of which then each
    `rotation` neighbours along the last axis are transformed (Sylvester's Hadamard matrix).
    """
    quantised = run.quantised(point)
    formats: dict[str, Format] = {}
    layers = {plan.layer.name: _layer(plan, formats) for plan in quantised.plans}
    document = {
        "kind": KIND,
        "version": VERSION,
        "model": quantised.network.path.name,
        "model_sha256": quantised.allocation.model_sha256,
        "point": point,
        "formats": {name: _format(fmt) for name, fmt in formats.items()},
        "layers": layers,
    }
    path = folder / f"{quantised.stem}.json"
    write_atomic(path, json_text(document))
    return [path]


def _layer(plan: LayerPlan, formats: dict[str, Format]) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "op": plan.layer.op,
        "format": str(plan.weight_format),
        "activation": _operand(plan.act),
    }
    if plan.second is not None:
        return fields | {"second": _operand(plan.second)}
    tensor = weight_tensor(plan)
    formats[str(tensor.format)] = tensor.format
    assert plan.bias is not None
    return fields | {
        "weight_format": str(tensor.format),
        "weight_codes": tensor.codes.tolist(),
        "weight_scale": tensor.scale.tolist(),
        "bias": plan.bias.tolist(),
    }


def _operand(operand: Operand) -> dict[str, Any]:
    """Format and range; a scale that is found at run time is null."""
    return {
        "format": str(operand.format),
        "scale": None if operand.dynamic else operand.scale,
        "zero": operand.zero,
        "dynamic_axes": list(operand.dynamic),
        "channels": None if operand.channels is None else operand.channels.tolist(),
        "rotation": operand.rotation,
    }


def _format(fmt: Format) -> dict[str, Any]:
    """Width and the value of each code, null where it is no number."""
    values = fmt.decode(np.arange(1 << fmt.width))
    return {
        "width": fmt.width,
        "values": [float(value) if math.isfinite(value) else None for value in values],
    }
