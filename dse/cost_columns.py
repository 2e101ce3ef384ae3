"""Cost columns of a run by name: what a search can trade or limit."""

from collections.abc import Sequence

from macwright.costmodel.technology.devices import RESOURCES
from macwright.costmodel.technology.record import TechnologyRecord
from macwright.dse.solver import Budget
from macwright.hw.errors import RefusedInput

__all__ = [
    "COSTS",
    "FRAME",
    "LATENCY",
    "TRANSFORMS",
    "device_columns",
    "known_columns",
    "throughput_limits",
]

#: Columns of the time of a sample: from the first layer to the last, and the initiation interval,
#: the time between two samples.
LATENCY, FRAME = "latency_ms", "frame_ms"

#: Column of what Hadamard transforms take.
TRANSFORMS = "transform_additions"

#: Cost columns of a network before an architecture is chosen, and their units.
COSTS = {
    "area_time": "area unit of the technology x mega-cycles, or x ms at a clock",
    "bops": "bit operations",
    "weight_bytes": "bytes",
    "energy_uj": "uJ, products of one sample",
    TRANSFORMS: "additions and subtractions of Hadamard transforms, of one sample",
}


def known_columns(
    technology: TechnologyRecord,
    *,
    architecture: str | None = None,
    dsp: bool = False,
    rotate: bool = False,
) -> dict[str, str]:
    """Names of cost columns that a run can have, and the column that each stands for.

    Parameters
    ----------
    technology : TechnologyRecord
        Whether there are energies, and what areas count.
    architecture : {"temporal", "dataflow"} or None
        Hardware that is chosen with the formats.
    dsp : bool
        Whether units use the hard multipliers of an FPGA.
    rotate : bool
        Whether layers may read Hadamard transforms.
    """
    gone = set() if technology.energy else {"energy_uj"}
    gone |= set() if rotate else {TRANSFORMS}
    if architecture is None:
        return {name: name for name in COSTS if name not in gone}
    rate = LATENCY if architecture == "temporal" else FRAME
    names = ["bops", "weight_bytes", "energy_uj", "area", "luts", LATENCY]
    if architecture == "dataflow":
        names += [FRAME, "dsps"] if dsp else [FRAME]
    columns = {name: name for name in names if name not in gone} | {"throughput_fps": rate}
    # An FPGA's area is its LUTs.
    return columns | {"area": "luts" if technology.area_unit == "luts" else "area"}


def device_columns(time: str) -> dict[str, str]:
    """The same of a machine on a device: of it all, not of its units; `time` is between frames."""
    names = (*RESOURCES, time, "bops", "weight_bytes")
    return {name: name for name in names} | {"throughput_fps": time, "area": "luts"}


def throughput_limits(budgets: Sequence[Budget], column: str) -> tuple[Budget, ...]:
    """Budgets with a least frame rate turned into a longest time.

    Examples
    --------
    >>> throughput_limits([Budget("throughput_fps", min=200.0)], "frame_ms")
    (Budget(column='frame_ms', min=None, max=5.0),)
    """
    limits = []
    for budget in budgets:
        if budget.column == "throughput_fps":
            if budget.max is not None or not budget.min or budget.min <= 0:
                raise RefusedInput("Limit of 'throughput_fps' must be a min above 0, not a max")
            limits.append(Budget(column, max=1e3 / budget.min))
        else:
            limits.append(budget)
    return tuple(limits)
