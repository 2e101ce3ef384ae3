"""What the quantiser saves of the losses of single tensors."""

import numpy as np
import pytest
from helpers.tiny import write_tiny_model

from macwright.dse.accuracy.evaluate import run_model
from macwright.dse.data.recipe import load_recipe
from macwright.dse.quantizer.plan import quantised_model
from macwright.dse.quantizer.quantise import quantise
from macwright.dse.sensitivity import factors as module
from macwright.dse.sensitivity.factors import tensor_factors
from macwright.dse.sensitivity.measure import measure_sensitivity
from macwright.dse.workload import load_workload


def test_factors_are_those_of_a_network_with_one_kind_in_few_bits(tmp_path, monkeypatch):
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "cache"))
    path = write_tiny_model(tmp_path)
    dataset = load_recipe(path)
    workload = load_workload(path, dataset)
    weights, activations = ("int8", "int3", "e2m1fn"), ("int4", "int8")
    losses = measure_sensitivity(workload, dataset, weights, activations)
    found = tensor_factors(workload, dataset, losses, weights, activations, images=32)
    # e2m1fn has 4 bits; the activations of the second layer are never negative.
    allocations = {
        "weight": {"conv": ("e2m1fn", "int12"), "linear": ("e2m1fn", "uint12")},
        "activation": {"conv": ("int12", "int4"), "linear": ("int12", "uint4")},
    }
    feeds = {name: values[:32] for name, values in dataset.x_calib.items()}
    exact = run_model(workload, workload.model, feeds)
    table = {(r["layer"], r["tensor"], r["format"]): r["loss"] for r in losses.to_dict("records")}
    for kind, allocation in allocations.items():
        model = quantised_model(*quantise(workload, dataset, allocation))
        measured = float(np.mean((run_model(workload, model, feeds).astype(float) - exact) ** 2))
        place = 0 if kind == "weight" else 1
        single = sum(float(table[layer, kind, pair[place]]) for layer, pair in allocation.items())
        assert found[kind] == pytest.approx(measured / single, rel=1e-9)
    monkeypatch.setattr(module, "quantise", None)
    again = tensor_factors(workload, dataset, losses, weights, activations, images=32)
    assert again == found
