"""Measured losses of the shared networks as tables of options, for the benchmarks of the search."""

from pathlib import Path
from typing import Any

import pandas as pd

from macwright.dse.options import option_name
from macwright.dse.quantizer import act_format
from macwright.dse.recipe import Dataset, load_recipe
from macwright.dse.sensitivity import measure_sensitivity
from macwright.dse.solver import OptionTable
from macwright.dse.workload import Workload, load_workload
from macwright.hw.formats import parse_format

__all__ = ["MODELS", "network", "pairs_table"]

MODELS = Path(__file__).resolve().parents[2] / "shared" / "data" / "models"


def network(name: str) -> tuple[Workload, Dataset]:
    """A network of `../shared/data` and its data."""
    path = MODELS / f"{name}.onnx"
    dataset = load_recipe(path)
    return load_workload(path, dataset), dataset


def pairs_table(
    workload: Workload, dataset: Dataset, weights: tuple[str, ...], activations: tuple[str, ...]
) -> OptionTable:
    """Losses (kept in macwright's cache), bit operations and weight bytes of all pairs.

    The label `unit` is the pair as it was asked for, whatever the sign of the activations: the
    unit type that computes it.
    """
    losses = measure_sensitivity(workload, dataset, weights, activations)
    lost = {(r["layer"], r["tensor"], r["format"]): r["loss"] for r in losses.to_dict("records")}
    bits = {name: parse_format(name).bits_per_value for name in (*weights, *activations)}
    rows: list[dict[str, Any]] = []
    for layer in workload.layers:
        for weight in weights:
            for asked in activations:
                act = act_format(layer, asked)
                rows.append(
                    {
                        "layer": layer.name,
                        "option": option_name(weight, act),
                        "unit": option_name(weight, asked),
                        "loss": lost[layer.name, "weight", weight]
                        + lost[layer.name, "activation", act],
                        "bops": layer.macs * bits[weight] * bits[asked],
                        "weight_bytes": layer.weights * bits[weight] / 8,
                    }
                )
    return OptionTable.from_frame(pd.DataFrame(rows))
