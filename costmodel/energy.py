"""Energy of a unit from its mapped netlist, for a named stimulus."""

from typing import Any

from macwright.costmodel import activity, glitch, glitch_kernel, power, power_rollup, stimulus
from macwright.costmodel.cache import content_key, modules_sha256
from macwright.costmodel.netlist import Netlist
from macwright.costmodel.power import measure_energy
from macwright.costmodel.stimulus import named_streams

__all__ = ["energy_key", "slim_netlist", "unit_energy"]


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
                    str(n): {"type": cell["type"], "connections": cell["connections"]}
                    for n, cell in cells
                },
                "netnames": {},
            }
        }
    }


def unit_energy(
    netlist: Netlist, spec: Any, name: str, *, wire_ff: Any = None
) -> dict[str, float | str]:
    """Energy of a unit with operands of a named distribution, glitches counted.

    3,024 transitions are simulated (48 independent lanes; the operands of each family and format
    are drawn from one seed). The clock runs at the unit's shortest period, paths from the input
    ports included, and its tree costs nothing; the period matters for leakage alone.

    Parameters
    ----------
    netlist : Netlist
        Mapped unit.
    spec : unit spec
        Formats and `macs_per_cycle`. A port wider than its format holds several operands.
    name : str
        One of `macwright.costmodel.stimulus.STIMULI`.
    wire_ff : ndarray of float64, shape (n_nets,), optional
        As for `measure_energy`.

    Returns
    -------
    dict
        The columns `energy_fj_per_mac` (leakage included), `glitch_factor` (energy over that of
        settled values alone), `leakage_nw` and `stimulus`.
    """
    elements = [
        len(netlist.ports[port].nets) // fmt.width
        for port, fmt in (("a", spec.act), ("w", spec.weight))
    ]
    streams = named_streams(
        name, spec.act, spec.weight, elements=elements[0], weight_elements=elements[1]
    )
    found = measure_energy(netlist, netlist.library, streams, wire_ff=wire_ff)
    energy = found.energy_fj_per_cycle
    return {
        "energy_fj_per_mac": round(energy / spec.macs_per_cycle, 4),
        "glitch_factor": round(energy / found.zero_delay_fj, 5),
        "leakage_nw": round(found.leakage_nw, 4),
        "stimulus": name,
    }


def energy_key(netlist_key: str, spec: Any, name: str) -> str:
    """Cache key of an energy: the netlist, the operands, and the code that simulates them."""
    return content_key(
        netlist=netlist_key,
        operands=[str(spec.act), str(spec.weight), name],
        macs_per_cycle=spec.macs_per_cycle,
        code=modules_sha256(
            activity.__name__,
            glitch.__name__,
            glitch_kernel.__name__,
            power.__name__,
            power_rollup.__name__,
            stimulus.__name__,
            __name__,
        ),
    )
