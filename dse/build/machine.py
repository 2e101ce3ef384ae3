"""Lowering: an allocation of a model as an integer network, and that as a machine."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from macwright.costmodel.progress import Progress
from macwright.costmodel.system.array import Engine
from macwright.dse.accuracy.evaluate import run_model
from macwright.dse.bitexact import input_levels, integer_network, network_outputs
from macwright.dse.data.recipe import Dataset
from macwright.dse.quantizer import QuantOptions, quantise
from macwright.dse.quantizer.plan import quantised_model
from macwright.dse.run.allocation import Allocation
from macwright.dse.workload.layer import Workload
from macwright.hw.accelerator.compose import compose
from macwright.hw.accelerator.machine import MachineSpec
from macwright.hw.accelerator.network import Network
from macwright.hw.errors import RefusedInput
from macwright.sim.accelerator.sizing import Sizing, size_buffers, with_depths

__all__ = ["Accuracy", "Lowered", "lower", "measured_accuracy", "promised_interval"]

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
    progress : callable, optional
        Called with stage, done and total.

    Raises
    ------
    ValueError
        If the allocation is of another model, says no interval, or cannot be built.
    """
    if allocation.model_sha256 != workload.sha256:
        raise RefusedInput(
            f"Allocation must be of the model {workload.path.name}, not of one with the digest "
            f"{allocation.model_sha256[:12]}; give its own model"
        )
    interval = interval or promised_interval(allocation, workload)
    options = QuantOptions(**allocation.quantiser)
    formats = {name: (layer.weight, layer.activation) for name, layer in allocation.layers.items()}
    float_network, plans = quantise(workload, dataset, formats, options=options, progress=progress)
    network = integer_network(float_network, plans, dataset, options=options)
    spec = compose(network, interval=interval)

    def sized(done: int, total: int) -> None:
        if progress:
            progress("depths of buffers", done, total)

    sizing = size_buffers(spec, progress=sized)
    fast = run_model(workload, quantised_model(float_network, plans), dataset.x_eval)
    accuracy = measured_accuracy(workload, dataset, network, fast, progress)
    (numbers,) = dataset.first(dataset.x_eval, BENCH_IMAGES).values()
    return Lowered(
        network=network,
        spec=with_depths(spec, sizing.depths),
        sizing=sizing,
        accuracy=accuracy,
        images=input_levels(network, dataset, numbers),
    )


def promised_interval(allocation: Allocation, workload: Workload) -> int:
    """Cycles between frames that the foldings of an allocation promise.

    Raises
    ------
    RefusedInput
        If a layer has no folding.
    """
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
