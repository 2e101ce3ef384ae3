"""Measured losses of the shared networks as tables of options, for the benchmarks of the search."""

from pathlib import Path
from typing import Any

import pandas as pd

from macwright.costmodel.characterize.priced import priced
from macwright.costmodel.tables.default_units import SWITCHED, WEIGHTS, switched_unit
from macwright.costmodel.tables.lookup import costs
from macwright.costmodel.technology.catalogue import find_technology
from macwright.costmodel.technology.liberty import liberty_technology
from macwright.costmodel.technology.technology import Technology
from macwright.dse.architecture.clocks import Clocked
from macwright.dse.data.recipe import Dataset, load_recipe
from macwright.dse.quantizer import act_format
from macwright.dse.search.options import needed_units, option_name, option_table
from macwright.dse.sensitivity.factors import tensor_factors
from macwright.dse.sensitivity.measure import measure_sensitivity
from macwright.dse.settings import ACTIVATIONS
from macwright.dse.solver import OptionTable
from macwright.dse.workload import Workload, load_workload
from macwright.hw.formats import parse_format

__all__ = ["MODELS", "network", "pairs_table", "unit_options"]

SHARED = Path(__file__).resolve().parents[2] / "shared"
MODELS = SHARED / "data" / "models"


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
    weights, activations = (
        tuple(str(parse_format(name)) for name in names) for names in (weights, activations)
    )
    losses = measure_sensitivity(workload, dataset, weights, activations)
    factors = tensor_factors(workload, dataset, losses, weights, activations)
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
                        "loss": factors["weight"] * lost[layer.name, "weight", weight]
                        + factors["activation"] * lost[layer.name, "activation", act],
                        "bops": layer.macs * bits[weight] * bits[asked],
                        "weight_bytes": layer.weights * bits[weight] / 8,
                    }
                )
    return OptionTable.from_frame(pd.DataFrame(rows))


def unit_options(
    workload: Workload, dataset: Dataset, technology: str
) -> tuple[dict[tuple[str, str], Any], pd.DataFrame, pd.DataFrame]:
    """Units, cost rows and options of the default formats, as `macwright dse` has on arrays."""
    losses = measure_sensitivity(workload, dataset, WEIGHTS, ACTIVATIONS)
    factors = tensor_factors(workload, dataset, losses, WEIGHTS, ACTIVATIONS)
    units = needed_units(workload.layers, WEIGHTS, ACTIVATIONS, technology=technology)
    found = _technology(technology)
    rows = costs([*units.values(), *priced(map(switched_unit, SWITCHED), found)], found)
    options = option_table(
        workload.layers,
        WEIGHTS,
        ACTIVATIONS,
        sensitivity=losses,
        units=units,
        at=Clocked(clock_mhz=None, costs=rows),
        factors=factors,
    )
    return units, rows, options


def _technology(name: str) -> Technology:
    """With the cell libraries of `../shared/pdk`, if they are there, for units that do not ship."""
    pdk = SHARED / "pdk"
    paths = sorted([*pdk.glob(f"{name}*.lib*"), *pdk.glob(f"{name}/*.lib*")])
    return liberty_technology(paths, name=name) if paths else find_technology(name)
