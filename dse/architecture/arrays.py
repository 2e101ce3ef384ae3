"""Arrays on a device: one for all layers, with what the whole machine takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from macwright.costmodel.characterize.many import cost_frame
from macwright.costmodel.system.machine_resources import MachineModel, Resources, machine_model
from macwright.costmodel.tables.default_units import mac_spec
from macwright.costmodel.technology.devices import Device
from macwright.dse.architecture.clocks import Clocked
from macwright.dse.architecture.engine_units import (
    EngineUnit,
    device_units,
    hard_alone,
    machine_clock,
    unit_rows,
)
from macwright.dse.architecture.hardware import array_name
from macwright.dse.architecture.machine import MachineCycles, program_cycles
from macwright.dse.architecture.mapping import placements, unsigned
from macwright.dse.bitexact.builder import coarser, fraction_bits
from macwright.dse.cost_columns import LATENCY
from macwright.dse.settings import WIDE_BITS, Temporal
from macwright.dse.solver import ArrayShape, OptionTable
from macwright.dse.workload import Layer
from macwright.hw.accelerator.network import Conv, Gemm, Network
from macwright.hw.accelerator.temporal.compile import compile_network
from macwright.hw.accelerator.temporal.program import Program
from macwright.hw.accelerator.temporal.spec import TemporalSpec
from macwright.hw.accelerator.temporal.widths import Widths, stored_bits, widths_for
from macwright.hw.errors import RefusedInput
from macwright.hw.formats import parse_format

__all__ = ["DeviceArrays", "device_arrays"]

#: Bits of the codes and weights of the network by which machines are measured.
_BITS = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class DeviceArrays:
    """What a search needs to know of the machines of one array on a device.

    Parameters
    ----------
    device : Device
        Where it goes.
    model : MachineModel
        Resources of machines.
    network : Network
        Network in 8 bits, of :func:`macwright.dse.architecture.machine.machine_network`.
    units : mapping
        Units of each pair of formats, weights first; of wider activations where the machine's
        additions need them.
    clock_mhz : float
        Clock of the machine.
    wide_bits : int
        Bits of the operands of additions and average pools.
    lacking : tuple of (str, str)
        Pairs without units of their own.
    """

    device: Device
    model: MachineModel
    network: Network
    units: Mapping[tuple[str, str], tuple[EngineUnit, ...]]
    clock_mhz: float
    wide_bits: int = WIDE_BITS
    lacking: tuple[tuple[str, str], ...] = ()
    _programs: dict[tuple[int, int, Widths], Program] = field(default_factory=dict)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of the choice."""
        notes = hard_alone({self.clock_mhz: self.units})
        if self.lacking:
            pairs = ", ".join("/".join(pair) for pair in self.lacking)
            notes += (
                f"layers of {pairs} run on wider units: their products are too narrow for hard "
                "multipliers, and no unit of look-up tables ships for them at the clock",
            )
        return notes

    @property
    def specs(self) -> list[Any]:
        """All units, each once."""
        return list(self._distinct)

    def rows(self) -> pd.DataFrame:
        """Cost rows of all units, as they are counted."""
        return cost_frame(unit_rows(self._distinct.values(), self.device.family))

    def clocked(self, costs: pd.DataFrame) -> list[Clocked]:
        """The machine's clock, with cost rows of units."""
        basis = "reached by placed machines"
        return [Clocked(clock_mhz=self.clock_mhz, costs=costs, basis=basis)]

    def problem(
        self, layers: Sequence[Layer], options: pd.DataFrame, chip: Temporal
    ) -> tuple[OptionTable, list[ArrayShape]]:
        """Options of each layer on each unit that computes them, and the arrays.

        Parameters
        ----------
        layers : sequence of Layer
            Layers of the workload.
        options : DataFrame
            Columns ``layer, option, weight, activation, loss, bops, weight_bytes``.
        chip : Temporal
            Rows and columns to choose from.

        Returns
        -------
        tuple of (OptionTable, list of ArrayShape)
            The area of an array is the look-up tables of its whole machine, by unit; its columns
            are `latency_ms` and `ffs`, `block_rams` and `dsps`, all of which count with the first
            layer.
        """
        modes = [spec.operating_modes() for spec in self._distinct]
        terms = {layer.name: layer.k for layer in layers}
        entries = [entry for entry, _ in placements(options, modes, terms, sign_free=True)]
        frame = pd.DataFrame(entries)
        # Units of the same formats differ in what their products are made of.
        frame["option"] = frame["formats"] + " on " + frame["unit"]
        table = OptionTable.from_frame(frame)
        return table, [
            self._array(table, layers, rows, columns)
            for rows, columns in product(chip.rows, chip.columns)
        ]

    def _array(
        self, table: OptionTable, layers: Sequence[Layer], rows: int, columns: int
    ) -> ArrayShape:
        units = {spec.name: unit for spec, unit in self._distinct.items()}
        took = {name: self.resources(rows, columns, unit.spec) for name, unit in units.items()}
        cycles = {name: self.cycles(layers, rows, columns, u.spec) for name, u in units.items()}
        names = [str(table.layers[int(i)]) for i in table.layer_of_row]
        values = {name: np.zeros(len(names)) for name in (LATENCY, "ffs", "block_rams", "dsps")}
        for row, (layer, unit) in enumerate(zip(names, table.labels["unit"], strict=True)):
            stages = units[unit].spec.pipeline
            taken = cycles[unit].of_layer(layer, stages)
            if layer == layers[0].name:
                taken += cycles[unit].of_rest(stages)
                for name in ("ffs", "block_rams", "dsps"):
                    values[name][row] = getattr(took[unit], name)
            values[LATENCY][row] = taken / (self.clock_mhz * 1e3)
        area = {name: resources.luts for name, resources in took.items()}
        name = array_name(rows, columns, None)
        return ArrayShape(name=name, area=area, fixed_area=0.0, columns=values)

    def resources(self, rows: int, columns: int, unit: Any) -> Resources:
        """What the machine takes with an array of so many of a unit."""
        spec = self.machine(rows, columns, unit)
        unit_spec = spec.array.unit
        return self.model.of(
            spec, {unit_spec: self._distinct[unit].with_sum(unit_spec, self.model)}
        )

    def cycles(self, layers: Sequence[Layer], rows: int, columns: int, unit: Any) -> MachineCycles:
        """Cycles of a frame on an array of so many of a unit."""
        return program_cycles(self._program(rows, columns, self._widths(unit)), layers)

    def machine(self, rows: int, columns: int, unit: Any) -> TemporalSpec:
        """The machine on an array of so many of a unit, but for the values of its constants."""
        widths = self._widths(unit)
        program = self._program(rows, columns, widths)
        # A sum of fewer bits in codes and weights is so many bits shorter; any one product fits.
        act_bits = min(widths.parts.act_bits, _BITS)
        less = 2 * _BITS - act_bits - widths.weight_bits
        least = widths.parts.act_bits + widths.weight_bits
        fraction = self._fraction(act_bits, widths.weight_bits)
        program = replace(
            program,
            weight_bits=widths.weight_bits,
            sum_bits=max(least, program.sum_bits - less),
            passes=tuple(
                replace(each, fraction=fraction, shift=each.shift + fraction - each.fraction)
                for each in program.passes
            ),
        )
        return TemporalSpec(name="machine", program=program, unit=unit)

    def _fraction(self, act_bits: int, weight_bits: int) -> int:
        """Bits of biases below a unit of the sums, which is coarser where it has fewer bits.

        Scales of a layer's own results are as much coarser as those of its activations.
        """
        finest = 0.0
        for node in self.network.nodes:
            if not (isinstance(node, Conv | Gemm) and node.bias.any()):
                continue
            for output in node.outputs:
                bits = self.network.edge(output.edge).format.width
                wide = bits > _BITS
                bits = _narrowed(bits, self.wide_bits)
                ratio = float(output.multiplier.max()) * 2.0 ** (node.fraction - output.shift)
                less = _BITS - weight_bits + (_BITS - act_bits if wide else 0)
                finest = max(finest, ratio * 2.0**less / coarser(bits))
        return fraction_bits(finest)

    def _program(self, rows: int, columns: int, widths: Widths) -> Program:
        """Program with these widths, whose weights only decide what the array takes of codes."""
        # Wide tensors of the network stand for those of `wide_bits`.
        whole = WIDE_BITS if self.wide_bits <= widths.parts.act_bits else _BITS
        parts = replace(widths.parts, whole_bits=whole)
        key = rows, columns, replace(widths, weight_bits=_BITS, parts=parts)
        if key not in self._programs:
            self._programs[key] = compile_network(
                self.network, rows=rows, columns=columns, widths=key[2]
            )
        return self._programs[key]

    def _widths(self, unit: Any) -> Widths:
        lane = _stored(self.network, unit.act.width, self.wide_bits)
        return widths_for(lane, unit.act.width, unit.weight.width)

    @cached_property
    def _distinct(self) -> dict[Any, EngineUnit]:
        """Each unit once, by its spec."""
        return {unit.spec: unit for units in self.units.values() for unit in units}


def device_arrays(
    network: Network,
    device: Device,
    pairs: Sequence[tuple[str, str]],
    *,
    terms: int,
    clock_mhz: float | None = None,
    margin: float,
    wide_bits: int = WIDE_BITS,
) -> DeviceArrays:
    """Units and machines of one array on a device.

    Parameters
    ----------
    network : Network
        Of :func:`macwright.dse.architecture.machine.machine_network`.
    device : Device
        Where it goes.
    pairs : sequence of (str, str)
        Formats of weights and activations that layers may have.
    terms : int
        Products of the longest sum.
    clock_mhz : float, optional
        Clock of the machine; that which placed ones reach if absent.
    margin : float
        Share of its period that a unit of look-up tables must have left.
    wide_bits : int
        Bits of the operands of additions and average pools, which have more than 8 in `network`.

    Raises
    ------
    RefusedInput
        If the clock is above that of placed machines.
    NotSupported
        If machines of the device's family were not measured.
    """
    model = machine_model(device.family)
    clock = machine_clock(clock_mhz, model.array_clock(device.base), device.base)
    wanted = {}
    for weight, act in pairs:
        bits = parse_format(unsigned(act)).width
        widths = widths_for(_stored(network, bits, wide_bits), bits, parse_format(weight).width)
        act_bits = widths.parts.act_bits
        spec = mac_spec(act=f"uint{act_bits}", weight=weight, terms=terms, technology=None)
        wanted[weight, act] = spec
    rate = clock * model.slower.get(device.base, 1.0)
    (units,) = device_units(wanted, model, clocks_mhz=[rate], margin=margin)
    able = {
        pair: tuple(u for u in variants if u.spec.adder != "carry_save")
        for pair, variants in units.items()
    }
    if not any(able.values()):
        raise RefusedInput(
            f"Some format must have a unit on {device.base} that meets {clock:g} MHz, and of "
            f"{', '.join('/'.join(pair) for pair in able)} none has: give wider ones"
        )
    return DeviceArrays(
        device=device,
        model=model,
        network=network,
        units={pair: each for pair, each in able.items() if each},
        clock_mhz=clock,
        wide_bits=wide_bits,
        lacking=tuple(pair for pair, each in able.items() if not each),
    )


def _stored(network: Network, act_bits: int, wide_bits: int) -> int:
    """Bits of a code in memory: of the layers' formats, or of wider tensors beside them."""
    return max(
        _narrowed(bits, wide_bits) if bits > _BITS else min(bits, act_bits)
        for bits in stored_bits(network)
    )


def _narrowed(bits: int, wide_bits: int) -> int:
    """Bits of a tensor where operands of additions and average pools have so many."""
    return wide_bits if bits == WIDE_BITS else bits
