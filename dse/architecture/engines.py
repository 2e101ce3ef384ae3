"""Engines of a device: formats and foldings of each layer, with what the whole machine takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import ceil
from typing import Any

import pandas as pd

from macwright.costmodel.characterize.many import cost_frame
from macwright.costmodel.progress import Progress
from macwright.costmodel.system.machine_resources import MachineModel, Resources, machine_model
from macwright.costmodel.tables.clock import MARGIN
from macwright.costmodel.technology.devices import Device
from macwright.dse.architecture.clocks import Clocked, ClockTooFastError
from macwright.dse.architecture.engine_units import EngineUnit, hard_alone, unit_rows
from macwright.dse.architecture.machine import eight_bit_network
from macwright.dse.architecture.machine_clocks import MachineClock, machine_clocks
from macwright.dse.architecture.mapping import NO_FORMATS
from macwright.dse.cost_columns import FRAME
from macwright.dse.data.recipe import Dataset
from macwright.dse.solver import OptionTable
from macwright.dse.workload import Workload
from macwright.hw.accelerator.choices import (
    EngineChoices,
    foldings_of,
    interval_of_units,
    to_minifloat,
    with_formats,
)
from macwright.hw.accelerator.engine import EngineSpec
from macwright.hw.accelerator.folding import Folding
from macwright.hw.accelerator.operands import default_unit
from macwright.hw.accelerator.plan import layer_shapes
from macwright.hw.formats import (
    BinaryFormat,
    FloatFormat,
    IntFormat,
    TernaryFormat,
)
from macwright.sim.accelerator.control import Control, Timing, buffer_names
from macwright.sim.accelerator.sizing import size_buffers, with_depths

__all__ = ["DeviceEngines", "device_engines"]

#: Name of the stages that have nothing to choose at all.
_OTHERS = "(other stages)"
#: Look-up tables that a unit takes with all around it, for the size of the machine that buffers and
#: the stages without a choice are taken from.
_LUTS_A_UNIT = 120
#: Option of a stage that has no formats to choose.
_NOTHING: dict[str, Any] = {
    "option": NO_FORMATS,
    "unit": NO_FORMATS,
    "loss": 0.0,
    "bops": 0,
    "weight_bytes": 0.0,
}
_OPTION = [name for name in _NOTHING if name != "unit"]
_INTEGERS = IntFormat | BinaryFormat | TernaryFormat


@dataclass(frozen=True, kw_only=True, eq=False)
class DeviceEngines:
    """What a search needs to know of the machines of a network on a device.

    Parameters
    ----------
    device : Device
        Where it goes.
    model : MachineModel
        Resources of parts of machines.
    choices : EngineChoices
        Engines of the network in 8 bits.
    depths : mapping of str to float
        Words of each layer's window, as a share of the least it can have, in a machine of about
        the device's size.
    around : Resources
        Of the stages that have nothing to choose, in that machine.
    slowest : int
        Cycles of a frame of the slowest of these stages.
    clocks : tuple of MachineClock
        Those to choose from, rising, with the units of each.
    """

    device: Device
    model: MachineModel
    choices: EngineChoices
    depths: Mapping[str, float]
    around: Resources
    slowest: int
    clocks: tuple[MachineClock, ...]
    _specs: dict[tuple[str, Folding], EngineSpec] = field(default_factory=dict)
    _counted: dict[tuple[Any, ...], dict[str, float]] = field(default_factory=dict)

    @property
    def units(self) -> Mapping[tuple[str, str], tuple[EngineUnit, ...]]:
        """Units of each pair of formats, weights first, at the lowest clock."""
        return self.clocks[0].units

    def rows(self) -> pd.DataFrame:
        """Cost rows of all units, as they are counted."""
        return cost_frame(unit_rows(self._every.values(), self.device.family))

    def clocked(self, costs: pd.DataFrame) -> list[Clocked]:
        """The clocks, with cost rows of units, and the largest machine of each."""
        return [clock.with_costs(costs) for clock in self.clocks]

    def table(
        self, options: pd.DataFrame, clock_mhz: float, progress: Progress | None = None
    ) -> OptionTable:
        """Options of each layer in every folding, and of pools, with resources and times.

        Parameters
        ----------
        options : DataFrame
            Columns ``layer, option, weight, activation, loss, bops, weight_bytes``.
        clock_mhz : float
            One of the clocks; pairs of formats without a unit for it are left out.
        progress : callable, optional
            Called with stage, done and total.

        Returns
        -------
        OptionTable
            Labels `formats` and `unit`; columns `luts`, `ffs`, `block_rams`, `dsps`, `frame_ms`.

        Raises
        ------
        ClockTooFastError
            If a layer has no unit at this clock.
        """
        (clock,) = (clock for clock in self.clocks if clock.mhz == clock_mhz)
        rows: list[dict[str, Any]] = []
        by_layer: dict[str, list[dict[Any, Any]]] = {
            str(name): part.to_dict("records")
            for name, part in options.groupby("layer", sort=False)
        }
        names = [*by_layer, *(name for name in self.choices.shapes if name not in by_layer)]
        for done, name in enumerate(names):
            if progress is not None:
                progress("engines of layers", done, len(names))
            formats = [{key: row[key] for key in _OPTION} for row in by_layer.get(name, [])]
            pairs = [(row["weight"], row["activation"]) for row in by_layer.get(name, [])]
            for folding in foldings_of(self.choices.shapes[name]):
                if name not in by_layer:
                    rows.append(self._row(name, folding, _NOTHING, None))
                for option, pair in zip(formats, pairs, strict=True):
                    rows += [self._row(name, folding, option, unit) for unit in clock.units[pair]]
            if not rows or rows[-1]["layer"] != name:
                raise ClockTooFastError(f"Layer {name!r} has no unit for {clock_mhz:g} MHz")
        around = {**self.around.to_fields(), FRAME: self.slowest}
        rows.append({"layer": _OTHERS, "formats": NO_FORMATS, **_NOTHING, **around})
        frame = pd.DataFrame(rows)
        return OptionTable.from_frame(frame.assign(**{FRAME: frame[FRAME] / (clock_mhz * 1e3)}))

    def timing(self, foldings: Mapping[str, Folding], units: Mapping[str, str]) -> Timing:
        """Times of the machine with given foldings and units, by name, of the control model.

        Raises
        ------
        RefusedInput
            If engines so folded do not fit each other.
        """
        shapes = self.choices.shapes
        interval = max(folding.cycles(shapes[name]) for name, folding in foldings.items())
        specs = {name: self._every[unit].spec for name, unit in units.items()}
        spec = self.choices.with_foldings(
            foldings,
            max(interval, self.slowest),
            {name: unit.latency for name, unit in specs.items()},
            {name: u.act for name, u in specs.items() if isinstance(u.act, FloatFormat)},
        )
        control = Control(spec, frames=2)
        control.set_depths(dict.fromkeys(buffer_names(spec)))
        control.run()
        return control.timing()

    def latency(self, foldings: Mapping[str, Mapping[str, int]], units: Mapping[str, str]) -> float:
        """Cycles from the first word of a frame to the last of its result."""
        chosen = {name: Folding.of(numbers) for name, numbers in foldings.items()}
        return self.timing(chosen, units).latency

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of the choice."""
        return hard_alone({clock.mhz: clock.units for clock in self.clocks})

    @property
    def specs(self) -> list[Any]:
        """All units."""
        return [unit.spec for unit in self._every.values()]

    @cached_property
    def _every(self) -> dict[str, EngineUnit]:
        """Units of all clocks, by name."""
        return {
            unit.spec.name: unit
            for clock in self.clocks
            for units in clock.units.values()
            for unit in units
        }

    def _row(
        self, name: str, folding: Folding, option: Mapping[str, Any], unit: EngineUnit | None
    ) -> dict[str, Any]:
        """Row of a layer; what it takes, and its cycles, are counted once for all clocks."""
        unit_name = option["unit"] if unit is None else unit.spec.name
        key = name, folding.pe, folding.simd, folding.groups, unit_name
        if key not in self._counted:
            spec = self._placed(name, folding)
            took = self.model.of(spec) if unit is None else self._of_engine(name, spec, unit)
            cycles = folding.cycles(self.choices.shapes[name])
            self._counted[key] = {**took.to_fields(), FRAME: cycles}
        return {
            **option,
            "unit": unit_name,
            "layer": name,
            "option": f"{option['option']} {'x'.join(map(str, key[1:4]))} {unit_name}",
            "formats": option["option"],
            **self._counted[key],
        }

    def _placed(self, name: str, folding: Folding) -> EngineSpec:
        """Engine in 8 bits, its window as deep as such machines have it."""
        if (name, folding) not in self._specs:
            self._specs[name, folding] = self._deep(self.choices.spec(name, folding), name)
        return self._specs[name, folding]

    def _deep(self, spec: EngineSpec, name: str) -> EngineSpec:
        """The same with such a window as layers of this machine have."""
        window = spec.window
        depth = min(window.depth, ceil(window.least_depth * self.depths[name]))
        return replace(spec, window=replace(window, depth=depth))

    def _of_engine(self, name: str, spec: EngineSpec, unit: EngineUnit) -> Resources:
        """Resources of an engine with other units."""
        sums = self._sums(name, unit.spec.act, unit.spec.weight)
        engine = with_formats(spec, unit.spec, sums)
        unit_spec = engine.array.unit  # type: ignore[union-attr]
        took = self.model.of(engine, {unit_spec: unit.with_sum(unit_spec, self.model)})
        if isinstance(unit.spec.act, FloatFormat):
            took = took + spec.window.write_lanes * self._rounding(name, unit.spec.act)
        return took

    def _rounding(self, name: str, fmt: FloatFormat) -> Resources:
        """What one lane of the stages before a layer takes more, if it reads minifloats."""
        more = Resources()
        for output in self.choices.requantisers(name):
            integers, minifloats = map(self.model.of, (output, to_minifloat(output, fmt)))
            luts, ffs = minifloats.luts - integers.luts, minifloats.ffs - integers.ffs
            more = more + Resources(luts=luts, ffs=ffs)
        return more

    def _sums(self, name: str, act: Any, weight: Any) -> int:
        """Bits of a layer's sums: those of the weights in 8 bits, in the scale of the formats."""
        if not (isinstance(act, _INTEGERS) and isinstance(weight, _INTEGERS)):
            shape, least = self.choices.shapes[name], default_unit(act, weight, 1, 1).acc.width
            return int(least + (shape.taps * shape.inputs).bit_length())
        wide, reach = (max(abs(fmt.min), abs(fmt.max)) for fmt in (weight, act))
        most = self.choices.largest_sum(name) * wide / 128 * reach / self._activations[name]
        return max(2, int(most).bit_length() + 1)

    @cached_property
    def _activations(self) -> dict[str, int]:
        """Largest level of the activations of each layer in 8 bits."""
        network = self.choices.network
        nodes = {node.name: node for node in network.nodes}
        edges = {name: network.edge(nodes[name].inputs[0]) for name in self.choices.shapes}
        return {name: max(abs(edge.low), abs(edge.high), 1) for name, edge in edges.items()}


def device_engines(
    workload: Workload,
    dataset: Dataset,
    device: Device,
    units: Mapping[tuple[str, str], Any],
    *,
    clocks_mhz: Sequence[float] = (),
    margin: float = MARGIN,
    progress: Progress | None = None,
) -> DeviceEngines:
    """Measure the machines of a network on a device.

    The network is quantised quickly to 8 bits for it; formats then change the widths of what its
    machine has, not its shape.

    Parameters
    ----------
    workload, dataset
        Network and data.
    device : Device
        Where it goes.
    units : mapping
        Unit of each pair of formats (weights first), whose sums are wide enough.
    clocks_mhz : sequence of float
        Clocks to choose from; if there is none, those that machines of the device's sizes reach.
    margin : float
        Share of its period that a unit of look-up tables must have left.
    progress : callable, optional
        Called with stage, done and total.

    Raises
    ------
    RefusedInput
        If the network cannot be built, the message names what cannot; or if a clock is above that
        of placed machines.
    NotSupported
        If machines of the device's family were not measured.
    """
    model = machine_model(device.family)
    clocks = machine_clocks(model, device, units, clocks_mhz, margin)
    network = eight_bit_network(workload, dataset)
    shapes = layer_shapes(network)
    most = max(device.dsps, device.luts // _LUTS_A_UNIT)
    choices = EngineChoices(network, interval_of_units(shapes, most))

    def sized(done: int, total: int) -> None:
        if progress is not None:
            progress("buffers of a machine", done, total)

    sizing = size_buffers(choices.machine, progress=sized)
    machine = with_depths(choices.machine, sizing.depths)
    depths: dict[str, float] = {}
    around = model.of(machine.fifo)
    slowest = 1
    for stage, name in zip(machine.stages, choices.stage_names, strict=True):
        if isinstance(stage.spec, EngineSpec):
            depths[name] = stage.spec.window.depth / stage.spec.window.least_depth
        else:
            around = around + model.of(stage.spec)
            slowest = max(slowest, stage.spec.cycles)
    return DeviceEngines(
        device=device,
        model=model,
        choices=choices,
        depths=depths,
        around=around,
        slowest=slowest,
        clocks=clocks,
    )
