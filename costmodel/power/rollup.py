"""Energy of a mapped netlist: toggles times library energies."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from macwright.costmodel.netlist.netlist import Netlist
from macwright.costmodel.netlist.timing import Timing
from macwright.costmodel.power.activity import Activity
from macwright.costmodel.power.cells import (
    ArcEnergies,
    arc_energies,
    cell_leakage,
    output_energies,
    passive_energies,
)
from macwright.costmodel.power.groups import cell_groups
from macwright.hw.errors import RefusedInput

__all__ = ["Power", "roll_up"]

_CLOCK_DENSITY = 2.0


@dataclass(frozen=True)
class Power:
    """Energy of a clock cycle, and how it depends on the toggles of each net.

    Parameters
    ----------
    weight_fj : ndarray of float64, shape (n_nets,)
        Energy of one transition: internal energy of the driver, passive energy of the pins that
        read the net, and wire and pin capacitance.
    internal_fj, switching_fj : ndarray of float64, shape (2,)
        Per cycle; combinational cells, flip-flops (with clock pins).
    clock_pin_fj : float
        Part of `internal_fj[1]` that the clock pins take, per cycle.
    leakage_nw : ndarray of float64, shape (2,)
    """

    weight_fj: NDArray[np.float64]
    internal_fj: NDArray[np.float64]
    switching_fj: NDArray[np.float64]
    clock_pin_fj: float
    leakage_nw: NDArray[np.float64]

    def total_fj(self, period_ns: float) -> float:
        """Energy of a cycle of `period_ns`, leakage included."""
        dynamic = self.internal_fj.sum() + self.switching_fj.sum()
        return float(dynamic + self.leakage_nw.sum() * period_ns * 1e-3)


def roll_up(
    netlist: Netlist,
    timing: Timing,
    activity: Activity,
    *,
    toggles: NDArray[np.int64] | None = None,
    transitions: int | None = None,
    mode: str = "joint",
    energies: ArcEnergies | None = None,
) -> Power:
    """Turn toggles into energy, with OpenSTA's power equations.

    - Switching: ½·C·V² for each transition of a net that a cell drives.
    - An output's internal energy is the mean of its rise and fall tables, averaged over related
      pins with the weight (probability that the output depends on the pin) · (its activity).
    - A pin's passive energy counts with the probability of its condition.
    - Pins of a cell are taken as independent; in mode "joint" outputs follow from inputs, and the
      data pins and the state of a flip-flop keep their measured joint distribution.

    Parameters
    ----------
    netlist : Netlist
        Mapped netlist.
    timing : Timing
        Slews and loads of its nets.
    activity : Activity
        Zero-delay counts.
    toggles : ndarray of int64, shape (n_nets,), optional
        Counts with glitches, over `transitions`; by default those of `activity`.
    transitions : int, optional
        Clock edges that `toggles` were counted over.
    mode : {"joint", "opensta"}
        See above.
    energies : dict, optional
        What `arc_energies` gave for the netlist and the timing.

    Returns
    -------
    Power
    """
    if mode not in ("joint", "opensta"):
        raise RefusedInput(f"Mode must be 'joint' or 'opensta', not {mode!r}")
    density = (activity.toggles if toggles is None else toggles) / (
        activity.transitions if transitions is None else transitions
    )
    duty = activity.ones / activity.transitions
    for net, value in netlist.constants.items():
        density[net], duty[net] = 0.0, float(value)
    if netlist.clock is not None:
        density[netlist.clock], duty[netlist.clock] = _CLOCK_DENSITY, 0.5
    energies = energies or arc_energies(netlist, timing)
    load = timing.load_ff.max(axis=1)
    switching = np.where(netlist.driven, 0.5 * load * netlist.library.voltage_v**2, 0.0)
    weight = switching.copy()
    internal_fj, leakage_nw = np.zeros(2), np.zeros(2)
    clock_pin_fj = 0.0
    for group in cell_groups(netlist, density, duty, activity, mode == "joint"):
        for pin, arc_energy in output_energies(group, energies):
            np.add.at(weight, group.nets[pin], arc_energy)
            internal_fj[group.kind] += (arc_energy * density[group.nets[pin]]).sum()
        for pin, energy in passive_energies(group, energies):
            nets = group.nets[pin]
            if group.cell.flip_flop and (nets == netlist.clock).all():
                clock_pin_fj += (energy * density[nets]).sum()
            else:
                np.add.at(weight, nets, energy)
            internal_fj[group.kind] += (energy * density[nets]).sum()
        leakage_nw[group.kind] += cell_leakage(group).sum()
    switching_fj = np.zeros(2)
    for group in cell_groups(netlist, density, duty, activity, False):
        for pin in group.cell.outputs:
            nets = group.nets[pin]
            switching_fj[group.kind] += (switching[nets] * density[nets]).sum()
    return Power(weight, internal_fj, switching_fj, float(clock_pin_fj), leakage_nw)
