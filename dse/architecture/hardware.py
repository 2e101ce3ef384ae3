"""Tables of options for hardware that is chosen together with the formats."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from macwright.costmodel.system.array import Engine, Schedule, TemporalArray
from macwright.costmodel.system.memory import DRAM_PJ_PER_BIT, Sram, sram
from macwright.costmodel.technology.record import TechnologyRecord
from macwright.dse.architecture.clocks import ClockTooFastError
from macwright.dse.architecture.machine import machine_cycles
from macwright.dse.architecture.mapping import placements
from macwright.dse.cost_columns import FRAME, LATENCY
from macwright.dse.settings import Dataflow, Temporal
from macwright.dse.solver import ArrayShape, OptionTable
from macwright.dse.workload import Layer
from macwright.hw.accelerator.network import Network
from macwright.hw.errors import RefusedInput
from macwright.hw.formats import parse_format

__all__ = ["array_sizes", "dataflow_table", "memory_node", "temporal_problem"]

#: Memory outside of the chip, and bits of an access to a buffer.
DRAM, BUFFER_BITS = "lpddr4", 64


def memory_node(record: TechnologyRecord) -> float | None:
    """Node of the memories beside an array, nm; None for gates and FPGAs, which have no such area.

    Raises
    ------
    ValueError
        If it is a cell library whose node nobody said.
    """
    if record.kind == "cells" and record.node_nm is None:
        raise RefusedInput(
            f"Node of library {record.name} must be given with --node-nm, as buffers and their "
            "energy depend on it"
        )
    return record.node_nm


def array_name(rows: int, columns: int, buffer_kib: float | None) -> str:
    """Name of an array in reports."""
    return f"{rows}x{columns}" + ("" if buffer_kib is None else f", 2 x {buffer_kib:g} KiB")


def array_sizes(chip: Temporal, node_nm: float | None) -> dict[str, dict[str, Any]]:
    """Rows, columns and capacity of a buffer (None without buffers) of each array, by its name."""
    buffers = chip.buffers_kib if node_nm else (None,)
    return {
        array_name(rows, columns, kib): {"rows": rows, "columns": columns, "buffer_kib": kib}
        for rows, columns, kib in product(chip.rows, chip.columns, buffers)
    }


def temporal_problem(
    layers: Sequence[Layer],
    options: pd.DataFrame,
    units: Mapping[tuple[str, str], Any],
    costs: pd.DataFrame,
    chip: Temporal,
    node_nm: float | None,
    network: Network | None = None,
) -> tuple[OptionTable, list[ArrayShape]]:
    """Options of each layer on each unit type that computes them, and the arrays to choose from.

    Parameters
    ----------
    layers : sequence of Layer
        Layers of the workload.
    options : DataFrame
        Columns ``layer, option, weight, activation, loss, bops, weight_bytes``.
    units : mapping
        Spec of the unit of each pair of formats.
    costs : DataFrame
        Cost rows of the units, and of those with several modes in each mode.
    chip : Temporal
        What may be chosen.
    node_nm : float or None
        Node that buffers and their energies are scaled to, of :func:`memory_node`; None leaves
        them out.
    network : Network, optional
        Of :func:`macwright.dse.architecture.machine.machine_network`: cycles are those of its
        machine, where units have one product a cycle. What no layer does (additions, pools, input,
        results) counts with the first layer. Elsewhere cycles are those of `TemporalArray`.

    Returns
    -------
    tuple of (OptionTable, list of ArrayShape)
        Labels of the table: `unit`, the type, `mode`, and `formats`, the pair. Columns of the
        arrays: `latency_ms` and, where the units have an energy, `energy_uj`: products, buffers
        and memory outside.

    Notes
    -----
    A unit with several modes is one type; a layer runs in its fastest mode that holds the formats,
    and only where the unit's accumulator holds the sums.

    Memory outside (8 pJ a bit, LPDDR4) gives the weights once and takes activations that do not fit
    into their buffer; a layer of which neither fits reads one of them again.
    """
    rows = _unit_rows(costs)
    distinct = dict.fromkeys([*units.values(), *chip.specs])
    every = [spec.operating_modes() for spec in distinct]
    usable = [modes for modes in every if modes[0].row in rows]
    if not usable:
        raise ClockTooFastError(f"No unit meets {chip.clock_mhz:g} MHz")
    of_layer = {layer.name: layer for layer in layers}
    terms = {layer.name: layer.k for layer in layers}
    places = placements(options, usable, terms, sign_free=network is not None)
    entries = [entry for entry, _ in places]
    modes = {(entry["layer"], entry["option"]): mode for entry, mode in places}
    lacking = sorted(set(of_layer) - {entry["layer"] for entry in entries})
    if lacking:
        raise ClockTooFastError(f"Layer {lacking[0]!r} has no unit for {chip.clock_mhz:g} MHz")
    table = OptionTable.from_frame(pd.DataFrame(entries))
    names = [str(table.layers[int(i)]) for i in table.layer_of_row]
    area = {unit[0].name: float(rows[unit[0].row]["area"]) for unit in usable}
    chosen = [modes[place] for place in zip(names, table.options, strict=True)]
    fj = [rows.get(mode.row, {}).get("energy_fj_per_mac", np.nan) for mode in chosen]
    with_energy = bool(np.isfinite(fj).all())
    bits = np.array(
        [[parse_format(f).bits_per_value for f in p.split("/")] for p in table.labels["formats"]]
    )
    per_mac = np.array(fj) * 1e-9
    macs = np.array([of_layer[name].macs for name in names])
    ways = [
        (name, (mode.lanes, mode.passes, _latency(rows[mode.spec.name], mode.spec)))
        for name, mode in zip(names, chosen, strict=True)
    ]
    arrays = []
    for n_rows, n_columns in product(chip.rows, chip.columns):
        schedules: dict[tuple[str, int, int, int], Schedule] = {}
        for name, shape in ways:
            if (name, *shape) not in schedules:
                array = TemporalArray(
                    rows=n_rows,
                    columns=n_columns,
                    macs_per_pe=shape[0],
                    passes=shape[1],
                    latency=shape[2],
                )
                schedules[name, *shape] = array.schedule(of_layer[name])
        plans = [schedules[name, *shape] for name, shape in ways]
        cycles = np.array([plan.cycles for plan in plans], np.float64)
        if network is not None:
            machine = machine_cycles(network, layers, rows=n_rows, columns=n_columns)
            for row, (name, (lanes, passes, latency)) in enumerate(ways):
                if lanes == passes == 1:
                    cycles[row] = machine.of_layer(name, latency - 1)
                if name == layers[0].name:
                    cycles[row] += machine.of_rest(latency - 1)
        for kib in chip.buffers_kib if node_nm else (0.0,):
            columns = {LATENCY: cycles / (chip.clock_mhz * 1e3)}
            fixed = 0.0
            if with_energy:
                columns["energy_uj"] = macs * per_mac
            if node_nm:
                memory = sram(kib=kib, bits=BUFFER_BITS, node_nm=node_nm)
                fixed = 2 * memory.area_mm2 * 1e6
                if with_energy:
                    moved = _memory_uj(
                        [of_layer[name] for name in names],
                        plans,
                        bits,
                        kib * 8192,
                        memory,
                    )
                    columns["energy_uj"] = columns["energy_uj"] + moved
            name = array_name(n_rows, n_columns, kib if node_nm else None)
            areas = {unit: n_rows * n_columns * each for unit, each in area.items()}
            arrays.append(ArrayShape(name=name, area=areas, fixed_area=fixed, columns=columns))
    return table, arrays


def _memory_uj(
    layers: Sequence[Layer],
    plans: Sequence[Schedule],
    bits: np.ndarray,
    room: float,
    buffer: Sram,
) -> np.ndarray:
    """Energy of the buffers and of the memory outside, uJ, shape (n_rows,).

    `bits` are those of a weight and of an activation, shape (n_rows, 2), `room` those of a buffer.
    """
    weight_bits, act_bits = bits.T
    size = np.array([(n.weights, n.activations, n.outputs) for n in layers], np.float64)
    moves = np.array([(p.weight_reads, p.act_reads, p.out_writes) for p in plans], np.float64)
    read = moves[:, 0] * weight_bits + moves[:, 1] * act_bits
    inside = read * buffer.read_pj_per_bit + moves[:, 2] * act_bits * buffer.write_pj_per_bit
    weights, acts, results = size[:, 0] * weight_bits, size[:, 1] * act_bits, size[:, 2] * act_bits
    outside = weights + np.where(results > room, results, 0) + np.where(acts > room, acts, 0)
    again = np.minimum(acts * (np.ceil(weights / room) - 1), weights * (np.ceil(acts / room) - 1))
    outside += np.where((acts > room) & (weights > room), again, 0)
    return (inside + outside * DRAM_PJ_PER_BIT[DRAM]) * 1e-6


def dataflow_table(
    layers: Sequence[Layer],
    options: pd.DataFrame,
    units: Mapping[tuple[str, str], Any],
    costs: pd.DataFrame,
    chip: Dataflow,
) -> OptionTable:
    """Options of each layer in every folding of its engine.

    The area of an engine is that of PE x SIMD of its units: an upper bound, as a dot product of so
    many lanes has one accumulator. Columns: `area` (or `luts`), `dsps` where there are any,
    `frame_ms` (the time of a sample, of which the slowest layer's counts), `latency_ms` (of all
    layers one after the other) and, where the units have one, `energy_uj` of the products.

    Parameters
    ----------
    layers, options, units, costs
        As for :func:`temporal_problem`.
    chip : Dataflow
        Clock.
    """
    rows = _unit_rows(costs)
    area = _area_column(costs)
    entries = []
    foldings = {layer.name: _foldings(layer) for layer in layers}
    of_layer = {layer.name: layer for layer in layers}
    for row in options.to_dict("records"):
        pair = (row["weight"], row["activation"])
        unit = rows.get(units[pair].name)
        if unit is None:
            continue
        macs = of_layer[row["layer"]].macs
        for folding, cycles in foldings[row["layer"]]:
            lanes = folding[0] * folding[1]
            time = cycles / (chip.clock_mhz * 1e3)
            entries.append(
                {
                    "layer": row["layer"],
                    "option": f"{row['option']} {folding[0]}x{folding[1]}",
                    "formats": row["option"],
                    "unit": unit["unit"],
                    **{name: row[name] for name in ("loss", "bops", "weight_bytes")},
                    area: lanes * unit["area"],
                    "dsps": lanes * (unit["dsps"] if pd.notna(unit["dsps"]) else 0),
                    "energy_uj": macs * unit["energy_fj_per_mac"] * 1e-9,
                    FRAME: time,
                    LATENCY: time,
                }
            )
    frame = pd.DataFrame(entries)
    if not entries or set(frame["layer"]) != set(of_layer):
        raise ClockTooFastError(f"A layer has no unit for {chip.clock_mhz:g} MHz")
    if not any(frame["dsps"]):
        frame = frame.drop(columns="dsps")
    if np.isnan(np.asarray(frame["energy_uj"], np.float64)).any():
        frame = frame.drop(columns="energy_uj")
    return OptionTable.from_frame(frame)


def _foldings(layer: Layer) -> list[tuple[tuple[int, int], int]]:
    """(PE, SIMD) and cycles of a sample, one for each number of products in a cycle.

    Of foldings with the same number the one of most PEs: it reads the activations least often.
    """
    best: dict[int, tuple[int, int]] = {}
    for pe in _divisors(layer.n):
        for simd in _divisors(layer.k):
            best[pe * simd] = max(best.get(pe * simd, (0, 0)), (pe, simd))
    return [
        ((pe, simd), Engine(pe=pe, simd=simd).schedule(layer).cycles)
        for _, (pe, simd) in sorted(best.items())
    ]


def _divisors(number: int) -> list[int]:
    return [i for i in range(1, number + 1) if number % i == 0]


def _area_column(costs: pd.DataFrame) -> str:
    return "luts" if set(costs["area_unit"]) == {"luts"} else "area"


def _unit_rows(costs: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Cost rows by unit."""
    return {row["unit"]: row for row in costs.to_dict("records")}


def _latency(row: Mapping[str, Any], spec: Any) -> int:
    """Cycles from operands to the accumulator, of the structure that is built."""
    latency = row.get("latency")
    return 1 + spec.pipeline if latency is None or pd.isna(latency) else int(latency)
