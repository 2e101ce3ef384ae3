"""What Hadamard transforms cost and save, in the options of a search."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from macwright.dse.architecture.clocks import Clocked
from macwright.dse.cost_columns import TRANSFORMS
from macwright.dse.quantizer.rotation import free_widths, rotation_additions
from macwright.dse.search.options import split_pairs
from macwright.dse.sensitivity.rotations import Rotations
from macwright.dse.sensitivity.source import Losses
from macwright.dse.workload import Layer, Workload
from macwright.hw.errors import RefusedInput
from macwright.hw.pe import HadamardSpec

__all__ = ["all_units", "transform_bops", "transform_units", "with_transforms"]


def all_units(workload: Workload) -> list[HadamardSpec]:
    """Units of all transforms that layers of a network could read."""
    widths = {width for layer in workload.layers for width in free_widths(workload, layer)}
    return [HadamardSpec(points=width) for width in sorted(widths)]


def transform_units(rotations: Rotations, pairs: Mapping[str, str]) -> list[HadamardSpec]:
    """Units of the transforms of an allocation (option of each layer), each once, by width.

    They take numbers of 8 bits, which are rounded to the layer's format behind them.
    """
    return [HadamardSpec(points=n) for n in sorted(set(rotations.of(split_pairs(pairs)).values()))]


def transform_bops(values: int, spec: HadamardSpec) -> int:
    """Bit operations that transform so many values: each addition counts the bits of its sum."""
    return values * sum(spec.act.width + stage for stage in range(1, spec.stages + 1))


def with_transforms(
    options: pd.DataFrame, layers: Sequence[Layer], losses: Losses, clocked: Sequence[Clocked]
) -> pd.DataFrame:
    """Options, with what the transforms of their layers cost and save.

    Parameters
    ----------
    options : DataFrame
        Of :func:`macwright.dse.search.options.option_table`.
    layers : sequence of Layer
        Layers of the workload.
    losses : Losses
        Losses without and with transforms, and factors of both kinds of tensors.
    clocked : sequence of Clocked
        What units cost at each clock; options whose transform's unit does not meet it have no
        `area_time`.

    Returns
    -------
    DataFrame
        Losses are those with the transform; `area_time`, `bops` and `energy_uj` count those of its
        unit, too. Further columns: ``rotation`` (width, 1 for none) and ``transform_additions``.

    Raises
    ------
    RefusedInput
        If the unit of a transform has no area, or no energy where others have.
    """
    rotations, factors = losses.rotations, losses.factors
    by_name = {layer.name: layer for layer in layers}
    by_clock = {None if x.assumed else x.clock_mhz: (x, x.costs.set_index("unit")) for x in clocked}
    rows: list[dict[str, Any]] = []
    for row in options.to_dict("records"):
        layer, formats = by_name[row["layer"]], (row["weight"], row["activation"])
        width = rotations.width(layer.name, formats)
        row |= {"rotation": width, TRANSFORMS: float(rotation_additions(layer, width))}
        if width > 1:
            row["loss"] = sum(
                factors[kind] * rotations.loss(layer.name, kind, formats)
                for kind in ("weight", "activation")
            )
            _charge(row, layer, HadamardSpec(points=width), *by_clock[row.get("clock_mhz")])
        rows.append(row)
    return pd.DataFrame(rows).astype({"area_time": "float64"})


def _charge(
    row: dict[str, Any], layer: Layer, spec: HadamardSpec, at: Clocked, costs: pd.DataFrame
) -> None:
    """Add what a transform costs to an option."""
    row["bops"] += transform_bops(layer.activations, spec)
    if spec.name in at.refused:
        row["area_time"] = None
        return
    known = costs.loc[spec.name]
    if not known["area"] > 0:
        raise RefusedInput(f"Cost table must have an area for unit {spec.name!r}, not none")
    scale = 1e6 if at.clock_mhz is None or at.assumed else at.clock_mhz * 1e3
    row["area_time"] += layer.activations * known["area"] / spec.points / scale
    if "energy_uj" in row:
        if np.isnan(known["energy_fj_per_mac"]):
            raise RefusedInput(f"Cost table must have an energy for unit {spec.name!r}, not none")
        row["energy_uj"] += layer.activations * known["energy_fj_per_mac"] * 1e-9
