"""Energy of a unit from its mapped netlist, for a named stimulus."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from macwright.costmodel import (
    activity,
    glitch,
    glitch_kernel,
    power,
    power_cells,
    power_groups,
    power_rollup,
    stimulus,
)
from macwright.costmodel.cache import content_key, modules_sha256
from macwright.costmodel.netlist import Netlist
from macwright.costmodel.power import measure_energy
from macwright.costmodel.stimulus import named_streams, pack_elements
from macwright.hw.formats import Format

__all__ = ["energy_key", "slim_netlist", "unit_energy"]

#: Input ports that streams can be made for.
_KNOWN = frozenset({"clk", "rst", "en", "clear", "a", "w", "mode"})


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
        Formats and `macs_per_cycle`. A port with more room than operands takes each several
        times, as the bit planes of a weight share an activation; a port `mode` is 0.
    name : str
        One of `macwright.costmodel.stimulus.STIMULI`.
    wire_ff : ndarray of float64, shape (n_nets,), optional
        As for `measure_energy`.

    Returns
    -------
    dict
        The columns `energy_fj_per_mac` (leakage included), `glitch_factor` (energy over that of
        settled values alone), `leakage_nw` and `stimulus`; none for a unit with ports that a
        named distribution says nothing about, such as scales.
    """
    inputs = {n for n, port in netlist.ports.items() if port.direction == "input"}
    if inputs - _KNOWN:
        return {}
    count = max(1, int(spec.macs_per_cycle))
    streams = named_streams(name, spec.act, spec.weight, elements=count)
    for port, fmt in (("a", spec.act), ("w", spec.weight)):
        copies = len(netlist.ports[port].nets) // (count * fmt.width)
        if copies > 1:
            streams[port] = _repeat(streams[port], fmt, count=count, copies=copies)
    if "mode" in inputs:
        streams["mode"] = np.zeros_like(streams["clear"])
    found = measure_energy(netlist, netlist.library, streams, wire_ff=wire_ff)
    energy = found.energy_fj_per_cycle
    return {
        "energy_fj_per_mac": round(energy / spec.macs_per_cycle, 4),
        "glitch_factor": round(energy / found.zero_delay_fj, 5),
        "leakage_nw": round(found.leakage_nw, 4),
        "stimulus": name,
    }


def _repeat(
    codes: NDArray[Any], fmt: Format, *, count: int, copies: int
) -> NDArray[np.int64] | NDArray[np.object_]:
    """Packed codes with each element so many times, side by side."""
    mask = (1 << fmt.width) - 1
    elements = [codes.astype(object) >> n * fmt.width & mask for n in range(count)]
    return pack_elements(np.stack(elements, axis=-1).repeat(copies, axis=-1), fmt.width)


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
            power_cells.__name__,
            power_groups.__name__,
            power_rollup.__name__,
            stimulus.__name__,
            __name__,
        ),
    )
