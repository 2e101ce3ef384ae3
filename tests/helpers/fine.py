"""Networks whose layers have formats so fine that rounding shows no more."""

from pathlib import Path

import numpy as np

from macwright.dse.data.recipe import Dataset
from macwright.dse.quantizer import QuantOptions, quantise
from macwright.dse.quantizer.options import layer_formats
from macwright.dse.quantizer.plan import quantised_model
from macwright.dse.workload import Workload, load_workload
from macwright.dse.workload.session import session

__all__ = ["data_of", "run_finely"]


def data_of(x: dict[str, np.ndarray]) -> Dataset:
    """Inputs as data of a task without labels that anybody reads."""
    count = len(next(iter(x.values())))
    return Dataset(
        task="regression", x_calib=x, y_calib=None, x_eval=x, y_eval=np.zeros(count), sources=[]
    )


def run_finely(path: Path, x: np.ndarray) -> tuple[Workload, np.ndarray]:
    """Workload, and outputs where all that the model leaves free is in integers of 16 bits.

    Layers go through the same rewriting as for any allocation; what is lost is about 1e-4.
    """
    dataset = data_of({"x": x})
    workload = load_workload(path, dataset)
    allocation = {}
    for layer in workload.layers:
        weights, acts = layer_formats(layer, ["int16"], ["int16"], workload.fixed)
        allocation[layer.name] = weights[0], acts[0]
    workload, plans = quantise(workload, dataset, allocation, options=QuantOptions())
    running = session(quantised_model(workload, plans), optimise=False)
    if workload.fixed_batch:
        parts = np.split(x, len(x) // workload.batch)
        rows = [np.asarray(running.run(None, {"x": part})[0]) for part in parts]
        return workload, np.concatenate(rows)
    return workload, np.asarray(running.run(None, {"x": x})[0])
