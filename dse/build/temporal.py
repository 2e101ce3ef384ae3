"""Lowering of an allocation of one array that all layers share."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macwright.costmodel.progress import Progress
from macwright.dse.build.machine import Accuracy, quantised_network
from macwright.dse.data.recipe import Dataset
from macwright.dse.run.allocation import Allocation, ArrayChoice
from macwright.dse.settings import WIDE_BITS
from macwright.dse.workload.layer import Workload
from macwright.hw.accelerator.library import module_names
from macwright.hw.accelerator.network import Network
from macwright.hw.accelerator.temporal.compile import compile_network
from macwright.hw.accelerator.temporal.spec import TemporalSpec
from macwright.hw.errors import RefusedInput
from macwright.hw.pe import IntMacSpec

__all__ = ["LoweredTemporal", "lower_temporal"]

#: Fields of a unit that depend on the sign of its activations.
_OF_SIGN = ("act", "acc", "terms")


@dataclass(frozen=True, kw_only=True, eq=False)
class LoweredTemporal:
    """A temporal machine before it is written.

    Parameters
    ----------
    network : Network
        What it computes.
    spec : TemporalSpec
        What it is.
    accuracy : Accuracy
        How good the network is.
    images : ndarray of int64, shape (n, *shape of the input)
        Levels of the first evaluation samples.
    """

    network: Network
    spec: TemporalSpec
    accuracy: Accuracy
    images: NDArray[np.int64]


def lower_temporal(
    workload: Workload,
    dataset: Dataset,
    allocation: Allocation,
    *,
    bus_bits: int | None = None,
    wide_bits: int = WIDE_BITS,
    progress: Progress | None = None,
) -> LoweredTemporal:
    """Quantise a model as an allocation says, and make a program and an array of it.

    Parameters
    ----------
    workload, dataset
        Model and data.
    allocation : Allocation
        Formats of the layers, the quantiser's options, rows, columns and the unit.
    bus_bits : int, optional
        Of an AXI4 bus over which weights come; without it they are in the machine.
    wide_bits : int
        Bits of the operands of additions and average pools.
    progress : callable, optional
        Called with stage, done and total.

    Raises
    ------
    ValueError
        If the allocation is of another model, or cannot be built.
    """
    array, unit = _chosen(allocation)
    quantised = quantised_network(
        workload, dataset, allocation, wide_bits=wide_bits, progress=progress
    )
    program = compile_network(
        quantised.network,
        rows=array.rows,
        columns=array.columns,
        split=array.split,
        bus_bits=bus_bits,
    )
    name = f"{quantised.network.name}_machine"
    spec = TemporalSpec(name=module_names([name], taken="")[name], program=program, unit=unit)
    _ = spec.array  # refuses units that an array cannot have
    return LoweredTemporal(
        network=quantised.network,
        spec=spec,
        accuracy=quantised.accuracy(progress),
        images=quantised.images(),
    )


def _chosen(allocation: Allocation) -> tuple[ArrayChoice, IntMacSpec]:
    """Array and unit of an allocation, if they can be built."""
    if allocation.array is None:
        raise RefusedInput(
            "Allocation must be of one array (macwright dse --architecture temporal)"
        )
    used = sorted({layer.unit for layer in allocation.layers.values()})
    units: list[IntMacSpec] = []
    for unit in (allocation.units[name] for name in used):
        if not isinstance(unit, IntMacSpec) or unit.adder == "carry_save":
            raise RefusedInput(
                "Array must be of int_mac units with one sum to be built (--switched none, integer "
                f"formats), not {unit.name}"
            )
        units.append(unit)
    # Codes are kept as levels above the least, so that one unit takes signed and unsigned ones.
    if len({_without_sign(unit) for unit in units}) > 1:
        raise RefusedInput(
            "Array must have one unit type to be built, but for the sign of activations: one "
            "format of weights and one width of activations, or --types 1, not "
            f"{', '.join(used)}"
        )
    unsigned = [unit for unit in units if unit.act.min >= 0]
    return allocation.array, (unsigned or units)[0]


def _without_sign(unit: IntMacSpec) -> tuple[Any, ...]:
    fields = {name: str(text) for name, text in unit.to_fields().items() if name not in _OF_SIGN}
    return unit.act.width, tuple(sorted(fields.items()))
