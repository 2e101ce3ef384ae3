"""Lowering: an allocation of a model as an integer network, and that as a machine."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macwright.costmodel.progress import Progress
from macwright.costmodel.system.array import Engine
from macwright.dse.accuracy.evaluate import run_model
from macwright.dse.bitexact import input_levels, integer_network, network_outputs
from macwright.dse.cost_columns import FRAME
from macwright.dse.data.recipe import Dataset
from macwright.dse.quantizer import QuantOptions, quantise
from macwright.dse.quantizer.plan import quantised_model
from macwright.dse.run.allocation import Allocation
from macwright.dse.settings import WIDE_BITS
from macwright.dse.workload.layer import Workload
from macwright.hw.accelerator.compose import compose
from macwright.hw.accelerator.folding import Folding
from macwright.hw.accelerator.machine import MachineSpec
from macwright.hw.accelerator.network import Network
from macwright.hw.errors import RefusedInput
from macwright.sim.accelerator.sizing import Sizing, size_buffers, with_depths

__all__ = [
    "Accuracy",
    "Lowered",
    "Quantised",
    "lower",
    "measured_accuracy",
    "promised_interval",
    "quantised_network",
]

#: Images of the evaluation data that come with a machine, for its bench.
BENCH_IMAGES = 256


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Accuracy of a network before and after it is made of integers.

    Parameters
    ----------
    metric : str
        What is measured.
    float_network, fake_quantised, exact : float
        Of the float network, of the fast mode of the search, and of the machine.
    images : int
        Evaluation samples.
    """

    metric: str
    float_network: float
    fake_quantised: float
    exact: float
    images: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Lowered:
    """A machine before it is written.

    Parameters
    ----------
    network : Network
        What it computes.
    spec : MachineSpec
        What it is, its buffers as deep as they must be.
    sizing : Sizing
        How deep they are, and the machine's times.
    accuracy : Accuracy
        How good the network is.
    images : ndarray of int64, shape (n, *shape of the input)
        Levels of the first evaluation samples.
    """

    network: Network
    spec: MachineSpec
    sizing: Sizing
    accuracy: Accuracy
    images: NDArray[np.int64]


def lower(
    workload: Workload,
    dataset: Dataset,
    allocation: Allocation,
    *,
    interval: int | None = None,
    wide_bits: int = WIDE_BITS,
    progress: Progress | None = None,
) -> Lowered:
    """Quantise a model as an allocation says, and make a machine of it.

    Parameters
    ----------
    workload, dataset
        Model and data.
    allocation : Allocation
        Formats of the layers, the quantiser's options and, perhaps, foldings.
    interval : int, optional
        Cycles between frames; those of the allocation's foldings if absent.
    wide_bits : int
        Bits of the operands of additions and average pools.
    progress : callable, optional
        Called with stage, done and total.

    Raises
    ------
    ValueError
        If the allocation is of another model, says no interval, or cannot be built.
    """
    _check_model(allocation, workload)
    foldings = {} if interval else promised_foldings(allocation)
    units = {name: allocation.units[allocation.layers[name].unit] for name in foldings}
    interval = interval or promised_interval(allocation, workload)
    quantised = quantised_network(
        workload, dataset, allocation, wide_bits=wide_bits, progress=progress
    )
    spec = compose(quantised.network, interval=interval, foldings=foldings, units=units)

    def sized(done: int, total: int) -> None:
        if progress:
            progress("depths of buffers", done, total)

    sizing = size_buffers(spec, progress=sized)
    return Lowered(
        network=quantised.network,
        spec=with_depths(spec, sizing.depths),
        sizing=sizing,
        accuracy=quantised.accuracy(progress),
        images=quantised.images(),
    )


def promised_foldings(allocation: Allocation) -> dict[str, Folding]:
    """Foldings of layers that were searched as those of a whole machine."""
    return {
        name: Folding(pe=choice.pe, simd=choice.simd, groups=choice.groups)
        for name, choice in allocation.layers.items()
        if choice.pe is not None and choice.simd is not None and choice.groups is not None
    }


@dataclass(frozen=True, kw_only=True, eq=False)
class Quantised:
    """An integer network of an allocation, and where it comes from.

    Parameters
    ----------
    network : Network
        The network.
    workload, dataset
        Model and data.
    fast : Workload
        The quantised network in the search's fast mode.
    """

    network: Network
    workload: Workload
    dataset: Dataset
    fast: Any

    def accuracy(self, progress: Progress | None = None) -> Accuracy:
        """How good the network is."""
        fast = run_model(self.workload, self.fast, self.dataset.x_eval)
        return measured_accuracy(self.workload, self.dataset, self.network, fast, progress)

    def images(self) -> NDArray[np.int64]:
        """Levels of the first evaluation samples."""
        (numbers,) = self.dataset.first(self.dataset.x_eval, BENCH_IMAGES).values()
        return input_levels(self.network, self.dataset, numbers)


def quantised_network(
    workload: Workload,
    dataset: Dataset,
    allocation: Allocation,
    *,
    wide_bits: int = WIDE_BITS,
    progress: Progress | None = None,
) -> Quantised:
    """Quantise a model as an allocation says; operands of additions and pools have `wide_bits`.

    Raises
    ------
    ValueError
        If the allocation is of another model, or the network cannot be one of integers.
    """
    _check_model(allocation, workload)
    options = QuantOptions(**allocation.quantiser)
    formats = {name: (layer.weight, layer.activation) for name, layer in allocation.layers.items()}
    float_network, plans = quantise(workload, dataset, formats, options=options, progress=progress)
    return Quantised(
        network=integer_network(
            float_network, plans, dataset, options=options, wide_bits=wide_bits
        ),
        workload=workload,
        dataset=dataset,
        fast=quantised_model(float_network, plans),
    )


def _check_model(allocation: Allocation, workload: Workload) -> None:
    if allocation.model_sha256 != workload.sha256:
        raise RefusedInput(
            f"Allocation must be of the model {workload.path.name}, not of one with the digest "
            f"{allocation.model_sha256[:12]}; give its own model"
        )


def promised_interval(allocation: Allocation, workload: Workload) -> int:
    """Cycles between frames that the foldings of an allocation promise.

    Raises
    ------
    RefusedInput
        If a layer has no folding.
    """
    if promised_foldings(allocation) and allocation.clock_mhz:
        cycles = allocation.costs.get(FRAME, 0.0) * allocation.clock_mhz * 1e3
        if not 0.5 < cycles < 1 << 31:
            raise RefusedInput(
                f"Allocation must have a cost {FRAME} and a clock_mhz that give the cycles between "
                f"frames, from 1 to 2^31 - 1, not {cycles:g}"
            )
        return round(cycles)
    cycles = []
    for name, choice in allocation.layers.items():
        if choice.pe is None or choice.simd is None:
            raise RefusedInput(
                "Allocation must have foldings (macwright dse --architecture dataflow), or "
                f"--interval must say the cycles between frames; layer {name} has none"
            )
        engine = Engine(pe=choice.pe, simd=choice.simd)
        cycles.append(engine.schedule(workload.layer(name)).cycles)
    return max(cycles)


def measured_accuracy(
    workload: Workload,
    dataset: Dataset,
    network: Network,
    fast: NDArray,
    progress: Progress | None = None,
) -> Accuracy:
    """Accuracy of a machine's network beside that of the search's fast mode."""
    exact = network_outputs(network, dataset, dataset.x_eval, progress=progress)
    reference = run_model(workload, workload.model, dataset.x_eval)
    return Accuracy(
        metric=dataset.metric_name,
        float_network=dataset.metric(reference, reference),
        fake_quantised=dataset.metric(fast, reference),
        exact=dataset.metric(exact, reference),
        images=len(fast),
    )
