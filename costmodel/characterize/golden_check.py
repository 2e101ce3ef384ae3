"""Check of a mapped netlist: simulated as it was mapped, cycle by cycle, against the golden model.

A synthesiser may be wrong (Yosys 0.70 folds two summed products into one block of iCE40's hard
multipliers), so a cost row is that of a netlist whose function was seen to be the unit's.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macwright.costmodel.netlist.netlist import Netlist
from macwright.costmodel.power.activity import simulate, unpack_lanes
from macwright.costmodel.power.measure import with_controls
from macwright.costmodel.power.unit import unit_streams
from macwright.hw.errors import ToolError
from macwright.hw.formats import FloatFormat
from macwright.sim.families import golden_model

__all__ = ["LANES", "check_netlist"]

#: Independent streams; with the 66 cycles of a stream at least 1,000 vectors.
LANES = 16


def check_netlist(netlist: Netlist, spec: Any, *, lanes: int = LANES) -> int:
    """Simulate a mapped netlist beside the golden model of its unit.

    Operands are uniform over the codes of the formats, further inputs as the unit's protocol wants
    them; of a unit with several modes, in the widest (or, of a mode, in that one).

    Parameters
    ----------
    netlist : Netlist
        Mapped unit.
    spec : unit spec or OperatingMode
        What it must be.
    lanes : int
        Independent streams.

    Returns
    -------
    int
        Vectors (cycles of all streams) whose outputs were compared.

    Raises
    ------
    ToolError
        If an output differs anywhere that the contract fixes it.
    """
    unit = getattr(spec, "spec", spec)
    streams = unit_streams(netlist, spec, "uniform")
    if streams is None:
        streams = _random_streams(unit, lanes)
    streams = {name: np.asarray(codes)[:, :lanes] for name, codes in streams.items()}
    streams = with_controls(netlist, streams)
    seen: list[dict[str, list[int]]] = []
    outputs = {n: p.nets for n, p in netlist.ports.items() if p.direction == "output"}
    cycles, count = next(iter(streams.values())).shape

    def observe(cycle: int, values: list[int]) -> None:
        seen.append(
            {n: _words([values[net] for net in nets], count) for n, nets in outputs.items()}
        )

    # One more cycle shows what the last edge made.
    longer = {name: np.concatenate([codes, codes[-1:]]) for name, codes in streams.items()}
    simulate(netlist, longer, observe=observe)
    for lane in range(count):
        model = golden_model(unit)
        for cycle in range(cycles):
            model.step(**{name: int(codes[cycle, lane]) for name, codes in streams.items()})
            shown = {name: words[lane] for name, words in seen[cycle + 1].items()}
            _compare(unit, model, shown, cycle)
    return cycles * count


def _compare(spec: Any, model: Any, shown: Mapping[str, int], cycle: int) -> None:
    for name, word in shown.items():
        if name == "acc_carry":
            continue
        expected = getattr(model, name)
        got = word
        if name == "acc" and "acc_carry" in shown:
            got = (word + shown["acc_carry"]) % 2**spec.acc.width
        if expected is not None and got != expected:
            raise ToolError(
                f"Unit {spec.name} was mapped to a netlist that is not the unit: {name} is "
                f"{got:#x}, not {expected:#x}, in cycle {cycle} for {model.retired}"
            )


def _words(bits: list[int], lanes: int) -> list[int]:
    """Code word of each lane from the integers of its bits, the lowest first."""
    planes = unpack_lanes(bits, lanes)
    return [sum(int(bit) << k for k, bit in enumerate(planes[:, lane])) for lane in range(lanes)]


def _random_streams(spec: Any, lanes: int, cycles: int = 66) -> dict[str, NDArray[Any]]:
    """Codes at the ports that the golden model of a unit names, uniform over the legal ones."""
    model, rng = golden_model(spec), np.random.default_rng(1)
    streams = {}
    for name, bits in model.data.items():
        most = 1 << bits
        if name == "scale" and isinstance(spec.weight, FloatFormat):
            most = spec.weight.max_code + 1
        words = np.zeros((cycles, lanes), object)
        for low in range(0, bits, 62):
            words += rng.integers(0, 1 << 62, size=(cycles, lanes)).astype(object) << low
        streams[name] = words % most
    return streams
