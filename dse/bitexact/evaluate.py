"""Accuracy of integer networks, and how far fake quantisation is from them."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from macwright.costmodel.cache import Cache, content_key
from macwright.dse.accuracy.evaluate import Evaluation, compare, reference_outputs, run_model
from macwright.dse.bitexact.lower import integer_network
from macwright.dse.data.recipe import Dataset
from macwright.dse.quantizer import QuantOptions, quantise
from macwright.dse.quantizer.plan import quantised_model
from macwright.dse.quantizer.quantise import Allocation
from macwright.dse.settings import WIDE_BITS
from macwright.dse.workload.layer import Workload
from macwright.hw.accelerator.network import Network
from macwright.hw.errors import RefusedInput
from macwright.sim.accelerator.integer_network import IntegerModel

__all__ = [
    "Distance",
    "evaluate_exact",
    "fake_quant_distance",
    "input_levels",
    "network_outputs",
]

#: Changes when the same question gets another answer, so that old results are not used.
VERSION = 2


@dataclass(frozen=True, kw_only=True)
class Distance:
    """How far fake quantisation is from the integer network.

    Parameters
    ----------
    logit_mse : float
        Mean squared difference of the outputs.
    largest : float
        Largest difference of an output.
    quantisation_mse : float
        Mean squared difference of the exact outputs to those of the float network, for comparison.
    changed : float or None
        Share of samples with another largest output; None where outputs are not logits.
    images : int
        Samples compared.
    """

    logit_mse: float
    largest: float
    quantisation_mse: float
    changed: float | None
    images: int


def input_levels(network: Network, dataset: Dataset, numbers: NDArray) -> NDArray[np.int64]:
    """What an integer network reads for inputs of the float network.

    Parameters
    ----------
    network : Network
        From `integer_network` with the same dataset.
    dataset : Dataset
        Its `codes` say how inputs were made.
    numbers : ndarray of float32, shape (n, ...)
        Inputs of the float network.
    """
    if dataset.codes is not None:
        return dataset.codes.codes(numbers)
    edge = network.edge(network.input)
    if not np.isfinite(numbers).all():
        raise RefusedInput("Inputs must be finite numbers, not NaN or infinity")
    # Codes are rounded as those of any other tensor.
    return edge.levels(
        edge.format.encode((numbers.astype(np.float64) / edge.scale + edge.zero) * edge.level_unit)
    )


def network_outputs(
    network: Network,
    dataset: Dataset,
    feeds: dict[str, NDArray],
    *,
    progress: Callable[[str, int, int], None] | None = None,
) -> NDArray[np.float32]:
    """Outputs of an integer network as numbers, shape (n, ...).

    Parameters
    ----------
    network, dataset
        As of `input_levels`.
    feeds : dict of ndarray
        Inputs of the float network.
    progress : callable, optional
        Called with ``("exact evaluation", done, total)``.
    """
    (numbers,) = feeds.values()
    levels = IntegerModel(network).run(
        input_levels(network, dataset, numbers),
        progress=None if progress is None else lambda *done: progress("exact evaluation", *done),
    )
    return network.edge(network.output).numbers(levels).astype(np.float32)


def evaluate_exact(
    workload: Workload,
    dataset: Dataset,
    allocation: Allocation,
    *,
    options: QuantOptions | None = None,
    images: int | None = None,
    wide_bits: int = WIDE_BITS,
    progress: Callable[[str, int, int], None] | None = None,
) -> Evaluation:
    """Measure an allocation as its hardware computes it; parameters as of `evaluate`.

    `wide_bits` are those of :func:`integer_network`.

    Raises
    ------
    ValueError
        As `evaluate` does, and if the allocation has no integer network.
    """
    options = options or QuantOptions()
    cache = Cache("evaluation")
    key = content_key(
        exact=VERSION,
        model=workload.identity,
        data=dataset.sha256,
        allocation={name: list(pair) for name, pair in allocation.items()},
        options=options.to_fields(),
        images=images,
        wide_bits=wide_bits,
    )
    if (known := cache.get(key)) is not None:
        return Evaluation(**known)
    float_network, plans = quantise(
        workload, dataset, allocation, options=options, progress=progress
    )
    network = integer_network(float_network, plans, dataset, options=options, wide_bits=wide_bits)
    feeds = dataset.first(dataset.x_eval, images)
    outputs = network_outputs(network, dataset, feeds, progress=progress)
    reference = reference_outputs(workload, dataset, images, None, progress)
    result = compare(dataset, outputs, reference)
    cache.put(key, asdict(result))
    return result


def fake_quant_distance(
    workload: Workload,
    dataset: Dataset,
    allocation: Allocation,
    *,
    options: QuantOptions | None = None,
    images: int = 64,
) -> Distance:
    """Compare the fast mode of `evaluate` with the integer network on evaluation samples.

    Parameters as of `evaluate`.
    """
    float_network, plans = quantise(workload, dataset, allocation, options=options)
    network = integer_network(float_network, plans, dataset, options=options)
    feeds = dataset.first(dataset.x_eval, images)
    fast = run_model(workload, quantised_model(float_network, plans), feeds, jobs=1)
    exact = network_outputs(network, dataset, feeds)
    reference = run_model(workload, workload.model, feeds, jobs=1)
    changed = None
    if dataset.rules.probabilities:
        changed = float((fast.argmax(axis=-1) != exact.argmax(axis=-1)).mean())
    difference = fast.astype(np.float64) - exact
    return Distance(
        logit_mse=float(np.mean(difference**2)),
        largest=float(np.abs(difference).max()),
        quantisation_mse=float(np.mean((exact.astype(np.float64) - reference) ** 2)),
        changed=changed,
        images=len(fast) // dataset.rules.parts,
    )
