"""Options of each layer: format pairs, the unit of each, and what they cost."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from macwright.costmodel.tables.default_units import mac_spec
from macwright.dse.architecture.clocks import Clocked
from macwright.dse.architecture.mapping import unsigned
from macwright.dse.cost_columns import COSTS
from macwright.dse.quantizer import layer_formats
from macwright.dse.quantizer.grid import group_columns
from macwright.dse.workload import FixedTensor, Layer, Workload
from macwright.hw.errors import NotSupported, RefusedInput
from macwright.hw.formats import parse_format

__all__ = [
    "check_units",
    "cost_columns",
    "fixed_formats",
    "lane_products",
    "needed_units",
    "option_name",
    "option_table",
    "split_pairs",
    "terms_for",
]

#: Formats that a model prescribes, by layer.
Fixed = Mapping[str, tuple[FixedTensor | None, FixedTensor | None]]
_NONE: Fixed = {}


def terms_for(layers: Sequence[Layer]) -> int:
    """Products that the accumulator of every unit holds: 4096, or the longest sum's power of two.

    One width for all layers, because a shared array has one accumulator.
    """
    return max(4096, 1 << (max(layer.k for layer in layers) - 1).bit_length())


def option_name(weight: str, activation: str) -> str:
    """Name of a format pair in tables.

    Examples
    --------
    >>> option_name("int4", "uint8")
    'int4/uint8'
    """
    return f"{weight}/{activation}"


def split_pairs(pairs: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Weight and activation format of each layer, from the names of its option.

    Examples
    --------
    >>> split_pairs({"conv1": "int4/uint8"})
    {'conv1': ('int4', 'uint8')}
    """
    formats = {}
    for layer, pair in pairs.items():
        weight, activation = pair.split("/")
        formats[layer] = weight, activation
    return formats


def fixed_formats(workload: Workload) -> dict[str, dict[str, str]]:
    """Formats that a quantised model prescribes, by layer and by ``weight`` or ``activation``."""
    of_layer = {}
    for layer in workload.layers:
        names = layer_formats(layer, (), (), workload.fixed)
        kinds = zip(("weight", "activation"), names, strict=True)
        of_layer[layer.name] = {kind: only[0] for kind, only in kinds if only}
    return {name: formats for name, formats in of_layer.items() if formats}


def needed_units(
    layers: Sequence[Layer],
    weights: Sequence[str],
    activations: Sequence[str],
    *,
    technology: str,
    dsp: bool = False,
    fixed: Fixed = _NONE,
    sign_free: bool = False,
) -> dict[tuple[str, str], Any]:
    """Unit of every (weight, activation) pair that any layer may use.

    Parameters
    ----------
    layers : sequence of Layer
        Layers of the workload.
    weights, activations : sequence of str
        Format names; a signed integer becomes unsigned where a layer's activations are.
    technology : str
        Which multiplier and adders the units use depends on it.
    dsp : bool
        Whether products are left to the synthesiser, which has hard multipliers for them.
    fixed : mapping
        Of the workload: formats that the model prescribes.
    sign_free : bool
        Whether signed activations have the unit of unsigned ones: see
        :func:`macwright.dse.architecture.mapping.unsigned`.

    Returns
    -------
    dict
        Spec for each pair of concrete names, in a fixed order.
    """
    terms = terms_for(layers)
    pairs = {
        pair: None
        for layer in layers
        for pair in product(*layer_formats(layer, weights, activations, fixed))
    }
    units = {
        (weight, activation): mac_spec(
            act=unsigned(activation) if sign_free else activation,
            weight=weight,
            terms=terms,
            technology=None if dsp else technology,
        )
        for weight, activation in sorted(pairs)
    }
    if dsp:
        for pair, spec in units.items():
            if spec.family == "int_mac":
                units[pair] = replace(spec, multiplier="infer")
    return units


def check_units(units: Mapping[tuple[str, str], Any], *, architecture: bool) -> None:
    """Refuse units that hardware chosen together with the formats has no schedule for.

    Raises
    ------
    NotSupported
        If one has several lanes: those of a block format.
    """
    for (weight, activation), spec in units.items():
        if architecture and spec.family == "dot":
            raise NotSupported(
                "Formats of a layer must have no blocks with --architecture, whose schedules know "
                f"no runs of channels, not weights {weight} with activations {activation}"
            )


def lane_products(layer: Layer, spec: Any) -> int:
    """Products of a sample that a unit's lanes have time for, those of idle lanes included.

    Lanes take runs of input channels of one block: where a block's last run is shorter, the other
    lanes idle.

    Parameters
    ----------
    layer : Layer
        Any.
    spec : UnitSpec
        Its unit.
    """
    if spec.family != "dot":
        return layer.macs
    runs = np.bincount(group_columns(layer, layer.k, min(fmt.block for fmt in spec.blocks)))
    each = int(sum(-(-run // spec.lanes) for run in runs)) * spec.lanes
    return layer.macs // layer.k * each


def cost_columns(
    options: pd.DataFrame, costs: pd.DataFrame, *, timed: bool = False
) -> dict[str, str]:
    """Cost columns of a table of options, and their units; `timed` says that there is a clock."""
    areas = costs["area_unit"].unique()
    unit = areas[0] if len(areas) == 1 else "area unit of the technology"
    columns = {name: text for name, text in COSTS.items() if name in options}
    time = "ms" if timed else "mega-cycles"
    return columns | {"area_time": f"{unit} x {time}"}


def option_table(
    layers: Sequence[Layer],
    weights: Sequence[str],
    activations: Sequence[str],
    *,
    sensitivity: pd.DataFrame,
    units: Mapping[tuple[str, str], Any],
    at: Clocked,
    factors: Mapping[str, float] | None = None,
    fixed: Fixed = _NONE,
) -> pd.DataFrame:
    """One row for each layer and format pair.

    Parameters
    ----------
    layers : sequence of Layer
        Layers of the workload.
    weights, activations : sequence of str
        Format names that the search may use.
    sensitivity : DataFrame
        Columns ``layer, tensor, format, loss``: mean squared logit change, dimensionless.
    units : mapping
        Spec of each pair, from :func:`needed_units`.
    at : Clocked
        What units cost at a clock. Rows of units that do not meet it have no `area_time`; there is
        no clock in the table if it is only assumed.
    factors : mapping from str to float, optional
        Of the losses of each kind of tensor, as :mod:`macwright.dse.sensitivity.factors` finds
        them.
    fixed : mapping
        Of the workload: formats that the model prescribes, the only ones of their tensors.

    Returns
    -------
    DataFrame
        Columns ``layer, option, weight, activation, unit, loss``, with a clock `clock_mhz`, and
        those of :data:`COSTS`, `energy_uj` only if all units have one.

    Raises
    ------
    ValueError
        If a unit has no area.
    """
    lost = {
        (row["layer"], row["tensor"], row["format"]): row["loss"]
        * (factors or {}).get(row["tensor"], 1.0)
        for row in sensitivity.to_dict("records")
    }
    costs, clock_mhz = at.costs, None if at.assumed else at.clock_mhz
    per_mac = dict(zip(costs["unit"], costs["area"] / costs["macs_per_cycle"], strict=True))
    energy = dict(zip(costs["unit"], costs["energy_fj_per_mac"], strict=True))
    bits = {name: parse_format(name).bits_per_value for pair in units for name in pair}
    # Cycles in a time unit: millions, or those of a millisecond.
    scale = 1e6 if clock_mhz is None else clock_mhz * 1e3
    rows = []
    for layer in layers:
        for weight, act in product(*layer_formats(layer, weights, activations, fixed)):
            spec = units[weight, act]
            unit = spec.name
            area = per_mac.get(unit)
            if unit in at.refused:
                area = None
            elif area is None or not area > 0:
                raise RefusedInput(f"Cost table must have an area for unit {unit!r}, not {area}")
            products = lane_products(layer, spec)
            rows.append(
                {
                    "layer": layer.name,
                    "option": option_name(weight, act),
                    "weight": weight,
                    "activation": act,
                    "unit": unit,
                    "loss": lost[layer.name, "weight", weight]
                    + lost[layer.name, "activation", act],
                    **({} if clock_mhz is None else {"clock_mhz": clock_mhz}),
                    "area_time": None if area is None else products * area / scale,
                    "bops": layer.macs * bits[weight] * bits[act],
                    "weight_bytes": layer.weights * bits[weight] / 8,
                    "energy_uj": layer.macs * energy.get(unit, np.nan) * 1e-9,
                }
            )
    frame = pd.DataFrame(rows).astype({"area_time": "float64"})
    usable = frame["area_time"].notna()
    lacking = frame.loc[usable, "energy_uj"].isna().any()
    return frame.drop(columns="energy_uj") if lacking else frame
