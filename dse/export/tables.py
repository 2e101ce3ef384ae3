"""CSV: a table of the codes of each layer's weights, one of its biases, and an index."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from macwright.dse.export.source import SourceRun
from macwright.dse.export.weights import weight_tensor
from macwright.dse.quantizer.plan import LayerPlan
from macwright.dse.run.folder import csv_text
from macwright.hw.errors import RefusedInput
from macwright.hw.files import write_atomic

__all__ = ["export"]


def export(run: SourceRun, point: int, folder: Path) -> list[Path]:
    """Write ``MODEL-N.csv``, the index, which comes last, and the tables that it names.

    A weight is ``level * scale``; `code` is the code word of the level, an unsigned integer.
    Activations and second operands are ``(level - zero) * scale``.
    """
    quantised = run.quantised(point)
    texts: dict[str, str] = {}
    rows = []
    for number, plan in enumerate(quantised.plans):
        stem = f"{quantised.stem}-{number}"
        row = _row(plan)
        if plan.second is None:
            row |= {"weights": f"{stem}.weights.csv", "biases": f"{stem}.biases.csv"}
            texts[row["weights"]] = csv_text(_weights(plan))
            texts[row["biases"]] = csv_text(pd.DataFrame({"bias": plan.bias}))
        rows.append(row)
    texts[f"{quantised.stem}.csv"] = csv_text(rows)
    for name, text in texts.items():
        write_atomic(folder / name, text)
    return [folder / name for name in texts]


def _row(plan: LayerPlan) -> dict[str, Any]:
    row: dict[str, Any] = {"layer": plan.layer.name, "op": plan.layer.op}
    for name, operand in (("activation", plan.act), ("second", plan.second)):
        if operand is None:
            continue
        if operand.dynamic or operand.channels is not None:
            raise RefusedInput(
                f"Activations of layer {plan.layer.name} must have one fixed scale for a table, "
                "not several; export json"
            )
        if operand.rotation > 1:
            raise RefusedInput(
                f"Activations of layer {plan.layer.name} must have no Hadamard transform for a "
                f"table, not one of {operand.rotation} channels; export json"
            )
        row |= {f"{name}_format": str(operand.format)}
        row |= {f"{name}_scale": operand.scale, f"{name}_zero": operand.zero}
    return row | {"weight_format": str(plan.weight_format)}


def _weights(plan: LayerPlan) -> pd.DataFrame:
    """A row for each weight, in the order of the model's own layout."""
    tensor = weight_tensor(plan)
    places = np.indices(tensor.levels.shape).reshape(tensor.levels.ndim, -1)
    columns = {f"axis_{axis}": place for axis, place in enumerate(places)}
    columns |= {"code": tensor.codes.reshape(-1), "level": tensor.levels.reshape(-1)}
    scale = np.broadcast_to(tensor.scale, tensor.levels.shape).reshape(-1)
    return pd.DataFrame(columns | {"scale": scale})
