"""Energy of a unit from its mapped netlist, for a named stimulus."""

from typing import Any

from numpy.typing import NDArray

from macwright.costmodel.cache import content_key, modules_sha256
from macwright.costmodel.netlist.netlist import Netlist
from macwright.costmodel.power import activity, glitch, glitch_kernel
from macwright.costmodel.power import cells as power_cells
from macwright.costmodel.power import groups as power_groups
from macwright.costmodel.power import measure as power
from macwright.costmodel.power import rollup as power_rollup
from macwright.costmodel.power.measure import EnergyResult, measure_energy
from macwright.costmodel.stimulus import named as stimulus
from macwright.costmodel.stimulus.layer import LayerOperands
from macwright.costmodel.stimulus.modes import mode_streams
from macwright.costmodel.stimulus.named import layer_streams, named_streams
from macwright.costmodel.stimulus.protocols import protocol_streams, with_sums
from macwright.hw.errors import RefusedInput
from macwright.hw.pe.operating_mode import OperatingMode
from macwright.hw.pe.spec import Unit

__all__ = [
    "energy_figures",
    "energy_key",
    "slim_netlist",
    "unit_energy",
    "unit_streams",
]

#: Input ports that streams can be made for.
_KNOWN = frozenset({"clk", "rst", "en", "clear", "a", "w"})
#: Part of a cell that a simulation needs.
_CELL_KEYS = ("type", "parameters", "connections")


def slim_netlist(netlist: dict[str, Any], top: str) -> dict[str, Any]:
    """Keep what a simulation needs of what Yosys' `write_json` wrote: a tenth of the text.

    Parameters
    ----------
    netlist : dict
        The parsed JSON.
    top : str
        Module to keep. Its cells are named by their numbers.
    """
    module = netlist["modules"][top]
    cells = enumerate(module["cells"].values())
    return {
        "modules": {
            top: {
                "attributes": {},
                "ports": {
                    name: {"direction": port["direction"], "bits": port["bits"]}
                    for name, port in module["ports"].items()
                },
                "cells": {
                    str(n): {key: cell[key] for key in _CELL_KEYS if cell.get(key)}
                    for n, cell in cells
                },
                "netnames": {},
            }
        }
    }


def unit_energy(
    netlist: Netlist, spec: Any, operands: str | LayerOperands, *, wire_ff: Any = None
) -> dict[str, float | str]:
    """Energy of a unit with operands of a named distribution or of a layer, glitches counted.

    3,024 transitions are simulated (48 independent lanes; the operands of each family and format
    are drawn from one seed). The clock runs at the unit's shortest period, paths from the input
    ports included, and its tree costs nothing; the period matters for leakage alone.

    Parameters
    ----------
    netlist : Netlist
        Mapped unit.
    spec : unit spec
        As for `unit_streams`.
    operands : str or LayerOperands
        One of `macwright.costmodel.stimulus.named.STIMULI`, or recorded ones.
    wire_ff : ndarray of float64, shape (n_nets,), optional
        As for `measure_energy`.

    Returns
    -------
    dict
        The columns of `energy_figures`, and `stimulus`; none for a unit with ports that a named
        distribution says nothing about, such as those of requantisers.
    """
    streams = unit_streams(netlist, spec, operands)
    if streams is None:
        return {}
    measured = measure_energy(netlist, netlist.library, streams, wire_ff=wire_ff)
    label = operands if isinstance(operands, str) else operands.label
    return {**energy_figures(measured, spec.macs_per_cycle), "stimulus": label}


def energy_figures(result: EnergyResult, macs_per_cycle: float) -> dict[str, float]:
    """Columns of a cost row that a measured energy fills.

    Parameters
    ----------
    result : EnergyResult
        Energy of a cycle.
    macs_per_cycle : float
        Multiply-accumulates in it.

    Returns
    -------
    dict
        `energy_fj_per_mac` (leakage included), its parts `zero_delay_fj_per_mac` (of settled
        values) and `glitch_fj_per_mac`, `ci95_fj_per_mac` (half width of the 95 % confidence
        interval of its sampling), `glitch_factor` (energy over that of settled values alone) and
        `leakage_nw`.
    """
    energy, settled = result.energy_fj_per_cycle, result.zero_delay_fj
    per_mac = {
        "energy_fj_per_mac": energy,
        "zero_delay_fj_per_mac": settled,
        "glitch_fj_per_mac": energy - settled,
        "ci95_fj_per_mac": result.ci95_fj,
    }
    return {
        **{column: round(value / macs_per_cycle, 4) for column, value in per_mac.items()},
        "glitch_factor": round(energy / settled, 5),
        "leakage_nw": round(result.leakage_nw, 4),
    }


def unit_streams(
    netlist: Netlist, spec: Unit, operands: str | LayerOperands
) -> dict[str, NDArray[Any]] | None:
    """Operands at the input ports of a unit.

    Parameters
    ----------
    netlist : Netlist
        Mapped unit.
    spec : unit spec
        Formats and `macs_per_cycle`. Activations for which a port has no room are shared by the
        weights. A unit with several modes, or such a unit in one of them (else it is in the
        widest): `macwright.costmodel.stimulus.modes`. Units with further ports:
        `macwright.costmodel.stimulus.protocols`.
    operands : str or LayerOperands
        As for `unit_energy`; those of a layer need a unit of one product a cycle, or with modes.

    Returns
    -------
    dict of str to ndarray, shape (cycles, lanes)
        None if the unit has ports that the operands say nothing about.

    Raises
    ------
    ValueError
        If a layer's operands do not fit the unit.
    """
    if isinstance(spec, OperatingMode) or hasattr(spec, "modes"):
        return mode_streams(
            spec if isinstance(spec, OperatingMode) else spec.operating_modes()[0], operands
        )
    inputs = {n for n, port in netlist.ports.items() if port.direction == "input"}
    if inputs - _KNOWN:
        named = operands if isinstance(operands, str) else None
        return None if named is None else protocol_streams(spec, named, inputs)
    if isinstance(operands, LayerOperands):
        if spec.macs_per_cycle != 1:
            raise RefusedInput(
                f"Unit {spec.name} must take one product a cycle, not {spec.macs_per_cycle}"
            )
        acts, weights, lanes = operands.acts, operands.weights, operands.lanes
        layer = layer_streams(acts, weights, spec.act, spec.weight, lanes=lanes)
        return with_sums(spec, dict(layer))
    count = max(1, int(spec.macs_per_cycle))
    room = len(netlist.ports["a"].nets) // spec.act.width
    elements = (max(1, min(count, room)), count)
    streams = with_sums(spec, named_streams(operands, spec.act, spec.weight, elements=elements))
    return {name: codes for name, codes in streams.items() if name in inputs}


def energy_key(netlist_key: str, spec: Unit, operands: str, *modules: str) -> str:
    """Cache key of an energy.

    Parameters
    ----------
    netlist_key : str
        Key of the mapped netlist.
    spec : unit spec
        The unit.
    operands : str
        Name of the stimulus, or a hash of the operands themselves.
    *modules : str
        Names of the modules, besides those of the energy model, that the result depends on.
    """
    code = modules_sha256(
        activity.__name__,
        glitch.__name__,
        glitch_kernel.__name__,
        power.__name__,
        power_cells.__name__,
        power_groups.__name__,
        power_rollup.__name__,
        "macwright.costmodel.stimulus.modes",
        "macwright.costmodel.stimulus.protocols",
        "macwright.hw.pe.operating_mode",
        stimulus.__name__,
        __name__,
        *modules,
    )
    return content_key(
        netlist=netlist_key,
        operands=[str(spec.act), str(spec.weight), operands],
        macs_per_cycle=spec.macs_per_cycle,
        code=code,
    )
