"""What machine a point of a front stands for, and what it would cost as another one."""

from typing import Any

from macwright.dse.explore import Exploration
from macwright.dse.run.transforms import COUNTED
from macwright.dse.search.options import lane_products
from macwright.dse.search.points import Point
from macwright.dse.settings import Temporal

__all__ = ["machine_columns", "machine_text"]


def machine_columns(result: Exploration, point: Point) -> dict[str, Any]:
    """Number of unit types of a point and, without an architecture, its cost on one shared array.

    `area_time` is that of a machine with an engine for each layer. A shared array has one of each
    unit type in every processing element, so that each product occupies all of them:
    ``shared_area_time`` = sum over layers of MACs / (products a cycle x clock) x (sum of the areas
    of the unit types).
    """
    if point.units:
        return {"unit_types": len(set(point.units.values()))}
    unit_of = dict(zip(result.options["option"], result.options["unit"], strict=True))
    at = next(at for at in result.clocked if at.clock_mhz == point.clock_mhz)
    rows = at.costs.set_index("unit")
    used = {layer: unit_of[pair] for layer, pair in point.pairs.items()}
    types = sorted(set(used.values()))
    area = float(rows.loc[types, "area"].sum())
    scale = 1e6 if at.clock_mhz is None else at.clock_mhz * 1e3
    cycles = sum(
        lane_products(layer, result.units[used[layer.name]])
        / float(rows.loc[used[layer.name], "macs_per_cycle"])
        for layer in result.workload.layers
    )
    return {"unit_types": len(types), "shared_area_time": cycles / scale * area}


def machine_text(result: Exploration) -> str:
    """The machine that costs of a run stand for, as a sentence."""
    chip = result.settings.architecture
    if isinstance(chip, Temporal):
        return (
            "Costs are those of one array of processing elements that computes all layers one "
            "after the other."
        )
    if chip is not None:
        return "Costs are those of a machine with an engine for each layer, all at work at once."
    text = (
        "Costs are those of a machine with an engine for each layer, made of the unit for its "
        "formats alone."
    )
    return f"{text} {COUNTED}" if result.settings.rotate else text
