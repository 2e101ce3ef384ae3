"""Energy of a unit: operand streams through its mapped netlist, with a confidence interval."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macwright.costmodel.liberty.library import Library, read_liberty
from macwright.costmodel.netlist.build import from_yosys_json
from macwright.costmodel.netlist.netlist import Netlist
from macwright.costmodel.netlist.timing import Timing, analyse
from macwright.costmodel.power.activity import Activity, Simulator, simulate, unpack_lanes
from macwright.costmodel.power.cells import arc_energies
from macwright.costmodel.power.glitch import GlitchSimulator
from macwright.costmodel.power.rollup import Power, roll_up
from macwright.hw.errors import RefusedInput

__all__ = ["EnergyResult", "Power", "measure_energy", "roll_up"]

#: Cycles at the start of each lane that are not counted: the pipeline fills.
WARM_UP = 3
#: Batches that the confidence interval is taken over, at least.
_BATCHES = 20
#: Half width of a 95 % interval of a normal distribution, in standard deviations.
_Z95 = 1.96


@dataclass(frozen=True, kw_only=True)
class EnergyResult:
    """Energy of a unit with given operands.

    Parameters
    ----------
    energy_fj_per_cycle : float
        All of it: with glitches if they were simulated, leakage and clock pins included.
    zero_delay_fj : float
        Per cycle, if every net moved at most once.
    glitch_fj : float or None
        What glitches add per cycle; None if they were not simulated.
    glitch_factor : float or None
        `energy_fj_per_cycle / zero_delay_fj`.
    ci95_fj, zero_delay_ci95_fj : float
        Half width of the 95 % confidence interval of the sampling of `energy_fj_per_cycle` and
        of `zero_delay_fj`: batches of consecutive cycles are taken as independent.
    internal_fj, switching_fj, leakage_fj : float
        Parts of `energy_fj_per_cycle`.
    clock_pin_fj, flip_flop_fj : float
        Part that the flip-flops' clock pins take; all of the flip-flops' part without leakage.
    leakage_nw : float
    clock_ns : float
        Clock period that leakage is counted over.
    min_period_ns, input_period_ns : float
        As in `macwright.costmodel.netlist.timing.Timing`.
    area : float
        In the library's unit, um2 by custom.
    transitions : int
        Clock edges counted.
    toggles_per_cycle, zero_delay_toggles_per_cycle : float
        Transitions of all nets that cells drive.
    mode : str
        "joint" or "opensta".
    """

    energy_fj_per_cycle: float
    zero_delay_fj: float
    glitch_fj: float | None
    glitch_factor: float | None
    ci95_fj: float
    zero_delay_ci95_fj: float
    internal_fj: float
    switching_fj: float
    leakage_fj: float
    clock_pin_fj: float
    flip_flop_fj: float
    leakage_nw: float
    clock_ns: float
    min_period_ns: float
    input_period_ns: float
    area: float
    transitions: int
    toggles_per_cycle: float
    zero_delay_toggles_per_cycle: float
    mode: str


def measure_energy(
    netlist_json: Mapping[str, Any] | Netlist,
    libraries: Library | Iterable[str | Path],
    streams: Mapping[str, NDArray[Any]],
    *,
    clock_ns: float | None = None,
    mode: str = "joint",
    glitches: bool = True,
    wire_ff: NDArray[np.float64] | None = None,
) -> EnergyResult:
    """Simulate operand streams on a mapped netlist and add up the library's energies.

    Ports change at the clock edge. The clock is ideal: no clock tree, and the clock net itself
    costs nothing, but the flip-flops' clock pins do.

    Parameters
    ----------
    netlist_json : mapping or Netlist
        What Yosys' `write_json` wrote, parsed, or a netlist.
    libraries : Library, or iterable of path
        Liberty files that the netlist is mapped to.
    streams : mapping of str to ndarray of int, shape (n_cycles, n_lanes)
        Codes at each input port; see `macwright.costmodel.stimulus.named`. An absent `rst` is 1 in
        the first cycle, an absent `en` is always 1. Lanes are independent; their first three cycles
        are not counted.
    clock_ns : float, optional
        Clock period; by default the shortest one, paths from the input ports included.
    mode : {"joint", "opensta"}
        Whether the pins of a flip-flop keep their measured joint distribution, or are taken as
        independent as OpenSTA does.
    glitches : bool
        Whether to simulate with delays.
    wire_ff : ndarray of float64, shape (n_nets,), optional
        As in `macwright.costmodel.netlist.timing.analyse`.

    Returns
    -------
    EnergyResult

    Raises
    ------
    ValueError
        If the netlist, the streams or the clock period will not do.
    """
    if isinstance(netlist_json, Netlist):
        netlist = netlist_json
    else:
        library = libraries if isinstance(libraries, Library) else read_liberty(libraries)
        netlist = from_yosys_json(netlist_json, library)
    timing = analyse(netlist, wire_ff=wire_ff)
    period = timing.input_period_ns if clock_ns is None else float(clock_ns)
    if not period > 0:
        raise RefusedInput(f"Clock period must be a positive number of ns, not {clock_ns!r}")
    if np.isfinite(timing.input_period_ns) and period < timing.input_period_ns * (1 - 1e-6):
        raise RefusedInput(
            f"Clock period must be at least {timing.input_period_ns:.4f} ns, so that the unit "
            f"settles in a cycle, not {clock_ns!r}"
        )
    streams = with_controls(netlist, streams)
    sample = _Sample(netlist, streams)
    energies = arc_energies(netlist, timing)
    plain = roll_up(netlist, timing, sample.activity, mode=mode, energies=energies)
    zero_delay_fj = plain.total_fj(period)
    settled_fj = sample.zero_delay_energy(plain.weight_fj)
    zero_ci = confidence(settled_fj)
    final, toggles, ci = plain, sample.activity.toggles, zero_ci
    if glitches:
        hazard_fj, toggles = sample.glitch(timing, plain.weight_fj)
        final = roll_up(
            netlist,
            timing,
            sample.activity,
            toggles=toggles,
            transitions=sample.activity.transitions,
            mode=mode,
            energies=energies,
        )
        ci = confidence(hazard_fj)
    total = final.total_fj(period)
    count = sample.activity.transitions
    return EnergyResult(
        energy_fj_per_cycle=total,
        zero_delay_fj=zero_delay_fj,
        glitch_fj=total - zero_delay_fj if glitches else None,
        glitch_factor=total / zero_delay_fj if glitches else None,
        ci95_fj=ci,
        zero_delay_ci95_fj=zero_ci,
        internal_fj=float(final.internal_fj.sum()),
        switching_fj=float(final.switching_fj.sum()),
        leakage_fj=float(final.leakage_nw.sum()) * period * 1e-3,
        clock_pin_fj=final.clock_pin_fj,
        flip_flop_fj=float(final.internal_fj[1] + final.switching_fj[1]),
        leakage_nw=float(final.leakage_nw.sum()),
        clock_ns=period,
        min_period_ns=timing.min_period_ns,
        input_period_ns=timing.input_period_ns,
        area=netlist.area,
        transitions=count,
        toggles_per_cycle=float(toggles[netlist.driven].sum() / count),
        zero_delay_toggles_per_cycle=float(sample.activity.toggles[netlist.driven].sum() / count),
        mode=mode,
    )


def with_controls(netlist: Netlist, streams: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Add streams for `rst` (1 in the first cycle) and `en` (always 1) where they are absent."""
    complete = dict(streams)
    shape = np.shape(next(iter(complete.values()))) if complete else ()
    if len(shape) != 2 or shape[0] < WARM_UP + 2 or shape[1] < 1:
        raise RefusedInput(
            f"Streams must have the shape (cycles, lanes) with at least {WARM_UP + 2} cycles, "
            f"not {shape}"
        )
    if "rst" in netlist.ports and "rst" not in complete:
        complete["rst"] = np.zeros(shape, dtype=np.int64)
        complete["rst"][0] = 1
    if "en" in netlist.ports and "en" not in complete:
        complete["en"] = np.ones(shape, dtype=np.int64)
    return complete


def confidence(energies: NDArray[np.float64]) -> float:
    """Half width of the 95 % confidence interval of a mean.

    Parameters
    ----------
    energies : ndarray of float64, shape (n_lanes, n_cycles)
        Cut into at least twenty batches, if there are so many cycles; a batch stays in a lane.

    Returns
    -------
    float
        Infinity for a single batch.
    """
    n_lanes, n_cycles = energies.shape
    pieces = min(-(-_BATCHES // n_lanes), n_cycles)
    length = n_cycles // pieces
    means = energies[:, : pieces * length].reshape(n_lanes * pieces, length).mean(axis=1)
    if len(means) < 2:
        return float("inf")
    return float(_Z95 * means.std(ddof=1) / np.sqrt(len(means)))


class _Sample:
    """Streams simulated without delays, with the settled state of every cycle."""

    def __init__(self, netlist: Netlist, streams: Mapping[str, NDArray[Any]]) -> None:
        self.netlist = netlist
        self.n_lanes = np.shape(next(iter(streams.values())))[1]
        self._history: list[list[int]] = []
        self.activity: Activity = simulate(
            netlist,
            streams,
            first=WARM_UP,
            observe=lambda _, values: self._history.append(values),
            simulator=Simulator(netlist),
        )

    def values(self, cycle: int, nets: list[int]) -> NDArray[np.uint8]:
        """Settled values of some nets, shape (n_nets, n_lanes)."""
        row = self._history[cycle]
        return unpack_lanes([row[net] for net in nets], self.n_lanes)

    def zero_delay_energy(self, weights_fj: NDArray[np.float64]) -> NDArray[np.float64]:
        """Toggles times weights of each counted transition, shape (n_lanes, n_transitions)."""
        nets = np.flatnonzero(weights_fj)
        nets = [int(net) for net in nets if net != self.netlist.clock]
        columns = []
        before = self.values(WARM_UP - 1, nets)
        for cycle in range(WARM_UP, len(self._history)):
            now = self.values(cycle, nets)
            columns.append(weights_fj[nets] @ (now ^ before))
            before = now
        return np.array(columns).T

    def glitch(
        self, timing: Timing, weights_fj: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Toggles times weights with delays, shape (n_lanes, n_transitions), and the toggles."""
        simulator = GlitchSimulator(self.netlist, timing)
        nets = [net for net, _, _ in simulator.sources]
        first = WARM_UP - 1  # not counted: it takes the state from one lane to the next
        cycles = range(first, len(self._history))
        values = np.array([self.values(cycle, nets).T for cycle in cycles]).transpose(1, 0, 2)
        counted = np.ones((self.n_lanes, len(cycles)), dtype=bool)
        counted[:, 0] = False
        every = list(range(len(self.netlist.net_names)))
        count = simulator.run(
            self.values(first, every)[:, 0],
            values.reshape(-1, len(nets)),
            counted.ravel(),
            weights_fj,
        )
        return count.energy_fj.reshape(counted.shape)[:, 1:], count.toggles
