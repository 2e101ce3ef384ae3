"""The network by which machines are measured, and its cycles on arrays of any size."""

from collections.abc import Sequence
from dataclasses import dataclass

from macwright.costmodel.progress import Progress
from macwright.dse.bitexact import integer_network
from macwright.dse.data.recipe import Dataset
from macwright.dse.quantizer import QuantOptions, quantise
from macwright.dse.quantizer.options import layer_formats
from macwright.dse.workload import Layer, Workload
from macwright.hw.accelerator.network import Network
from macwright.hw.accelerator.temporal.compile import compile_network
from macwright.hw.accelerator.temporal.program import Program
from macwright.hw.errors import RefusedInput

__all__ = [
    "MachineCycles",
    "eight_bit_network",
    "machine_cycles",
    "machine_network",
    "program_cycles",
]

#: Calibration samples of the network by which machines are measured.
_IMAGES = 64


@dataclass(frozen=True, kw_only=True)
class MachineCycles:
    """Cycles of a frame on one array.

    Parameters
    ----------
    layers : dict
        Cycles and passes of each layer, by its name, without register stages of a unit.
    rest : (int, int)
        The same of all else: additions, pools, copies, input and results.
    """

    layers: dict[str, tuple[int, int]]
    rest: tuple[int, int]

    def of_layer(self, name: str, stages: int) -> int:
        """Cycles of a layer on units with so many register stages before their accumulator."""
        return _total(self.layers[name], stages)

    def of_rest(self, stages: int) -> int:
        """Cycles of all else."""
        return _total(self.rest, stages)


def eight_bit_network(
    workload: Workload, dataset: Dataset, *, progress: Progress | None = None
) -> Network:
    """Integer network of int8 layers, quickly quantised: it has the shape that others have, too.

    Formats that the model prescribes stay.

    Raises
    ------
    RefusedInput
        If there is no such network, or one of its layers is no node of it.
    """
    formats = {}
    for layer in workload.layers:
        (weight,), (act,) = layer_formats(layer, ("int8",), ("int8",), workload.fixed)
        formats[layer.name] = weight, act
    options = QuantOptions(rounding="nearest", images=_IMAGES)
    float_network, plans = quantise(workload, dataset, formats, options=options, progress=progress)
    network = integer_network(float_network, plans, dataset, options=options)
    lacking = {layer.name for layer in workload.layers} - {node.name for node in network.nodes}
    if lacking:
        raise RefusedInput(f"Layer {min(lacking)} must be a node of its integer network")
    return network


def machine_network(
    workload: Workload, dataset: Dataset, *, progress: Progress | None = None
) -> Network:
    """Integer network with the passes that a temporal machine of a workload has.

    Passes depend on formats only where readers of one tensor differ in them, and where weights have
    fewer than 4 bits or activations more than 8.

    Raises
    ------
    RefusedInput
        If there is no such network, or no temporal machine computes it.
    """
    network = eight_bit_network(workload, dataset, progress=progress)
    machine_cycles(network, workload.layers, rows=4, columns=4)
    return network


def machine_cycles(
    network: Network, layers: Sequence[Layer], *, rows: int, columns: int
) -> MachineCycles:
    """Cycles of a network on an array.

    Parameters
    ----------
    network : Network
        Of :func:`machine_network`.
    layers : sequence of Layer
        Those that are told apart.
    rows, columns : int
        Of the array.
    """
    return program_cycles(compile_network(network, rows=rows, columns=columns), layers)


def program_cycles(program: Program, layers: Sequence[Layer]) -> MachineCycles:
    """Cycles of a program, those of each layer apart."""
    # Maxima know no stages of units.
    names, by_layer = {layer.name for layer in layers}, {layer.name: (0, 0) for layer in layers}
    rest = program.frame_cycles(0), sum(part.mode != "largest" for part in program.passes)
    for part in program.passes:
        if part.node in names:
            cycles, passes = by_layer[part.node]
            own = part.cycles(program.rows, 0)
            by_layer[part.node] = cycles + own, passes + 1
            rest = rest[0] - own, rest[1] - 1
    return MachineCycles(layers=by_layer, rest=rest)


def _total(counts: tuple[int, int], stages: int) -> int:
    cycles, passes = counts
    return cycles + passes * stages
