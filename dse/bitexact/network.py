"""A whole network as its units compute it, and how far the fast mode is from that."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from macwright.costmodel.tables.default_units import mac_spec
from macwright.dse.accuracy.evaluate import run_model
from macwright.dse.bitexact.layer import layer_outputs
from macwright.dse.data.recipe import Dataset
from macwright.dse.quantizer import LayerPlan, QuantOptions, quantise
from macwright.dse.quantizer.partial_run import Stepper
from macwright.dse.quantizer.plan import quantised_model
from macwright.dse.quantizer.quantise import Allocation
from macwright.dse.workload.layer import Workload

__all__ = ["Distance", "bit_exact_outputs", "fake_quant_distance"]


@dataclass(frozen=True, kw_only=True)
class Distance:
    """How far fake quantisation is from the bit-exact network.

    Parameters
    ----------
    logit_mse : float
        Mean squared difference of the outputs.
    largest : float
        Largest difference of an output.
    quantisation_mse : float
        Mean squared difference of the bit-exact outputs to those of the float network, for
        comparison.
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


def bit_exact_outputs(
    workload: Workload,
    plans: Sequence[LayerPlan],
    feeds: dict[str, np.ndarray],
    *,
    units: Mapping[str, Any] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> np.ndarray:
    """Outputs of a network whose layers are computed as by their units.

    What is between the layers (residual additions, activation functions, pooling) is computed in
    float32 on the requantised outputs.

    Parameters
    ----------
    workload : Workload
        Float network that was quantised, as `quantise` returns it.
    plans : sequence of LayerPlan
        From the same.
    feeds : dict of ndarray
        Inputs of the network.
    units : mapping, optional
        Spec of the unit of each layer, by name; those of `mac_spec` if absent, whose accumulators
        hold every sum.
    progress : callable, optional
        Called with ``("bit-exact layers", done, total)``.

    Raises
    ------
    ValueError
        If a layer has scales that its unit does not know of, such as those of blocks.
    """
    stepper = Stepper(workload, workload.model.graph, feeds)
    for index, plan in enumerate(plans):
        layer = plan.layer
        spec = (units or {}).get(layer.name) or mac_spec(
            act=str(plan.act.format),
            weight=str(plan.weight_format),
            terms=max(layer.k, 4096),
        )
        names = [layer.act, layer.weight] if layer.dynamic else [layer.act]
        inputs = stepper.advance(names)
        stepper.give(layer.name, layer.out, layer_outputs(plan, spec, inputs))
        if progress:
            progress("bit-exact layers", index + 1, len(plans))
    return stepper.advance([workload.output])[0]


def fake_quant_distance(
    workload: Workload,
    dataset: Dataset,
    allocation: Allocation,
    *,
    options: QuantOptions | None = None,
    images: int = 64,
    units: Mapping[str, Any] | None = None,
) -> Distance:
    """Compare the fast mode of `evaluate` with the bit-exact mode on evaluation samples.

    Parameters as of `evaluate` and `bit_exact_outputs`.
    """
    network, plans = quantise(workload, dataset, allocation, options=options)
    feeds = dataset.first(dataset.x_eval, images)
    fast = run_model(workload, quantised_model(network, plans), feeds, jobs=1)
    exact = bit_exact_outputs(network, plans, feeds, units=units)
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
