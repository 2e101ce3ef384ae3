"""What is known of the hardware of a run before anything is measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from macwright.costmodel.characterize.executors import cluster, local_executor
from macwright.costmodel.characterize.structures import built_spec
from macwright.costmodel.progress import Progress
from macwright.costmodel.tables.clock import modules
from macwright.costmodel.tables.lookup import costs
from macwright.costmodel.tables.points import points
from macwright.costmodel.technology.devices import Device
from macwright.costmodel.technology.technology import Technology
from macwright.dse.architecture.arrays import DeviceArrays, device_arrays
from macwright.dse.architecture.buildable import array_formats, buildable
from macwright.dse.architecture.clocks import Clocked
from macwright.dse.architecture.engines import DeviceEngines, device_engines
from macwright.dse.architecture.machine import machine_network
from macwright.dse.data.recipe import Dataset
from macwright.dse.search.options import check_units, needed_units, option_name, terms_for
from macwright.dse.search.result import SearchResult
from macwright.dse.settings import Settings, Temporal
from macwright.dse.workload import Workload
from macwright.hw.accelerator.network import Network
from macwright.hw.errors import RefusedInput
from macwright.hw.pe.spec import Unit, UnitSpec

__all__ = ["Hardware", "hardware_of", "unit_costs", "used_units"]

#: What the area of one array does not count.
_BESIDE = (
    "area is that of the array's units (and buffers, in cells): requantisers, memories and control "
    "of its machine come beside, and additions of wider tensors may widen its units; macwright "
    "build --place says what all of it takes"
)


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """Units and machines that a run chooses from.

    Parameters
    ----------
    units : mapping
        Unit of each pair of formats, weights first.
    others : tuple of UnitSpec
        Further units: those with several modes, or the others of a device's engines.
    network : Network or None
        Whose machine says the cycles of a temporal array, if one can be built.
    machines : DeviceEngines, DeviceArrays or None
        Machines on the device of the settings, if one is given.
    notes : tuple of str
        What the user should know of them.
    """

    units: Mapping[tuple[str, str], Any]
    others: tuple[Any, ...] = ()
    network: Network | None = None
    machines: DeviceEngines | DeviceArrays | None = None
    notes: tuple[str, ...] = ()


def hardware_of(
    workload: Workload, dataset: Dataset, settings: Settings, progress: Progress | None = None
) -> tuple[Settings, Hardware]:
    """Settings with the formats that the hardware has, and the hardware.

    Raises
    ------
    NotSupported
        If no unit computes a pair of formats, or no schedule knows it.
    RefusedInput
        If there is no machine of the network on a device.
    """
    chip = settings.architecture
    if settings.device is not None:
        return _on_device(workload, dataset, settings, settings.device, progress)
    units = _units(workload, settings)
    check_units(units, architecture=chip is not None)
    if not isinstance(chip, Temporal):
        return settings, Hardware(units=units)
    try:
        network = machine_network(workload, dataset, progress=progress)
    except RefusedInput as error:
        note = f"cycles of arrays are those of a formula, as no machine can be built: {error}"
        return settings, Hardware(units=units, others=chip.specs, notes=(note, _BESIDE))
    units = _units(workload, settings, sign_free=True)
    return settings, Hardware(units=units, others=chip.specs, network=network, notes=(_BESIDE,))


def _on_device(
    workload: Workload,
    dataset: Dataset,
    settings: Settings,
    device: Device,
    progress: Progress | None,
) -> tuple[Settings, Hardware]:
    """Settings with the formats that machines on a device have, and these."""
    machines: DeviceEngines | DeviceArrays
    chip = settings.architecture
    if isinstance(chip, Temporal):
        weights, notes = array_formats(settings.weights, "Weights")
        acts, more = array_formats(settings.activations, "Activations")
        settings, notes = replace(settings, weights=weights, activations=acts), (*notes, *more)
        machines = device_arrays(
            machine_network(workload, dataset, progress=progress),
            device,
            list(_units(workload, settings)),
            terms=terms_for(workload.layers),
            clock_mhz=settings.machine_mhz,
            margin=settings.margin,
            wide_bits=chip.wide_bits,
        )
    else:
        acts, notes = buildable(settings.activations)
        settings = replace(settings, activations=acts)
        units = _units(workload, settings)
        check_units(units, architecture=True)
        machines = device_engines(
            workload,
            dataset,
            device,
            units,
            clocks_mhz=settings.clocks_mhz,
            margin=settings.margin,
            progress=progress,
        )
    return settings, Hardware(
        units={pair: choices[0].spec for pair, choices in machines.units.items()},
        others=tuple(machines.specs),
        machines=machines,
        notes=(*notes, *machines.notes),
    )


def _units(
    workload: Workload, settings: Settings, *, sign_free: bool = False
) -> dict[tuple[str, str], Any]:
    return needed_units(
        workload.layers,
        settings.weights,
        settings.activations,
        technology=settings.technology,
        dsp=settings.dsp,
        fixed=workload.fixed,
        sign_free=sign_free,
    )


def used_units(
    result: SearchResult,
    hardware: Hardware,
    clocked: Sequence[Clocked],
    technology: Technology,
) -> list[UnitSpec]:
    """Specs of the units of a front, in the structures that are built at its points' clocks."""
    specs = {spec.name: spec for spec in (*hardware.units.values(), *hardware.others)}
    of_pair = {option_name(*pair): spec.name for pair, spec in hardware.units.items()}
    rows = {at.clock_mhz: modules(at.costs) for at in clocked}
    used: dict[Any, None] = {}
    for point in result.front:
        pairs = point.pairs.values()
        names = point.units.values() if point.units else [of_pair[pair] for pair in pairs]
        for name in dict.fromkeys(names):
            module = rows[point.clock_mhz].get(name, name)
            used[built_spec(specs[name], module, technology.name)] = None
    return list(used)


def unit_costs(
    specs: list[Unit], technology: Technology, settings: Settings, progress: Progress | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cost rows and points of units; energies are computed in processes of their own."""
    energies = 0 if technology.energy is None else len(specs)
    local = local_executor(energies, settings.jobs)
    with local if settings.scheduler is None else cluster(settings.scheduler) as executor:
        given = {
            "dsp": settings.dsp,
            "jobs": settings.jobs,
            "executor": executor,
            "progress": progress,
        }
        return costs(specs, technology, **given), points(specs, technology, **given)
