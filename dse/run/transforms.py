"""What a run says of Hadamard transforms."""

from typing import Any

from macwright.dse.cost_columns import TRANSFORMS
from macwright.dse.explore import Exploration
from macwright.dse.quantizer.rotation import GAIN
from macwright.dse.search.options import split_pairs
from macwright.dse.search.points import Point
from macwright.hw.pe import HadamardSpec

__all__ = ["point_transforms", "transform_info", "transform_lines"]

#: What costs count.
COUNTED = (
    f"Costs but shared_area_time count units of Hadamard transforms, of family "
    f"{HadamardSpec.family}, that take {HadamardSpec().act} numbers."
)


def transform_info(result: Exploration) -> dict[str, Any]:
    """For run.json: nothing where transforms were not asked for."""
    if not result.settings.rotate:
        return {}
    widths = dict(result.losses.rotations.widths)
    return {"transforms": {"widths": widths, "least_gain": GAIN}}


def point_transforms(result: Exploration, point: Point) -> dict[str, Any]:
    """For scripts: width of each layer's transform at a point, and what all of them add."""
    if not result.settings.rotate:
        return {}
    widths = result.losses.rotations.of(split_pairs(point.pairs))
    return {"transforms": widths, TRANSFORMS: point.totals[TRANSFORMS]}


def transform_lines(result: Exploration) -> list[str]:
    """For the terminal."""
    if not result.settings.rotate:
        return []
    layers = result.workload.layers
    each = [point_transforms(result, point) for point in result.search.front]
    most = max(len(one_point["transforms"]) for one_point in each)
    if not most:
        return [f"transforms: none at any point, of {len(layers)} layers"]
    share = max(one_point[TRANSFORMS] for one_point in each) / sum(x.macs for x in layers)
    return [
        f"transforms: of {most} of {len(layers)} layers at most, {share:.2g} additions a product"
    ]
